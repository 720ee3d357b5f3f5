//! Reads a file, many blocks at once.

use std::{
    collections::VecDeque,
    io::{self, Read, SeekFrom},
    sync::Arc,
};

use anyhow::{Context, Result};
use openssh_sftp_client::{Error, file::File};
use tokio::{io::AsyncSeekExt, task::JoinHandle};

use super::{ANSWER, BLOCK, FLYING, connection::Connection};

/// A block on its way.
struct Flying {
    /// How many bytes it has to have.
    count: usize,
    task: JoinHandle<Result<Vec<u8>, Error>>,
}

/// A file that is being read.
pub struct Download {
    shown: String,
    bytes: u64,
    /// Up to where blocks were asked for.
    asked: u64,
    flying: VecDeque<Flying>,
    block: Vec<u8>,
    /// How much of the block was given out.
    given: usize,
    file: File,
    connection: Arc<Connection>,
}

impl Download {
    /// Opens the file at `path`; `shown` is for error messages.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn begin(connection: Arc<Connection>, path: &str, shown: String) -> Result<Self> {
        let opening = async {
            let mut file = connection.sftp.open(path).await?;
            let bytes = file.metadata().await?.len();
            Ok((file, bytes))
        };
        let (file, bytes) = connection
            .run(ANSWER, opening)
            .with_context(|| format!("opening {shown}"))?;
        Ok(Self {
            bytes: bytes
                .with_context(|| format!("{shown}: the server does not say how long it is"))?,
            shown,
            asked: 0,
            flying: VecDeque::new(),
            block: Vec::new(),
            given: 0,
            file,
            connection,
        })
    }

    fn ask(&mut self) {
        while self.flying.len() < FLYING && self.asked < self.bytes {
            let count = (self.bytes - self.asked).min(BLOCK as u64) as usize;
            let task = self
                .connection
                .spawn(block(self.file.clone(), self.asked, count));
            self.flying.push_back(Flying { count, task });
            self.asked += count as u64;
        }
    }

    /// The next block; empty at the end.
    fn next(&mut self) -> Result<Vec<u8>> {
        self.ask();
        let Some(Flying { count, task }) = self.flying.pop_front() else {
            return Ok(Vec::new());
        };
        let block = self
            .connection
            .run(ANSWER, async { task.await? })
            .with_context(|| format!("reading {}", self.shown))?;
        anyhow::ensure!(
            block.len() == count,
            "{} ends before its end: is it being written to, or the disk there broken?",
            self.shown
        );
        Ok(block)
    }
}

/// `count` bytes from `offset` on; fewer only at the end of the file.
async fn block(mut file: File, offset: u64, count: usize) -> Result<Vec<u8>, Error> {
    let mut block = Vec::with_capacity(count);
    while block.len() < count {
        // a server may give less than was asked for
        file.seek(SeekFrom::Start(offset + block.len() as u64))
            .await?;
        let rest = (count - block.len()) as u32;
        match file.read(rest, Default::default()).await? {
            Some(data) => block.extend_from_slice(&data),
            None => break,
        }
    }
    Ok(block)
}

impl Read for Download {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.given == self.block.len() && !buffer.is_empty() {
            self.block = self
                .next()
                .map_err(|e| io::Error::other(format!("{e:#}")))?;
            self.given = 0;
        }
        let count = buffer.len().min(self.block.len() - self.given);
        buffer[..count].copy_from_slice(&self.block[self.given..][..count]);
        self.given += count;
        Ok(count)
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        for block in &self.flying {
            block.task.abort();
        }
    }
}
