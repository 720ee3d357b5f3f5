//! A user gets another address: the row, the aliases that lead to it, and the mail.
//!
//! Two things move, a row and a folder, and power may fail between them. So what is to be done is
//! written down first ([`begin`]), and whoever comes next finishes it ([`finish`]): mailctl, or at
//! boot the agent, before any daemon runs. While the folder moves the database is locked, so that
//! no delivery and no login finds one without the other.

use std::path::Path;

use anyhow::{Context, Result};
use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior, params};
use serde::{Deserialize, Serialize};

use super::{AccountError, Roles, aliases, domain_id, routes, user_id, users};
use crate::mail::{address::Address, database, mailbox};

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Journal {
    old: String,
    new: String,
    alias: bool,
}

/// A rename that was finished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Renamed {
    /// The address that it was.
    pub old: Address,
    /// The address that it is.
    pub new: Address,
}

/// Where the journal stands in `meta`.
const KEY: &str = "rename";

/// Writes down that `old` becomes `new`, and with `alias` an alias of it.
///
/// # Errors
/// When there is no such user, somebody has the new address, or the change would leave what the
/// answers refuse.
pub fn begin(
    db: &mut Connection,
    roles: &Roles,
    old: &Address,
    new: &Address,
    alias: bool,
) -> Result<(), AccountError> {
    let journal = Journal {
        old: old.to_string(),
        new: new.to_string(),
        alias,
    };
    let mut step = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    {
        // tried, looked at, and taken back
        let mut trial = step.savepoint()?;
        let before = roles.problems(&routes::load(&trial, roles)?);
        rows(&trial, &journal)?;
        let after = roles.problems(&routes::load(&trial, roles)?);
        if let Some(problem) = after.difference(&before).next() {
            return Err(AccountError::Leaves(problem.clone()));
        }
        trial.rollback()?;
    }
    let text = serde_json::to_string(&journal).map_err(|e| AccountError::Damaged(e.to_string()))?;
    step.execute("INSERT INTO meta VALUES (?1, ?2)", [KEY, &text])?;
    step.commit()?;
    Ok(())
}

/// The rows of a rename.
fn rows(db: &Connection, journal: &Journal) -> Result<(), AccountError> {
    let Journal { old, new, alias } = journal;
    let damaged = |e| AccountError::Damaged(format!("the rename of {old} to {new}: {e}"));
    let from: Address = old.parse().map_err(damaged)?;
    let to: Address = new.parse().map_err(damaged)?;
    let id = user_id(db, old)?;
    let leading = aliases::leading_to(db, &from)?;
    // an alias of the user alone may become its address
    aliases::unlink(db, new, old)?;
    users::check_new(db, &to)?;
    let domain = domain_id(db, to.domain.as_str())?;
    db.execute(
        "UPDATE user SET local_part = ?2, domain_id = ?3 WHERE id = ?1",
        params![id, to.local, domain],
    )?;
    for (name, target) in leading {
        if name == *new {
            continue;
        }
        aliases::unlink(db, &name, &target)?;
        let detail = target.split('@').next().and_then(|l| l.split_once('+'));
        let local = match detail {
            Some((_, detail)) => format!("{}+{detail}", to.local),
            None => to.local.clone(),
        };
        link(db, &name, &format!("{local}@{}", to.domain))?;
    }
    if *alias {
        link(db, old, new)?;
    }
    db.execute(
        "INSERT INTO renamed (address, user_id, since) VALUES (?1, ?2, unixepoch())
         ON CONFLICT (address) DO UPDATE SET user_id = excluded.user_id, since = excluded.since",
        params![old, id],
    )?;
    Ok(())
}

fn link(db: &Connection, alias: &str, target: &str) -> Result<(), AccountError> {
    let (local, domain) = alias.split_once('@').unwrap_or(("", alias));
    let id = domain_id(db, domain)?;
    db.execute(
        "INSERT INTO alias (local_part, domain_id, target) VALUES (?1, ?2, ?3)
         ON CONFLICT DO NOTHING",
        params![(!local.is_empty()).then_some(local), id, target],
    )?;
    Ok(())
}

fn pending(db: &Connection) -> rusqlite::Result<Option<String>> {
    let get = "SELECT value FROM meta WHERE key = ?1";
    db.query_row(get, [KEY], |row| row.get(0)).optional()
}

