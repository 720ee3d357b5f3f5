//! `mail.sqlite`: domains, users, their credentials, and aliases.
//!
//! smtpd's table and dovecot read it as other users while root alone writes. Hence a rollback
//! journal: in WAL mode every reader would have to write the `-shm` file.

mod desired;
pub mod keys;
pub mod rotation;
mod schema;
mod sync;
mod upgrade;

use std::path::Path;

use anyhow::{Context, Result};
use rusqlite::{Connection, OpenFlags};

pub use desired::{Desired, DesiredUser};
pub use schema::VERSION;
pub use sync::{adopt, sync};
pub use upgrade::{outdated, upgrade};

/// Mode of the file: its group are the daemons that read it.
pub const MODE: u32 = 0o640;
/// Group of the file: smtpd's lookups and dovecot's logins, and nobody else.
pub const GROUP: &str = "maildb";

/// Opens the database for writing, brings its schema up to date ([`upgrade`]); creates it if need
/// be.
///
/// # Errors
/// When the file cannot be opened or written, or a newer version of this program wrote it.
pub fn open(path: &Path) -> Result<Connection> {
    upgrade(path)?;
    let what = || format!("opening the database {}", path.display());
    let mut db = Connection::open(path).with_context(what)?;
    prepare(&mut db).with_context(what)?;
    Ok(db)
}

/// A database in memory: a copy of the one at `path`, or a new one if there is none.
///
/// # Errors
/// As [`open`].
pub fn open_copy(path: &Path) -> Result<Connection> {
    let mut db = Connection::open_in_memory().context("opening a database in memory")?;
    if path.exists() {
        let what = || format!("reading the database {}", path.display());
        let from = open_to_read(path).with_context(what)?;
        rusqlite::backup::Backup::new(&from, &mut db)
            .and_then(|copy| copy.run_to_completion(1024, std::time::Duration::ZERO, None))
            .with_context(what)?;
    }
    prepare(&mut db)?;
    Ok(db)
}

/// Copies the database at `from` to the file `to` as it is at one moment, while others write to it,
/// and checks the copy.
///
/// # Errors
/// When it cannot be read, the copy cannot be written, or what was copied is damaged.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    let what = || format!("copying the database {}", from.display());
    if to.exists() {
        std::fs::remove_file(to).with_context(what)?;
    }
    let source = open_to_read(from).with_context(what)?;
    source.busy_timeout(std::time::Duration::from_secs(10))?;
    let mut copy = Connection::open(to).with_context(what)?;
    rusqlite::backup::Backup::new(&source, &mut copy)
        .and_then(|b| b.run_to_completion(1024, std::time::Duration::from_millis(50), None))
        .with_context(what)?;
    check(&copy).with_context(what)
}

/// Whether a database is sound, by SQLite's own check.
///
/// # Errors
/// What is damaged.
pub fn check(db: &Connection) -> Result<()> {
    let found: String = db.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    anyhow::ensure!(found == "ok", "the database is damaged: {found}");
    Ok(())
}

/// Not read-only: what a cut of power left of a transaction has to be rolled back first. A file
/// that cannot be written is read as it is.
fn open_to_read(path: &Path) -> rusqlite::Result<Connection> {
    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
}

fn prepare(db: &mut Connection) -> Result<()> {
    db.busy_timeout(std::time::Duration::from_secs(10))?;
    db.pragma_update(None, "foreign_keys", true)?;
    db.pragma_update(None, "synchronous", "FULL")?;
    // answers with the mode that it then has: "memory" for a database in memory
    db.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))?;
    schema::migrate(db)
}
