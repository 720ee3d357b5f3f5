//! The container in which answers lie inside an image: what `ezmail embed` writes over the blank
//! file that every image reserves, and what the agent reads from it.
//!
//! The file has a fixed size. All zero, it is blank. Otherwise (numbers are little-endian):
//!
//! | bytes | what |
//! |---|---|
//! | 0..16 | [`MAGIC`] |
//! | 16..20 | format version, 1 |
//! | 20..24 | length of the payload |
//! | 24..56 | SHA-256 over bytes 0..24 and the payload |
//! | 56.. | the payload: a tar archive (POSIX ustar, long names as GNU tar has them) |
//! | the rest | zero |
//!
//! The archive has the answers file first, then the files that it names, sorted; each with mode
//! 0600, owner 0 and time 0. So the same answers give the same bytes. While the file is written, it
//! begins with [`UNFINISHED`] instead: a write that was broken off is never taken for good, nor for
//! blank, whatever was there before.

use std::{
    collections::BTreeMap,
    fmt,
    io::{self, Read},
};

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{Answers, MAX_FILE, MAX_FILES, MAX_SIZE, Report, read};

/// What a container begins with.
pub const MAGIC: &[u8; 16] = b"ezmail answers\r\n";
/// What stands in its place while the reserved file is being written: nothing is valid then.
pub const UNFINISHED: &[u8; 16] = b"ezmail embedding";
/// The format that is written, and the newest that is read.
const VERSION: u32 = 1;
/// Bytes before the payload.
const HEADER: usize = 56;

/// Answers as they lie in an image: not checked.
#[derive(Clone, PartialEq, Eq)]
pub struct Content {
    /// The name of the answers file.
    pub name: String,
    /// The TOML.
    pub bytes: Zeroizing<Vec<u8>>,
    /// The files that it names, by name.
    pub files: BTreeMap<String, Zeroizing<Vec<u8>>>,
}

/// Why answers cannot be packed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TooMuch {
    /// All of it together.
    #[error(
        "the answers and the files that they name need {needed} bytes in the image, which has \
         room for {room}"
    )]
    All {
        /// The size of the container.
        needed: usize,
        /// The size of the reserved file.
        room: usize,
    },
    /// One file.
    #[error("the file {name} has {size} bytes; {limit} is the most")]
    File {
        /// Its name.
        name: String,
        /// Its size.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// The number of files.
    #[error("the answers name {0} files; {MAX_FILES} is the most")]
    Files(usize),
    /// A name that no file in a folder can have, or that is there twice.
    #[error("'{0}' cannot be the name of a file beside the answers")]
    Name(String),
}

/// Why a reserved file that is not blank cannot be read. The texts go on after "the answers in …".
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// It does not begin with [`MAGIC`].
    #[error("cannot be read: this is nothing that 'ezmail embed' has written")]
    Foreign,
    /// It begins with [`UNFINISHED`].
    #[error("are not whole: writing or clearing them was broken off")]
    BrokenOff,
    /// A later format.
    #[error("were embedded by a newer ezmail (format {0}, this one reads {VERSION})")]
    Newer(u32),
    /// The checksum is right and the archive is not, or the other way round.
    #[error("are damaged: {0}")]
    Damaged(String),
}

impl Content {
    /// The container, exactly `room` bytes. The same content always gives the same bytes.
    ///
    /// # Errors
    /// When it is too large, or a name is none.
    pub fn pack(&self, room: usize) -> Result<Zeroizing<Vec<u8>>, TooMuch> {
        self.check_limits()?;
        // reserved once, so that growing leaves no copies of secrets behind
        let mut container = Zeroizing::new(Vec::with_capacity(room.max(self.upper_bound())));
        container.resize(HEADER, 0);
        let mut builder = tar::Builder::new(&mut *container);
        let first = (&self.name, &self.bytes);
        for (name, bytes) in std::iter::once(first).chain(&self.files) {
            let mut header = tar::Header::new_ustar();
            header.set_entry_type(tar::EntryType::Regular);
            header.set_mode(0o600);
            header.set_size(bytes.len() as u64);
            // the only thing that can go wrong here is the name: memory does not fail
            builder
                .append_data(&mut header, name, bytes.as_slice())
                .map_err(|_| TooMuch::Name(name.clone()))?;
        }
        builder
            .finish()
            .map_err(|_| TooMuch::Name(self.name.clone()))?;
        drop(builder);
        let needed = container.len();
        if needed > room {
            return Err(TooMuch::All { needed, room });
        }
        let length = u32::try_from(needed - HEADER).map_err(|_| TooMuch::All { needed, room })?;
        container[..16].copy_from_slice(MAGIC);
        container[16..20].copy_from_slice(&VERSION.to_le_bytes());
        container[20..24].copy_from_slice(&length.to_le_bytes());
        let sum = checksum(&container[..24], &container[HEADER..]);
        container[24..HEADER].copy_from_slice(&sum);
        container.resize(room, 0);
        Ok(container)
    }

