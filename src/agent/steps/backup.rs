//! The passphrase and the keys of backups, and when they are made.
//!
//! Without `[backup]` nothing is done: the timers stay stopped ([`super::super::services`]), and
//! secrets stay, since old backups open with them.

use std::fmt::Write;

use anyhow::{Context, Result};
use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use super::{Input, ssh};
use crate::{
    agent::change::{Change, Entry, File},
    answers::{location::Scheme, model::Backup},
    backup::{passphrase, settings},
    util::secret::Secret,
};

/// The timers, and the drop-ins with their hours.
const TIMERS: [(&str, &[&str]); 2] = [
    ("ezmail-backup.timer", &["ezmail-backup.timer"]),
    ("ezmail-drill.timer", &["ezmail-drill.timer"]),
];

pub(super) fn plan(input: &Input<'_>) -> Result<Vec<Change>> {
    let Some(backup) = &input.answers.backup else {
        return Ok(Vec::new());
    };
    let state = &input.paths.state;
    let mut changes = vec![Change::Folder(Entry::of_root(
        state.join(crate::backup::report::FOLDER),
        0o700,
    ))];
    phrase(input, backup, &mut changes)?;
    match backup.target.scheme {
        Scheme::Sftp => key(input, backup, &mut changes)?,
        Scheme::S3 => {
            if let Some(secret) = &backup.secret_key {
                let path = settings::secret_key_file(state);
                let line = Secret::new(format!("{}\n", secret.expose()));
                changes.push(Change::File(File::secret(path, line.expose())));
            }
        }
    }
    let zone = &input.answers.timezone;
    let times = [
        backup.schedule.on_calendar(zone),
        backup.schedule.drill_on_calendar(zone),
    ];
    for ((timer, units), time) in TIMERS.into_iter().zip(times) {
        if let Some(time) = time {
            let path = format!("/etc/systemd/system/{timer}.d/10-schedule.conf");
            let mut text = "# Written by ezmail-agent: changes are lost.\n".to_owned();
            // writing to a string cannot fail
            let _ = write!(text, "[Timer]\nOnCalendar={time}\n");
            changes.push(Change::File(File::open(path, text).restarts(units)));
        }
    }
    Ok(changes)
}

/// The passphrase: given by the answers, there from before, or made now. One that is replaced is
/// kept, and said.
fn phrase(input: &Input<'_>, backup: &Backup, changes: &mut Vec<Change>) -> Result<()> {
    let state = &input.paths.state;
    let path = passphrase::file(state);
    let there = passphrase::read(&input.target.path(state))?;
    let wanted = match (&backup.passphrase, &there) {
        (Some(given), _) => given.clone(),
        (None, Some(there)) => there.clone(),
        (None, None) => {
            if backup.passphrase_file.is_some() {
                changes.push(Change::Say(
                    "THE PASSPHRASE OF THE BACKUPS IS NOT THERE ANY MORE, and another one is made: \
                     'mailctl backup passphrase' shows it; the backups before open with the old one"
                        .to_owned(),
                ));
            } else {
                changes.push(Change::Say(
                    "a passphrase for the backups was made: without it, none opens. 'mailctl backup \
                     passphrase --sheet' prints it, to keep where the server is not"
                        .to_owned(),
                ));
            }
            passphrase::generate()?
        }
    };
    if let Some(old) = there.filter(|there| *there != wanted) {
        let before = passphrase::file_before(state, input.now);
        changes.push(Change::Say(format!(
            "the passphrase of the backups changes: those made so far open with the one before, which \
             is kept in {}; the next backup is a whole one",
            before.display()
        )));
        let old = passphrase::content(&old);
        changes.push(Change::File(File::secret(before, old.expose())));
    }
    let content = passphrase::content(&wanted);
    changes.push(Change::File(File::secret(path, content.expose())));
    Ok(())
}

/// The key to log in with: given by the answers, there from before, or made now.
fn key(input: &Input<'_>, backup: &Backup, changes: &mut Vec<Change>) -> Result<()> {
    let path = settings::ssh_key_file(&input.paths.state);
    let comment = format!("ezmail-backup@{}", input.answers.hostname);
    let there = input.target.read(&path)?.map(Zeroizing::new);
    let made = backup.ssh_key.is_none() && there.is_none();
    let private = match (&backup.ssh_key, there) {
        (Some(given), _) => Zeroizing::new(given.expose().as_bytes().to_vec()),
        (None, Some(there)) => there,
        (None, None) => ssh::generate(&comment)?.0,
    };
    let public = public(&private, &comment)
        .with_context(|| format!("{}: remove it, and another is made", path.display()))?;
    if made {
        changes.push(Change::Say(format!(
            "an SSH key for the backups was made, and {} has to let it in ('mailctl backup ssh-key' says \
             how): {}",
            backup.target,
            public.trim()
        )));
    }
    let mut file = File::secret(path.clone(), Vec::new());
    file.content = private;
    changes.push(Change::File(file));
    let path = path.with_extension("pub");
    let mut public = File::open(path, public);
    public.entry.mode = 0o600;
    changes.push(Change::File(public));
    Ok(())
}

/// The public half, which OpenSSH's form has before the private one, unencrypted (PROTOCOL.key).
fn public(private: &[u8], comment: &str) -> Result<String> {
    let what = "this is no SSH private key";
    let text = std::str::from_utf8(private).context(what)?;
    let lines = text.lines().filter(|line| !line.starts_with("-----"));
    let base64: Zeroizing<String> = Zeroizing::new(lines.map(str::trim).collect());
    let bytes = STANDARD.decode(base64.as_bytes()).map(Zeroizing::new);
    let bytes = bytes.context(what)?;
    let rest = bytes.strip_prefix(b"openssh-key-v1\0").context(what)?;
    let mut rest = rest;
    // cipher, key derivation and its options
    for _ in 0..3 {
        rest = string(rest).context(what)?.1;
    }
    let count = rest.get(..4).context(what)?;
    let (blob, _) = string(&rest[count.len()..]).context(what)?;
    let (kind, _) = string(blob).context(what)?;
    let kind = std::str::from_utf8(kind).context(what)?;
    Ok(format!("{kind} {} {comment}\n", STANDARD.encode(blob)))
}

/// A string of RFC 4251, and what is behind it.
fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_half_is_the_one_of_ssh_keygen() {
        let (private, of_keygen) = ssh::generate("a@b").unwrap();
        let ours = public(&private, "a@b").unwrap();
        assert_eq!(ours.as_bytes(), of_keygen);
        for broken in [
            "",
            "x",
            "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaA==\n",
        ] {
            assert!(public(broken.as_bytes(), "a").is_err(), "{broken}");
        }
        let cut = &private[..private.len() / 4];
        assert!(public(cut, "a").is_err());
    }
}
