//! A folder of this machine, such as a mounted disk.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    num::NonZeroU64,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use rustix::fs::{Advice, fadvise};

use super::{Entry, Store, Upload};
use crate::util::files::{self, AtomicFile};

/// The mode of an archive: it is encrypted, but nobody else's business.
const MODE: u32 = 0o600;

/// How much is written before the disk begins with it, in bytes: whoever waits for the disk at the
/// end then waits for that much, and not for all.
const AHEAD: u64 = 8 << 20;

/// How the name of a file begins that is being written.
const UNFINISHED: &str = ".ezmail-backup-";

/// A folder of this machine.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// The folder at `path`.
    ///
    /// # Errors
    /// When there is none.
    pub fn new(path: &Path) -> Result<Self> {
        if !path.is_dir() {
            bail!(
                "{} is no folder: create it first, or attach the disk that it is on",
                path.display()
            );
        }
        Ok(Self(path.to_path_buf()))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn file(&self, name: &str) -> Result<File> {
        let path = self.path(name);
        File::open(&path).with_context(|| format!("opening {}", path.display()))
    }
}

impl Store for Folder {
    fn name(&self) -> String {
        self.0.display().to_string()
    }

    fn list(&self) -> Result<Vec<Entry>> {
        let what = || format!("listing {}", self.0.display());
        let mut entries = Vec::new();
        for entry in fs::read_dir(&self.0).with_context(what)? {
            let entry = entry.with_context(what)?;
            let metadata = match entry.metadata() {
                // it was given its name, or removed, just now
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                metadata => metadata.with_context(what)?,
            };
            let Ok(name) = entry.file_name().into_string() else {
                continue; // none of ours
            };
            if metadata.is_file() && !name.starts_with('.') {
                let bytes = metadata.len();
                entries.push(Entry { name, bytes });
            }
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn create(&self, name: &str) -> Result<Box<dyn Upload>> {
        let path = self.path(name);
        if fs::symlink_metadata(&path).is_ok() {
            bail!("{} is there already", path.display());
        }
        let prefix = format!("{UNFINISHED}{name}.");
        Ok(Box::new(Writing {
            file: AtomicFile::create_as(&prefix, &path)?,
            begun: 0,
            written: 0,
        }))
    }

    fn open(&self, name: &str) -> Result<Box<dyn Read + Send>> {
        Ok(Box::new(self.file(name)?))
    }

    fn open_file(&self, name: &str) -> Result<Option<File>> {
        self.file(name).map(Some)
    }

    fn remove(&self, name: &str) -> Result<()> {
        let path = self.path(name);
        fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
        files::sync_folder(&self.0)
    }

    fn tidy(&self, prefix: &str) -> Result<Vec<String>> {
        let prefix = format!("{UNFINISHED}{prefix}");
        let what = || format!("listing {}", self.0.display());
        let mut gone = Vec::new();
        for entry in fs::read_dir(&self.0).with_context(what)? {
            let entry = entry.with_context(what)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with(&prefix) && entry.file_type().with_context(what)?.is_file() {
                self.remove(&name)?;
                gone.push(name);
            }
        }
        Ok(gone)
    }
}

struct Writing {
    file: AtomicFile,
    /// How much the disk has begun with.
    begun: u64,
    written: u64,
}

impl Write for Writing {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let n = self.file.write(data)?;
        self.written += n as u64;
        if let Some(length) = NonZeroU64::new(self.written - self.begun)
            && length.get() >= AHEAD
        {
            // what is not on the disk yet goes there (posix_fadvise(2)); advice that is not taken does
            // no harm, and the end of the file is synced all the same
            let _ = fadvise(self.file.file(), self.begun, Some(length), Advice::DontNeed);
            self.begun = self.written;
        }
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Upload for Writing {
    fn commit(self: Box<Self>) -> Result<()> {
        self.file.commit(MODE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(store: &Folder, name: &str) -> String {
        let mut text = String::new();
        store.open(name).unwrap().read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn a_file_appears_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let store = Folder::new(folder.path()).unwrap();
        let mut upload = store.create("a").unwrap();
        upload.write_all(b"text").unwrap();
        assert_eq!(store.list().unwrap(), []);
        upload.commit().unwrap();
        let bytes = 4;
        assert_eq!(
            store.list().unwrap(),
            [Entry {
                name: "a".into(),
                bytes
            }]
        );
        assert_eq!(content(&store, "a"), "text");
        let error = store.create("a").err().unwrap().to_string();
        assert!(error.ends_with("a is there already"), "{error}");
        drop(store.create("b").unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        store.remove("a").unwrap();
        assert_eq!(store.list().unwrap(), []);
        assert!(store.remove("a").is_err() && store.open("a").is_err());
    }

    #[test]
    fn what_a_crash_has_left_is_tidied_away_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let store = Folder::new(folder.path()).unwrap();
        std::mem::forget(store.create("a_1").unwrap());
        std::mem::forget(store.create("b_1").unwrap());
        fs::write(folder.path().join(".other"), "").unwrap();
        assert_eq!(store.tidy("a_").unwrap().len(), 1);
        assert_eq!(store.tidy("a_").unwrap().len(), 0);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = Folder::new(Path::new("/nonexistent")).unwrap_err();
        insta::assert_snapshot!(error, @"/nonexistent is no folder: create it first, or attach the disk that it is on");
    }
}
