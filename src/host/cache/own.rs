//! What belongs to one build alone: its scratch folder and its logs.
//!
//! A scratch folder has a lock beside it, held as long as the build lives. One whose lock nobody
//! holds is what a killed build left, and the next build removes it.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use rustix::fs::{FlockOperation, flock};
use tempfile::NamedTempFile;

use crate::util::{files, lock, random};

const LOCK: &str = "lock";

/// How often a folder is tried to be removed, whose last writers are just ending.
const TRIES: usize = 20;

/// The scratch folder of this process.
#[derive(Debug)]
pub struct Own {
    path: PathBuf,
    _lock: NamedTempFile,
}

impl Own {
    /// Makes one in `work`.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new(work: &Path) -> Result<Self> {
        files::create_dir_all(work)?;
        let what = || format!("creating a folder in {}", work.display());
        loop {
            let lock = tempfile::Builder::new()
                .prefix("build-")
                .suffix(".lock")
                .tempfile_in(work)
                .with_context(what)?;
            flock(lock.as_file(), FlockOperation::LockExclusive).with_context(what)?;
            // another build may have swept it away before it was locked
            if !lock.path().exists() {
                continue;
            }
            let path = lock.path().with_extension("");
            files::create_dir_all(&path)?;
            return Ok(Self { path, _lock: lock });
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        // what stays is removed by the next build
        remove(&self.path).ok();
    }
}

/// Removes what builds that are no more left in `work`.
///
/// # Errors
/// When something cannot be removed.
pub fn sweep(work: &Path) -> Result<()> {
    files::create_dir_all(work)?;
    let entries = fs::read_dir(work).with_context(|| format!("reading {}", work.display()))?;
    let paths: Vec<PathBuf> = entries
        .map(|e| e.map(|e| e.path()))
        .collect::<Result<_, _>>()
        .with_context(|| format!("reading {}", work.display()))?;
    for path in paths {
        let folder = path.with_extension("");
        if path.extension().is_some_and(|e| e == LOCK) {
            let Ok(file) = File::open(&path) else {
                continue; // its build has just ended
            };
            if flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
                remove(&folder)?;
                files::remove_file(&path)?;
            }
        } else if !path.with_extension(LOCK).exists() {
            remove(&path)?;
        }
    }
    Ok(())
}

/// How long ago the last log of a build began that is certainly over.
const OLD: Duration = Duration::from_secs(86_400);

/// Makes `folder`, which gets the logs of this build, and removes all beside it but those of the last
/// `keep` builds; `latest` beside it leads to it.
///
/// # Errors
/// When it cannot be made, or an old one cannot be removed.
pub fn begin_logs(folder: &Path, keep: usize) -> Result<()> {
    let logs = folder.parent().context("logs without a folder")?;
    files::create_dir_all(logs)?;
    let _one_at_a_time = lock::take(&logs.join(LOCK), Duration::from_secs(10))?;
    let mut old = Vec::new();
    for entry in fs::read_dir(logs).with_context(|| format!("reading {}", logs.display()))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            old.push(entry.path());
        } else if entry.path().extension().is_some_and(|e| e == "log") {
            files::remove_file(&entry.path())?; // an older ezmail's
        }
    }
    old.sort();
    for path in old.iter().rev().skip(keep.saturating_sub(1)) {
        // a long build may still be writing there
        let changed = fs::metadata(path).and_then(|m| m.modified());
        if changed.is_ok_and(|time| time.elapsed().is_ok_and(|age| age >= OLD)) {
            files::remove_dir_all(path)?;
        }
    }
    files::create_dir_all(folder)?;
    let name = folder.file_name().context("logs without a name")?;
    let link = logs.join(format!(".latest-{}", name.display()));
    std::os::unix::fs::symlink(name, &link)
        .and_then(|()| fs::rename(&link, logs.join("latest")))
        .with_context(|| format!("linking {}/latest", logs.display()))
}

/// The name of a build's folder of logs: when it began, and something that tells it from others.
///
/// # Errors
/// When the kernel gives no random numbers.
pub fn log_name() -> Result<String> {
    let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%S");
    Ok(format!("{now}-{}", hex::encode(*random::bytes::<2>()?)))
}

/// Removes a folder in which somebody may be writing with the last breath.
fn remove(path: &Path) -> Result<()> {
    for _ in 1..TRIES {
        if files::remove_dir_all(path).is_ok() {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(100));
    }
    files::remove_dir_all(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_dead_build_left_is_swept_and_a_living_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let work = dir.path();
        let living = Own::new(work).unwrap();
        fs::write(living.path().join("a"), "x").unwrap();
        fs::create_dir_all(work.join("build-dead/sub")).unwrap();
        fs::write(work.join("build-dead.lock"), "").unwrap();
        fs::create_dir_all(work.join("from-an-older-ezmail")).unwrap();
        sweep(work).unwrap();
        assert!(living.path().join("a").exists());
        assert_eq!(fs::read_dir(work).unwrap().count(), 2);
        drop(living);
        assert_eq!(fs::read_dir(work).unwrap().count(), 0);
    }

    #[test]
    fn the_logs_of_the_last_builds_are_kept_and_of_all_that_are_fresh() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("image.log"), "an older ezmail's").unwrap();
        for _ in 0..4 {
            let folder = dir.path().join(log_name().unwrap());
            begin_logs(&folder, 2).unwrap();
            let old = std::time::SystemTime::now() - 2 * OLD;
            File::open(&folder).unwrap().set_modified(old).unwrap();
            assert!(dir.path().join("latest").is_dir());
        }
        let folders = fs::read_dir(dir.path())
            .unwrap()
            .filter(|e| e.as_ref().unwrap().file_type().unwrap().is_dir());
        assert_eq!(folders.count(), 2);
        assert!(!dir.path().join("image.log").exists());
        for _ in 0..4 {
            begin_logs(&dir.path().join(log_name().unwrap()), 2).unwrap();
        }
        let all = fs::read_dir(dir.path()).unwrap().count();
        assert!(all > 5, "{all}");
    }
}
