//! What the cache holds and what of it nobody has used for long.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result};
use serde::Serialize;

use crate::util::{files, lock};

/// One kind of things in the cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Kind {
    /// The step whose results they are, such as `packages/rspamd`, or the folder of downloads.
    pub step: String,
    /// How many results there are.
    pub entries: usize,
    /// Their size on the disk, bytes.
    pub bytes: u64,
    /// Seconds since the last use of the one that was used last; none for downloads.
    pub unused: Option<u64>,
}

/// One result.
#[derive(Debug)]
struct Entry {
    step: String,
    path: PathBuf,
    unused: Duration,
}

/// All that is in the cache at `root`, sorted by step. Empty where there is no cache.
///
/// # Errors
/// When something cannot be read.
pub fn kinds(root: &Path) -> Result<Vec<Kind>> {
    let mut kinds: BTreeMap<String, Kind> = BTreeMap::new();
    let mut add = |step: &str, path: &Path, unused: Option<Duration>| -> Result<()> {
        let kind = kinds.entry(step.to_owned()).or_insert_with(|| Kind {
            step: step.to_owned(),
            entries: 0,
            bytes: 0,
            unused: None,
        });
        kind.entries += usize::from(unused.is_some());
        kind.bytes += bytes(path)?;
        let unused = unused.map(|u| u.as_secs());
        kind.unused = kind.unused.into_iter().chain(unused).min();
        Ok(())
    };
    if !root.is_dir() {
        return Ok(Vec::new());
    }
    for entry in entries(root)? {
        add(&entry.step, &entry.path, Some(entry.unused))?;
    }
    for folder in ["sources", "apt", "pacman", "base/arch", "logs", "work"] {
        if root.join(folder).exists() {
            add(folder, &root.join(folder), None)?;
        }
    }
    Ok(kinds.into_values().collect())
}

/// Removes every result that was not used for `older`; returns how many, and their bytes.
///
/// # Errors
/// When a build is running, or something cannot be removed.
pub fn prune(root: &Path, older: Duration, dry_run: bool) -> Result<(usize, u64)> {
    let _alone = alone(root)?;
    let mut removed = (0, 0);
    for entry in entries(root)?.into_iter().filter(|e| e.unused >= older) {
        removed.0 += 1;
        removed.1 += bytes(&entry.path)?;
        if !dry_run {
            files::remove_dir_all(&entry.path)?;
        }
    }
    Ok(removed)
}

/// Removes everything; returns its bytes.
///
/// # Errors
/// As [`prune`].
pub fn clear(root: &Path) -> Result<u64> {
    let _alone = alone(root)?;
    let size = bytes(root)?;
    for entry in fs::read_dir(root).with_context(|| format!("reading {}", root.display()))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            files::remove_dir_all(&entry.path())?;
        }
    }
    Ok(size)
}

fn alone(root: &Path) -> Result<fs::File> {
    lock::take(&root.join("lock"), Duration::ZERO)?.with_context(|| {
        format!(
            "a build is working in {}; try again when it is done",
            root.display()
        )
    })
}

/// Every result: a folder named by its key.
fn entries(root: &Path) -> Result<Vec<Entry>> {
    let mut found = Vec::new();
    let mut walk = walkdir::WalkDir::new(root)
        .min_depth(1)
        .max_depth(3)
        .sort_by_file_name()
        .into_iter();
    while let Some(entry) = walk.next() {
        let entry = entry.with_context(|| format!("reading {}", root.display()))?;
        if !entry.file_type().is_dir() {
            continue;
        }
        let inside = entry.path().strip_prefix(root)?.to_owned();
        if ["locks", "work", "logs"]
            .iter()
            .any(|n| inside == Path::new(n))
        {
            walk.skip_current_dir();
            continue;
        }
        let name = entry.file_name().to_string_lossy();
        if name.len() == 32 && name.bytes().all(|b| b.is_ascii_hexdigit()) {
            walk.skip_current_dir();
            let lock = root.join("locks").join(&inside);
            let used = fs::metadata(&lock)
                .and_then(|m| m.modified())
                .or_else(|_| entry.path().metadata().and_then(|m| m.modified()))
                .with_context(|| format!("reading {}", entry.path().display()))?;
            found.push(Entry {
                step: inside
                    .parent()
                    .unwrap_or(Path::new(""))
                    .display()
                    .to_string(),
                path: entry.path().to_owned(),
                // a clock that was set back is no use in the future
                unused: SystemTime::now().duration_since(used).unwrap_or_default(),
            });
        }
    }
    Ok(found)
}

/// What a folder takes on the disk.
fn bytes(folder: &Path) -> Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let mut sum = 0;
    for entry in walkdir::WalkDir::new(folder) {
        let entry = entry.with_context(|| format!("reading {}", folder.display()))?;
        let of = |m: fs::Metadata| m.blocks() * 512;
        sum += of(entry.metadata()?);
    }
    Ok(sum)
}
