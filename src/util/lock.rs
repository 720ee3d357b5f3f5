//! Locks: one process at a time, or many that share.

use std::{
    fs::{File, OpenOptions},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
};

use super::files;

/// Takes the lock at `path`, for which `patience` is waited, and makes the file and its folder if they
/// are not there. It is held until the file is dropped or the process ends; `None` while somebody else
/// holds it.
///
/// # Errors
/// When it cannot be made.
pub fn take(path: &Path, patience: Duration) -> Result<Option<File>> {
    hold(path, patience, FlockOperation::NonBlockingLockExclusive)
}

/// As [`take`], but others may share it: only who takes it alone is kept out.
///
/// # Errors
/// As [`take`].
pub fn share(path: &Path, patience: Duration) -> Result<Option<File>> {
    hold(path, patience, FlockOperation::NonBlockingLockShared)
}

fn hold(path: &Path, patience: Duration, how: FlockOperation) -> Result<Option<File>> {
    files::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
    let what = || format!("locking {}", path.display());
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .with_context(what)?;
    let begun = Instant::now();
    loop {
        match flock(&file, how) {
            Err(Errno::WOULDBLOCK) if begun.elapsed() < patience => {
                thread::sleep(Duration::from_millis(100));
            }
            Err(Errno::WOULDBLOCK) => return Ok(None),
            other => return other.with_context(what).map(|()| Some(file)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_has_it_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/lock");
        let first = take(&path, Duration::ZERO).unwrap();
        assert!(first.is_some());
        assert!(take(&path, Duration::from_millis(150)).unwrap().is_none());
        assert!(share(&path, Duration::ZERO).unwrap().is_none());
        drop(first);
        assert!(take(&path, Duration::ZERO).unwrap().is_some());
        let wrong = take(&folder.path().join("a/lock/b"), Duration::ZERO);
        assert!(wrong.is_err());
    }

    #[test]
    fn many_share_it_and_none_takes_it_from_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let shared = [share(&path, Duration::ZERO), share(&path, Duration::ZERO)];
        assert!(shared.iter().all(|s| s.as_ref().unwrap().is_some()));
        assert!(take(&path, Duration::ZERO).unwrap().is_none());
        drop(shared);
        assert!(take(&path, Duration::ZERO).unwrap().is_some());
    }
}
