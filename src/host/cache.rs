//! Results of build steps, kept under the hash of everything that went in.
//!
//! An entry appears in one rename, so what is there is whole; the folder may be deleted at any
//! time, which costs only time.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use crate::util::files;

/// The folder of cached results, locked for this process.
#[derive(Debug)]
pub struct Cache {
    root: PathBuf,
    _lock: File,
}

impl Cache {
    /// `$EZMAIL_CACHE`, else `$XDG_CACHE_HOME/ezmail`, else `~/.cache/ezmail`.
    ///
    /// # Errors
    /// When none of these variables is set.
    pub fn default_root() -> Result<PathBuf> {
        let var = |name| {
            std::env::var_os(name)
                .filter(|v| !v.is_empty())
                .map(PathBuf::from)
        };
        var("EZMAIL_CACHE")
            .or_else(|| var("XDG_CACHE_HOME").map(|p| p.join("ezmail")))
            .or_else(|| var("HOME").map(|p| p.join(".cache/ezmail")))
            .context("neither EZMAIL_CACHE nor HOME is set: there is no place for the cache")
    }

    /// Opens the cache at `root`, creating it where needed; one process at a time.
    ///
    /// # Errors
    /// When another process holds it, or it cannot be written.
    pub fn open(root: &Path) -> Result<Self> {
        files::create_dir_all(root)?;
        let root = root
            .canonicalize()
            .with_context(|| format!("opening {}", root.display()))?;
        let path = root.join("lock");
        let lock = File::create(&path).with_context(|| format!("opening {}", path.display()))?;
        if rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_err() {
            bail!(
                "another ezmail is working in {}; wait for it, or give this one a cache of its \
                 own with EZMAIL_CACHE=DIR",
                root.display()
            );
        }
        // what an interrupted run left
        files::remove_dir_all(&root.join("work"))?;
        files::create_dir_all(&root.join("work"))?;
        Ok(Self { root, _lock: lock })
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A folder inside, created if need be, that is no entry: downloads, logs.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn folder(&self, name: &str) -> Result<PathBuf> {
        let path = self.root.join(name);
        files::create_dir_all(&path)?;
        Ok(path)
    }

    /// Where the entry of `step` under `key` is or will be, and whether it is there.
    pub fn lookup(&self, step: &str, key: &str) -> (PathBuf, bool) {
        let path = self.root.join(step).join(&key[..key.len().min(32)]);
        let there = path.exists();
        (path, there)
    }

    /// The entry of `step` under `key`; if it is not there yet, `make` fills an empty folder
    /// that then becomes the entry. Returns the entry and whether it was made now.
    ///
    /// # Errors
    /// Whatever `make` returns; nothing is kept then.
    pub fn entry(
        &self,
        step: &str,
        key: &str,
        make: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<(PathBuf, bool)> {
        let (path, there) = self.lookup(step, key);
        if there {
            return Ok((path, false));
        }
        files::create_dir_all(&self.root.join(step))?;
        let scratch = self.scratch(&step.replace('/', "-"))?;
        make(scratch.path())?;
        let from = scratch.keep();
        fs::rename(&from, &path)
            .with_context(|| format!("putting {} in its place", path.display()))?;
        files::sync_folder(&self.root.join(step))?;
        Ok((path, true))
    }

    /// An empty folder that is gone when it is dropped, on the cache's file system.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn scratch(&self, name: &str) -> Result<tempfile::TempDir> {
        use std::os::unix::fs::PermissionsExt;
        let folder = self.root.join("work");
        tempfile::Builder::new()
            .prefix(&format!("{name}-"))
            // root file systems are entered by other users
            .permissions(fs::Permissions::from_mode(0o755))
            .tempdir_in(&folder)
            .with_context(|| format!("creating a folder in {}", folder.display()))
    }

    /// Where the log of `name` goes.
    ///
    /// # Errors
    /// When the folder cannot be created.
    pub fn log(&self, name: &str) -> Result<PathBuf> {
        Ok(self
            .folder("logs")?
            .join(format!("{}.log", name.replace('/', "-"))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_made_once_and_a_failed_one_is_not_kept() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path()).unwrap();
        let key = "0123456789abcdef0123456789abcdef";
        cache
            .entry("step", key, |path| {
                fs::write(path.join("half"), "x")?;
                bail!("no")
            })
            .unwrap_err();
        assert!(!cache.lookup("step", key).1);
        let (path, made) = cache
            .entry("step", key, |p| Ok(fs::write(p.join("f"), "x")?))
            .unwrap();
        assert!(made);
        assert_eq!(fs::read(path.join("f")).unwrap(), b"x");
        let (_, made) = cache.entry("step", key, |_| bail!("made twice")).unwrap();
        assert!(!made);
        assert_eq!(fs::read_dir(dir.path().join("work")).unwrap().count(), 0);
    }

    #[test]
    fn a_second_process_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let _first = Cache::open(dir.path()).unwrap();
        let error = format!("{:#}", Cache::open(dir.path()).unwrap_err());
        assert!(error.starts_with("another ezmail is working in"), "{error}");
    }
}
