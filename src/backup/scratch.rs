//! Backup's own folder on the state volume: its lock, and room for what is needed for a while.

use std::{
    fs,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use super::report::FOLDER;
use crate::{
    encpipe::Key,
    util::{files, lock},
};

/// The folder of a drill, on the state volume.
const DRILL: &str = "drill";

/// The folder, held by one process at a time.
#[derive(Debug)]
pub struct Scratch {
    state: PathBuf,
    folder: PathBuf,
    _lock: fs::File,
}

impl Scratch {
    /// Takes the folder below `state`, and throws away what a run that was broken off has left.
    ///
    /// # Errors
    /// When another process has it, or it cannot be written.
    pub fn take(state: &Path) -> Result<Self> {
        let folder = state.join(FOLDER);
        if !folder.is_dir() {
            let what = || format!("creating {}", folder.display());
            files::create_dir_all(state)?;
            fs::DirBuilder::new()
                .mode(0o700)
                .create(&folder)
                .with_context(what)?;
        }
        // others may have made it first
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))
            .with_context(|| format!("setting the mode of {}", folder.display()))?;
        let path = folder.join("lock");
        let lock = lock::take(&path, Duration::ZERO)?.context(
            "another backup, drill or restore is running; try again when it has ended \
             ('systemctl status ezmail-backup ezmail-drill')",
        )?;
        let scratch = Self {
            state: state.to_path_buf(),
            folder,
            _lock: lock,
        };
        files::remove_dir_all(&scratch.work())?;
        files::remove_dir_all(&state.join(DRILL))?;
        let what = || format!("creating {}", scratch.work().display());
        fs::DirBuilder::new()
            .mode(0o700)
            .create(scratch.work())
            .with_context(what)?;
        Ok(scratch)
    }

    /// A folder that is empty at first and gone at the end.
    pub fn work(&self) -> PathBuf {
        self.folder.join("work")
    }

    /// A folder on the state volume that everybody passes through, as the users whose files are
    /// restored there must; empty at first and gone at the end.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn drill(&self) -> Result<PathBuf> {
        let folder = self.state.join(DRILL);
        let what = || format!("creating {}", folder.display());
        fs::DirBuilder::new()
            .mode(0o711)
            .create(&folder)
            .with_context(what)?;
        // whatever the umask is
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o711)).with_context(what)?;
        Ok(folder)
    }

    /// The file of the index of a store: another store or another key has another one.
    pub fn index(&self, store: &str, key: &Key) -> PathBuf {
        let mut hash = Sha256::new();
        hash.update(key.fingerprint());
        hash.update(store);
        let name = hex::encode(&hash.finalize()[..8]);
        self.folder.join(format!("index-{name}.sqlite"))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // what stays is thrown away by the next run
        let _ = files::remove_dir_all(&self.work());
        let _ = files::remove_dir_all(&self.state.join(DRILL));
    }
}
