//! From an older schema to this one, with a copy of the database as it was.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rusqlite::{Connection, backup::Backup};

use super::{
    open_to_read,
    schema::{self, VERSION},
};
use crate::util::files;

/// What bringing the database at `path` up to date would do; `None` if it is up to date, or if
/// there is none.
///
/// # Errors
/// When it cannot be read, or is not one of ours.
pub fn outdated(path: &Path) -> Result<Option<String>> {
    if !path.exists() {
        return Ok(None);
    }
    let version = open_to_read(path)
        .map_err(Into::into)
        .and_then(|db| schema::version(&db));
    let version = version.with_context(|| format!("reading the database {}", path.display()))?;
    // 0: created and not filled yet; newer: refused by whoever opens it
    Ok((1..VERSION).contains(&version).then(|| {
        format!(
            "schema {version} becomes {VERSION}; {} is a copy of before",
            copy_of(path, version).display()
        )
    }))
}

/// Brings an older database up to date, after a copy of it is on the disk; returns what was done,
/// `None` if there was nothing to do.
///
/// # Errors
/// When the copy or the database cannot be written; the database is then as it was.
pub fn upgrade(path: &Path) -> Result<Option<String>> {
    let Some(done) = outdated(path)? else {
        return Ok(None);
    };
    let what = || format!("bringing the database {} up to date", path.display());
    let mut db = Connection::open(path).with_context(what)?;
    copy(&db, path).with_context(what)?;
    schema::migrate(&mut db).with_context(what)?;
    Ok(Some(done))
}

fn copy_of(path: &Path, version: usize) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{name}.schema-{version}"))
}

/// The copy is root's alone: no daemon reads it.
fn copy(db: &Connection, path: &Path) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let temp = tempfile::Builder::new()
        .prefix(".tmp")
        .tempfile_in(folder)
        .with_context(|| format!("creating a temporary file in {}", folder.display()))?;
    let mut to = Connection::open(temp.path())?;
    Backup::new(db, &mut to)?.run_to_completion(1024, std::time::Duration::ZERO, None)?;
    drop(to);
    temp.as_file().sync_all()?;
    let target = copy_of(path, schema::version(db)?);
    temp.persist(&target)
        .map_err(|e| e.error)
        .with_context(|| format!("writing {}", target.display()))?;
    files::sync_folder(folder)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    /// What a cut of power in a transaction leaves: pages that were written, and the journal with
    /// what they were before.
    #[test]
    fn a_transaction_that_was_cut_off_is_rolled_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mail.sqlite");
        let db = crate::mail::database::open(&path).unwrap();
        db.execute_batch(
            "PRAGMA cache_size = 1; BEGIN;
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
             INSERT INTO domain (name, created) SELECT 'd' || i || '.example', 1 FROM n;",
        )
        .unwrap();
        let cut = folder.path().join("cut/mail.sqlite");
        fs::create_dir(folder.path().join("cut")).unwrap();
        for end in ["", "-journal"] {
            let with = |p: &Path| PathBuf::from(format!("{}{end}", p.display()));
            fs::copy(with(&path), with(&cut)).unwrap();
        }
        assert_eq!(outdated(&cut).unwrap(), None);
        let copy = crate::mail::database::open_copy(&cut).unwrap();
        let domains: i64 = copy
            .query_row("SELECT count(*) FROM domain", [], |r| r.get(0))
            .unwrap();
        assert_eq!(domains, 0);
    }

    #[test]
    fn an_old_database_is_copied_and_brought_up_to_date() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mail.sqlite");
        assert_eq!(upgrade(&path).unwrap(), None);
        assert!(!path.exists());
        let db = Connection::open(&path).unwrap();
        db.execute_batch(schema::tests::FIRST).unwrap();
        drop(db);
        let done = upgrade(&path).unwrap().unwrap();
        assert!(
            done.starts_with(&format!("schema 1 becomes {VERSION}; ")),
            "{done}"
        );
        let copy = folder.path().join("mail.sqlite.schema-1");
        assert_eq!(
            fs::metadata(&copy).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let version = |path: &Path| schema::version(&Connection::open(path).unwrap()).unwrap();
        assert_eq!((version(&copy), version(&path)), (1, VERSION));
        let db = Connection::open(&path).unwrap();
        let name: Option<String> = db
            .query_row(
                "SELECT display_name FROM user WHERE local_part = 'old'",
                [],
                |r| r.get(0),
            )
            .unwrap();
        assert_eq!(name, None);
        assert_eq!(upgrade(&path).unwrap(), None);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
