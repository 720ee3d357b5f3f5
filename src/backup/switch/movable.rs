//! Whether something can be renamed into the folder of restores, asked before anything is.
//!
//! The same device number is not enough: what is mounted cannot be renamed, and neither can a folder
//! of the image, on a server that runs from memory (overlayfs).

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use rustix::io::Errno;

use super::layout::Layout;
use crate::util::files;

/// The folder that is asked with.
pub(super) fn folder(layout: &Layout) -> PathBuf {
    layout.folder().join("probe")
}

/// Asks, and leaves nothing behind.
#[derive(Debug)]
pub(super) struct Probe {
    folder: PathBuf,
    device: u64,
}

impl Probe {
    /// Makes what is asked with.
    pub(super) fn new(layout: &Layout) -> Result<Self> {
        let folder = folder(layout);
        files::create_dir_all(&folder.join("full"))?;
        Ok(Self {
            device: device(&folder)?,
            folder,
        })
    }

    /// Whether `path` can be renamed to below the folder of restores.
    pub(super) fn can_take(&self, path: &Path) -> Result<()> {
        self.takes_from(path.parent().unwrap_or(Path::new("/")))?;
        let is_folder = path.symlink_metadata().is_ok_and(|data| data.is_dir());
        if !is_folder {
            return Ok(());
        }
        // over a folder that is not empty, nothing is renamed: the error says whether it could be
        let answer = fs::rename(path, &self.folder);
        match answer.as_ref().map_err(Errno::from_io_error) {
            Err(Some(Errno::NOTEMPTY | Errno::EXIST)) => Ok(()),
            Err(Some(Errno::XDEV | Errno::BUSY)) => self.refuse(path),
            _ => answer.with_context(|| format!("asking whether {} can be moved", path.display())),
        }
    }

    /// Whether what is in the folder `from`, or comes into it, is on the right file system; one that
    /// is not there yet is as the one above it.
    pub(super) fn takes_from(&self, from: &Path) -> Result<()> {
        let there = from.ancestors().find(|folder| folder.exists());
        match there {
            Some(there) if device(there)? != self.device => self.refuse(there),
            _ => Ok(()),
        }
    }

    fn refuse(&self, path: &Path) -> Result<()> {
        let folder = self.folder.parent().unwrap_or(&self.folder);
        bail!(
            "{} cannot be moved to {}, as it is mounted there, on another file system, or a part of \
             the image: the state cannot be switched in one step, and nothing was changed",
            path.display(),
            folder.display()
        )
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        // what stays is removed with what a restore that was broken off has left
        let _ = files::remove_dir_all(&self.folder);
    }
}

fn device(path: &Path) -> io::Result<u64> {
    fs::metadata(path).map(|data| data.dev())
}
