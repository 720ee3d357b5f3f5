//! What is in a backup, and what it would change on this server.

use std::{
    collections::HashMap,
    fs::{self, File},
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde::Serialize;
use walkdir::WalkDir;

use super::{
    accounts::{Accounts, Changes},
    source::Source,
};
use crate::{
    backup::{
        catalog::Amount,
        create::Unwatched,
        extract::extract,
        manifest::{Content, Kind},
        module::Module,
        name::BackupId,
        open::Opened,
        scratch::Scratch,
        switch::Layout,
        walk::{is_left_out, is_message},
    },
    ctl::server::Server,
    encpipe::Key,
    util::{files, hash},
};

/// What a person has to know before a restore.
#[derive(Debug, Serialize)]
pub(super) struct Seen {
    pub(super) id: BackupId,
    pub(super) place: String,
    pub(super) version: String,
    /// All mail that was accepted before is in it, in seconds since 1970.
    pub(super) complete_until: i64,
    pub(super) this_host: String,
    pub(super) same_host: bool,
    pub(super) modules: Vec<Part>,
    /// Where the database is restored.
    pub(super) accounts: Option<Changes>,
    /// Users who would be there without their mail.
    pub(super) without_mail: Vec<String>,
    /// Mailboxes that would be there without their user.
    pub(super) without_user: Vec<String>,
}

/// A module in the backup and on the server.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Part {
    pub(super) module: Module,
    pub(super) restored: bool,
    pub(super) files: u64,
    pub(super) bytes: u64,
    pub(super) newest: Option<i64>,
    /// Not on the server.
    pub(super) new: u64,
    /// Not the same there.
    pub(super) changed: u64,
    /// Not in the backup.
    pub(super) only_here: u64,
}

/// Looks at both.
///
/// # Errors
/// When one of them cannot be read.
pub(super) fn look(
    server: &Server,
    layout: &Layout,
    source: &Source,
    key: &Key,
    opened: &Opened,
    modules: &[Module],
    scratch: &Scratch,
) -> Result<Seen> {
    let header = &opened.header;
    let mut parts = Vec::new();
    for (module, amount) in opened.catalog.totals()? {
        let restored = modules.contains(&module);
        let mut part = Part {
            module,
            restored,
            files: amount.files,
            bytes: amount.bytes,
            newest: amount.newest,
            new: 0,
            changed: 0,
            only_here: 0,
        };
        if restored {
            compare(opened, layout, &mut part)?;
        }
        parts.push(part);
    }
    let now = Accounts::read(&layout.path(Path::new("mail.sqlite")))?;
    let mut accounts = None;
    let mut users = None;
    if modules.contains(&Module::Database) {
        let folder = scratch.work().join("look");
        files::create_dir_all(&folder)?;
        let database = [Module::Database];
        extract(
            opened,
            source.store(),
            key,
            &database,
            Some(&folder),
            &Unwatched,
        )?;
        let then = Accounts::read(&folder.join("mail.sqlite"))?;
        files::remove_dir_all(&folder)?;
        accounts = Some(now.changes(&then));
        users = Some(then);
    }
    let (without_mail, without_user) =
        alone(opened, layout, modules, users.as_ref().unwrap_or(&now))?;
    let this_host = server.answers().map(|a| a.hostname.to_string());
    let this_host = this_host.unwrap_or_default();
    Ok(Seen {
        place: source.store().name(),
        version: header.version.clone(),
        complete_until: header.complete_until,
        same_host: header.id.host == this_host,
        id: header.id.clone(),
        this_host,
        modules: parts,
        accounts,
        without_mail,
        without_user,
    })
}

/// How much is restored in all.
///
/// # Errors
/// When the catalog cannot be read.
pub(super) fn amount(opened: &Opened, modules: &[Module]) -> Result<Amount> {
    let mut sum = Amount::default();
    for (module, amount) in opened.catalog.totals()? {
        if modules.contains(&module) {
            sum.files += amount.files;
            sum.bytes += amount.bytes;
        }
    }
    Ok(sum)
}

/// What a file is known by: a message keeps its name when it is read or flagged, but for what is
/// behind the colon, and the folder beside it.
fn known_by(path: &Path) -> u64 {
    let mut hasher = DefaultHasher::new();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    match (is_message(path), path.ancestors().nth(2)) {
        (true, Some(maildir)) => {
            maildir.hash(&mut hasher);
            name.split(':').next().hash(&mut hasher);
        }
        _ => path.hash(&mut hasher),
    }
    hasher.finish()
}

