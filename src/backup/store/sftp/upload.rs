//! Writes a file, many blocks at once.

use std::{
    collections::VecDeque,
    io::{self, SeekFrom, Write},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use bytes::{Buf, Bytes};
use openssh_sftp_client::{Error, file::File, metadata::Permissions};
use tokio::{io::AsyncSeekExt, task::JoinHandle};

use super::{ANSWER, BLOCK, FLYING, connection::Connection, trouble::Failure};
use crate::{backup::store::Upload, util::random};

/// How the name of a file ends that is being written; it begins with a dot.
const UNFINISHED: &str = ".unfinished";
/// How long it may take until the server has all on its disk.
const SYNC: Duration = Duration::from_secs(600);
/// How long the clearing away of what is not wanted may take.
const CLEARING: Duration = Duration::from_secs(10);

/// Whether a file of this name is one that was being written, and whose own name begins with
/// `prefix`.
pub fn is_unfinished(name: &str, prefix: &str) -> bool {
    let own = name.strip_prefix('.');
    name.ends_with(UNFINISHED) && own.is_some_and(|own| own.starts_with(prefix))
}

/// A file that is being written.
pub struct Uploading {
    shown: String,
    folder: String,
    hidden: String,
    path: String,
    block: Vec<u8>,
    offset: u64,
    flying: VecDeque<JoinHandle<Result<(), Error>>>,
    /// None once something has failed, or all is done.
    file: Option<File>,
    done: bool,
    connection: Arc<Connection>,
}

impl Uploading {
    /// Creates the file `name` in `folder`, under its hidden name; `shown` is for error messages.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn begin(
        connection: Arc<Connection>,
        folder: &str,
        name: &str,
        shown: String,
    ) -> Result<Self> {
        // two that write the same file do not meet
        let random = hex::encode(*random::bytes::<4>()?);
        let hidden = format!("{folder}/.{name}.{random}{UNFINISHED}");
        let creating = async {
            let mut options = connection.sftp.options();
            let mut file = options.write(true).create_new(true).open(&hidden).await?;
            match file.set_permissions(private()).await {
                // there are servers without modes; what is in it is encrypted
                Err(Error::SftpError(..)) | Ok(()) => Ok(file),
                Err(error) => Err(error),
            }
        };
        let file = connection.run(ANSWER, creating);
        let file = file.map_err(|failure| told(failure, &connection, folder));
        let file = file.with_context(|| format!("creating {shown}"))?;
        Ok(Self {
            shown,
            folder: folder.to_owned(),
            hidden,
            path: format!("{folder}/{name}"),
            block: Vec::with_capacity(BLOCK),
            offset: 0,
            flying: VecDeque::new(),
            file: Some(file),
            done: false,
            connection,
        })
    }

    /// Sends the block off, after waiting until fewer than `most` are on their way.
    fn send(&mut self, most: usize) -> Result<()> {
        self.wait(most)?;
        let Some(file) = &self.file else {
            bail!("{}: something of it could not be written", self.shown);
        };
        if !self.block.is_empty() {
            let data = std::mem::replace(&mut self.block, Vec::with_capacity(BLOCK));
            let count = data.len() as u64;
            let writing = block(file.clone(), self.offset, data);
            self.flying.push_back(self.connection.spawn(writing));
            self.offset += count;
        }
        Ok(())
    }

    /// Waits until fewer than `most` blocks are on their way.
    fn wait(&mut self, most: usize) -> Result<()> {
        while self.flying.len() >= most {
            let Some(task) = self.flying.pop_front() else {
                break;
            };
            let written = self.connection.run(ANSWER, async { task.await? });
            if let Err(failure) = written {
                self.file = None;
                let failure = told(failure, &self.connection, &self.folder);
                return Err(failure.context(format!("writing {}", self.shown)));
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        self.send(FLYING)?;
        self.wait(1)?;
        let Some(mut file) = self.file.take() else {
            bail!("{}: something of it could not be written", self.shown);
        };
        // closed in the end: the file is synchronised once more then
        let sftp = &self.connection.sftp;
        let ending = async {
            if sftp.support_fsync() {
                file.sync_all().await?;
            }
            let written = sftp.fs().symlink_metadata(&self.hidden).await?.len();
            Ok((written, file))
        };
        let written = self.connection.run(SYNC, ending);
        let written = written.map_err(|failure| told(failure, &self.connection, &self.folder));
        let (written, mut file) = written.with_context(|| format!("writing {}", self.shown))?;
        if let Some(written) = written.filter(|written| *written != self.offset) {
            bail!(
                "{}: the server has {written} bytes of {}; is its disk full?",
                self.shown,
                self.offset
            );
        }
        let asking = async { sftp.fs().symlink_metadata(&self.path).await };
        match self.connection.run(ANSWER, asking) {
            Ok(_) => bail!("{} is there already", self.shown),
            Err(failure) if failure.is_missing() => {}
            Err(failure) => {
                return Err(failure).with_context(|| format!("looking for {}", self.shown));
            }
        }
        let naming = async { sftp.fs().rename(&self.hidden, &self.path).await };
        self.connection
            .run(ANSWER, naming)
            .with_context(|| format!("giving {} its name", self.shown))?;
        // what is to go if the rest fails
        self.hidden.clone_from(&self.path);
        // a folder cannot be synchronised by SFTP; with a file, its new name gets to the disk
        let ending = async {
            if sftp.support_fsync() {
                file.sync_all().await?;
            }
            file.close().await
        };
        self.connection
            .run(SYNC, ending)
            .with_context(|| format!("writing the name of {} to the disk there", self.shown))
    }
}

/// Read and written by its owner only.
fn private() -> Permissions {
    let mut permissions = Permissions::new();
    permissions.set_read_by_owner(true).set_write_by_owner(true);
    permissions
}

/// Writes `data` from `offset` on.
async fn block(mut file: File, offset: u64, data: Vec<u8>) -> Result<(), Error> {
    let mut rest = [Bytes::from(data)];
    file.seek(SeekFrom::Start(offset)).await?;
    while !rest[0].is_empty() {
        // a server may take less than there is
        let written = file.write_zero_copy(&rest).await?;
        rest[0].advance(written);
    }
    Ok(())
}

/// `failure` in words, with the reason that SFTP has no number for.
fn told(failure: Failure, connection: &Connection, folder: &str) -> anyhow::Error {
    if failure.is_unexplained() && connection.sftp.support_statvfs() {
        let asking = async { connection.sftp.fs().statvfs(folder).await };
        if let Ok(disk) = connection.run(ANSWER, asking) {
            let free = disk.bavail.saturating_mul(disk.frsize);
            if free < 2 * BLOCK as u64 || (disk.files > 0 && disk.favail == 0) {
                return anyhow::anyhow!(
                    "the disk there is full: remove old backups, or make it larger"
                );
            }
        }
    }
    failure.into()
}

impl Write for Uploading {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let count = data.len().min(BLOCK - self.block.len());
        self.block.extend_from_slice(&data[..count]);
        if self.block.len() == BLOCK {
            self.send(FLYING)
                .map_err(|e| io::Error::other(format!("{e:#}")))?;
        }
        Ok(count)
    }

    /// Does nothing: a block goes out when it is full, and all of them are waited for in the end.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Upload for Uploading {
    fn commit(mut self: Box<Self>) -> Result<()> {
        self.finish()?;
        self.done = true;
        Ok(())
    }
}

impl Drop for Uploading {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        for task in &self.flying {
            task.abort();
        }
        self.file = None;
        if self.connection.works() {
            let hidden = &self.hidden;
            let clearing = async { self.connection.sftp.fs().remove_file(hidden).await };
            // what cannot be removed now is found by `tidy` later
            self.connection.run(CLEARING, clearing).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hidden_files_of_that_ending_are_unfinished() {
        assert!(is_unfinished(".a.tar.unfinished", "a."));
        for other in ["a.unfinished", ".a.", ".bashrc", ".b.a.unfinished"] {
            assert!(!is_unfinished(other, "a."), "{other}");
        }
    }
}
