//! The writing side.

use std::{
    io::{self, Read, Write},
    path::Path,
    thread::{self, JoinHandle},
};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use tar::{EntryType, Header};

use super::{
    pipe::{Sender, pipe},
    tail::locator,
};
use crate::{
    backup::{
        manifest::{MANIFEST, MARK, Mark},
        store::Upload,
    },
    encpipe::{Encryptor, Key, encrypt},
};

/// One below zstd's default. Most of what is stored was compressed by dovecot or is an attachment: the
/// default takes a sixth more of the processor, which delivers mail meanwhile, for a thousandth less.
const LEVEL: i32 = 2;

/// What a file is padded to in a tar archive, in bytes.
const BLOCK: u64 = 512;
/// How much of a file is read at once, in bytes: what stays in a processor's own cache until it is
/// hashed and compressed.
const PIECE: usize = 1 << 17;

/// What a tar entry says of a file beside its name and size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meta {
    /// Its mode, without the type.
    pub mode: u32,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// When it was changed last, in seconds since 1970.
    pub mtime: i64,
}

/// An archive that is being written.
pub struct Writer {
    tar: tar::Builder<Frames>,
    buffer: Vec<u8>,
    encryption: JoinHandle<Result<(Box<dyn Upload>, u64)>>,
    content: u64,
    /// The chunk that the last section begins with, if it was begun.
    tail: Option<u64>,
}

/// An archive that is written but not yet in its place.
pub struct Finished {
    upload: Box<dyn Upload>,
    /// How long it is, in bytes.
    pub bytes: u64,
    /// How much content of files is in it, in bytes.
    pub content: u64,
}

impl Finished {
    /// Puts it in its place.
    ///
    /// # Errors
    /// Those of [`Upload::commit`].
    pub fn commit(self) -> Result<()> {
        self.upload.commit()
    }
}

impl Writer {
    /// Begins an archive that goes to `upload`.
    ///
    /// # Errors
    /// When there is no thread to be had, or `upload` cannot be written.
    pub fn new(upload: Box<dyn Upload>, key: &Key, mark: &Mark) -> Result<Self> {
        let (sender, reader) = pipe();
        let key = key.clone();
        let encryption = thread::Builder::new()
            .name("encryption".to_owned())
            .spawn(move || {
                let mut upload = Counted {
                    inner: upload,
                    bytes: 0,
                };
                encrypt(reader, &mut upload, &key)?;
                Ok((upload.inner, upload.bytes))
            })
            .context("starting a thread to encrypt")?;
        let frames = Frames(Some(frame(sender).context("setting up zstd")?));
        let mut writer = Self {
            tar: tar::Builder::new(frames),
            buffer: vec![0; PIECE],
            encryption,
            content: 0,
            tail: None,
        };
        let text = serde_json::to_string(mark).context("writing JSON")? + "\n";
        let meta = Meta {
            mode: 0o600,
            uid: 0,
            gid: 0,
            mtime: mark.id.time,
        };
        let bytes = text.as_bytes();
        match writer.entry(Path::new(MARK), meta, bytes.len() as u64, bytes) {
            Ok(_) => Ok(writer),
            Err(error) => Err(writer.cause(error)),
        }
    }

    /// Begins the last section: what comes now can be read by itself, by a [`super::Tail`].
    ///
    /// # Errors
    /// As [`Writer::file`].
    pub fn last_section(&mut self) -> Result<()> {
        let begun = self.tar.get_mut().next();
        self.tail = Some(begun.context("beginning the last section of the archive")?);
        Ok(())
    }

    /// Adds a file whose content is `bytes`.
    ///
    /// # Errors
    /// As [`Writer::file`].
    pub fn bytes(&mut self, path: &Path, meta: Meta, bytes: &[u8]) -> Result<()> {
        self.content += bytes.len() as u64;
        let size = bytes.len() as u64;
        self.begin(path, meta, size)
            .and_then(|()| self.tar.get_mut().write_all(bytes))
            .and_then(|()| self.pad(size))
            .with_context(|| adding(path))
    }

    /// Adds a file of `size` bytes; returns the SHA-256 of what `data` gave.
    ///
    /// Where `data` ends early, the rest is zeros, and `None` is returned: the file has changed
    /// while it was read, and the entry must not be used.
    ///
    /// # Errors
    /// When `data` cannot be read, or the archive cannot be written; it is then to be given up, by
    /// [`Writer::cause`].
    pub fn file(
        &mut self,
        path: &Path,
        meta: Meta,
        size: u64,
        data: impl Read,
    ) -> Result<Option<[u8; 32]>> {
        self.content += size;
        self.entry(path, meta, size, data)
    }

    /// How much content of files was added, in bytes.
    pub fn content(&self) -> u64 {
        self.content
    }

    fn entry(
        &mut self,
        path: &Path,
        meta: Meta,
        size: u64,
        data: impl Read,
    ) -> Result<Option<[u8; 32]>> {
        self.begin(path, meta, size)
            .and_then(|()| self.copy(size, data))
            .with_context(|| adding(path))
    }

