//! Users, domains, aliases and app passwords in the database, as mailctl changes them.
//!
//! Functions over a [`Connection`]; what is changed is in effect when the transaction is
//! committed. [`change`] holds every change to the rules of the answers.

pub mod aliases;
pub mod app_passwords;
pub mod domains;
mod error;
pub mod logins;
pub mod rename;
mod routes;
pub mod users;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

pub use error::AccountError;
pub use routes::{Roles, load as routes};

/// Makes a change in one transaction. It is taken back, and the reason is the error, when it leaves
/// an alias that leads to nobody or to itself, or a server whose own mail nobody reads.
///
/// # Errors
/// Those of the change; the database is then as it was.
pub fn change<T>(
    db: &mut Connection,
    roles: &Roles,
    change: impl FnOnce(&Connection) -> Result<T, AccountError>,
) -> Result<T, AccountError> {
    let step = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let before = roles.problems(&routes::load(&step, roles)?);
    let done = change(&step)?;
    let after = roles.problems(&routes::load(&step, roles)?);
    if let Some(problem) = after.difference(&before).next() {
        return Err(AccountError::Leaves(problem.clone()));
    }
    step.commit()?;
    Ok(done)
}

/// The id of a user.
fn user_id(db: &Connection, address: &str) -> Result<i64, AccountError> {
    let id = "SELECT user.id FROM user JOIN domain ON domain.id = domain_id
              WHERE local_part || '@' || name = ?1";
    let id = db.query_row(id, [address], |row| row.get(0)).optional()?;
    match id {
        Some(id) => Ok(id),
        None => Err(no_user(db, address)?),
    }
}

/// That there is no such user, with the one that was perhaps meant.
fn no_user(db: &Connection, address: &str) -> Result<AccountError, AccountError> {
    let mut query = db.prepare(
        "SELECT local_part || '@' || name FROM user JOIN domain ON domain.id = domain_id",
    )?;
    let users = query.query_map([], |row| row.get(0))?;
    let users: Vec<String> = users.collect::<Result<_, _>>()?;
    let like = |user: &String| strsim::jaro_winkler(user, address);
    let near = users.into_iter().map(|user| (like(&user), user));
    let near = near.max_by(|a, b| a.0.total_cmp(&b.0));
    Ok(AccountError::NoUser {
        address: address.to_owned(),
        near: near.filter(|n| n.0 >= 0.9).map(|n| n.1),
    })
}

/// The id of a domain.
fn domain_id(db: &Connection, name: &str) -> Result<i64, AccountError> {
    let id = "SELECT id FROM domain WHERE name = ?1";
    let id = db.query_row(id, [name], |row| row.get(0)).optional()?;
    match id {
        Some(id) => Ok(id),
        None => {
            let mut query = db.prepare("SELECT name FROM domain ORDER BY name")?;
            let names = query.query_map([], |row| row.get(0))?;
            Err(AccountError::NoDomain {
                name: name.to_owned(),
                known: names.collect::<Result<_, _>>()?,
            })
        }
    }
}

/// That no user and no alias has this address.
fn free(db: &Connection, address: &str) -> Result<(), AccountError> {
    let (local, domain) = address.split_once('@').unwrap_or((address, ""));
    let found = |table| {
        let query = format!(
            "SELECT count(*) > 0 FROM {table} JOIN domain ON domain.id = domain_id
             WHERE local_part = ?1 AND name = ?2"
        );
        db.query_row(&query, params![local, domain], |row| row.get::<_, bool>(0))
    };
    if found("user")? {
        return Err(AccountError::UserExists(address.to_owned()));
    }
    if found("alias")? {
        return Err(AccountError::AliasExists(address.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::mail::{address::Address, database};

    pub const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$HtKaUpKsz7K46esgPcLogg$YYARhO8rPJMzMa3rp0rZn5AJfv6zTdYNs/CUltaDMeg";

    /// example.org with alice and bob, who is the postmaster; al leads to alice.
    pub fn database() -> (Connection, Roles) {
        let mut db = database::open_copy("/nonexistent".as_ref()).unwrap();
        fill(&mut db);
        (db, roles())
    }

    pub fn roles() -> Roles {
        Roles {
            postmaster: address("bob@example.org"),
            notify: None,
        }
    }

    /// What [`database`] has.
    pub fn fill(db: &mut Connection) {
        db.execute_batch(
            "INSERT INTO domain VALUES (1, 'example.org', 0), (2, 'example.net', 0);
             INSERT INTO user (id, local_part, domain_id, quota_bytes, created)
               VALUES (1, 'alice', 1, 1073741824, 0), (2, 'bob', 1, 1073741824, 0);
             INSERT INTO alias (local_part, domain_id, target) VALUES ('al', 1, 'alice@example.org');",
        )
        .unwrap();
        let hash = "INSERT INTO credential (user_id, kind, hash, created)
                    SELECT id, 'password', ?1, 0 FROM user";
        db.execute(hash, [HASH]).unwrap();
    }

    pub fn address(text: &str) -> Address {
        text.parse().unwrap()
    }

    /// Every alias and where it leads.
    pub fn links(db: &Connection) -> String {
        let all = aliases::list(db).unwrap();
        let line = |a: aliases::Alias| format!("{} -> {}\n", a.address, a.to.join(" "));
        all.into_iter().map(line).collect()
    }
}
