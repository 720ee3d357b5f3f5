//! The user that is made for a test, and removed with all it got.

use std::path::PathBuf;

use anyhow::{Context, Result};
use rusqlite::{Connection, OptionalExtension, params};

use crate::{
    ctl::server::Server,
    mail::password,
    util::{files, random, secret::Secret},
};

/// What the names of such users begin with; no other user has such a name.
const PREFIX: &str = "mailctl-test-";
/// A user of an earlier test that is older, in seconds, was left behind by a killed one.
const LEFT_BEHIND: i64 = 2 * 3600;

/// A user with a mailbox, gone when dropped.
pub struct Visitor<'a> {
    db: &'a Connection,
    id: i64,
    folder: PathBuf,
    gone: bool,
    /// Its address.
    pub address: String,
    /// Its password.
    pub password: Secret,
}

impl<'a> Visitor<'a> {
    /// Makes one in the first domain.
    ///
    /// # Errors
    /// When there is no domain, or the database cannot be written.
    pub fn new(db: &'a Connection, server: &Server, now: i64) -> Result<Self> {
        let domain: Option<(i64, String)> = db
            .query_row("SELECT id, name FROM domain ORDER BY id LIMIT 1", [], |r| {
                Ok((r.get(0)?, r.get(1)?))
            })
            .optional()?;
        let (domain_id, domain) = domain.context("this server has no domain yet")?;
        let local = format!("{PREFIX}{}", hex::encode(*random::bytes::<6>()?));
        let password = Secret::new(hex::encode(*random::bytes::<16>()?));
        let hash = password::hash(password.expose())?;
        let folder = server.target.path(&server.paths.mail);
        let change = db.unchecked_transaction().context("making a user")?;
        change.execute(
            "INSERT INTO user (local_part, domain_id, quota_bytes, created)
             VALUES (?1, ?2, 1000000, ?3)",
            params![local, domain_id, now],
        )?;
        let id = change.last_insert_rowid();
        change.execute(
            "INSERT INTO credential (user_id, kind, hash, created) VALUES (?1, 'password', ?2, ?3)",
            params![id, hash, now],
        )?;
        change.commit().context("making a user")?;
        Ok(Self {
            db,
            id,
            folder: folder.join(&domain).join(&local),
            gone: false,
            address: format!("{local}@{domain}"),
            password,
        })
    }

    /// Removes it and its mailbox.
    ///
    /// # Errors
    /// When something of it cannot be removed.
    pub fn leave(mut self) -> Result<()> {
        self.gone = true;
        self.remove()
    }

    fn remove(&self) -> Result<()> {
        // first the user: then nothing is delivered any more
        self.db
            .execute("DELETE FROM user WHERE id = ?1", [self.id])
            .with_context(|| format!("removing the user {}", self.address))?;
        files::remove_dir_all(&self.folder)
    }
}

impl Drop for Visitor<'_> {
    fn drop(&mut self) {
        if !self.gone
            && let Err(error) = self.remove()
        {
            eprintln!("mailctl: {error:#}");
        }
    }
}

/// Removes what a killed test has left behind.
///
/// # Errors
/// When the database cannot be written, or a mailbox not be removed.
pub fn clean(db: &Connection, server: &Server, now: i64) -> Result<()> {
    let mut query = db.prepare(
        "SELECT u.id, u.local_part, d.name FROM user u JOIN domain d ON d.id = u.domain_id
         WHERE u.local_part GLOB ?1 AND u.created < ?2",
    )?;
    let found = query.query_map(params![format!("{PREFIX}*"), now - LEFT_BEHIND], |r| {
        Ok((
            r.get::<_, i64>(0)?,
            r.get::<_, String>(1)?,
            r.get::<_, String>(2)?,
        ))
    })?;
    for row in found.collect::<Result<Vec<_>, _>>()? {
        let (id, local, domain) = row;
        db.execute("DELETE FROM user WHERE id = ?1", [id])?;
        let mail = server.target.path(&server.paths.mail);
        files::remove_dir_all(&mail.join(domain).join(local))?;
    }
    Ok(())
}
