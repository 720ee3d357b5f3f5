//! The passphrase that archives are encrypted with: where it lies, and how two are told apart.
//!
//! It is in no backup: what is kept of the answers names it by a [`reference`], and the files below
//! are left out. An earlier one stays beside it, since the backups of its time open with no other.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::{
    encpipe::Passphrase,
    util::{files, hash, secret::Secret},
};

/// The folder of its files on the state volume.
const FOLDER: &str = "secrets";
/// Its file there.
const NAME: &str = "backup-passphrase";
/// How the files of earlier ones begin, before the time when they were replaced.
const BEFORE: &str = "backup-passphrase.before-";
/// How many digits of a hash tell passphrases apart.
const ID: usize = 16;
/// How many digits a passphrase has that was made here.
const DIGITS: usize = 64;

/// Its file, for a state volume at `state`.
pub fn file(state: &Path) -> PathBuf {
    state.join(FOLDER).join(NAME)
}

/// The file for one that is replaced at `time`, in seconds since 1970.
pub fn file_before(state: &Path, time: i64) -> PathBuf {
    let stamp = jiff::Timestamp::from_second(time).unwrap_or_default();
    let name = format!("{BEFORE}{}", stamp.strftime("%Y%m%dT%H%M%SZ"));
    state.join(FOLDER).join(name)
}

/// Whether a path on the state volume, without a slash before it, holds a passphrase and so must be
/// in no backup.
pub fn is_one(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    path.parent() == Some(Path::new(FOLDER)) && name.is_some_and(|name| name.starts_with(NAME))
}

/// The passphrase in use; `None` if there is none yet.
///
/// # Errors
/// When its file cannot be read.
pub fn read(state: &Path) -> Result<Option<Secret>> {
    let file = file(state);
    match file.try_exists() {
        Ok(true) => text(&file).map(Some),
        Ok(false) => Ok(None),
        Err(e) => Err(e).with_context(|| format!("looking for {}", file.display())),
    }
}

/// The passphrase in use, and after it those before, the last first.
///
/// # Errors
/// When a file cannot be read.
pub fn all(state: &Path) -> Result<Vec<Secret>> {
    let mut found: Vec<Secret> = read(state)?.into_iter().collect();
    let folder = state.join(FOLDER);
    if !folder.is_dir() {
        return Ok(found);
    }
    let what = || format!("listing {}", folder.display());
    let mut before = Vec::new();
    for entry in fs::read_dir(&folder).with_context(what)? {
        let entry = entry.with_context(what)?;
        if entry.file_name().to_string_lossy().starts_with(BEFORE) {
            before.push(entry.path());
        }
    }
    before.sort();
    for path in before.iter().rev() {
        found.push(text(path)?);
    }
    Ok(found)
}

fn text(file: &Path) -> Result<Secret> {
    let text = zeroize::Zeroizing::new(files::read_to_string(file)?);
    Ok(Secret::new(text.lines().next().unwrap_or("")))
}

/// What a file of its has in it.
pub fn content(passphrase: &Secret) -> Secret {
    Secret::new(format!("{}\n", passphrase.expose()))
}

/// A new one, that nobody can guess.
///
/// # Errors
/// When the kernel has no random numbers to give.
pub fn generate() -> Result<Secret> {
    let passphrase = Passphrase::generate()?;
    let text = std::str::from_utf8(passphrase.as_bytes()).context("reading what was generated")?;
    Ok(Secret::new(text))
}

/// The passphrase that a person has typed: one that was made here may be in groups, and in
/// capitals; any other is as it is but for spaces around it.
pub fn normal(typed: &str) -> Secret {
    let typed = typed.trim_matches(|c: char| " \r\n".contains(c));
    let digits = Secret::new(
        typed
            .chars()
            .filter(|c| !c.is_ascii_whitespace())
            .collect::<String>()
            .to_ascii_lowercase(),
    );
    match is_generated(digits.expose()) {
        true => digits,
        false => Secret::new(typed),
    }
}

