//! The reading side.

use std::{
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread,
};

use anyhow::{Context, Error, Result, bail, ensure};

use super::pipe::{PieceReader, pipe};
use crate::{
    backup::manifest::{MARK, Mark, parse_mark},
    encpipe::{Decryptor, Key, StreamError, decrypt},
};

/// The longest mark that is read, in bytes.
const MARK_LIMIT: u64 = 1 << 16;

/// An archive that is being read.
pub struct Reader {
    tar: tar::Archive<Decompressed>,
    failure: Failure,
}

type Decompressed = zstd::Decoder<'static, BufReader<PieceReader>>;
/// Why decryption ended, if it failed: the cause of whatever is seen behind it.
type Failure = Arc<Mutex<Option<Error>>>;

/// A file in an archive.
pub struct Entry<'a> {
    /// Its name.
    pub path: PathBuf,
    /// Its length in bytes.
    pub size: u64,
    data: tar::Entry<'a, Decompressed>,
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
        let (mut sender, reader) = pipe();
        let failure = Failure::default();
        let (key, cause) = (key.clone(), failure.clone());
        thread::Builder::new()
            .name("decryption".to_owned())
            .spawn(move || match decrypt(stream, &mut sender, &key) {
                Ok(_) => {
                    // who stopped reading early does not want to know
                    let _ = sender.finish();
                }
                Err(error) => {
                    if let Ok(mut cause) = cause.lock() {
                        *cause = Some(error);
                    }
                    sender.fail(io::Error::other("the stream cannot be decrypted"));
                }
            })
            .context("starting a thread to decrypt")?;
        let zstd = zstd::Decoder::new(reader).context("setting up zstd")?;
        Ok(Self {
            tar: tar::Archive::new(zstd),
            failure,
        })
    }

    /// Gives every file to `each`, in order, and reads to the very end: only then is the archive
    /// known to be whole. `mark` is given what the archive says of itself first.
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
        let mut mark = Some(mark);
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
        let mut rest = std::mem::replace(&mut self.tar, tar::Archive::new(empty()?)).into_inner();
        io::copy(&mut rest, &mut io::sink()).context("reading the archive to its end")?;
        Ok(())
    }
}

/// A decoder of nothing, to be there instead.
fn empty() -> Result<Decompressed> {
    zstd::Decoder::new(pipe().1).context("setting up zstd")
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
