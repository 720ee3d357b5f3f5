//! Bringing the database to what the answers say, without undoing what mailctl did since.
//!
//! The rule: `meta.answers` remembers what the last answers said. Only what the answers say
//! differently now is changed; what they no longer name is removed; everything else, made or
//! changed by other means, stays as it is.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::{
    desired::{Desired, DesiredUser, remembered},
    keys,
};
use crate::mail::accounts::{Roles, routes};

/// Brings the database to `desired` in one transaction; returns what was changed, a line each.
///
/// `now` is the time in seconds since 1970. No line contains a secret.
///
/// What mailctl has changed may not go with new answers: an address that both gave to somebody, an
/// alias or a postmaster whose mailbox is gone.
///
/// # Errors
/// When the database cannot be read or written, or new answers would leave it with an address that
/// is two things, or leads to nobody; it is then as it was.
pub fn sync(db: &mut Connection, desired: &Desired, now: i64) -> Result<Vec<String>> {
    let step = db
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .context("writing the database")?;
    let last = remembered(&step)?;
    let roles = last.roles.as_ref().or(desired.roles.as_ref());
    let before = problems(&step, roles)?;
    let mut sync = Sync {
        db: &step,
        now,
        said: Vec::new(),
        without: BTreeSet::new(),
    };
    sync.remove(&last, desired)?;
    for domain in desired.domains.intersection(&last.domains) {
        if !keys::has_domain(&step, domain)? {
            sync.without.insert(domain.clone());
        }
    }
    for domain in desired.domains.difference(&last.domains) {
        sync.domain(domain)?;
    }
    for (address, user) in &desired.users {
        sync.user(address, user, last.users.get(address))?;
    }
    for (address, targets) in &desired.aliases {
        sync.alias(address, targets, last.aliases.get(address))?;
    }
    sync.said.extend(keys::sync(&step, desired, &last, now)?);
    let mut said = sync.said;
    let after = problems(&step, desired.roles.as_ref())?;
    let new: Vec<&str> = after.difference(&before).map(String::as_str).collect();
    if !new.is_empty() {
        bail!(
            "the answers do not go with what mailctl has changed: {}",
            new.join("; ")
        );
    }
    if last == *desired {
        step.commit().context("writing the database")?;
        return Ok(said);
    }
    adopt(&step, desired)?;
    step.commit().context("writing the database")?;
    if said.is_empty() {
        said.push("what the answers said is remembered".to_owned());
    }
    Ok(said)
}

/// Remembers `desired` as what the last answers said, whatever the database has: only what differs in
/// later answers changes it.
///
/// # Errors
/// When the database cannot be written.
pub fn adopt(db: &Connection, desired: &Desired) -> Result<()> {
    db.execute(
        "INSERT INTO meta VALUES ('answers', ?1)
         ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        [serde_json::to_string(desired)?],
    )
    .context("writing the database")?;
    Ok(())
}

/// What is wrong with the addresses, a sentence each.
fn problems(db: &Connection, roles: Option<&Roles>) -> Result<BTreeSet<String>> {
    let Some(roles) = roles else {
        return Ok(BTreeSet::new());
    };
    let mut problems = roles.problems(&routes(db, roles)?);
    let mut query = db.prepare(
        "SELECT DISTINCT user.local_part || '@' || name FROM user
         JOIN alias USING (local_part, domain_id) JOIN domain ON domain.id = domain_id",
    )?;
    for address in query.query_map([], |row| row.get::<_, String>(0))? {
        problems.insert(format!("{} would be a user and an alias", address?));
    }
    Ok(problems)
}

struct Sync<'a> {
    db: &'a Transaction<'a>,
    now: i64,
    said: Vec<String>,
    /// Domains that the answers still name and mailctl has removed.
    without: BTreeSet<String>,
}

/// Condition of a row whose `local_part` (NULL: catch-all) and domain are `?1` and `?2`.
const OF_ADDRESS: &str = "local_part IS ?1 AND domain_id = (SELECT id FROM domain WHERE name = ?2)";

/// `None` before the `@` is the catch-all.
fn parts(address: &str) -> (Option<&str>, &str) {
    match address.split_once('@') {
        Some(("", domain)) => (None, domain),
        Some((local, domain)) => (Some(local), domain),
        None => (Some(address), ""),
    }
}

