//! The items of one backup in a database of their own, so that memory does not grow with them.
//!
//! It is filled from the disk when a backup is made, and from a manifest when one is read. The
//! database is a scratch file: after a crash it is thrown away.

mod disk;
mod needed;

use std::{
    ffi::OsString,
    io::{BufRead, Write},
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{
    manifest::{self, Content, Header, Item, Kind, Lines},
    module::Module,
};

/// The items of a backup.
#[derive(Debug)]
pub struct Catalog {
    db: Connection,
}

/// What an item is on this disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Local {
    /// The device.
    pub dev: u64,
    /// The inode.
    pub ino: u64,
    /// When it, or its name, was changed last (ctime), in nanoseconds since 1970.
    pub ctime_ns: i64,
}

/// How much of a module is in a backup.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amount {
    /// Files, and symbolic links.
    pub files: u64,
    /// Their length together, in bytes.
    pub bytes: u64,
    /// The newest change of one of them, in seconds since 1970.
    pub newest: Option<i64>,
}

const SCHEMA: &str = "
    PRAGMA journal_mode = OFF;
    PRAGMA synchronous = OFF;
    PRAGMA cache_size = -8192;
    PRAGMA locking_mode = EXCLUSIVE;
    CREATE TABLE item (
        path BLOB PRIMARY KEY, folder BLOB NOT NULL, module TEXT NOT NULL, kind INTEGER NOT NULL,
        mode INTEGER NOT NULL, uid INTEGER NOT NULL, gid INTEGER NOT NULL,
        mtime INTEGER, size INTEGER, sha256 BLOB, archive TEXT, entry BLOB, target BLOB,
        dev INTEGER, ino INTEGER, ctime_ns INTEGER
    ) WITHOUT ROWID;
    CREATE INDEX item_folder ON item (folder);
    CREATE INDEX item_content ON item (archive, entry, kind, module, size);
    CREATE INDEX item_directory ON item (path) WHERE kind = 0;
    CREATE INDEX item_missing ON item (path) WHERE kind = 1 AND sha256 IS NULL;
    CREATE TABLE still (path BLOB PRIMARY KEY) WITHOUT ROWID;
    BEGIN;";

const DIRECTORY: i64 = 0;
const FILE: i64 = 1;
const SYMLINK: i64 = 2;

/// The columns of [`read_item`], in its order.
const COLUMNS: &str = "path, kind, mode, uid, gid, mtime, size, sha256, archive, entry, target";