/// The passphrase in the text of a file: one that was made here may be in groups and on several lines,
/// as on the recovery sheet; of any other the first line counts.
pub fn written(text: &str) -> Secret {
    let all = normal(text);
    match is_generated(all.expose()) {
        true => all,
        false => normal(text.lines().next().unwrap_or("")),
    }
}

/// Reads the file that somebody wrote a passphrase into, see [`written`].
///
/// # Errors
/// When it cannot be read, is no text, or has none in it; the message names it.
pub fn of_file(file: &Path) -> Result<Passphrase> {
    let what = || format!("reading the passphrase from {}", file.display());
    let text = zeroize::Zeroizing::new(files::read_to_string(file).with_context(what)?);
    Passphrase::new(written(&text).expose().as_bytes().to_vec()).with_context(what)
}

/// Whether it looks like one that was made here.
fn is_generated(text: &str) -> bool {
    text.len() == DIGITS && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Tells passphrases apart, and tells nothing about them to who cannot guess them.
pub fn id(passphrase: &Secret) -> String {
    let text = Secret::new(format!("ezmail backup passphrase\n{}", passphrase.expose()));
    let mut id = hash::sha256(text.expose());
    id.truncate(ID);
    id
}

/// What kept answers have for `passphrase_file`, in place of the passphrase.
pub fn reference(passphrase: &Secret) -> String {
    format!("{NAME}.{}", id(passphrase))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_that_was_typed_line_by_line_is_one_passphrase() {
        let made = "0123456789abcdef".repeat(4);
        let rows = "0123 4567 89AB CDEF\n".repeat(4);
        assert_eq!(written(&rows).expose(), made);
        assert_eq!(
            written(&format!(" {made}\nfor mail.example.org\n")).expose(),
            made
        );
        assert_eq!(
            written(" a long one of my own \r\nx\n").expose(),
            "a long one of my own"
        );
    }

    #[test]
    fn its_files_are_known_and_no_others() {
        let is = |path: &str| is_one(Path::new(path));
        assert!(is("secrets/backup-passphrase"));
        assert!(is("secrets/backup-passphrase.before-20261124T033000Z"));
        assert!(!is("secrets/backup-ssh-key") && !is("mail/backup-passphrase"));
        let before = file_before(Path::new(""), 1_795_491_000);
        assert!(is_one(&before), "{}", before.display());
    }

    #[test]
    fn those_before_are_found_the_last_first() {
        let state = tempfile::tempdir().unwrap();
        assert!(read(state.path()).unwrap().is_none());
        assert!(all(state.path()).unwrap().is_empty());
        let write = |path: &Path, text: &str| {
            files::write_with_parents(path, content(&Secret::new(text)).expose(), 0o600).unwrap();
        };
        write(&file_before(state.path(), 1), "one");
        write(&file_before(state.path(), 100_000), "two");
        write(&file(state.path()), "three");
        let all = all(state.path()).unwrap();
        let all: Vec<_> = all.iter().map(Secret::expose).collect();
        assert_eq!(all, ["three", "two", "one"]);
    }

    #[test]
    fn groups_are_taken_together_where_that_is_meant() {
        let made = generate().unwrap();
        let groups: Vec<_> = made.expose().as_bytes().chunks(4).collect();
        let typed = groups.concat();
        assert_eq!(normal(std::str::from_utf8(&typed).unwrap()), made);
        let groups: Vec<_> = groups
            .iter()
            .map(|g| std::str::from_utf8(g).unwrap())
            .collect();
        assert_eq!(normal(&groups.join(" ").to_uppercase()), made);
        assert_eq!(normal(&format!(" {}\n", groups.join("  "))), made);
        let words = "Wood stapler  rain bridge";
        assert_eq!(normal(&format!("{words} ")).expose(), words);
    }

    #[test]
    fn a_reference_is_a_plain_file_name_and_no_secret() {
        let secret = Secret::new("wood stapler rain bridge");
        let reference = reference(&secret);
        assert_eq!(reference, "backup-passphrase.b1af4077c405b05f");
        assert_ne!(id(&secret), id(&Secret::new("wood stapler rain bridges")));
    }
}
