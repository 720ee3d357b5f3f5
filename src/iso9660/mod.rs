//! Reading ISO 9660 file systems (ECMA-119, 4th edition): the primary volume and its tree.
//!
//! For looking into images, on the host and in the appliance, without mounting them. Names are
//! those of the primary tree, with capitals and `_` for what it cannot have, and those of Rock Ridge
//! beside them; Joliet is not looked at. Nothing that is read is
//! trusted: a damaged image gives an [`Error`], and no more is read than the image can hold.

pub mod el_torito;
mod record;
mod rock_ridge;

use std::io::{self, Read, Seek, SeekFrom};

use record::Record;
use rock_ridge::Name;

/// Size of a logical block; other sizes are allowed by the standard and used by nobody.
pub const BLOCK: u64 = 2048;
/// Where the volume descriptors begin, in blocks: before them is the system area (6.2.1).
const DESCRIPTORS: u64 = 16;
/// How many descriptors are looked at: images have three or four.
const MAX_DESCRIPTORS: u64 = 64;
/// Largest directory that is read, in bytes: some hundred thousand names.
const MAX_DIRECTORY: u64 = 16 << 20;
/// How many times the fields of a record may go on elsewhere.
const MAX_CONTINUED: usize = 8;

/// Why an image cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There are no volume descriptors of ISO 9660.
    #[error("this is no ISO 9660 image")]
    NotIso,
    /// The tree has no such file or directory.
    #[error("the image has no {0}")]
    NotFound(String),
    /// The image contradicts itself or the standard.
    #[error("the image is damaged: {0}")]
    Damaged(String),
    /// Reading failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A run of bytes of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Where it begins, in bytes from the beginning of the image.
    pub offset: u64,
    /// How many bytes it has.
    pub length: u64,
}

/// A file or a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name, without version number.
    pub name: String,
    /// Its name by Rock Ridge, which Linux and isolinux go by.
    pub long: Option<String>,
    /// Whether it is a directory.
    pub directory: bool,
    /// Where its bytes are: one extent, or several for files above 4 GiB.
    pub extents: Vec<Extent>,
}

impl Entry {
    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        self.extents.iter().map(|e| e.length).sum()
    }

    /// Its name as Linux shows it.
    pub fn shown(&self) -> &str {
        self.long.as_deref().unwrap_or(&self.name)
    }
}

/// The primary volume of an image.
#[derive(Debug)]
pub struct Volume<R> {
    reader: R,
    length: u64,
    id: String,
    modified: String,
    blocks: u64,
    root: Entry,
}

impl<R: Read + Seek> Volume<R> {
    /// Reads the volume descriptors (8.4).
    ///
    /// # Errors
    /// When there are none, when they are damaged, or when reading fails.
    pub fn open(mut reader: R) -> Result<Self, Error> {
        let length = reader.seek(SeekFrom::End(0))?;
        let mut block = [0; BLOCK as usize];
        for number in DESCRIPTORS..DESCRIPTORS + MAX_DESCRIPTORS {
            if (number + 1) * BLOCK > length {
                return Err(Error::NotIso);
            }
            reader.seek(SeekFrom::Start(number * BLOCK))?;
            reader.read_exact(&mut block)?;
            if &block[1..6] != b"CD001" {
                return Err(Error::NotIso);
            }
            match block[0] {
                1 => return Self::primary(reader, length, &block),
                255 => break,
                _ => {}
            }
        }
        Err(damaged("it has no primary volume descriptor"))
    }

    fn primary(reader: R, length: u64, block: &[u8; BLOCK as usize]) -> Result<Self, Error> {
        let size = record::both_16(&block[128..132]).map_err(damaged)?;
        if u64::from(size) != BLOCK {
            return Err(damaged(format!("its blocks have {size} bytes")));
        }
        let record = Record::parse(&block[156..190]).map_err(damaged)?;
        if !record.directory {
            return Err(damaged("its root is no directory"));
        }
        let mut this = Self {
            reader,
            length,
            id: String::from_utf8_lossy(&block[40..72])
                .trim_end()
                .to_owned(),
            modified: String::from_utf8_lossy(&block[830..846]).into_owned(),
            blocks: u64::from(record::both_32(&block[80..88]).map_err(damaged)?),
            root: Entry {
                name: String::new(),
                long: None,
                directory: true,
                extents: Vec::new(),
            },
        };
        this.root.extents.push(this.extent(&record)?);
        Ok(this)
    }

    /// The volume identifier: its label.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The root directory.
    pub fn root(&self) -> &Entry {
        &self.root
    }