impl Catalog {
    /// An empty one in the file `path`, which must not exist.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn create(path: &Path) -> Result<Self> {
        ensure!(!path.exists(), "{} is there already", path.display());
        let what = || format!("creating {}", path.display());
        let db = Connection::open(path).with_context(what)?;
        db.execute_batch(SCHEMA).with_context(what)?;
        Ok(Self { db })
    }

    /// The header and the items of a manifest, in the file `path`.
    ///
    /// # Errors
    /// When the manifest cannot be read, is not one, is of a newer format, or lists what cannot be:
    /// a path twice, or one that is of no module.
    pub fn read(manifest: impl BufRead, path: &Path) -> Result<(Header, Self)> {
        let mut lines = Lines::new(manifest);
        let header = lines.header()?;
        let catalog = Self::create(path)?;
        while let Some(item) = lines.item()? {
            let shown = item.path.display();
            ensure!(
                catalog.get(&item.path)?.is_none(),
                "the manifest lists {shown} twice"
            );
            ensure!(
                header.modules.contains(&module_of(&item.path)?),
                "the manifest lists {shown}, whose module it does not name"
            );
            catalog.put(&item)?;
        }
        let listed = catalog.totals()?;
        let (files, bytes) = listed
            .iter()
            .fold((0, 0), |(f, b), (_, a)| (f + a.files, b + a.bytes));
        ensure!(
            (files, bytes) == (header.files, header.bytes),
            "the manifest says that it lists {} files of {} bytes, and lists {files} of {bytes}",
            header.files,
            header.bytes
        );
        Ok((header, catalog))
    }

    /// Adds an item, or replaces the one of that path.
    ///
    /// # Errors
    /// When its path is of no module, or the database cannot be written.
    pub fn put(&self, item: &Item) -> Result<()> {
        self.insert(item, true, None)
    }

    /// As [`Catalog::put`], for what is on this disk: where the bytes of a file are is not known yet.
    ///
    /// # Errors
    /// As [`Catalog::put`].
    pub fn seen(&self, item: &Item, local: Local) -> Result<()> {
        self.insert(item, false, Some(local))
    }

    fn insert(&self, item: &Item, known: bool, local: Option<Local>) -> Result<()> {
        let path = item.path.as_os_str().as_bytes();
        let folder = item.path.parent().unwrap_or(Path::new(""));
        let (kind, content, target) = match &item.kind {
            Kind::Directory => (DIRECTORY, None, None),
            Kind::File(content) => (FILE, Some(content), None),
            Kind::Symlink { target } => (SYMLINK, None, Some(target.as_os_str().as_bytes())),
        };
        let mut insert = self.db.prepare_cached(
            "INSERT OR REPLACE INTO item VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12,
             ?13, ?14, ?15, ?16)",
        )?;
        insert.execute(params![
            path,
            folder.as_os_str().as_bytes(),
            module_of(&item.path)?.name(),
            kind,
            item.mode,
            item.uid,
            item.gid,
            content.map(|c| c.mtime),
            content.map(|c| signed(c.size)).transpose()?,
            content.filter(|_| known).map(|c| &c.sha256[..]),
            content.and_then(|c| c.archive.as_deref()),
            content.map(|c| c
                .entry
                .as_deref()
                .unwrap_or(&item.path)
                .as_os_str()
                .as_bytes()),
            target,
            local.map(|l| l.dev as i64),
            local.map(|l| l.ino as i64),
            local.map(|l| l.ctime_ns),
        ])?;
        Ok(())
    }

    /// Says where the bytes of a file are.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn found(&self, path: &Path, content: &Content) -> Result<()> {
        let entry = content.entry.as_deref().unwrap_or(path);
        self.db
            .prepare_cached(
                "UPDATE item SET mtime = ?2, size = ?3, sha256 = ?4, archive = ?5, entry = ?6
                 WHERE path = ?1",
            )?
            .execute(params![
                path.as_os_str().as_bytes(),
                content.mtime,
                signed(content.size)?,
                &content.sha256[..],
                content.archive,
                entry.as_os_str().as_bytes(),
            ])?;
        Ok(())
    }

    /// The item of a path.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn get(&self, path: &Path) -> Result<Option<Item>> {
        let sql = format!("SELECT {COLUMNS} FROM item WHERE path = ?1");
        let mut query = self.db.prepare_cached(&sql)?;
        let found = query.query_row([path.as_os_str().as_bytes()], read_item);
        Ok(found.optional()?)
    }

    /// Takes an item out, and all below it.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn remove(&self, path: &Path) -> Result<()> {
        let path = path.as_os_str().as_bytes();
        let (mut from, mut to) = (path.to_vec(), path.to_vec());
        from.push(b'/');
        to.push(b'/' + 1);
        self.db
            .prepare_cached("DELETE FROM item WHERE path = ?1 OR path >= ?2 AND path < ?3")?
            .execute(params![path, from, to])?;
        Ok(())
    }

    /// Gives every item to `each`, sorted by path, or those of one module.
    ///
    /// # Errors
    /// When the database cannot be read, and those of `each`.
    pub fn each(
        &self,
        module: Option<Module>,
        mut each: impl FnMut(Item) -> Result<()>,
    ) -> Result<()> {
        let sql =
            format!("SELECT {COLUMNS} FROM item WHERE ?1 IS NULL OR module = ?1 ORDER BY path");
        let mut query = self.db.prepare_cached(&sql)?;
        let mut rows = query.query([module.map(Module::name)])?;
        while let Some(row) = rows.next()? {
            each(read_item(row)?)?;
        }
        Ok(())
    }

    /// Writes it as a manifest. Content that is in `own` gets no archive's name.
    ///
    /// # Errors
    /// When `out` cannot be written, or a file's bytes are nowhere.
    pub fn write(&self, header: &Header, own: &str, out: &mut impl Write) -> Result<()> {
        manifest::write_header(out, header)?;
        self.each(None, |mut item| {
            if let Kind::File(content) = &mut item.kind {
                if content.archive.as_deref() == Some(own) {
                    content.archive = None;
                }
                if content.entry.as_ref() == Some(&item.path) {
                    content.entry = None;
                }
            }
            manifest::write_item(out, &item)
        })
    }
}

fn module_of(path: &Path) -> Result<Module> {
    match Module::of(path) {
        Some(module) => Ok(module),
        None => bail!("{} is of no module of a backup", path.display()),
    }
}

fn path(bytes: Vec<u8>) -> PathBuf {
    OsString::from_vec(bytes).into()
}

fn signed(n: u64) -> Result<i64> {
    i64::try_from(n).with_context(|| format!("{n} bytes are more than there can be"))
}

fn unsigned(n: i64) -> Result<u64> {
    u64::try_from(n).with_context(|| format!("{n} is no length"))
}

fn read_item(row: &Row<'_>) -> rusqlite::Result<Item> {
    let kind = match row.get(1)? {
        DIRECTORY => Kind::Directory,
        SYMLINK => Kind::Symlink {
            target: path(row.get(10)?),
        },
        _ => Kind::File(Content {
            mtime: row.get(5)?,
            size: row.get::<_, i64>(6)? as u64,
            // none only while a backup is being made
            sha256: row.get::<_, Option<[u8; 32]>>(7)?.unwrap_or_default(),
            archive: row.get(8)?,
            entry: row.get::<_, Option<Vec<u8>>>(9)?.map(path),
        }),
    };
    Ok(Item {
        path: path(row.get(0)?),
        mode: row.get(2)?,
        uid: row.get(3)?,
        gid: row.get(4)?,
        kind,
    })
}