    fn check_limits(&self) -> Result<(), TooMuch> {
        if self.files.len() > MAX_FILES {
            return Err(TooMuch::Files(self.files.len()));
        }
        let files = self
            .files
            .iter()
            .map(|(name, bytes)| (name, bytes, MAX_FILE));
        for (name, bytes, limit) in
            std::iter::once((&self.name, &self.bytes, MAX_SIZE)).chain(files)
        {
            if !is_name(name) {
                return Err(TooMuch::Name(name.clone()));
            }
            let size = bytes.len();
            if size > limit {
                let name = name.clone();
                return Err(TooMuch::File { name, size, limit });
            }
        }
        match self.files.contains_key(&self.name) {
            true => Err(TooMuch::Name(self.name.clone())),
            false => Ok(()),
        }
    }

    /// A header, a long name and padding for each file, and the end of the archive.
    fn upper_bound(&self) -> usize {
        let files = self.files.values().chain([&self.bytes]);
        HEADER + 1024 + files.map(|f| f.len() + 4 * 512).sum::<usize>()
    }

    /// Checks the answers, with their files.
    pub fn check(&self) -> (Option<Answers>, Report) {
        let files = |name: &str| match self.files.get(name) {
            Some(bytes) => Ok(bytes.to_vec()),
            None => Err(io::Error::from(io::ErrorKind::NotFound)),
        };
        read(&self.bytes, &self.name, Some(&files))
    }

    /// What is in a reserved file; `None` if it is blank.
    ///
    /// # Errors
    /// When it is neither blank nor whole.
    pub fn unpack(reserved: &[u8]) -> Result<Option<Self>, Damage> {
        if reserved.iter().all(|b| *b == 0) {
            return Ok(None);
        }
        let (header, rest) = reserved
            .split_at_checked(HEADER)
            .ok_or_else(|| damaged("there is less than a header"))?;
        if header.starts_with(UNFINISHED) {
            return Err(Damage::BrokenOff);
        }
        if !header.starts_with(MAGIC) {
            return Err(Damage::Foreign);
        }
        let number = |at: usize| {
            let bytes = [header[at], header[at + 1], header[at + 2], header[at + 3]];
            u32::from_le_bytes(bytes)
        };
        let version = number(16);
        if version > VERSION {
            return Err(Damage::Newer(version));
        }
        let (payload, rest) = rest
            .split_at_checked(number(20) as usize)
            .ok_or_else(|| damaged("they are longer than the room for them"))?;
        if checksum(&header[..24], payload) != header[24..] {
            return Err(damaged("the checksum does not match"));
        }
        if version != VERSION || rest.iter().any(|b| *b != 0) {
            return Err(damaged("there is more than answers"));
        }
        Self::from_archive(payload).map(Some)
    }

    fn from_archive(payload: &[u8]) -> Result<Self, Damage> {
        let unreadable = |e: io::Error| damaged(format!("the archive in it: {e}"));
        let mut first = None;
        let mut files = BTreeMap::new();
        for entry in tar::Archive::new(payload).entries().map_err(unreadable)? {
            let mut entry = entry.map_err(unreadable)?;
            let name = String::from_utf8(entry.path_bytes().into_owned())
                .ok()
                .filter(|name| is_name(name))
                .ok_or_else(|| damaged("a file has a name that cannot be one"))?;
            if entry.header().entry_type() != tar::EntryType::Regular {
                return Err(damaged(format!("{name} is no regular file")));
            }
            let limit = if first.is_none() { MAX_SIZE } else { MAX_FILE };
            let size = usize::try_from(entry.size()).unwrap_or(limit);
            let mut bytes = Zeroizing::new(Vec::with_capacity(size.min(limit) + 1));
            let size = (&mut entry)
                .take(limit as u64 + 1)
                .read_to_end(&mut bytes)
                .map_err(unreadable)?;
            if size > limit || files.len() == MAX_FILES {
                return Err(damaged(format!("{name} is too large, or one too many")));
            }
            match &first {
                None => first = Some((name, bytes)),
                Some((answers, _)) if *answers == name || files.contains_key(&name) => {
                    return Err(damaged(format!("{name} is there twice")));
                }
                Some(_) => drop(files.insert(name, bytes)),
            }
        }
        let (name, bytes) = first.ok_or_else(|| damaged("there is no file in it"))?;
        Ok(Self { name, bytes, files })
    }
}

impl fmt::Debug for Content {
    /// Names and sizes: the bytes are secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files = self.files.iter().map(|(name, bytes)| (name, bytes.len()));
        f.debug_struct("Content")
            .field("name", &self.name)
            .field("bytes", &self.bytes.len())
            .field("files", &files.collect::<BTreeMap<_, _>>())
            .finish()
    }
}

fn checksum(header: &[u8], payload: &[u8]) -> [u8; 32] {
    let mut sum = Sha256::new();
    sum.update(header);
    sum.update(payload);
    sum.finalize().into()
}

/// Whether it can be the name of a file in a folder, and no path.
fn is_name(name: &str) -> bool {
    let length = 1..=255;
    length.contains(&name.len()) && !name.contains(['/', '\0']) && name != "." && name != ".."
}

fn damaged(what: impl ToString) -> Damage {
    Damage::Damaged(what.to_string())
}

#[cfg(test)]
mod tests;
