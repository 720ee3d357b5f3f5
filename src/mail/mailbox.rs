//! The folders of mailboxes, `DOMAIN/LOCAL_PART` below the folder of all mail.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, MetadataExt, chown},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use super::address::Address;
use crate::util::files;

/// The folder of a mailbox.
pub fn folder(mail: &Path, address: &Address) -> PathBuf {
    mail.join(address.domain.as_str()).join(&address.local)
}

/// Moves the mail of `old` to `new`. Where `new` has mail, as after a move that was cut off, the
/// messages of `old` join it; indexes and the like, which dovecot makes anew, do not.
///
/// It can be called again after a cut of power at any moment. That `old` has no mail is no error.
///
/// # Errors
/// When a folder cannot be written; no message is lost.
pub fn settle(mail: &Path, old: &Address, new: &Address) -> Result<()> {
    let (from, to) = (folder(mail, old), folder(mail, new));
    let there = |path: &Path| {
        let is = path.try_exists();
        is.with_context(|| format!("looking for {}", path.display()))
    };
    if !there(&from)? {
        return Ok(());
    }
    let (above_from, above_to) = (parent(&from), parent(&to));
    if !there(&to)? {
        make_like(above_from, above_to)?;
        rename(&from, &to)?;
    } else {
        merge(&from, &to)?;
        files::remove_dir_all(&from)?;
    }
    files::sync_folder(above_to)?;
    files::sync_folder(above_from)
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

/// Moves every message of a Maildir to the same place in another one, where names never clash:
/// each delivery has its own.
fn merge(from: &Path, to: &Path) -> Result<()> {
    for entry in walkdir::WalkDir::new(from).min_depth(1).sort_by_file_name() {
        let entry = entry.with_context(|| format!("reading {}", from.display()))?;
        let path = entry.path();
        let place = path.strip_prefix(from).context("following a folder")?;
        if entry.file_type().is_dir() {
            make_like(path, &to.join(place))?;
            continue;
        }
        let in_folder = parent(path).file_name();
        if in_folder.is_some_and(|name| name == "new" || name == "cur") {
            rename(path, &to.join(place))?;
            files::sync_folder(parent(&to.join(place)))?;
        }
    }
    Ok(())
}