impl Sync<'_> {
    fn say(&mut self, line: impl Into<String>) {
        self.said.push(line.into());
    }

    /// Removes what the last answers named and these do not.
    fn remove(&mut self, last: &Desired, desired: &Desired) -> Result<()> {
        for (address, targets) in &last.aliases {
            if !desired.aliases.contains_key(address) && self.unalias(address, targets)? > 0 {
                self.say(format!("alias {address} removed"));
            }
        }
        for address in last.users.keys() {
            let (local, domain) = parts(address);
            if !desired.users.contains_key(address)
                && self.db.execute(
                    &format!("DELETE FROM user WHERE {OF_ADDRESS}"),
                    params![local, domain],
                )? > 0
            {
                self.say(format!("user {address} removed; the mail is kept"));
            }
        }
        for domain in last.domains.difference(&desired.domains) {
            for address in self.users_of(domain)? {
                self.say(format!(
                    "user {address} removed with the domain; the mail is kept"
                ));
            }
            if self
                .db
                .execute("DELETE FROM domain WHERE name = ?1", [domain])?
                > 0
            {
                self.say(format!("domain {domain} removed"));
            }
        }
        Ok(())
    }

    /// Whether an address is in a domain that mailctl has removed, which is then said.
    fn is_without(&mut self, what: &str, address: &str) -> bool {
        let (_, domain) = parts(address);
        let is = self.without.contains(domain);
        if is {
            self.say(format!(
                "{what} {address} left out: {domain} was removed with mailctl"
            ));
        }
        is
    }

    fn users_of(&self, domain: &str) -> Result<Vec<String>> {
        let mut query = self.db.prepare(
            "SELECT local_part || '@' || name FROM user JOIN domain ON domain.id = domain_id
             WHERE name = ?1 ORDER BY 1",
        )?;
        let rows = query.query_map([domain], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The id of a domain, which is created if need be.
    fn domain(&mut self, name: &str) -> Result<i64> {
        let added = self.db.execute(
            "INSERT INTO domain (name, created) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
            params![name, self.now],
        )?;
        if added > 0 {
            self.say(format!("domain {name} added"));
        }
        let id = "SELECT id FROM domain WHERE name = ?1";
        Ok(self.db.query_row(id, [name], |row| row.get(0))?)
    }

    fn user(
        &mut self,
        address: &str,
        user: &DesiredUser,
        last: Option<&DesiredUser>,
    ) -> Result<()> {
        if last == Some(user) || self.is_without("user", address) {
            return Ok(());
        }
        let (local, domain) = parts(address);
        let found: Option<(i64, i64)> = self
            .db
            .query_row(
                &format!("SELECT id, quota_bytes FROM user WHERE {OF_ADDRESS}"),
                params![local, domain],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()?;
        let id = match found {
            Some((id, quota)) => {
                if last.is_none_or(|l| l.quota != user.quota) && quota != user.quota {
                    let set = "UPDATE user SET quota_bytes = ?2 WHERE id = ?1";
                    self.db.execute(set, params![id, user.quota])?;
                    self.say(format!("user {address}: quota changed"));
                }
                if last.map_or(user.name.is_some(), |l| l.name != user.name) {
                    let set = "UPDATE user SET display_name = ?2 WHERE id = ?1";
                    self.db.execute(set, params![id, user.name])?;
                    self.say(format!("user {address}: name changed"));
                }
                id
            }
            // removed by other means
            None if last.is_some() => return Ok(()),
            None => {
                let domain = self.domain(domain)?;
                self.db.execute(
                    "INSERT INTO user (local_part, domain_id, quota_bytes, created, display_name)
                     VALUES (?1, ?2, ?3, ?4, ?5)",
                    params![local, domain, user.quota, self.now, user.name],
                )?;
                self.say(format!("user {address} added"));
                self.db.last_insert_rowid()
            }
        };
        if last.is_none_or(|l| l.hash != user.hash) {
            // the time of the last login belongs to the old password
            self.db.execute(
                "INSERT INTO credential (user_id, kind, hash, created)
                 VALUES (?1, 'password', ?2, ?3)
                 ON CONFLICT (user_id, kind, label) DO UPDATE
                 SET hash = excluded.hash, created = excluded.created, last_used = NULL",
                params![id, user.hash, self.now],
            )?;
            if found.is_some() {
                self.say(format!("user {address}: password changed"));
            }
        }
        Ok(())
    }

    fn alias(
        &mut self,
        address: &str,
        targets: &BTreeSet<String>,
        last: Option<&BTreeSet<String>>,
    ) -> Result<()> {
        if last == Some(targets) || self.is_without("alias", address) {
            return Ok(());
        }
        let none = BTreeSet::new();
        let last = last.unwrap_or(&none);
        let gone: BTreeSet<String> = last.difference(targets).cloned().collect();
        let mut changed = self.unalias(address, &gone)?;
        let (local, domain) = parts(address);
        let domain = self.domain(domain)?;
        for target in targets.difference(last) {
            changed += self.db.execute(
                "INSERT INTO alias (local_part, domain_id, target) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO NOTHING",
                params![local, domain, target],
            )?;
        }
        if changed > 0 {
            let list: Vec<&str> = targets.iter().map(String::as_str).collect();
            self.say(format!("alias {address} leads to {}", list.join(", ")));
        }
        Ok(())
    }

    /// Removes some targets of an alias; returns how many there were.
    fn unalias(&self, address: &str, targets: &BTreeSet<String>) -> Result<usize> {
        let (local, domain) = parts(address);
        let mut count = 0;
        for target in targets {
            count += self.db.execute(
                &format!("DELETE FROM alias WHERE {OF_ADDRESS} AND target = ?3"),
                params![local, domain, target],
            )?;
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests;
