//! The archives of a run: parts with messages, and the one that makes it whole.
//!
//! A part stays in the store as long as a backup needs it. What is in the last archive no other
//! backup refers to, so that a backup can be removed by itself.

use std::{
    collections::HashSet,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use super::Sink;
use crate::{
    backup::{
        archive::{Finished, Meta, Writer},
        index::{Index, Known},
        manifest::{FORMAT, Mark},
        name::BackupId,
    },
    encpipe::Key,
};

/// Where content goes.
pub struct Archives<'a> {
    sink: Option<Sink<'a>>,
    index: &'a Index,
    key: &'a Key,
    id: BackupId,
    part: u64,
    open: Option<Open>,
    parts: u32,
    /// Whether all that comes now goes into the last archive.
    last: bool,
    /// Whether the last section of the archive has begun.
    section: bool,
    written: u64,
}

/// The bytes of a file.
pub enum Bytes<'a, R> {
    /// In memory, with their SHA-256, which the index does not have.
    Here(&'a [u8], [u8; 32]),
    /// To be read, so many.
    There(R, u64),
}

struct Open {
    name: String,
    is_last: bool,
    writer: Writer,
    /// Entries that the index does not have, since nobody needs them.
    unneeded: HashSet<PathBuf>,
}

impl<'a> Archives<'a> {
    /// Of the run `id`, for `sink`; see [`super::PART`] for `part`.
    pub fn new(sink: Sink<'a>, index: &'a Index, key: &'a Key, id: BackupId, part: u64) -> Self {
        Self {
            sink: Some(sink),
            index,
            key,
            id,
            part,
            open: None,
            parts: 0,
            last: false,
            section: false,
            written: 0,
        }
    }

    /// Whether the archives are for a store, which keeps what it has.
    pub fn are_kept(&self) -> bool {
        matches!(self.sink, Some(Sink::Store(_)))
    }

    /// Adds the bytes of a file; where they are, and their SHA-256, or `None` if the file got
    /// shorter while it was read.
    pub fn add(
        &mut self,
        path: &Path,
        meta: Meta,
        bytes: Bytes<'_, impl Read>,
    ) -> Result<Option<([u8; 32], Known)>> {
        let full = |open: &Open| !open.is_last && open.writer.content() >= self.part;
        if self.open.as_ref().is_some_and(full) {
            self.end_part()?;
        }
        self.begin()?;
        let index = self.index;
        let open = self.open.as_mut().context("no archive is open")?;
        let entry = unused(index, open, path)?;
        let (size, is_new, added) = match bytes {
            Bytes::Here(bytes, hash) => {
                let added = open.writer.bytes(&entry, meta, bytes);
                (bytes.len() as u64, true, added.map(|()| Some(hash)))
            }
            Bytes::There(data, size) => (size, false, open.writer.file(&entry, meta, size, data)),
        };
        let archive = open.name.clone();
        match added {
            Ok(Some(hash)) if is_new || index.content(&hash)?.is_none() => {
                let known = Known { archive, entry };
                index.put_content(&hash, size, &known)?;
                Ok(Some((hash, known)))
            }
            Ok(hash) => {
                open.unneeded.insert(entry);
                let Some(hash) = hash else { return Ok(None) };
                // a big file that was the same as another after all
                let known = index.content(&hash)?.context("bytes that were known")?;
                Ok(Some((hash, known)))
            }
            Err(error) => Err(match self.open.take() {
                Some(open) => open.writer.cause(error),
                None => error,
            }),
        }
    }

    /// Has all that comes now go into the archive that ends the run; its name.
    pub fn last(&mut self) -> Result<String> {
        if self.open.as_ref().is_some_and(|open| !open.is_last) {
            self.end_part()?;
        }
        self.last = true;
        self.begin()?;
        // where messages are in the same archive, the rest is to be had without them
        if !self.section && !self.are_kept() {
            let mut open = self.open.take().context("no archive is open")?;
            if let Err(error) = open.writer.last_section() {
                return Err(open.writer.cause(error));
            }
            self.open = Some(open);
            self.section = true;
        }
        Ok(self.id.archive())
    }

    /// Ends the run; how much was written in all. `needed` is what of each archive the backup needs,
    /// if mail is in it.
    pub fn finish(
        mut self,
        manifest: File,
        time: i64,
        needed: Option<&[(Option<String>, u64)]>,
    ) -> Result<u64> {
        let size = manifest.metadata().context("the manifest")?.len();
        let open = self.open.take().context("no archive is open")?;
        let finished = open.writer.finish(manifest, size, time)?;
        self.commit(&open.name, finished)?;
        self.index.forget(&open.name)?;
        if let Some(needed) = needed {
            self.index.needed(needed)?;
        }
        self.index.end()?;
        Ok(self.written)
    }

    fn begin(&mut self) -> Result<()> {
        if self.open.is_some() {
            return Ok(());
        }
        let is_last = !self.are_kept() || self.last;
        let (name, part) = match is_last {
            true => (self.id.archive(), None),
            false => {
                self.parts += 1;
                (self.id.part(self.parts), Some(self.parts))
            }
        };
        let upload = match &self.sink {
            Some(Sink::Store(store)) => store.create(&name)?,
            _ => match self.sink.take() {
                Some(Sink::Stream(upload)) => upload,
                _ => anyhow::bail!("there is nowhere to write to"),
            },
        };
        let mark = Mark {
            format: FORMAT,
            id: self.id.clone(),
            part,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let writer = Writer::new(upload, self.key, &mark)?;
        self.index.begin_archive(&name)?;
        self.open = Some(Open {
            name,
            is_last,
            writer,
            unneeded: HashSet::new(),
        });
        Ok(())
    }

    fn end_part(&mut self) -> Result<()> {
        let open = self.open.take().context("no archive is open")?;
        let finished = open.writer.end()?;
        self.commit(&open.name, finished)
    }

    fn commit(&mut self, name: &str, finished: Finished) -> Result<()> {
        let (bytes, content) = (finished.bytes, finished.content);
        finished
            .commit()
            .with_context(|| format!("putting {name} in its place"))?;
        self.index.commit(name, bytes, content)?;
        self.written += bytes;
        Ok(())
    }
}

/// `path`, or a name like it that no entry of the archive has yet: a file that changed while it was
/// read is added again.
fn unused(index: &Index, open: &Open, path: &Path) -> Result<PathBuf> {
    let mut entry = path.to_path_buf();
    let mut number = 1;
    while open.unneeded.contains(&entry) || index.has_entry(&open.name, &entry)? {
        number += 1;
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".~{number}~"));
        entry = name.into();
    }
    Ok(entry)
}
