//! Where archives lie: a folder here, or one elsewhere.

mod folder;
mod open;
mod s3;
mod sftp;

use std::{
    fs::File,
    io::{Read, Write},
};

use anyhow::Result;

pub use folder::Folder;
pub use open::{Access, open, split};
pub use s3::S3;
pub use sftp::Sftp;

/// A file in a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name, without a folder.
    pub name: String,
    /// How long it is, in bytes.
    pub bytes: u64,
}

/// A folder of archives.
pub trait Store: Send + Sync {
    /// What it is, for people; without a secret.
    fn name(&self) -> String;

    /// The files in it, by name. What is unfinished, and folders, are left out.
    ///
    /// # Errors
    /// When it is not there or cannot be read.
    fn list(&self) -> Result<Vec<Entry>>;

    /// Begins to write a file, which appears whole, by [`Upload::commit`], or not at all.
    ///
    /// # Errors
    /// When there is a file of that name, or none can be written.
    fn create(&self, name: &str) -> Result<Box<dyn Upload>>;

    /// Opens a file from its beginning.
    ///
    /// # Errors
    /// When there is none of that name or it cannot be read.
    fn open(&self, name: &str) -> Result<Box<dyn Read + Send>>;

    /// Opens a file to read in it here and there, where that is as fast; `None` where it is not.
    ///
    /// # Errors
    /// As [`Store::open`].
    fn open_file(&self, _name: &str) -> Result<Option<File>> {
        Ok(None)
    }

    /// Removes a file for good.
    ///
    /// # Errors
    /// When it is not there or cannot be removed.
    fn remove(&self, name: &str) -> Result<()>;

    /// Removes what uploads that were broken off have left, of files whose name begins with
    /// `prefix`; how it was called there. Others may write to the same folder just now.
    ///
    /// # Errors
    /// When it cannot be looked for or removed.
    fn tidy(&self, prefix: &str) -> Result<Vec<String>>;
}

/// A file that is being written. Dropped, it leaves nothing that counts.
pub trait Upload: Write + Send {
    /// Waits until all of it is safe where it goes, and gives it its name.
    ///
    /// # Errors
    /// When something of it could not be written; there is then no file of that name.
    fn commit(self: Box<Self>) -> Result<()>;
}
