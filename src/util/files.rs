//! The one module that writes files: temp file, fsync, rename, fsync of the folder.
//!
//! A reader sees the old content or the new one, never a part; a crash leaves at most a
//! `.tmp*` file beside the target.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use tempfile::NamedTempFile;

/// A file that comes into being only when [`AtomicFile::commit`] is called.
///
/// Dropped before that, it leaves nothing behind.
#[derive(Debug)]
pub struct AtomicFile {
    temp: NamedTempFile,
    target: PathBuf,
}

impl AtomicFile {
    /// Opens a temporary file beside `target`, readable by its owner alone until `commit`.
    ///
    /// # Errors
    /// When the folder of `target` does not exist or cannot be written.
    pub fn create(target: &Path) -> Result<Self> {
        Self::create_as(".tmp", target)
    }

    /// As [`AtomicFile::create`], the temporary name beginning with `prefix`, for callers that look
    /// for what a crash has left.
    ///
    /// # Errors
    /// As [`AtomicFile::create`].
    pub fn create_as(prefix: &str, target: &Path) -> Result<Self> {
        let folder = folder_of(target);
        let temp = tempfile::Builder::new()
            .prefix(prefix)
            .tempfile_in(folder)
            .with_context(|| format!("creating a temporary file in {}", folder.display()))?;
        Ok(Self {
            temp,
            target: target.to_path_buf(),
        })
    }

    /// The open file, for callers that seek or pass it to another process.
    pub fn file(&self) -> &File {
        self.temp.as_file()
    }

    /// The temporary path, for tools that want a name to write to.
    pub fn temp_path(&self) -> &Path {
        self.temp.path()
    }

    /// Sets `mode` (such as `0o644`), syncs and puts the file in its place.
    ///
    /// # Errors
    /// When a write that was still buffered fails, or the rename does.
    pub fn commit(self, mode: u32) -> Result<()> {
        let target = self.target;
        let what = || format!("writing {}", target.display());
        let file = self.temp.as_file();
        file.set_permissions(fs::Permissions::from_mode(mode))
            .with_context(what)?;
        file.sync_all().with_context(what)?;
        self.temp
            .persist(&target)
            .map_err(|e| e.error)
            .with_context(what)?;
        sync_folder(folder_of(&target)).with_context(what)
    }
}

impl Write for AtomicFile {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.temp.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.temp.flush()
    }
}

/// Writes `bytes` to `path` with `mode`, all or nothing.
///
/// # Errors
/// When the folder cannot be written or the disk is full; the old file then stands unchanged.
pub fn write(path: &Path, bytes: impl AsRef<[u8]>, mode: u32) -> Result<()> {
    let mut file = AtomicFile::create(path)?;
    file.write_all(bytes.as_ref())
        .with_context(|| format!("writing {}", path.display()))?;
    file.commit(mode)
}

/// Writes `bytes` to `path` with `mode`, for a scratch folder that no crash outlives: nothing waits
/// for the disk.
///
/// # Errors
/// When the file cannot be written.
pub fn write_scratch(path: &Path, bytes: impl AsRef<[u8]>, mode: u32) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::write(path, bytes)
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(mode)))
        .with_context(|| format!("writing {}", path.display()))
}

/// As [`write()`], creating the folders above `path` first.
///
/// # Errors
/// As [`write()`], and when a folder cannot be created.
pub fn write_with_parents(path: &Path, bytes: impl AsRef<[u8]>, mode: u32) -> Result<()> {
    create_dir_all(folder_of(path))?;
    write(path, bytes, mode)
}

/// Makes `path` a symbolic link to `to`, in place of whatever file or link is there.
///
/// # Errors
/// When the folder cannot be written, or `path` is a folder; what was there then still is.
pub fn symlink(path: &Path, to: &Path) -> Result<()> {
    let what = || format!("making the link {}", path.display());
    let folder = folder_of(path);
    let temp = tempfile::Builder::new()
        .prefix(".tmp")
        .make_in(folder, |temp| std::os::unix::fs::symlink(to, temp))
        .with_context(what)?;
    temp.persist(path).map_err(|e| e.error).with_context(what)?;
    sync_folder(folder).with_context(what)
}

/// Creates a file that must not exist yet, with `mode` from its first moment: for secrets.
///
/// # Errors
/// When the file exists already (nothing is overwritten) or cannot be written.
pub fn create_new(path: &Path, bytes: impl AsRef<[u8]>, mode: u32) -> Result<()> {
    let what = || format!("creating {}", path.display());
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .with_context(what)?;
    file.write_all(bytes.as_ref()).with_context(what)?;
    file.sync_all().with_context(what)?;
    sync_folder(folder_of(path)).with_context(what)
}

/// Reads a text file whole.
///
/// # Errors
/// When the file cannot be read or is not UTF-8; the message names it.
pub fn read_to_string(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))
}

/// Creates `path` and the folders above it.
///
/// # Errors
/// When one of them cannot be created; the message names `path`.
pub fn create_dir_all(path: &Path) -> Result<()> {
    fs::create_dir_all(path).with_context(|| format!("creating the folder {}", path.display()))
}

/// Removes a folder and all below it; that it is not there is no error.
///
/// # Errors
/// When something below it cannot be removed.
pub fn remove_dir_all(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            Err(e).with_context(|| format!("removing the folder {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// Removes a file; one that is not there is removed already.
///
/// # Errors
/// When it cannot be removed.
pub fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(e).with_context(|| format!("removing {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// Waits until the names in `folder` are on the disk.
///
/// # Errors
/// When the folder cannot be opened or synced.
pub fn sync_folder(folder: &Path) -> Result<()> {
    File::open(folder)
        .and_then(|f| f.sync_all())
        .with_context(|| format!("syncing the folder {}", folder.display()))
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_file_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("a");
        let mut file = AtomicFile::create(&target).unwrap();
        file.write_all(b"half").unwrap();
        drop(file);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_write_replaces_whole_and_sets_the_mode() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("a");
        write(&target, "old and longer", 0o600).unwrap();
        write(&target, "new", 0o644).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
        assert_eq!(
            fs::metadata(&target).unwrap().permissions().mode() & 0o7777,
            0o644
        );
    }

    #[test]
    fn a_link_takes_the_place_of_a_file_and_of_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(&path, "file").unwrap();
        for to in ["one", "../two"] {
            symlink(&path, Path::new(to)).unwrap();
            assert_eq!(fs::read_link(&path).unwrap(), Path::new(to));
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        fs::create_dir(dir.path().join("d")).unwrap();
        assert!(symlink(&dir.path().join("d"), Path::new("one")).is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn create_new_refuses_to_overwrite() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("key");
        create_new(&target, "one", 0o600).unwrap();
        let error = create_new(&target, "two", 0o600).unwrap_err();
        assert!(format!("{error:#}").contains("File exists"), "{error:#}");
        assert_eq!(fs::read(&target).unwrap(), b"one");
    }
}
