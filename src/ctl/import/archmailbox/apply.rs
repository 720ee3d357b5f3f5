//! Doing what was planned: all rows in one transaction, and the files of keys in it, last.

use std::{fs, io, path::PathBuf};

use anyhow::{Context, Result};
use rusqlite::Connection;
use zeroize::Zeroizing;

use super::plan::Plan;
use crate::{
    answers::{Answers, model::Quota},
    ctl::server::Server,
    mail::{
        accounts::{
            AccountError, Roles, aliases, app_passwords, change, domains,
            users::{self, NewUser},
        },
        address::Address,
        database::keys::{self, Key, Stage},
        password,
    },
    util::files,
};

/// Does it.
///
/// # Errors
/// When the database or a file of a key cannot be written, or the change is refused; the database is
/// then as it was.
pub fn apply(
    server: &Server,
    db: &mut Connection,
    answers: &Answers,
    plan: &Plan,
    now: i64,
) -> Result<()> {
    // argon2 takes its time: not while the database is locked
    let mut hashes = Vec::new();
    for (_, hash) in &plan.users {
        hashes.push(match hash {
            Some(hash) => hash.clone(),
            // one that nobody knows
            None => password::hash(&app_passwords::generate()?)?.into(),
        });
    }
    let mut failed = None;
    let mut before = Vec::new();
    let done = change(db, &Roles::of(answers), |db| {
        for domain in &plan.domains {
            domains::add(db, domain, now)?;
        }
        for ((address, _), hash) in plan.users.iter().zip(&hashes) {
            let user = NewUser {
                address,
                name: None,
                hash,
                quota_bytes: quota(answers, address),
            };
            users::add(db, &user, now)?;
        }
        for (address, hash) in &plan.passwords {
            users::set_password(db, address, hash, now)?;
        }
        for alias in &plan.replaced {
            aliases::remove(db, alias, &[])?;
        }
        for (alias, to) in &plan.aliases {
            aliases::add(db, alias, to)?;
        }
        if let Err(error) = sign(server, db, plan, now, &mut before) {
            failed = Some(error);
            return Err(AccountError::Damaged(String::new()));
        }
        Ok(())
    });
    let done = match failed {
        Some(error) => Err(error.context("nothing was changed")),
        None => done.map_err(Into::into),
    };
    if done.is_err() {
        before.iter().try_for_each(Before::put_back)?;
    }
    done
}

/// The file of a key, and what was in it, if it was there.
struct Before {
    path: PathBuf,
    text: Option<Zeroizing<Vec<u8>>>,
}

impl Before {
    fn put_back(&self) -> Result<()> {
        match &self.text {
            Some(text) => files::write(&self.path, text, 0o600),
            None => match fs::remove_file(&self.path) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => {
                    Err(e).with_context(|| format!("removing {}", self.path.display()))
                }
                _ => Ok(()),
            },
        }
    }
}

fn quota(answers: &Answers, address: &Address) -> i64 {
    let domain = answers.domains.iter().find(|d| d.name == address.domain);
    let quota = domain.and_then(|d| d.quota).unwrap_or(Quota::DEFAULT);
    i64::try_from(quota.bytes()).unwrap_or(i64::MAX)
}

/// Lets the keys sign, in place of others of the same domain and algorithm: files first, as a row
/// without a file signs nothing. What they are written over is added to `files_before`.
fn sign(
    server: &Server,
    db: &Connection,
    plan: &Plan,
    now: i64,
    files_before: &mut Vec<Before>,
) -> Result<()> {
    let before = keys::all(db)?;
    let same = |key: &Key, other: &super::dkim::FoundKey| {
        key.domain == other.domain && key.selector == other.selector
    };
    for key in &plan.keys {
        let file = server.paths.dkim_key(&key.domain, &key.selector);
        let path = server.target.path(&file);
        files_before.push(Before {
            path: path.clone(),
            text: server.target.read(&file)?.map(Zeroizing::new),
        });
        files::write_with_parents(&path, key.pem.expose(), 0o600)?;
        let replaced = before.iter().filter(|k| {
            k.domain == key.domain && k.algorithm == key.info.algorithm && k.stage == Stage::Active
        });
        for old in replaced.filter(|k| !plan.keys.iter().any(|new| same(k, new))) {
            let old = Key {
                stage: Stage::Old,
                since: now,
                ..old.clone()
            };
            keys::put(db, &old)?;
        }
        for other in before.iter().filter(|k| same(k, key)) {
            keys::remove(db, other)?;
        }
        let new = Key {
            domain: key.domain.clone(),
            selector: key.selector.clone(),
            algorithm: key.info.algorithm,
            stage: Stage::Active,
            since: now,
        };
        keys::put(db, &new).context("noting a DKIM key")?;
    }
    Ok(())
}
