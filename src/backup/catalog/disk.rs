//! The side of the catalog that the disk is listed into.

use std::{
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use anyhow::Result;
use rusqlite::{OptionalExtension, Row, params};

use super::{Catalog, Local, path};

/// A time that no file has: what is listed with it is taken for changed.
const NEVER: i64 = -1;

impl Catalog {
    /// The folders.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn folders(&self) -> Result<Vec<PathBuf>> {
        let mut query = self
            .db
            .prepare_cached("SELECT path FROM item WHERE kind = 0 ORDER BY path")?;
        let rows = query.query_map([], |row| Ok(path(row.get(0)?)))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Has a folder looked like one that has changed since.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn unsettle(&self, folder: &Path) -> Result<()> {
        self.db
            .prepare_cached("UPDATE item SET ctime_ns = ?2 WHERE path = ?1")?
            .execute(params![folder.as_os_str().as_bytes(), NEVER])?;
        Ok(())
    }

    /// Begins to list a folder anew; whether something in it is known, so that what is found has to
    /// be told by [`Catalog::still`].
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn begin_folder(&self, folder: &Path) -> Result<bool> {
        self.db
            .prepare_cached("DELETE FROM still")?
            .execute(params![])?;
        let mut query = self
            .db
            .prepare_cached("SELECT 1 FROM item WHERE folder = ?1 LIMIT 1")?;
        Ok(query.exists([folder.as_os_str().as_bytes()])?)
    }

    /// What was found in the folder that is listed anew.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn still(&self, path: &Path) -> Result<()> {
        self.db
            .prepare_cached("INSERT OR IGNORE INTO still VALUES (?1)")?
            .execute([path.as_os_str().as_bytes()])?;
        Ok(())
    }

    /// Takes out what is not in a folder any more, with all below it.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn end_folder(&self, folder: &Path) -> Result<()> {
        let bytes = folder.as_os_str().as_bytes();
        let mut query = self.db.prepare_cached(
            "SELECT path FROM item
             WHERE folder = ?1 AND kind = 0 AND path NOT IN (SELECT path FROM still)",
        )?;
        let rows = query.query_map([bytes], |row| Ok(path(row.get(0)?)))?;
        let folders: Vec<PathBuf> = rows.collect::<rusqlite::Result<_>>()?;
        for gone in folders {
            self.remove(&gone)?;
        }
        self.db
            .prepare_cached(
                "DELETE FROM item WHERE folder = ?1 AND path NOT IN (SELECT path FROM still)",
            )?
            .execute([bytes])?;
        Ok(())
    }

    /// Some files, by path, from behind `after` on, whose bytes are nowhere yet, and what they are
    /// on this disk; none when there are no more.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn missing(&self, after: &Path) -> Result<Vec<(PathBuf, Local)>> {
        let mut query = self.db.prepare_cached(
            "SELECT path, dev, ino, ctime_ns FROM item
             WHERE kind = 1 AND sha256 IS NULL AND path > ?1 ORDER BY path LIMIT 256",
        )?;
        let rows = query.query_map([after.as_os_str().as_bytes()], |row| {
            Ok((path(row.get(0)?), read_local(row, 1)?))
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// What a file on this disk was when it was listed; its bytes may be known by then.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn local(&self, path: &Path) -> Result<Option<Local>> {
        let mut query = self
            .db
            .prepare_cached("SELECT dev, ino, ctime_ns FROM item WHERE path = ?1")?;
        let found = query.query_row([path.as_os_str().as_bytes()], |row| read_local(row, 0));
        Ok(found.optional()?)
    }
}

fn read_local(row: &Row<'_>, from: usize) -> rusqlite::Result<Local> {
    Ok(Local {
        dev: row.get::<_, i64>(from)? as u64,
        ino: row.get::<_, i64>(from + 1)? as u64,
        ctime_ns: row.get(from + 2)?,
    })
}