    /// When the volume was last modified (8.4.26.1), as `YYYY-MM-DD-HH-MM-SS-CC`: the form in which
    /// the kernel's tools have it as the file system's UUID. None if that field is no date.
    pub fn uuid(&self) -> Option<String> {
        let date = &self.modified;
        if date.len() != 16 || !date.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let parts = [0..4, 4..6, 6..8, 8..10, 10..12, 12..14, 14..16].map(|part| &date[part]);
        Some(parts.join("-"))
    }

    /// The size that the volume says it has, in bytes. Less than that is an image cut short; more
    /// is common (appended partitions, padding).
    pub fn size(&self) -> u64 {
        self.blocks * BLOCK
    }

    /// The size of what it is read from, in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The file or directory with that path, such as `boot/syslinux/isolinux.bin`. Capitals make
    /// no difference.
    ///
    /// # Errors
    /// [`Error::NotFound`], and whatever [`Self::list`] returns on the way.
    pub fn find(&mut self, path: &str) -> Result<Entry, Error> {
        let mut entry = self.root.clone();
        for name in path.split('/').filter(|name| !name.is_empty()) {
            let not_found = || Error::NotFound(path.to_owned());
            if !entry.directory {
                return Err(not_found());
            }
            let inside = self.list(&entry)?;
            let mut matching = inside
                .into_iter()
                .filter(|e| e.name.eq_ignore_ascii_case(name));
            entry = matching.next().ok_or_else(not_found)?;
        }
        Ok(entry)
    }

    /// What is in a directory, in its order (6.8.1, 9.1).
    ///
    /// # Errors
    /// When the directory is damaged, or reading fails.
    pub fn list(&mut self, directory: &Entry) -> Result<Vec<Entry>, Error> {
        let name = &directory.name;
        if directory.size() > MAX_DIRECTORY {
            let size = directory.size();
            return Err(damaged(format!("the directory '{name}' has {size} bytes")));
        }
        let mut entries: Vec<Entry> = Vec::new();
        // whether the last record said that more extents of its file follow
        let mut more = false;
        for extent in &directory.extents {
            if !extent.length.is_multiple_of(BLOCK) {
                return Err(damaged(format!(
                    "the directory '{name}' is not made of blocks"
                )));
            }
            let mut block = [0; BLOCK as usize];
            for number in 0..extent.length / BLOCK {
                // long names may be read from elsewhere in between
                let place = extent.offset + number * BLOCK;
                self.reader.seek(SeekFrom::Start(place))?;
                self.reader.read_exact(&mut block).map_err(cut_short)?;
                for record in record::records(&block) {
                    let record = record
                        .map_err(|e| damaged(format!("a record of the directory '{name}': {e}")))?;
                    if record.is_dot() {
                        continue;
                    }
                    let extent = self.extent(&record)?;
                    match entries.last_mut().filter(|_| more) {
                        Some(file) if file.name == record.name => file.extents.push(extent),
                        Some(file) => {
                            return Err(damaged(format!("the end of '{}' is missing", file.name)));
                        }
                        None => entries.push(Entry {
                            long: self.long_name(&record)?,
                            name: record.name,
                            directory: record.directory,
                            extents: vec![extent],
                        }),
                    }
                    more = record.more;
                }
            }
        }
        match entries.last().filter(|_| more) {
            Some(file) => Err(damaged(format!("the end of '{}' is missing", file.name))),
            None => Ok(entries),
        }
    }

    /// The name by Rock Ridge. What is not right there is no error: it then has none.
    fn long_name(&mut self, record: &Record) -> Result<Option<String>, Error> {
        let mut name = Name::default();
        let mut next = name.add(&record.system_use);
        for _ in 0..MAX_CONTINUED {
            let Some(place) = next else { break };
            if u64::from(place.offset) + u64::from(place.length) > BLOCK {
                break;
            }
            let mut area = vec![0; place.length as usize];
            let offset = u64::from(place.block) * BLOCK + u64::from(place.offset);
            self.reader.seek(SeekFrom::Start(offset))?;
            self.reader.read_exact(&mut area).map_err(cut_short)?;
            next = name.add(&area);
        }
        Ok(name.finish())
    }

    /// The bytes of a record, which must lie in the volume.
    fn extent(&self, record: &Record) -> Result<Extent, Error> {
        let extent = Extent {
            offset: u64::from(record.block) * BLOCK,
            length: u64::from(record.length),
        };
        // an empty file may be said to lie anywhere
        if extent.length > 0 && extent.offset + extent.length > self.size() {
            let name = &record.name;
            return Err(damaged(format!("'{name}' lies beyond its end")));
        }
        Ok(extent)
    }
}

fn damaged(what: impl ToString) -> Error {
    Error::Damaged(what.to_string())
}

fn cut_short(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => damaged("it is cut short"),
        _ => Error::Io(error),
    }
}

#[cfg(test)]
mod tests;
