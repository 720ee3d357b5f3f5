//! Writes a file: a small one at once, a larger one in parts.

use std::{
    fs::File,
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use anyhow::{Context, Result, bail};
use rusty_s3::{Method, S3Action, actions::CreateMultipartUpload};

use super::{
    curl::{memory, sending},
    service::{Service, VALID},
    trouble::Trouble,
};
use crate::backup::store::Upload;

/// The most parts that a file may have.
const PARTS: u16 = 10_000;
/// How many parts there are of one size.
const ALIKE: u16 = 1250;
/// The size of the first parts.
const SMALLEST: u64 = 8 << 20;

/// The size of a part, counted from 1: 8 MiB for the first 10 GB, and twice as large each 1,250
/// parts, so that 10,000 parts have 2.4 TiB and a part of a short file needs little memory.
fn part_size(number: u16) -> u64 {
    SMALLEST << (number.saturating_sub(1) / ALIKE)
}

/// A file that is being written.
pub struct Uploading {
    service: Arc<Service>,
    key: String,
    shown: String,
    /// The part that is being filled, and how far.
    part: File,
    filled: u64,
    bytes: u64,
    /// The upload in parts, once there is one.
    id: Option<String>,
    etags: Vec<String>,
    flying: Option<JoinHandle<Result<String, Trouble>>>,
    stop: Arc<AtomicBool>,
    failed: bool,
    done: bool,
}

impl Uploading {
    /// Begins to write the file `key`; `shown` is for error messages.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn begin(service: Arc<Service>, key: String, shown: String) -> Result<Self> {
        Ok(Self {
            service,
            key,
            shown,
            part: memory()?,
            filled: 0,
            bytes: 0,
            id: None,
            etags: Vec::new(),
            flying: None,
            stop: Arc::default(),
            failed: false,
            done: false,
        })
    }

    /// The number of the part that is being filled.
    fn number(&self) -> u16 {
        self.etags.len() as u16 + 1 + u16::from(self.flying.is_some())
    }

    /// Sends the part off, once the one before has arrived.
    fn ship(&mut self) -> Result<()> {
        let number = self.number();
        if number > PARTS {
            bail!("an S3 store takes no file of more than 2.4 TiB");
        }
        let id = match &self.id {
            Some(id) => id.clone(),
            None => self.begin_parts()?,
        };
        self.wait()?;
        let part = std::mem::replace(&mut self.part, memory()?);
        self.bytes += std::mem::take(&mut self.filled);
        let (service, key, stop) = (self.service.clone(), self.key.clone(), self.stop.clone());
        self.flying = Some(thread::spawn(move || {
            let put = service.ask(
                Method::Put,
                Some(&part),
                Some(&stop),
                |bucket, credentials| {
                    bucket
                        .upload_part(Some(credentials), &key, number, &id)
                        .sign(VALID)
                },
            )?;
            match put.etag.is_empty() {
                true => Err(Trouble::ours(
                    "the service has sent no ETag for a part".to_owned(),
                )),
                false => Ok(put.etag),
            }
        }));
        Ok(())
    }

    fn begin_parts(&mut self) -> Result<String> {
        let answer = self
            .service
            .ask(Method::Post, None, None, |bucket, credentials| {
                bucket
                    .create_multipart_upload(Some(credentials), &self.key)
                    .sign(VALID)
            })?;
        let id = CreateMultipartUpload::parse_response(&answer.body)
            .ok()
            .context("the service's answer to the beginning of an upload is not understood")?;
        self.id = Some(id.upload_id().to_owned());
        Ok(id.upload_id().to_owned())
    }

    fn wait(&mut self) -> Result<()> {
        if let Some(thread) = self.flying.take() {
            let etag = thread.join();
            let etag = etag.map_err(|_| anyhow::anyhow!("a thread of the upload has panicked"))?;
            self.etags.push(etag?);
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        if self.id.is_some() {
            if self.filled > 0 {
                self.ship()?;
            }
            self.wait()?;
        }
        if self.service.look(&self.key)?.is_some() {
            bail!("it is there already");
        }
        match self.id.clone() {
            None => {
                self.bytes += self.filled;
                let part = Some(&self.part);
                self.service
                    .ask(Method::Put, part, None, |bucket, credentials| {
                        bucket.put_object(Some(credentials), &self.key).sign(VALID)
                    })?;
            }
            Some(id) => self.complete(&id)?,
        }
        let there = self.service.look(&self.key)?;
        let there = there.map(|(bytes, _)| bytes);
        if there != Some(self.bytes) {
            let removed = self
                .service
                .ask(Method::Delete, None, None, |bucket, credentials| {
                    bucket
                        .delete_object(Some(credentials), &self.key)
                        .sign(VALID)
                });
            bail!(
                "the service has kept {} bytes of {}: {}try again",
                there.unwrap_or(0),
                self.bytes,
                if removed.is_ok() {
                    ""
                } else {
                    "remove it and "
                }
            );
        }
        Ok(())
    }

    fn complete(&mut self, id: &str) -> Result<()> {
        let etags = || self.etags.iter().map(String::as_str);
        let body = self.service.with(|bucket, credentials| {
            bucket
                .complete_multipart_upload(Some(credentials), &self.key, id, etags())
                .body()
        });
        let file = sending(&body)?;
        let done = self
            .service
            .ask(Method::Post, Some(&file), None, |bucket, credentials| {
                bucket
                    .complete_multipart_upload(Some(credentials), &self.key, id, etags())
                    .sign(VALID)
            });
        match done {
            Ok(_) => Ok(()),
            // done by a request whose answer was lost: how long the file is will show it
            Err(trouble) if trouble.code == "NoSuchUpload" => Ok(()),
            Err(trouble) => Err(trouble.into()),
        }
    }
}

impl Write for Uploading {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let failed =
            |e: anyhow::Error, shown: &str| io::Error::other(format!("writing {shown}: {e:#}"));
        if self.failed {
            let e = anyhow::anyhow!("something of it could not be written");
            return Err(failed(e, &self.shown));
        }
        let room = part_size(self.number()) - self.filled;
        let count = data.len().min(usize::try_from(room).unwrap_or(usize::MAX));
        self.part.write_all(&data[..count])?;
        self.filled += count as u64;
        if count as u64 == room
            && let Err(e) = self.ship()
        {
            self.failed = true;
            return Err(failed(e, &self.shown));
        }
        Ok(count)
    }

    /// Does nothing: a part goes out when it is full, and all of them are waited for in the end.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Upload for Uploading {
    fn commit(mut self: Box<Self>) -> Result<()> {
        if self.failed {
            bail!(
                "writing {}: something of it could not be written",
                self.shown
            );
        }
        self.finish()
            .with_context(|| format!("writing {}", self.shown))?;
        self.done = true;
        Ok(())
    }
}

impl Drop for Uploading {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.flying.take() {
            // whether it arrives does not matter any more
            thread.join().ok();
        }
        if let Some(id) = self.id.take() {
            // what cannot be removed now is found by `tidy` later
            self.service
                .ask(
                    Method::Delete,
                    None,
                    Some(&self.stop),
                    |bucket, credentials| {
                        bucket
                            .abort_multipart_upload(Some(credentials), &self.key, &id)
                            .sign(VALID)
                    },
                )
                .ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_grow_and_are_never_too_many_or_too_large() {
        assert_eq!([1, 1250, 1251].map(part_size), [8 << 20, 8 << 20, 16 << 20]);
        let all: u64 = (1..=PARTS).map(part_size).sum();
        assert!(all * 10 > 24 << 40, "{all}");
        assert!(part_size(PARTS) <= 5 << 30);
    }
}
