//! Files that dovecot writes as well, under its own lock: `NAME.lock`, which becomes the new file.

use std::{
    fs,
    io::{self, Read, Write},
    os::unix::fs::{OpenOptionsExt, fchown},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use super::message::open_plain;
use crate::util::files;

/// How long dovecot may hold a lock. It does for a moment.
const PATIENCE: Duration = Duration::from_secs(10);

/// A file that nobody else writes until this is dropped.
#[derive(Debug)]
pub struct Locked {
    path: PathBuf,
    lock: PathBuf,
    file: fs::File,
    done: bool,
}

impl Locked {
    /// Waits for the lock of `path`; the new file is `owner`'s.
    ///
    /// # Errors
    /// When the lock cannot be had within ten seconds.
    pub fn new(path: &Path, owner: Option<(u32, u32)>) -> Result<Self> {
        let mut lock = path.as_os_str().to_owned();
        lock.push(".lock");
        let lock = PathBuf::from(lock);
        let deadline = Instant::now() + PATIENCE;
        let file = loop {
            let new = fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&lock);
            match new {
                Ok(file) => break file,
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                    if Instant::now() >= deadline {
                        bail!(
                            "{} is there for more than ten seconds: if no dovecot runs, remove it \
                             and call this again",
                            lock.display()
                        );
                    }
                    thread::sleep(Duration::from_millis(50));
                }
                Err(e) => {
                    return Err(e).with_context(|| format!("creating {}", lock.display()));
                }
            }
        };
        let locked = Self {
            path: path.to_path_buf(),
            lock,
            file,
            done: false,
        };
        if let Some((user, group)) = owner {
            fchown(&locked.file, Some(user), Some(group))
                .with_context(|| format!("giving {} its owner", locked.lock.display()))?;
        }
        Ok(locked)
    }

    /// Puts the new content in the file's place, and ends the lock.
    ///
    /// # Errors
    /// When it cannot be written; the old file then stands.
    pub fn replace(mut self, text: &str) -> Result<()> {
        let what = || format!("writing {}", self.path.display());
        self.file.write_all(text.as_bytes()).with_context(what)?;
        self.file.sync_all().with_context(what)?;
        fs::rename(&self.lock, &self.path).with_context(what)?;
        self.done = true;
        files::sync_folder(self.path.parent().unwrap_or(&self.path))
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        if !self.done {
            // a lock that stays is waited for, and then named
            fs::remove_file(&self.lock).ok();
        }
    }
}

/// The text of a file, what is not UTF-8 replaced; `None` if there is none.
///
/// # Errors
/// When it is there and cannot be read.
pub fn read(path: &Path) -> Result<Option<String>> {
    let read = || -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        open_plain(path)?.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    match read() {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e).with_context(|| format!("reading {}", path.display())),
    }
}