/// A file on the server.
struct Here {
    path: PathBuf,
    size: u64,
}

fn compare(opened: &Opened, layout: &Layout, part: &mut Part) -> Result<()> {
    let mut here = HashMap::new();
    for place in part.module.places() {
        list(layout, Path::new(place.path), &mut here)?;
    }
    opened.catalog.each(Some(part.module), |item| {
        let content = match &item.kind {
            Kind::Directory => return Ok(()),
            Kind::File(content) => Some(content),
            Kind::Symlink { .. } => None,
        };
        match here.remove(&known_by(&item.path)) {
            None => part.new += 1,
            Some(there) => {
                let same = match content {
                    Some(content) => there.path == item.path && is_same(&there, content, layout)?,
                    None => there.path == item.path,
                };
                part.changed += u64::from(!same);
            }
        }
        Ok(())
    })?;
    part.only_here = here.len() as u64;
    Ok(())
}

fn list(layout: &Layout, place: &Path, here: &mut HashMap<u64, Here>) -> Result<()> {
    let root = layout.path(place);
    let path_of = |found: &Path| match found.strip_prefix(&root) {
        Ok(rest) if !rest.as_os_str().is_empty() => place.join(rest),
        _ => place.to_path_buf(),
    };
    let walk = WalkDir::new(&root).into_iter();
    for entry in walk.filter_entry(|e| !is_left_out(&path_of(e.path()))) {
        let entry = match entry {
            // mail moves
            Err(e) if e.io_error().map(io::Error::kind) == Some(io::ErrorKind::NotFound) => {
                continue;
            }
            other => other.with_context(|| format!("looking at {}", root.display()))?,
        };
        let kind = entry.file_type();
        if !kind.is_file() && !kind.is_symlink() {
            continue;
        }
        let data = match fs::symlink_metadata(entry.path()) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            other => other.with_context(|| format!("looking at {}", entry.path().display()))?,
        };
        let path = path_of(entry.path());
        let found = Here {
            size: data.len(),
            path,
        };
        here.insert(known_by(&found.path), found);
    }
    Ok(())
}

fn is_same(here: &Here, content: &Content, layout: &Layout) -> Result<bool> {
    if here.size != content.size {
        return Ok(false);
    }
    // what a message says never changes
    if is_message(&here.path) {
        return Ok(true);
    }
    let path = layout.path(&here.path);
    let mut sum = hash::Running::default();
    let read = File::open(&path).and_then(|file| sum.read(file));
    read.with_context(|| format!("reading {}", path.display()))?;
    Ok(sum.finish_bytes() == content.sha256)
}

/// Users without mail, and mailboxes without a user, where one of the two is restored alone.
fn alone(
    opened: &Opened,
    layout: &Layout,
    modules: &[Module],
    users: &Accounts,
) -> Result<(Vec<String>, Vec<String>)> {
    let (database, mail) = (
        modules.contains(&Module::Database),
        modules.contains(&Module::Mail),
    );
    let mailboxes = users.mailboxes();
    let mut without_mail = Vec::new();
    if database && !mail {
        let missing = mailboxes
            .iter()
            .filter(|(path, _)| !layout.path(path).is_dir());
        without_mail.extend(missing.map(|(_, user)| user.clone()));
    }
    let mut without_user = Vec::new();
    if mail && !database {
        opened.catalog.each(Some(Module::Mail), |item| {
            let is_mailbox = item.kind == Kind::Directory && item.path.components().count() == 3;
            if is_mailbox && !mailboxes.contains_key(&item.path) {
                let mut parts = item.path.iter().rev().map(|part| part.to_string_lossy());
                let (local, domain) = (parts.next(), parts.next());
                let address = [local, domain].map(Option::unwrap_or_default).join("@");
                without_user.push(address);
            }
            Ok(())
        })?;
    }
    Ok((without_mail, without_user))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_the_same_with_other_flags() {
        let by = |path: &str| known_by(Path::new(path));
        let new = by("mail/example.org/alice/Maildir/new/1.M2.mail");
        assert_eq!(new, by("mail/example.org/alice/Maildir/cur/1.M2.mail:2,S"));
        assert_ne!(
            new,
            by("mail/example.org/alice/Maildir/.Sent/cur/1.M2.mail:2,S")
        );
        assert_ne!(new, by("mail/example.org/alice/Maildir/cur/1.M3.mail:2,S"));
        assert_ne!(by("tls/a:1"), by("tls/a:2"));
    }
}
