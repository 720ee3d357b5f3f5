//! Finds the bytes of each file: in an archive that has them already, or on the disk.

use std::{
    fs::File,
    io::{Read, Seek},
    mem,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use super::{Archives, Watch, archives::Bytes};
use crate::{
    backup::{
        archive::Meta,
        catalog::{Catalog, Local},
        index::{Index, Known},
        manifest::Content,
        walk::{Walk, is_gone, is_message, is_settled, local},
    },
    util::hash,
};

/// A file up to this length is read into memory, so that it is read once, and whole.
const SMALL: u64 = 1 << 20;

/// Fills in where the bytes of files are.
pub struct Contents<'a> {
    catalog: &'a Catalog,
    index: &'a Index,
    walk: &'a Walk<'a>,
    watch: &'a dyn Watch,
    /// Where bytes go that no archive has.
    pub archives: Archives<'a>,
    /// The copy of the database.
    pub database: Option<PathBuf>,
    /// What small files are read into, one after the other.
    buffer: Vec<u8>,
}

impl<'a> Contents<'a> {
    /// For the files of `catalog`, which `walk` lists.
    pub fn new(
        catalog: &'a Catalog,
        index: &'a Index,
        walk: &'a Walk<'a>,
        archives: Archives<'a>,
        watch: &'a dyn Watch,
    ) -> Self {
        Self {
            catalog,
            index,
            walk,
            watch,
            archives,
            database: None,
            buffer: Vec::new(),
        }
    }

    /// Tells how much there is to look at.
    pub fn expect(&self) -> Result<()> {
        let totals = self.catalog.totals()?;
        let all = totals.iter().map(|(_, amount)| amount.bytes).sum();
        self.watch.phase("backing up", all);
        Ok(())
    }

    /// Looks for the bytes of all files that have none yet, or of all messages; whether all are
    /// there: a file that is gone, or changed while it was read, is for the next listing.
    pub fn fill(&mut self, messages: bool) -> Result<bool> {
        let mut complete = true;
        let mut after = PathBuf::new();
        loop {
            let missing = self.catalog.missing(&after)?;
            let Some((last, _)) = missing.last() else {
                return Ok(complete);
            };
            after.clone_from(last);
            for (path, listed) in missing {
                if messages && !is_message(&path) {
                    continue;
                }
                match self.content(&path, listed)? {
                    Some(content) => {
                        self.catalog.found(&path, &content)?;
                        self.watch.done(content.size);
                    }
                    None => {
                        complete = false;
                        self.walk.again(&path)?;
                    }
                }
            }
        }
    }

    /// Has the bytes of a file looked for again.
    pub fn forget(&self, path: &Path) -> Result<()> {
        if let (Some(item), Some(local)) = (self.catalog.get(path)?, self.catalog.local(path)?) {
            self.catalog.seen(&item, local)?;
        }
        Ok(())
    }

    /// Takes out what is missing still; how many files that were.
    pub fn give_up(&self) -> Result<u64> {
        let mut count = 0;
        loop {
            let missing = self.catalog.missing(Path::new(""))?;
            if missing.is_empty() {
                return Ok(count);
            }
            for (path, _) in missing {
                self.catalog.remove(&path)?;
                count += 1;
            }
        }
    }

    fn content(&mut self, path: &Path, listed: Local) -> Result<Option<Content>> {
        if path == Path::new("mail.sqlite") {
            return match self.database.clone() {
                Some(copy) => self.read(path, &copy, None),
                None => Ok(None),
            };
        }
        let at = self.walk.at(path)?;
        self.read(path, &at, Some(listed))
    }

    /// The bytes of the file at `at`; `None` if it is not there any more as it was `listed`.
    fn read(&mut self, path: &Path, at: &Path, listed: Option<Local>) -> Result<Option<Content>> {
        let what = || format!("reading {}", at.display());
        let mut options = File::options();
        options
            .read(true)
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
        let mut file = match options.open(at) {
            Ok(file) => file,
            Err(e) if is_gone(&e) => return Ok(None),
            Err(e) => return Err(e).with_context(what),
        };
        let found = file.metadata().with_context(what)?;
        let (here, settled) = (local(&found), is_settled(&found));
        if is_message(path) {
            if listed.is_some_and(|l| l != here) {
                return Ok(None);
            }
            if self.archives.are_kept()
                && let Some(sha256) = self.index.file(here, found.len())?
                && let Some(known) = self.index.content(&sha256)?
            {
                return Ok(Some(content(found.mtime(), found.len(), sha256, known)));
            }
        }
        let meta = Meta {
            mode: found.mode() & 0o7777,
            uid: found.uid(),
            gid: found.gid(),
            mtime: found.mtime(),
        };
        let added = if found.len() <= SMALL {
            let mut bytes = mem::take(&mut self.buffer);
            bytes.clear();
            file.read_to_end(&mut bytes).with_context(what)?;
            let sha256: [u8; 32] = Sha256::digest(&bytes).into();
            let size = bytes.len() as u64;
            let added = match self.index.content(&sha256)? {
                Some(known) => Some((sha256, known, size)),
                None => self.add(path, meta, size, Bytes::<File>::Here(&bytes, sha256))?,
            };
            self.buffer = bytes;
            added
        } else {
            let size = found.len();
            match self.known(&mut file, size).with_context(what)? {
                Some((sha256, known)) => Some((sha256, known, size)),
                None => self.add(path, meta, size, Bytes::There(&mut file, size))?,
            }
        };
        let Some((sha256, known, size)) = added else {
            return Ok(None);
        };
        // for the next run; another file may get the inode within the same tick of the clock
        if is_message(path) && settled && self.archives.are_kept() {
            self.index.put_file(here, size, &sha256)?;
        }
        Ok(Some(content(found.mtime(), size, sha256, known)))
    }

    fn add(
        &mut self,
        path: &Path,
        meta: Meta,
        size: u64,
        bytes: Bytes<'_, impl Read>,
    ) -> Result<Option<([u8; 32], Known, u64)>> {
        let added = self.archives.add(path, meta, bytes)?;
        Ok(added.map(|(sha256, known)| (sha256, known, size)))
    }

    /// Where the bytes of a big file are, if they are somewhere: hashed only if they may be.
    fn known(&self, file: &mut File, size: u64) -> Result<Option<([u8; 32], Known)>> {
        if !self.index.has_size(size)? {
            return Ok(None);
        }
        let mut hash = hash::Running::default();
        hash.read(&mut *file)?;
        file.rewind()?;
        let sha256 = hash.finish_bytes();
        Ok(self.index.content(&sha256)?.map(|known| (sha256, known)))
    }
}

fn content(mtime: i64, size: u64, sha256: [u8; 32], known: Known) -> Content {
    Content {
        mtime,
        size,
        sha256,
        archive: Some(known.archive),
        entry: Some(known.entry),
    }
}
