//! What was there before a restore: kept, gone back to, or removed.

use std::{fs, io, path::PathBuf};

use anyhow::{Context, Result, bail};
use serde::Serialize;

use super::{
    layout::Layout,
    movable,
    record::{self, FILE, OLD, Order, Record},
};
use crate::util::files;

/// What `order` has left of the state before it, if it was carried out.
///
/// # Errors
/// When its record cannot be read.
pub fn done(layout: &Layout, order: &Order) -> Result<Option<Record>> {
    let record = record::read(&layout.path(&order.old).join(FILE))?;
    Ok(record.filter(|record| record.order == *order))
}

/// What was there before each restore, the newest last.
///
/// # Errors
/// When the folder cannot be read, or one of the records.
pub fn olds(layout: &Layout) -> Result<Vec<Record>> {
    let mut olds = Vec::new();
    for folder in old_folders(layout)? {
        olds.extend(record::read(&folder.join(FILE))?);
    }
    olds.sort_by_key(|old| old.order.time);
    Ok(olds)
}

fn old_folders(layout: &Layout) -> Result<Vec<PathBuf>> {
    let folder = layout.folder();
    let entries = match fs::read_dir(&folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.with_context(|| format!("listing {}", folder.display()))?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.with_context(|| format!("listing {}", folder.display()))?;
        if entry.file_name().to_string_lossy().starts_with(OLD) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// The order that puts back what was there before `old`.
///
/// # Errors
/// When the time cannot be told.
pub fn undo(layout: &Layout, old: &Record, now: i64) -> Result<Order> {
    let what = format!("what was there before {}", old.order.what);
    let (from, modules) = (old.order.old.clone(), &old.order.modules);
    Order::new(layout, from, modules, what, now)
}

/// Removes what was there before `old`, for good.
///
/// # Errors
/// When it cannot be removed; what is left of it is then nothing that can be gone back to.
pub fn drop_old(layout: &Layout, old: &Record) -> Result<()> {
    let folder = layout.path(&old.order.old);
    let record = folder.join(FILE);
    fs::remove_file(&record).with_context(|| format!("removing {}", record.display()))?;
    files::sync_folder(&folder)?;
    files::remove_dir_all(&folder)
}

/// How long the files are together that were there before `old`, in bytes.
///
/// # Errors
/// When they cannot be looked at.
pub fn size(layout: &Layout, old: &Record) -> Result<u64> {
    let folder = layout.path(&old.order.old);
    let what = || format!("looking at {}", folder.display());
    let mut size = 0;
    for entry in walkdir::WalkDir::new(&folder) {
        let entry = entry.with_context(what)?;
        if entry.file_type().is_file() {
            size += entry.metadata().with_context(what)?.len();
        }
    }
    Ok(size)
}

/// All that is kept of what was there before restores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Before {
    /// When the first of it was replaced, in seconds since 1970.
    pub since: i64,
    /// How long its files are together, in bytes.
    pub bytes: u64,
}

/// How much is kept, and since when; `None` if nothing is.
///
/// # Errors
/// When it cannot be looked at.
pub fn before(layout: &Layout) -> Result<Option<Before>> {
    let olds = olds(layout)?;
    let Some(first) = olds.first() else {
        return Ok(None);
    };
    let sizes: Result<Vec<u64>> = olds.iter().map(|old| size(layout, old)).collect();
    Ok(Some(Before {
        since: first.order.time,
        bytes: sizes?.iter().sum(),
    }))
}

/// Whether nothing was there before `old` but folders.
///
/// # Errors
/// When it cannot be looked at.
pub fn is_empty(layout: &Layout, old: &Record) -> Result<bool> {
    let folder = layout.path(&old.order.old);
    for entry in walkdir::WalkDir::new(&folder).min_depth(1) {
        let entry = entry.with_context(|| format!("looking at {}", folder.display()))?;
        if !entry.file_type().is_dir() && entry.path() != folder.join(FILE) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Removes what restores that were broken off before their switch have left; whether there was
/// something. Nothing of it was ever in use.
///
/// # Errors
/// When a switch is under way, or something cannot be removed.
pub fn tidy(layout: &Layout) -> Result<bool> {
    if layout.folder().join(FILE).exists() {
        bail!("a restore is under way: nothing is tidied away");
    }
    let unused = |folder: &PathBuf| !folder.join(FILE).exists();
    let mut left: Vec<PathBuf> = old_folders(layout)?.into_iter().filter(unused).collect();
    let others = [layout.staged(), movable::folder(layout)];
    left.extend(others.into_iter().filter(|path| path.exists()));
    for folder in &left {
        files::remove_dir_all(folder)?;
    }
    Ok(!left.is_empty())
}
