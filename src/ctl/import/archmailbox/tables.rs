//! The tables of archmailbox: `credentials`, `virtuals` and, since a later version, `domains`.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use rusqlite::{Connection, OpenFlags};
use zeroize::Zeroizing;

use crate::util::files;

/// What the tables have, as it stands in them.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Tables {
    /// Domains.
    pub domains: BTreeSet<String>,
    /// Users and the hashes of their passwords.
    pub users: BTreeMap<String, Zeroizing<String>>,
    /// Addresses and where they lead; one without a domain is one of every domain.
    pub virtuals: BTreeMap<String, Vec<String>>,
}

/// The user to whom all mailboxes belonged: what leads to it is a mailbox.
const VMAIL: &str = "vmail";

/// Reads the database.
///
/// # Errors
/// When it is damaged or has other tables.
pub fn read(bytes: &[u8]) -> Result<Tables> {
    // SQLite wants a file; there are hashes of passwords in it
    let folder = tempfile::tempdir().context("creating a private folder")?;
    let path = folder.path().join("smtp.sqlite");
    files::create_new(&path, bytes, 0o600)?;
    let db = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    // it may have been made to do more than to be read
    db.pragma_update(None, "trusted_schema", false)?;
    for (table, columns) in [
        ("credentials", "email, password"),
        ("virtuals", "email, destination"),
    ] {
        if !has(&db, table)? {
            bail!(
                "the database in the backup has no table {table} ({columns}): it is not one of \
                 archmailbox; nothing was changed"
            );
        }
    }
    let mut tables = Tables::default();
    if has(&db, "domains")? {
        let mut query = db.prepare("SELECT domain FROM domains")?;
        for domain in query.query_map([], |row| row.get::<_, String>(0))? {
            tables.domains.insert(lower(&domain?));
        }
    }
    for (user, hash) in pairs(&db, "SELECT email, password FROM credentials")? {
        tables.users.insert(lower(&user), Zeroizing::new(hash));
    }
    for (address, to) in pairs(&db, "SELECT email, destination FROM virtuals")? {
        let to = to
            .split(',')
            .map(str::trim)
            .filter(|to| !to.is_empty() && *to != VMAIL);
        let to: Vec<String> = to.map(str::to_owned).collect();
        if !to.is_empty() {
            tables
                .virtuals
                .entry(lower(&address))
                .or_default()
                .extend(to);
        }
    }
    Ok(tables)
}

fn lower(text: &str) -> String {
    text.trim().to_lowercase()
}

fn has(db: &Connection, table: &str) -> Result<bool> {
    let has = "SELECT count(*) > 0 FROM sqlite_schema WHERE type = 'table' AND name = ?1";
    db.query_row(has, [table], |row| row.get(0))
        .context("reading the database in the backup: it is damaged; nothing was changed")
}

fn pairs(db: &Connection, query: &str) -> Result<Vec<(String, String)>> {
    let read = || -> rusqlite::Result<Vec<_>> {
        let mut query = db.prepare(query)?;
        let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.collect()
    };
    read().context("reading the database in the backup; nothing was changed")
}
