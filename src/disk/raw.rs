//! A disk, or a file in its place, by its bytes.

use std::{
    fs::{File, OpenOptions},
    io::{ErrorKind, Seek, SeekFrom},
    ops::Range,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use rustix::fs::{Advice, OFlags, fadvise};

/// An open disk.
#[derive(Debug)]
pub struct Disk {
    path: PathBuf,
    file: File,
    size: u64,
}

impl Disk {
    /// Opens it to be read, and with `write` to be written to.
    ///
    /// # Errors
    /// When it cannot be opened, or does not say how large it is.
    pub fn open(path: &Path, write: bool) -> Result<Self> {
        let what = || format!("opening {}", path.display());
        let file = OpenOptions::new().read(true).write(write).open(path);
        let mut file = file.with_context(what)?;
        // a device has no length of its own, but an end
        let size = file.seek(SeekFrom::End(0)).with_context(what)?;
        Ok(Self {
            path: path.to_path_buf(),
            file,
            size,
        })
    }

    /// Whether somebody holds it: what is mounted, and the members of LVM, RAID and their like (open(2),
    /// `O_EXCL` of a block device). A file is held by nobody.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn is_held(path: &Path) -> Result<bool> {
        let flags = OFlags::EXCL.bits().cast_signed();
        let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
        match opened {
            Err(error) if error.kind() == ErrorKind::ResourceBusy => Ok(true),
            other => {
                other.with_context(|| format!("opening {}", path.display()))?;
                Ok(false)
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Reads `length` bytes from `place` on.
    ///
    /// # Errors
    /// When there are fewer, or the disk fails.
    pub fn read(&self, place: u64, length: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        let read = self.file.read_exact_at(&mut bytes, place);
        read.with_context(|| format!("reading {}", self.path.display()))?;
        Ok(bytes)
    }

    /// Writes at `place`.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn write(&self, place: u64, bytes: &[u8]) -> Result<()> {
        #[cfg(test)]
        broken::off()?;
        let written = self.file.write_all_at(bytes, place);
        written.with_context(|| format!("writing to {}", self.path.display()))
    }

    /// Writes zeros.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn zero(&self, range: Range<u64>) -> Result<()> {
        let zeros = vec![0; 1 << 20];
        let mut place = range.start;
        while place < range.end {
            let length = (range.end - place).min(zeros.len() as u64);
            self.write(
                place,
                &zeros[..usize::try_from(length).unwrap_or(zeros.len())],
            )?;
            place += length;
        }
        Ok(())
    }

    /// Waits until all that was written is on the disk.
    ///
    /// # Errors
    /// When the disk fails: what was written may not be there.
    pub fn sync(&self) -> Result<()> {
        let synced = self.file.sync_all();
        synced.with_context(|| format!("syncing {}", self.path.display()))
    }

    /// The same, and has the kernel forget what it holds of the disk in memory: what is read from
    /// here on comes from the disk.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn forget(&self) -> Result<()> {
        self.sync()?;
        fadvise(&self.file, 0, None, Advice::DontNeed)
            .with_context(|| format!("reading {} anew", self.path.display()))
    }
}

/// Writing that is broken off, as by a cut of power.
#[cfg(test)]
pub(crate) mod broken {
    use std::cell::Cell;

    use anyhow::{Result, bail};

    thread_local! {
        static LEFT: Cell<Option<usize>> = const { Cell::new(None) };
    }

    /// Runs something in which no write succeeds after the first `writes`.
    pub(crate) fn off_after<T>(writes: usize, run: impl FnOnce() -> T) -> T {
        LEFT.set(Some(writes));
        let result = run();
        LEFT.set(None);
        result
    }

    pub(super) fn off() -> Result<()> {
        match LEFT.get() {
            Some(0) => bail!("the power is off"),
            Some(left) => LEFT.set(Some(left - 1)),
            None => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_held_by_nobody_and_one_that_is_gone_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk");
        let error = Disk::is_held(&path).unwrap_err().to_string();
        assert_eq!(error, format!("opening {}", path.display()));
        File::create(&path).unwrap();
        assert!(!Disk::is_held(&path).unwrap());
    }
}
