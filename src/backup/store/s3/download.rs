//! Reads a file; a connection that breaks is made again where it broke.

use std::{
    io::{self, Read},
    sync::Arc,
};

use anyhow::{Context, Result, bail};
use rusty_s3::S3Action;

use super::{
    curl::ended,
    service::{Service, VALID},
};
use crate::util::run::Stream;

/// A file that is being read.
pub struct Download {
    service: Arc<Service>,
    key: String,
    shown: String,
    bytes: u64,
    etag: String,
    read: u64,
    /// How often nothing came since the last bytes did.
    failures: u32,
    stream: Option<Stream>,
}

impl Download {
    /// Begins to read the file `key`; `shown` is for error messages.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn begin(service: Arc<Service>, key: String, shown: String) -> Result<Self> {
        let found = service.look(&key);
        let found = found.with_context(|| format!("opening {shown}"))?;
        let (bytes, etag) =
            found.with_context(|| format!("opening {shown}: there is no such file"))?;
        Ok(Self {
            service,
            key,
            shown,
            bytes,
            etag,
            read: 0,
            failures: 0,
            stream: None,
        })
    }

    fn next(&mut self, buffer: &mut [u8]) -> Result<usize> {
        while self.read < self.bytes {
            let mut stream = match self.stream.take() {
                Some(stream) => stream,
                None => self.connect()?,
            };
            let count = stream.read(buffer).context("reading what curl gives")?;
            if count > 0 {
                self.stream = Some(stream);
                self.failures = 0;
                self.read += count as u64;
                return Ok(count);
            }
            self.broken(stream)?;
        }
        Ok(0)
    }

    fn connect(&self) -> Result<Stream> {
        let url = self.service.with(|bucket, credentials| {
            bucket.get_object(Some(credentials), &self.key).sign(VALID)
        });
        self.service.curl.get(&url, self.read, &self.etag)
    }

    /// Judges an end that came too early; all is well if it is worth a further try.
    fn broken(&mut self, stream: Stream) -> Result<()> {
        let (exit, said) = stream.end()?;
        let trouble = match ended(exit, &said) {
            Ok(()) => bail!("the service has sent {} bytes of {}", self.read, self.bytes),
            Err((Some(412), _)) => bail!("it was replaced while it was read: begin again"),
            Err((Some(status @ 300..), _)) => self.service.refused(status, ""),
            Err((_, trouble)) => trouble,
        };
        if !trouble.again || !self.service.patience.wait(self.failures) {
            bail!("{trouble}, after {} bytes of {}", self.read, self.bytes);
        }
        self.failures += 1;
        Ok(())
    }
}

impl Read for Download {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let room = (self.bytes - self.read).min(buffer.len() as u64) as usize;
        self.next(&mut buffer[..room])
            .map_err(|e| io::Error::other(format!("reading {}: {e:#}", self.shown)))
    }
}
