//! A drill: a backup is restored into a scratch folder, looked at, and thrown away.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use super::{
    create::Watch,
    extract::extract,
    module::Module,
    open::{self, Opened},
    scratch::Scratch,
    space,
    store::Store,
    walk::is_message,
};
use crate::{encpipe::Key, mail::database, util::run::Task};

/// How many mailboxes dovecot opens: those with the most messages.
const SAMPLE: usize = 5;

/// What was found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Found {
    /// Files and symbolic links.
    pub files: u64,
    /// Their length together, in bytes.
    pub bytes: u64,
    /// How many mailboxes dovecot opened.
    pub mailboxes: u64,
    /// How many messages it counted in them.
    pub messages: u64,
}

/// Restores the backup whose archive is `archive`, compares every file with its SHA-256, opens the
/// database, and where the server is `live` has dovecot open the fullest mailboxes.
///
/// # Errors
/// When something is not as the manifest says, there is no room, or dovecot counts other messages.
pub fn run(
    store: &dyn Store,
    archive: &str,
    key: &Key,
    scratch: &Scratch,
    live: bool,
    watch: &dyn Watch,
) -> Result<Found> {
    let opened = open::open(store, archive, key, &scratch.work())?;
    let folder = scratch.drill()?;
    space::check(&folder, opened.header.files, opened.header.bytes)?;
    let done = extract(&opened, store, key, &Module::ALL, Some(&folder), watch)?;
    let mut found = Found {
        files: done.files,
        bytes: done.bytes,
        ..Found::default()
    };
    if opened.header.modules.contains(&Module::Database) {
        let database = folder.join("mail.sqlite");
        ensure!(database.is_file(), "the backup has no database in it");
        let db = database::open(&database).context("opening the restored database")?;
        database::check(&db).context("checking the restored database")?;
    }
    if live {
        for (mailbox, messages) in fullest(&opened)? {
            let counted = count(&folder, &mailbox)?;
            ensure!(
                counted == messages,
                "dovecot counts {counted} messages in the restored mailbox of {mailbox}, and the \
                 backup has {messages}"
            );
            found.mailboxes += 1;
            found.messages += messages;
        }
    }
    Ok(found)
}

/// The mailboxes with the most messages, as `LOCAL_PART@DOMAIN`, and how many there are in each.
fn fullest(opened: &Opened) -> Result<Vec<(String, u64)>> {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    opened.catalog.each(Some(Module::Mail), |item| {
        if is_message(&item.path)
            && let Some(mailbox) = mailbox(&item.path)
        {
            *counts.entry(mailbox).or_default() += 1;
        }
        Ok(())
    })?;
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts.truncate(SAMPLE);
    Ok(counts)
}

/// Whose message `mail/DOMAIN/LOCAL_PART/Maildir/...` is.
fn mailbox(path: &Path) -> Option<String> {
    let mut parts = path.iter().skip(1).map(|part| part.to_str());
    let (domain, local_part) = (parts.next()??, parts.next()??);
    (parts.next()?? == "Maildir").then(|| format!("{local_part}@{domain}"))
}

/// How many messages dovecot counts in a restored mailbox: it reads each, for its size.
fn count(folder: &Path, mailbox: &str) -> Result<u64> {
    let (local_part, domain) = mailbox.rsplit_once('@').context("no address")?;
    let home: PathBuf = folder.join("mail").join(domain).join(local_part);
    let mut command = Command::new("doveadm");
    command
        .arg("-o")
        .arg(format!("mail_path={}", home.join("Maildir").display()))
        .args([
            "mailbox",
            "status",
            "-u",
            mailbox,
            "-t",
            "messages vsize",
            "*",
        ]);
    let what = format!("having dovecot open the restored mailbox of {mailbox}");
    let text = Task::new(what, command).output()?;
    messages(&text).with_context(|| format!("doveadm says `{}`", text.trim()))
}

/// The number in `messages=12 vsize=3456`.
fn messages(text: &str) -> Option<u64> {
    let mut words = text.split_whitespace();
    words.find_map(|w| w.strip_prefix("messages=")?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mailboxes_are_known_by_their_paths() {
        let of = |path: &str| mailbox(Path::new(path));
        let expected = Some("alice@example.org".to_owned());
        assert_eq!(of("mail/example.org/alice/Maildir/cur/1"), expected);
        assert_eq!(of("mail/example.org/alice/Maildir/.Sent/new/1"), expected);
        assert_eq!(of("mail/example.org/alice/sieve/cur/1"), None);
    }

    #[test]
    fn what_doveadm_says_is_read() {
        assert_eq!(messages("messages=12 vsize=3456\n"), Some(12));
        assert_eq!(messages("doveadm: nothing"), None);
    }
}