/// Finishes what was begun, if anything was; `mail` is the folder of the Maildirs.
///
/// # Errors
/// When the database cannot be locked or the folder not moved. What was begun is then still
/// written down, and rows and folder are either both as they were or both as they will be, but for
/// a cut of power, after which the next call sees to it.
pub fn finish(db: &mut Connection, mail: &Path) -> Result<Option<Renamed>> {
    if pending(db)?.is_none() {
        return Ok(None);
    }
    let step = db.transaction_with_behavior(TransactionBehavior::Exclusive)?;
    let Some(text) = pending(&step)? else {
        return Ok(None);
    };
    let journal: Journal =
        serde_json::from_str(&text).context("reading a rename that was begun")?;
    let what = || format!("renaming {} to {}", journal.old, journal.new);
    rows(&step, &journal).with_context(what)?;
    let renamed = Renamed {
        old: journal.old.parse().with_context(what)?,
        new: journal.new.parse().with_context(what)?,
    };
    mailbox::settle(mail, &renamed.old, &renamed.new).with_context(what)?;
    step.execute("DELETE FROM meta WHERE key = ?1", [KEY])?;
    step.commit().with_context(what)?;
    Ok(Some(renamed))
}

/// How long the address of before still leads to the user, in seconds: 30 days, where smtpd's queue
/// keeps a message for 5.
const KEPT: i64 = 30 * 24 * 60 * 60;

/// Brings home what a delivery that began before a rename has put into the folder of before, and
/// forgets renames of long ago. Returns those whose mail was moved; `now` is in seconds since 1970.
///
/// # Errors
/// When the database cannot be read or locked, or a folder not moved; no message is lost.
pub fn settle_again(db: &mut Connection, mail: &Path, now: i64) -> Result<Vec<Renamed>> {
    let due = |(old, _, since): &(Address, Address, i64)| {
        Ok::<_, anyhow::Error>(now - since > KEPT || mailbox::is_left(mail, old)?)
    };
    let mut any = false;
    for row in renamed(db)? {
        any |= due(&row)?;
    }
    if !any {
        return Ok(Vec::new());
    }
    // nobody gets one of the addresses meanwhile
    let step = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut moved = Vec::new();
    for (old, new, since) in renamed(&step)? {
        let what = || format!("moving what arrived for {old} to {new}");
        if mailbox::settle(mail, &old, &new).with_context(what)? {
            moved.push(Renamed {
                old: old.clone(),
                new,
            });
        }
        if now - since > KEPT {
            let forget = "DELETE FROM renamed WHERE address = ?1";
            step.execute(forget, [old.to_string()])?;
        }
    }
    step.commit().context("writing the database")?;
    Ok(moved)
}

/// The addresses that users had, those that they have, and since when.
fn renamed(db: &Connection) -> Result<Vec<(Address, Address, i64)>> {
    let mut query = db.prepare(
        "SELECT address, local_part || '@' || name, since FROM renamed
         JOIN user ON user.id = user_id JOIN domain ON domain.id = domain_id ORDER BY 1",
    )?;
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let read = |row: rusqlite::Result<(String, String, i64)>| {
        let (old, new, since) = row?;
        let what = || format!("reading the rename of {old} to {new}");
        let both = (old.parse(), new.parse());
        Ok((
            both.0.with_context(what)?,
            both.1.with_context(what)?,
            since,
        ))
    };
    rows.map(read).collect()
}

/// Forgets what was begun, for when it could not be finished and nothing has moved.
///
/// # Errors
/// When the database cannot be written.
pub fn forget(db: &Connection) -> Result<()> {
    db.execute("DELETE FROM meta WHERE key = ?1", [KEY])?;
    Ok(())
}

/// As [`finish`], for whoever has not opened the database yet: it is left alone, and its schema as
/// it is, if nothing was begun.
///
/// # Errors
/// As [`finish`].
pub fn finish_at(path: &Path, mail: &Path) -> Result<Option<Renamed>> {
    if !path.exists() {
        return Ok(None);
    }
    let what = || format!("looking for a rename that was begun in {}", path.display());
    let begun = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
        .and_then(|db| {
            let table = "SELECT count(*) > 0 FROM sqlite_schema WHERE name = 'meta'";
            match db.query_row(table, [], |row| row.get(0))? {
                true => pending(&db),
                false => Ok(None),
            }
        })
        .with_context(what)?;
    match begun {
        Some(_) => finish(&mut database::open(path)?, mail),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests;