    /// Writes what stands before the bytes of a file. They are not given to [`tar::Builder`], which
    /// copies them in small pieces.
    fn begin(&mut self, path: &Path, meta: Meta, size: u64) -> io::Result<()> {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_size(size);
        header.set_mode(meta.mode);
        header.set_uid(meta.uid.into());
        header.set_gid(meta.gid.into());
        // tar knows no time before 1970
        header.set_mtime(meta.mtime.try_into().unwrap_or(0));
        self.tar.append_data(&mut header, path, io::empty())
    }

    /// Fills the last block of a file of `size` bytes (tar(5)).
    fn pad(&mut self, size: u64) -> io::Result<()> {
        let zeros = [0; BLOCK as usize];
        let over = (size % BLOCK) as usize;
        match over {
            0 => Ok(()),
            _ => self.tar.get_mut().write_all(&zeros[over..]),
        }
    }

    /// Copies the bytes of a file of that size; their SHA-256, unless there were fewer.
    fn copy(&mut self, size: u64, data: impl Read) -> io::Result<Option<[u8; 32]>> {
        let mut hash = Sha256::new();
        let mut data = data.take(size);
        let mut left = size;
        loop {
            let n = match data.read(&mut self.buffer) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            if n == 0 {
                break;
            }
            hash.update(&self.buffer[..n]);
            self.tar.get_mut().write_all(&self.buffer[..n])?;
            left -= n as u64;
        }
        io::copy(&mut io::repeat(0).take(left), self.tar.get_mut())?;
        self.pad(size)?;
        Ok((left == 0).then(|| hash.finalize().into()))
    }

    /// Adds the manifest, `size` bytes, and ends the archive.
    ///
    /// # Errors
    /// As [`Writer::file`].
    pub fn finish(mut self, manifest: impl Read, size: u64, time: i64) -> Result<Finished> {
        let meta = Meta {
            mode: 0o600,
            uid: 0,
            gid: 0,
            mtime: time,
        };
        match self.entry(Path::new(MANIFEST), meta, size, manifest) {
            Ok(Some(_)) => self.end(),
            Ok(None) => bail!("the manifest has changed while it was read"),
            Err(error) => Err(self.cause(error)),
        }
    }

    /// Ends the archive of an earlier part, which has no manifest.
    ///
    /// # Errors
    /// As [`Writer::file`].
    pub fn end(self) -> Result<Finished> {
        let content = self.content;
        let tail = self.tail;
        let ended = self.tar.into_inner().and_then(|frames| frames.finish(tail));
        // what the thread says is the cause of what is seen here
        let (upload, bytes) = join(self.encryption)?;
        ended.context("compressing the archive")?;
        Ok(Finished {
            upload,
            bytes,
            content,
        })
    }

    /// Gives the archive up; returns why it could not be written, if that is the cause of `error`.
    pub fn cause(self, error: anyhow::Error) -> anyhow::Error {
        // unfinished, so that the thread ends with an error of its own
        drop(self.tar);
        match join(self.encryption) {
            Err(cause) if is_broken_pipe(&error) => cause,
            _ => error,
        }
    }
}

fn adding(path: &Path) -> String {
    format!("adding {} to the archive", path.display())
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let kinds = error.chain().filter_map(|e| e.downcast_ref::<io::Error>());
    kinds
        .map(io::Error::kind)
        .any(|k| k == io::ErrorKind::BrokenPipe)
}

fn join<T>(handle: JoinHandle<Result<T>>) -> Result<T> {
    match handle.join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// zstd frames, one behind the other.
struct Frames(Option<Frame>);

type Frame = zstd::Encoder<'static, Sender>;

/// Begins a frame.
fn frame(to: Sender) -> io::Result<Frame> {
    let mut zstd = zstd::Encoder::new(to, LEVEL)?;
    // in a thread of its own
    zstd.multithread(1)?;
    zstd.include_checksum(true)?;
    Ok(zstd)
}

impl Frames {
    /// Ends the frame and begins another, at the beginning of a chunk; its number.
    fn next(&mut self) -> io::Result<u64> {
        let mut sender = self.0.take().ok_or_else(broken)?.finish()?;
        let chunk = sender.boundary()?;
        self.0 = Some(frame(sender)?);
        Ok(chunk)
    }

    /// Ends the stream, with a locator of its last section if there is one.
    fn finish(self, tail: Option<u64>) -> io::Result<()> {
        let mut sender = self.0.ok_or_else(broken)?.finish()?;
        if let Some(chunk) = tail {
            sender.boundary()?;
            sender.write_all(&locator(chunk))?;
        }
        sender.finish()
    }
}

fn broken() -> io::Error {
    io::Error::other("an earlier write failed; the archive cannot go on")
}

impl Write for Frames {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0.as_mut().ok_or_else(broken)?.write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.as_mut().ok_or_else(broken)?.flush()
    }
}

struct Counted {
    inner: Box<dyn Upload>,
    bytes: u64,
}

impl Write for Counted {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(data)?;
        self.bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// A small file that is a stream of its own: `zstd | encpipe`.
///
/// # Errors
/// When `data` cannot be read or `upload` written.
pub fn small(mut upload: Box<dyn Upload>, key: &Key, data: impl Read) -> Result<()> {
    let mut encryptor = Encryptor::new(&mut upload, key);
    zstd::stream::copy_encode(data, &mut encryptor, LEVEL).context("compressing the manifest")?;
    encryptor.finish().context("encrypting the manifest")?;
    upload.commit()
}
