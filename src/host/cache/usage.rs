//! What the cache holds and what of it nobody has used for long.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result};
use serde::Serialize;

use crate::{
    host::base::ARCH_DOWNLOADS,
    util::{files, lock},
};

/// The folders of a cache: nothing else in it is ours to delete.
const FOLDERS: [&str; 12] = [
    "apt",
    "base",
    "build-root",
    "locks",
    "logs",
    "packages",
    "pacman",
    "programs",
    "root",
    "sources",
    "srcinfo",
    "work",
];

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
    let mut add = |step: &str, path: &Path, unused: Option<Duration>| {
        let kind = kinds.entry(step.to_owned()).or_insert_with(|| Kind {
            step: step.to_owned(),
            entries: 0,
            bytes: 0,
            unused: None,
        });
        kind.entries += usize::from(unused.is_some());
        kind.bytes += bytes(path);
        let unused = unused.map(|u| u.as_secs());
        kind.unused = kind.unused.into_iter().chain(unused).min();
    };
    if !root.is_dir() {
        return Ok(Vec::new());
    }
    for entry in entries(root)? {
        add(&entry.step, &entry.path, Some(entry.unused));
    }
    for folder in ["sources", "base/arch", "logs", "work"] {
        if root.join(folder).exists() {
            add(folder, &root.join(folder), None);
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
        removed.1 += bytes(&entry.path);
        match entry.path.is_dir() {
            _ if dry_run => (),
            true => files::remove_dir_all(&entry.path)?,
            false => files::remove_file(&entry.path)?,
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
    let mut size = 0;
    for folder in FOLDERS.map(|name| root.join(name)) {
        if folder.is_dir() && !folder.is_symlink() {
            size += bytes(&folder);
            files::remove_dir_all(&folder)?;
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
        if inside == Path::new(ARCH_DOWNLOADS) {
            walk.skip_current_dir();
            found.extend(downloads(entry.path())?);
            continue;
        }
        // downloads of a base that is no more have no key of their own
        let downloads = inside.starts_with("pacman") || inside.starts_with("apt");
        let length = if downloads { 16 } else { 32 };
        if name.len() == length && name.bytes().all(|b| b.is_ascii_hexdigit()) {
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
                unused: since(used),
            });
        }
    }
    Ok(found)
}

/// Every file among the downloads of Arch, and every folder that a killed pacman left: used when it came,
/// and whenever a build marked it.
fn downloads(folder: &Path) -> Result<Vec<Entry>> {
    use std::os::unix::fs::MetadataExt;
    let what = || format!("reading {}", folder.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(what)? {
        let entry = entry.with_context(what)?;
        let metadata = match entry.metadata() {
            // one that was being downloaded has got its name
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
            other => other.with_context(what)?,
        };
        // the time of the content is the mirror's
        let changed = Duration::from_secs(metadata.ctime().try_into().unwrap_or_default());
        found.push(Entry {
            step: ARCH_DOWNLOADS.to_owned(),
            path: entry.path(),
            unused: since(SystemTime::UNIX_EPOCH + changed),
        });
    }
    Ok(found)
}

/// Marks the package files `names`, with their signatures, among the downloads in `folder` as used now.
///
/// # Errors
/// When one that is there cannot be marked.
pub fn mark<'a>(folder: &Path, names: impl Iterator<Item = &'a str>) -> Result<()> {
    for path in names.flat_map(|name| [folder.join(name), folder.join(format!("{name}.sig"))]) {
        match fs::File::open(&path).and_then(|file| file.set_modified(SystemTime::now())) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => (),
            other => other.with_context(|| format!("marking {} as used", path.display()))?,
        }
    }
    Ok(())
}

/// The time since then; none for a moment that is yet to come, as a clock that was set back has it.
fn since(then: SystemTime) -> Duration {
    SystemTime::now().duration_since(then).unwrap_or_default()
}

/// What a folder takes on the disk.
fn bytes(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let mut sum = 0;
    for entry in walkdir::WalkDir::new(folder) {
        // what a running build has just removed takes no room
        if let Ok(metadata) = entry.and_then(|e| e.metadata()) {
            sum += metadata.blocks() * 512;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "0123456789abcdef0123456789abcdef";

    fn cache() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for name in [
            &format!("packages/rspamd/{KEY}/a"),
            &format!("srcinfo/{KEY}/b"),
            "pacman/0123456789abcdef/c",
            "pacman/arch/d",
            "letters/dear",
        ] {
            files::write_with_parents(&dir.path().join(name), "x", 0o644).unwrap();
        }
        dir
    }

    #[test]
    fn what_was_not_used_for_long_is_pruned_and_nothing_else() {
        let dir = cache();
        let month = Duration::from_secs(30 * 86_400);
        let lock = dir.path().join(format!("locks/packages/rspamd/{KEY}"));
        files::write_with_parents(&lock, "", 0o644).unwrap();
        let file = fs::File::options().write(true).open(&lock).unwrap();
        file.set_modified(SystemTime::now() - 2 * month).unwrap();
        let steps: Vec<String> = kinds(dir.path())
            .unwrap()
            .into_iter()
            .map(|k| k.step)
            .collect();
        assert_eq!(
            steps,
            ["packages/rspamd", "pacman", "pacman/arch", "srcinfo"]
        );
        assert_eq!(prune(dir.path(), month, true).unwrap().0, 1);
        assert_eq!(prune(dir.path(), month, false).unwrap().0, 1);
        assert!(!dir.path().join(format!("packages/rspamd/{KEY}")).exists());
        assert!(dir.path().join("pacman/0123456789abcdef").exists());
        assert!(dir.path().join(format!("srcinfo/{KEY}")).exists());
    }

    #[test]
    fn downloads_of_arch_are_pruned_one_by_one() {
        let dir = cache();
        let folder = dir.path().join(ARCH_DOWNLOADS);
        fs::write(folder.join("e"), "x").unwrap();
        let file = fs::File::options().write(true).open(folder.join("d"));
        // as pacman leaves it: the mirror's time
        file.unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        std::thread::sleep(Duration::from_millis(2100));
        mark(&folder, ["d", "f"].into_iter()).unwrap();
        assert_eq!(
            prune(dir.path(), Duration::from_secs(2), false).unwrap().0,
            4
        );
        assert!(folder.join("d").exists() && !folder.join("e").exists());
    }

    #[test]
    fn what_is_not_the_caches_stays() {
        let dir = cache();
        clear(dir.path()).unwrap();
        let left: Vec<String> = fs::read_dir(dir.path())
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "lock")
            .collect();
        assert_eq!(left, ["letters"]);
    }
}
