//! Locks: one process at a time.

use std::{
    fs::File,
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
    files::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
    let what = || format!("locking {}", path.display());
    let file = File::create(path).with_context(what)?;
    let begun = Instant::now();
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
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
        drop(first);
        assert!(take(&path, Duration::ZERO).unwrap().is_some());
        let wrong = take(&folder.path().join("a/lock/b"), Duration::ZERO);
        assert!(wrong.is_err());
    }
}
