//! Whether a new state fits beside the one that is there.

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::util::size::size;

/// What a file takes besides its bytes, at most: the rest of its last block, and its name.
const FILE: u64 = 4096 + 512;
/// What stays free in any case, for the services that go on meanwhile.
const SPARE: u64 = 32 << 20;

/// What `files` files of `bytes` bytes together take on a disk.
pub fn needed(files: u64, bytes: u64) -> u64 {
    bytes + files * FILE + SPARE
}

/// Refuses what does not fit into the file system that `folder` is on.
///
/// # Errors
/// When it does not, with the numbers; or when the file system cannot be asked.
pub fn check(folder: &Path, files: u64, bytes: u64) -> Result<()> {
    let found = rustix::fs::statvfs(folder)
        .with_context(|| format!("asking for the space free in {}", folder.display()))?;
    let (free, needed) = (found.f_bavail * found.f_frsize, needed(files, bytes));
    if free < needed {
        bail!(
            "there is no room for the new state beside the one that is there: it takes {}, {} are \
             free and {} are missing; nothing was changed. Make the state volume larger, or restore \
             fewer modules",
            size(needed),
            size(free),
            size(needed - free)
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_told_in_numbers() {
        let folder = tempfile::tempdir().unwrap();
        check(folder.path(), 10, 1000).unwrap();
        let error = check(folder.path(), 1, 1 << 60).unwrap_err().to_string();
        assert!(error.contains("it takes 1152921504.64 GB, "), "{error}");
        assert!(
            error.contains(" are missing; nothing was changed."),
            "{error}"
        );
    }
}
