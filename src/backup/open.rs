//! Opens a backup: finds its manifest and reads it.

use std::{
    fs::File,
    io::{self, BufReader, Write},
    path::Path,
};

use anyhow::{Context, Result, anyhow, bail, ensure};

use super::{
    archive::{Entry as ArchiveEntry, Reader, read_small, stream_error},
    catalog::Catalog,
    manifest::{Header, Lines, MANIFEST},
    name::{BackupId, Kind},
    store::{Entry, Store},
};
use crate::{
    encpipe::{Key, StreamError},
    util::hash,
};

/// A backup that can be looked into.
#[derive(Debug)]
pub struct Opened {
    /// What it is.
    pub header: Header,
    /// What is in it.
    pub catalog: Catalog,
    /// The name of its archive.
    pub archive: String,
    /// The SHA-256 of its manifest.
    pub manifest: [u8; 32],
}

/// What is said of a backup that is not what was written.
pub const DAMAGED: &str = "the backup is damaged: take another one";

/// The whole backups in a store, newest first, of all servers that have some there.
pub fn backups(listed: &[Entry]) -> Vec<BackupId> {
    let mut ids: Vec<BackupId> = listed
        .iter()
        .filter_map(|e| match Kind::of(&e.name) {
            Some(Kind::Archive(id)) => Some(id),
            _ => None,
        })
        .collect();
    ids.sort_by(|a, b| b.time.cmp(&a.time).then_with(|| a.host.cmp(&b.host)));
    ids
}

/// The backup `wanted`, or the newest one of `host`, or else the newest.
///
/// # Errors
/// When there is none, or the store cannot be listed.
pub fn choose(store: &dyn Store, wanted: Option<&BackupId>, host: &str) -> Result<BackupId> {
    let ids = backups(&store.list()?);
    let place = store.name();
    match wanted {
        Some(id) if ids.contains(id) => Ok(id.clone()),
        Some(id) => {
            bail!("there is no backup {id} in {place}: 'mailctl backup list' shows which there are")
        }
        None => {
            let own = ids.iter().find(|id| id.host == host);
            let id = own.or(ids.first()).cloned();
            id.with_context(|| format!("there is no backup in {place}"))
        }
    }
}

/// Reads no more than the header of a backup, where its manifest lies beside it; else all of it.
///
/// # Errors
/// When it cannot be read or decrypted.
pub fn header(store: &dyn Store, listed: &[Entry], archive: &str, key: &Key) -> Result<Header> {
    match beside(listed, archive) {
        Some(name) => {
            let read = || Lines::new(read_small(store.open(&name)?, key)?).header();
            read().with_context(|| format!("reading {name} in {}", store.name()))
        }
        None => inside(store, archive, key, |entry| {
            Lines::new(BufReader::new(entry)).header()
        })
        .with_context(|| format!("reading {archive} in {}", store.name())),
    }
    .map_err(explain)
}

/// Opens the backup whose archive is named `archive`. Scratch files go into `scratch`.
///
/// # Errors
/// When it cannot be read or decrypted, is of a newer format, or an archive that it needs is not
/// there or is cut short.
pub fn open(store: &dyn Store, archive: &str, key: &Key, scratch: &Path) -> Result<Opened> {
    let listed = store.list()?;
    ensure!(
        listed.iter().any(|e| e.name == archive),
        "there is no {archive} in {}",
        store.name()
    );
    let manifest = scratch.join("manifest.jsonl");
    let read = || match beside(&listed, archive) {
        Some(name) => {
            let mut plain = read_small(store.open(&name)?, key)?;
            let written = copy(&mut plain, &manifest);
            written.with_context(|| format!("reading {name}"))
        }
        None => inside(store, archive, key, |entry| copy(entry, &manifest)),
    };
    read()
        .with_context(|| format!("opening the backup {archive} in {}", store.name()))
        .map_err(explain)?;
    let manifest_hash = {
        let mut sum = hash::Running::default();
        sum.read(file(&manifest)?).context("reading the manifest")?;
        sum.finish_bytes()
    };
    let lines = BufReader::new(file(&manifest)?);
    let (header, catalog) = Catalog::read(lines, &scratch.join("opened.sqlite"))?;
    std::fs::remove_file(&manifest).context("removing the manifest's copy")?;
    for needed in &header.archives {
        match listed.iter().find(|e| e.name == needed.name) {
            None => bail!(
                "the backup {} needs {}, which is not in {}: it was removed; restore another backup",
                header.id,
                needed.name,
                store.name()
            ),
            Some(found) if found.bytes != needed.bytes => bail!(
                "the backup {} needs {}, which has {} bytes there and should have {}: it was cut \
                 short or replaced; restore another backup",
                header.id,
                needed.name,
                found.bytes,
                needed.bytes
            ),
            Some(_) => {}
        }
    }
    Ok(Opened {
        header,
        catalog,
        archive: archive.to_owned(),
        manifest: manifest_hash,
    })
}

/// The name of the manifest beside an archive, if it is there.
fn beside(listed: &[Entry], archive: &str) -> Option<String> {
    let name = Kind::of(archive)?.id().manifest();
    listed.iter().any(|e| e.name == name).then_some(name)
}

/// The last section of an archive, where it can be read by itself.
///
/// # Errors
/// When the archive cannot be opened.
pub fn section(store: &dyn Store, archive: &str, key: &Key) -> Result<Option<Reader>> {
    match store.open_file(archive)? {
        Some(file) => Reader::tail(file, key),
        None => Ok(None),
    }
}

/// What `read` makes of the manifest in an archive, which is read to its end.
fn inside<T>(
    store: &dyn Store,
    archive: &str,
    key: &Key,
    read: impl Fn(&mut ArchiveEntry<'_>) -> Result<T>,
) -> Result<T> {
    let (mut found, mut part) = (None, None);
    let reader = match section(store, archive, key)? {
        Some(reader) => reader,
        None => Reader::new(store.open(archive)?, key)?,
    };
    reader.read(
        |mark| {
            part = mark.part;
            Ok(())
        },
        |entry| {
            if entry.path == Path::new(MANIFEST) {
                found = Some(read(entry)?);
            }
            Ok(())
        },
    )?;
    found.ok_or_else(|| without_manifest(part))
}

/// Why there is no manifest in an archive, which is that part of a run.
fn without_manifest(part: Option<u32>) -> anyhow::Error {
    match part {
        Some(number) => anyhow!(
            "it is part {number} of a backup, without a manifest: name the archive without \
             `.part` in its name"
        ),
        None => anyhow!("it has no manifest: this is no whole backup"),
    }
}

fn copy(from: &mut impl io::Read, to: &Path) -> Result<()> {
    let what = || format!("writing {}", to.display());
    let mut out = File::create(to).with_context(what)?;
    io::copy(from, &mut out).context("copying the manifest")?;
    out.flush().with_context(what)
}

fn file(path: &Path) -> Result<File> {
    File::open(path).with_context(|| format!("opening {}", path.display()))
}

/// Says what to do about a stream that is not whole and authentic, of which nothing could be read
/// before.
pub fn explain(error: anyhow::Error) -> anyhow::Error {
    match stream_error(&error) {
        Some(StreamError::WrongKey) => error.context(
            "the passphrase is not the one of this backup (or the backup is damaged at its beginning, \
             or is none)",
        ),
        Some(StreamError::Premature { .. }) => error.context(
            "the backup was cut short: copy it anew from where it came from, or take another one",
        ),
        Some(_) => error.context(DAMAGED),
        None => error,
    }
}
