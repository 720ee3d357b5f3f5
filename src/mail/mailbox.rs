//! The folders of mailboxes, `DOMAIN/LOCAL_PART` below the folder of all mail.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, MetadataExt, chown},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::address::Address;
use crate::util::files;

/// The folder of a mailbox.
pub fn folder(mail: &Path, address: &Address) -> PathBuf {
    mail.join(address.domain.as_str()).join(&address.local)
}

/// How often a folder may come back while it is moved.
const MOST: usize = 100;

/// Moves the mail of `old` to `new`; returns whether there was any. Where `new` has mail, as after a
/// move that was cut off, the messages of `old` join it; indexes and the like, which dovecot makes
/// anew, do not. What is neither, and has its place taken there, stays in a folder of its own,
/// `.LOCAL_PART.NUMBER`.
///
/// Messages may arrive meanwhile, and it can be called again after a cut of power at any moment.
///
/// # Errors
/// When a folder cannot be written; no message is lost.
pub fn settle(mail: &Path, old: &Address, new: &Address) -> Result<bool> {
    let (from, to) = (folder(mail, old), folder(mail, new));
    let (above_from, above_to) = (parent(&from), parent(&to));
    let mut moved = false;
    // those of a move that was cut off
    for aside in asides(above_from, &old.local)? {
        moved |= there(&to)? && merge(&aside, &to)?;
    }
    for _ in 0..MOST {
        if !there(&from)? {
            if moved {
                files::sync_folder(above_to)?;
                files::sync_folder(above_from)?;
            }
            return Ok(moved);
        }
        moved = true;
        if there(&to)? {
            // what a delivery puts into `from` from here on is seen by the next turn
            let aside = free_aside(above_from, &old.local)?;
            rename(&from, &aside)?;
            merge(&aside, &to)?;
        } else {
            make_like(above_from, above_to)?;
            rename(&from, &to)?;
        }
    }
    bail!("{} comes back again and again", from.display())
}

/// Whether [`settle`] would find something of `old`.
///
/// # Errors
/// When the folder cannot be looked at.
pub fn is_left(mail: &Path, old: &Address) -> Result<bool> {
    let from = folder(mail, old);
    Ok(there(&from)? || !asides(parent(&from), &old.local)?.is_empty())
}

fn there(path: &Path) -> Result<bool> {
    let is = path.try_exists();
    is.with_context(|| format!("looking for {}", path.display()))
}

/// The folders that were put aside for a mailbox: no address begins with a dot.
fn asides(above: &Path, local: &str) -> Result<Vec<PathBuf>> {
    let what = || format!("reading {}", above.display());
    let entries = match fs::read_dir(above) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.with_context(what)?,
    };
    let start = format!(".{local}.");
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.with_context(what)?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let number = name.and_then(|name| name.strip_prefix(&start));
        if number.is_some_and(|n| n.parse::<u32>().is_ok()) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn free_aside(above: &Path, local: &str) -> Result<PathBuf> {
    let taken = asides(above, local)?;
    let names = (0..u32::MAX).map(|n| above.join(format!(".{local}.{n}")));
    let mut free = names.filter(|path| !taken.contains(path));
    free.next().context("looking for a free name")
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

fn rename(from: &Path, to: &Path) -> Result<()> {
    let what = || format!("moving {} to {}", from.display(), to.display());
    fs::rename(from, to).with_context(what)
}

/// Makes the folder `new` with the mode and the owner of `model`, if it is not there.
fn make_like(model: &Path, new: &Path) -> Result<()> {
    let what = || format!("creating the folder {}", new.display());
    let data = fs::metadata(model).with_context(what)?;
    match fs::DirBuilder::new().mode(data.mode() & 0o7777).create(new) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        other => other.with_context(what)?,
    }
    let made = fs::metadata(new).with_context(what)?;
    if (made.uid(), made.gid()) != (data.uid(), data.gid()) {
        chown(new, Some(data.uid()), Some(data.gid())).with_context(what)?;
    }
    files::sync_folder(parent(new))
}

/// Moves what is in one home to the same place in another one, and removes what is left of it when
/// that are empty folders and indexes. Returns whether something was moved.
fn merge(from: &Path, to: &Path) -> Result<bool> {
    let what = || format!("moving {} to {}", from.display(), to.display());
    let mut moved = false;
    for entry in walkdir::WalkDir::new(from).min_depth(1).sort_by_file_name() {
        let entry = entry.with_context(what)?;
        let path = entry.path();
        let place = to.join(path.strip_prefix(from).context("following a folder")?);
        if entry.file_type().is_dir() {
            make_like(path, &place)?;
        } else if is_index(path) {
            fs::remove_file(path).with_context(what)?;
        } else {
            // the names of messages never clash, as each delivery has its own
            match renameat_with(CWD, path, CWD, &place, RenameFlags::NOREPLACE) {
                Err(rustix::io::Errno::EXIST) => continue,
                other => other.with_context(what)?,
            }
            moved = true;
            files::sync_folder(parent(&place))?;
        }
    }
    for entry in walkdir::WalkDir::new(from).contents_first(true) {
        let entry = entry.with_context(what)?;
        if !entry.file_type().is_dir() {
            continue;
        }
        match fs::remove_dir(entry.path()) {
            Err(e) if e.kind() == io::ErrorKind::DirectoryNotEmpty => {}
            other => other.with_context(what)?,
        }
    }
    Ok(moved)
}

/// Whether dovecot makes a file anew: an index, its logs, a list of UIDs.
fn is_index(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.starts_with("dovecot") || name == "maildirfolder")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_indexes_is_removed() {
        let mail = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = mail.path().join(path);
            fs::create_dir_all(parent(&path)).unwrap();
            fs::write(path, text).unwrap();
        };
        write("example.org/b/sieve/mine.sieve", "b's");
        write("example.org/a/sieve/mine.sieve", "a's");
        write("example.org/a/sieve/other.sieve", "a's");
        write("example.org/a/Maildir/new/1", "1");
        write("example.org/a/Maildir/dovecot.index.log", "");
        // a move that was cut off, and a message that came to it late
        write("example.org/.a.0/Maildir/new/2", "2");
        // of a.1, which has nothing to do with it
        write("example.org/.a.1.0/Maildir/new/3", "3");
        let (a, b) = (
            "a@example.org".parse().unwrap(),
            "b@example.org".parse().unwrap(),
        );
        assert!(is_left(mail.path(), &a).unwrap());
        assert!(settle(mail.path(), &a, &b).unwrap());
        let walk = walkdir::WalkDir::new(mail.path()).sort_by_file_name();
        let files = walk.into_iter().map(Result::unwrap);
        let files = files.filter(|f| f.file_type().is_file());
        let name = |f: walkdir::DirEntry| {
            let text = fs::read_to_string(f.path()).unwrap();
            let path = f.path().strip_prefix(mail.path()).unwrap();
            format!("{}: {text}\n", path.display())
        };
        insta::assert_snapshot!(files.map(name).collect::<String>(), @r"
        example.org/.a.0/sieve/mine.sieve: a's
        example.org/.a.1.0/Maildir/new/3: 3
        example.org/b/Maildir/new/1: 1
        example.org/b/Maildir/new/2: 2
        example.org/b/sieve/mine.sieve: b's
        example.org/b/sieve/other.sieve: a's
        ");
        assert!(!settle(mail.path(), &a, &b).unwrap());
    }
}
