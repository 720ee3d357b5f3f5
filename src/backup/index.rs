//! What the archives in a store hold already, as this server knows it.
//!
//! A store and a key have one index, a database on the state volume. It is a memory, not a source:
//! without it the next backup is a full one. Everything about an archive is entered in one
//! transaction, which ends when the archive is in its place.

use std::{
    ffi::OsString,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use rusqlite::{Connection, OptionalExtension, params};

use super::{catalog::Local, store::Entry};

/// An archive of which less than this share is still needed is written anew, bit by bit: what is
/// needed of it goes into the next backup, and then it can be pruned.
const WORTH: f64 = 0.5;
/// With more archives than this, small ones are written anew too.
const MANY: u64 = 64;
/// What a small archive is, in bytes.
const SMALL: u64 = 16 << 20;

/// The index of a store.
#[derive(Debug)]
pub struct Index {
    db: Connection,
}

/// Where bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The archive.
    pub archive: String,
    /// The entry in it.
    pub entry: PathBuf,
}

const SCHEMA: &str = "
    PRAGMA journal_mode = DELETE;
    PRAGMA synchronous = NORMAL;
    PRAGMA cache_size = -8192;
    PRAGMA foreign_keys = ON;
    CREATE TABLE IF NOT EXISTS archive (
        name TEXT PRIMARY KEY, bytes INTEGER NOT NULL, content INTEGER NOT NULL,
        needed INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS content (
        sha256 BLOB PRIMARY KEY, size INTEGER NOT NULL,
        archive TEXT NOT NULL REFERENCES archive ON DELETE CASCADE, entry BLOB NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS content_size ON content (size);
    CREATE UNIQUE INDEX IF NOT EXISTS content_entry ON content (archive, entry);
    CREATE TABLE IF NOT EXISTS file (
        dev INTEGER, ino INTEGER, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
        sha256 BLOB NOT NULL REFERENCES content ON DELETE CASCADE, PRIMARY KEY (dev, ino)
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS file_content ON file (sha256);";

impl Index {
    /// Opens the index in the file `path`; a new one if there is none, or it is damaged.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn open(path: &Path) -> Result<Self> {
        let what = || format!("opening {}", path.display());
        if let Ok(index) = Self::try_open(path) {
            return Ok(index);
        }
        // damaged, or of another version: it is but a memory
        if path.exists() {
            std::fs::remove_file(path).with_context(what)?;
        }
        Self::try_open(path).with_context(what)
    }

    fn try_open(path: &Path) -> rusqlite::Result<Self> {
        let db = Connection::open(path)?;
        db.execute_batch(SCHEMA)?;
        let sound: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        match sound == "ok" {
            true => Ok(Self { db }),
            false => Err(rusqlite::Error::InvalidQuery),
        }
    }

    /// Forgets what is not there any more: archives that `listed` does not have, or has in another
    /// length. With `all`, forgets everything.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn compare(&self, listed: &[Entry], all: bool) -> Result<()> {
        for (name, bytes) in self.archives()? {
            let there = |e: &Entry| e.name == name && e.bytes == bytes;
            if all || !listed.iter().any(there) {
                self.forget(&name)?;
            }
        }
        Ok(())
    }

    /// Forgets archives that are hardly needed any more, so that what is left of them is written
    /// anew; their names.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn retire(&self) -> Result<Vec<String>> {
        let mut query = self
            .db
            .prepare("SELECT name, content, needed FROM archive ORDER BY name")?;
        let rows = query.query_map([], |row| {
            Ok((
                row.get(0)?,
                row.get::<_, i64>(1)? as u64,
                row.get::<_, i64>(2)? as u64,
            ))
        })?;
        let archives: Vec<(String, u64, u64)> = rows.collect::<rusqlite::Result<_>>()?;
        let many = archives.len() as u64 > MANY;
        let wasted = |content: u64, needed: u64| (needed as f64) < content as f64 * WORTH;
        let mut retired = Vec::new();
        for (name, content, needed) in archives {
            if wasted(content, needed) || (many && needed < SMALL) {
                self.forget(&name)?;
                retired.push(name);
            }
        }
        Ok(retired)
    }

    /// The archives, and how long each is.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn archives(&self) -> Result<Vec<(String, u64)>> {
        let mut query = self
            .db
            .prepare_cached("SELECT name, bytes FROM archive ORDER BY name")?;
        let rows = query.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? as u64)))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Begins a run. What is entered from now on counts when [`Index::commit`] or [`Index::end`] is
    /// called.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn begin(&self) -> Result<()> {
        Ok(self.db.execute_batch("BEGIN")?)
    }

    /// Begins an archive of the run.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn begin_archive(&self, archive: &str) -> Result<()> {
        self.db
            .execute("INSERT INTO archive VALUES (?1, 0, 0, 0)", [archive])?;
        Ok(())
    }

    /// Ends the run.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn end(&self) -> Result<()> {
        Ok(self.db.execute_batch("COMMIT")?)
    }

    /// The archive is in its place: `bytes` long, with `content` bytes of files in it.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn commit(&self, archive: &str, bytes: u64, content: u64) -> Result<()> {
        self.db.execute(
            "UPDATE archive SET bytes = ?2, content = ?3, needed = ?3 WHERE name = ?1",
            params![archive, bytes as i64, content as i64],
        )?;
        self.end()?;
        self.begin()
    }

    /// Forgets an archive.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn forget(&self, archive: &str) -> Result<()> {
        self.db
            .execute("DELETE FROM archive WHERE name = ?1", [archive])?;
        Ok(())
    }

    /// How many bytes of each archive the newest backup needs; all others need none.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn needed(&self, needed: &[(Option<String>, u64)]) -> Result<()> {
        self.db.execute("UPDATE archive SET needed = 0", [])?;
        for (archive, bytes) in needed {
            self.db.execute(
                "UPDATE archive SET needed = ?2 WHERE name = ?1",
                params![archive, *bytes as i64],
            )?;
        }
        Ok(())
    }

    /// The SHA-256 of a file that is known as it is on this disk.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn file(&self, local: Local, size: u64) -> Result<Option<[u8; 32]>> {
        let mut query = self.db.prepare_cached(
            "SELECT sha256 FROM file WHERE dev = ?1 AND ino = ?2 AND size = ?3 AND mtime_ns = ?4",
        )?;
        let row = params![
            local.dev as i64,
            local.ino as i64,
            size as i64,
            local.mtime_ns
        ];
        Ok(query.query_row(row, |row| row.get(0)).optional()?)
    }

    /// Enters a file of this disk whose bytes are known.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn put_file(&self, local: Local, size: u64, sha256: &[u8; 32]) -> Result<()> {
        self.db
            .prepare_cached("INSERT OR REPLACE INTO file VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![
                local.dev as i64,
                local.ino as i64,
                size as i64,
                local.mtime_ns,
                &sha256[..]
            ])?;
        Ok(())
    }

    /// Where the bytes with that SHA-256 are.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn content(&self, sha256: &[u8; 32]) -> Result<Option<Known>> {
        let mut query = self
            .db
            .prepare_cached("SELECT archive, entry FROM content WHERE sha256 = ?1")?;
        let known = query.query_row([&sha256[..]], |row| {
            Ok(Known {
                archive: row.get(0)?,
                entry: OsString::from_vec(row.get(1)?).into(),
            })
        });
        Ok(known.optional()?)
    }

    /// Whether bytes of that length are known: only then is it worth hashing a big file first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn has_size(&self, size: u64) -> Result<bool> {
        let mut query = self
            .db
            .prepare_cached("SELECT 1 FROM content WHERE size = ?1 LIMIT 1")?;
        Ok(query.exists([size as i64])?)
    }

    /// Whether an archive has an entry of that name.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn has_entry(&self, archive: &str, entry: &Path) -> Result<bool> {
        let mut query = self
            .db
            .prepare_cached("SELECT 1 FROM content WHERE archive = ?1 AND entry = ?2")?;
        Ok(query.exists(params![archive, entry.as_os_str().as_bytes()])?)
    }

    /// Enters bytes that are now in an archive.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn put_content(&self, sha256: &[u8; 32], size: u64, known: &Known) -> Result<()> {
        self.db
            .prepare_cached("INSERT INTO content VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![
                &sha256[..],
                size as i64,
                known.archive,
                known.entry.as_os_str().as_bytes()
            ])?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: [u8; 32] = [1; 32];
    const LOCAL: Local = Local {
        dev: 1,
        ino: 2,
        mtime_ns: 3,
    };

    fn known(archive: &str) -> Known {
        Known {
            archive: archive.to_owned(),
            entry: "mail/a".into(),
        }
    }

    fn fill(index: &Index, archive: &str) {
        index.begin().unwrap();
        index.begin_archive(archive).unwrap();
        index.put_content(&A, 10, &known(archive)).unwrap();
        index.put_file(LOCAL, 10, &A).unwrap();
        index.commit(archive, 7, 10).unwrap();
        index.end().unwrap();
    }

    #[test]
    fn what_is_entered_is_found_while_its_archive_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let index = Index::open(&folder.path().join("i")).unwrap();
        fill(&index, "x");
        assert_eq!(index.content(&A).unwrap(), Some(known("x")));
        assert_eq!(index.file(LOCAL, 10).unwrap(), Some(A));
        assert_eq!(index.file(LOCAL, 11).unwrap(), None);
        assert!(index.has_size(10).unwrap() && !index.has_size(11).unwrap());
        assert!(index.has_entry("x", Path::new("mail/a")).unwrap());
        let entry = |bytes| Entry {
            name: "x".into(),
            bytes,
        };
        index.compare(&[entry(7)], false).unwrap();
        assert!(index.content(&A).unwrap().is_some());
        // cut short where it lies
        index.compare(&[entry(6)], false).unwrap();
        assert_eq!(index.content(&A).unwrap(), None);
        assert_eq!(index.file(LOCAL, 10).unwrap(), None);
    }

    #[test]
    fn an_archive_that_did_not_get_there_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("i");
        let index = Index::open(&path).unwrap();
        index.begin().unwrap();
        index.begin_archive("x").unwrap();
        index.put_content(&A, 10, &known("x")).unwrap();
        drop(index);
        let index = Index::open(&path).unwrap();
        assert_eq!(index.content(&A).unwrap(), None);
        drop(index);
        std::fs::write(&path, "no database at all, but something else").unwrap();
        assert_eq!(Index::open(&path).unwrap().archives().unwrap(), []);
    }

    #[test]
    fn what_is_hardly_needed_is_retired() {
        let folder = tempfile::tempdir().unwrap();
        let index = Index::open(&folder.path().join("i")).unwrap();
        fill(&index, "x");
        assert_eq!(index.retire().unwrap(), Vec::<String>::new());
        index
            .needed(&[(Some("x".to_owned()), 4), (None, 9)])
            .unwrap();
        assert_eq!(index.retire().unwrap(), ["x"]);
        assert_eq!(index.content(&A).unwrap(), None);
    }
}
