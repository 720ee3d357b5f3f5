//! The reading side.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread,
};

use anyhow::{Context, Error, Result, bail, ensure};

use super::{
    pipe::{PieceReader, Sender, pipe},
    tail,
};
use crate::{
    backup::manifest::{MARK, Mark, parse_mark},
    encpipe::{Decryptor, Key, StreamError},
};

/// The longest mark that is read, in bytes.
const MARK_LIMIT: u64 = 1 << 16;

/// An archive that is being read.
pub struct Reader {
    tar: tar::Archive<PieceReader>,
    failure: Failure,
    /// Whether it begins with its mark.
    marked: bool,
}

/// Why decryption ended, if it failed: the cause of whatever is seen behind it.
type Failure = Arc<Mutex<Option<Error>>>;

/// A file in an archive.
pub struct Entry<'a> {
    /// Its name.
    pub path: PathBuf,
    /// Its length in bytes.
    pub size: u64,
    data: tar::Entry<'a, PieceReader>,
}

impl Read for Entry<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.data.read(out)
    }
}

impl Reader {
    /// Reads the archive that `stream` yields.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn new(stream: impl Read + Send + 'static, key: &Key) -> Result<Self> {
        Self::of(Decryptor::new(stream, key), true)
    }

    /// Reads the last section of the archive in `file`: what is no message, and the manifest. `None`
    /// if the archive does not say where it is.
    ///
    /// # Errors
    /// When the file cannot be read, or there is no thread to be had.
    pub fn tail(file: File, key: &Key) -> Result<Option<Self>> {
        let found = tail::find(file, key)?;
        found.map(|stream| Self::of(stream, false)).transpose()
    }

    fn of<R: Read + Send + 'static>(stream: Decryptor<R>, marked: bool) -> Result<Self> {
        let (mut sender, reader) = pipe();
        let failure = Failure::default();
        let cause = failure.clone();
        let work = move || match decompress(stream, &mut sender) {
            Ok(()) => {
                // who stopped reading early does not want to know
                let _ = sender.finish();
            }
            Err(error) => {
                if let Ok(mut cause) = cause.lock() {
                    *cause = Some(error);
                }
                sender.fail(io::Error::other("the stream cannot be read"));
            }
        };
        thread::Builder::new()
            .name("decryption".to_owned())
            .spawn(work)
            .context("starting a thread to decrypt")?;
        Ok(Self {
            tar: tar::Archive::new(reader),
            failure,
            marked,
        })
    }

    /// Gives every file to `each`, in order, and reads to the very end: only then is the archive
    /// known to be whole. `mark` is given what the archive says of itself first, if it is not only
    /// its last section.
    ///
    /// # Errors
    /// When the stream is not whole and authentic, is no archive of a backup, and those of `mark`
    /// and `each`.
    pub fn read(
        mut self,
        mark: impl FnOnce(&Mark) -> Result<()>,
        each: impl FnMut(&mut Entry<'_>) -> Result<()>,
    ) -> Result<()> {
        let result = self.entries(mark, each);
        let cause = self.failure.lock().ok().and_then(|mut f| f.take());
        match (result, cause) {
            (Err(_), Some(cause)) => Err(cause),
            (result, _) => result,
        }
    }

    fn entries(
        &mut self,
        mark: impl FnOnce(&Mark) -> Result<()>,
        mut each: impl FnMut(&mut Entry<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut mark = self.marked.then_some(mark);
        for entry in self.tar.entries().context("reading the archive")? {
            let data = entry.context("reading the archive")?;
            let path = data.path().context("reading the archive")?.into_owned();
            let mut entry = Entry {
                path,
                size: data.size(),
                data,
            };
            match mark.take() {
                Some(mark) => mark(&read_mark(&mut entry)?)?,
                None => each(&mut entry)?,
            }
        }
        ensure!(mark.is_none(), "the archive is empty");
        // the tar ends before the stream does
        let mut rest = std::mem::replace(&mut self.tar, tar::Archive::new(pipe().1)).into_inner();
        io::copy(&mut rest, &mut io::sink()).context("reading the archive to its end")?;
        Ok(())
    }
}

/// Copies what is in `stream` to `to`, to its very end.
fn decompress<R: Read>(stream: Decryptor<R>, to: &mut Sender) -> Result<()> {
    let mut zstd = zstd::Decoder::new(stream).context("setting up zstd")?;
    let mut buffer = vec![0; 1 << 17];
    loop {
        let n = zstd
            .read(&mut buffer)
            .map_err(|error| match StreamError::of(&error) {
                Some(refused) => Error::from(refused),
                None => Error::from(error).context("reading the encrypted stream"),
            })?;
        if n == 0 {
            return Ok(());
        }
        to.write_all(&buffer[..n])?;
    }
}

fn read_mark(entry: &mut Entry<'_>) -> Result<Mark> {
    if entry.path != Path::new(MARK) || entry.size > MARK_LIMIT {
        bail!(
            "this is no backup of ezmail: its first entry is {}, not {MARK}",
            entry.path.display()
        );
    }
    let mut text = String::new();
    entry
        .read_to_string(&mut text)
        .with_context(|| format!("reading {MARK}"))?;
    parse_mark(&text)
}

/// The other way of [`super::write::small`]: a reader of lines.
///
/// # Errors
/// None; reading fails when the stream is not whole and authentic.
pub fn small(stream: impl Read, key: &Key) -> Result<impl BufRead> {
    let zstd = zstd::Decoder::new(Decryptor::new(stream, key)).context("setting up zstd")?;
    Ok(BufReader::new(zstd))
}

/// What is wrong with the stream, if that is why it was not read.
pub fn stream_error(error: &Error) -> Option<StreamError> {
    error.chain().find_map(|cause| {
        let direct = cause.downcast_ref::<StreamError>().copied();
        direct.or_else(|| cause.downcast_ref::<io::Error>().and_then(StreamError::of))
    })
}
