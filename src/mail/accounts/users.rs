//! Users: mailboxes and who may open them.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;

use super::{
    AccountError, aliases,
    app_passwords::{self, AppPassword},
    domain_id, user_id,
};
use crate::mail::address::Address;

/// A mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct User {
    /// Address and login.
    pub address: String,
    /// The person's name.
    pub name: Option<String>,
    /// Whether its passwords open anything.
    pub enabled: bool,
    /// How much it holds.
    pub quota_bytes: i64,
    /// When it was made, in seconds since 1970.
    pub created: i64,
    /// When the password was set.
    pub password_set: Option<i64>,
    /// The last login with the password.
    pub last_used: Option<i64>,
    /// The passwords of single devices.
    pub app_passwords: Vec<AppPassword>,
    /// The addresses that lead to it.
    pub aliases: Vec<String>,
}

impl User {
    /// The last login with any password.
    pub fn last_login(&self) -> Option<i64> {
        let apps = self.app_passwords.iter().map(|app| app.last_used);
        apps.chain([self.last_used]).max().flatten()
    }
}

/// What a new mailbox needs.
#[derive(Debug, Clone)]
pub struct NewUser<'a> {
    /// The address.
    pub address: &'a Address,
    /// The person's name.
    pub name: Option<&'a str>,
    /// The argon2id hash of the password.
    pub hash: &'a str,
    /// How much it holds.
    pub quota_bytes: i64,
}

/// Most characters of a person's name.
const MAX_NAME: usize = 100;

/// A person's name without spaces around it; `None` if it is empty, longer than 100 characters, or
/// has a control character in it.
pub fn display_name(text: &str) -> Option<String> {
    let name = text.trim();
    let length = name.chars().count();
    let good = !name.chars().any(char::is_control) && (1..=MAX_NAME).contains(&length);
    good.then(|| name.to_owned())
}

/// All users by domain and address.
///
/// # Errors
/// When the database cannot be read.
pub fn list(db: &Connection) -> Result<Vec<User>, AccountError> {
    let mut query = db.prepare(
        "SELECT local_part || '@' || name, display_name, enabled, quota_bytes, user.created,
           credential.created, last_used
         FROM user JOIN domain ON domain.id = domain_id
         LEFT JOIN credential ON user_id = user.id AND kind = 'password'
         ORDER BY name, local_part",
    )?;
    let rows = query.query_map([], user)?;
    let mut users = rows.collect::<Result<Vec<_>, _>>()?;
    for user in &mut users {
        user.app_passwords = app_passwords::list(db, &user.address)?;
        if let Ok(address) = user.address.parse() {
            let leading = aliases::leading_to(db, &address)?;
            user.aliases = leading.into_iter().map(|(alias, _)| alias).collect();
        }
    }
    Ok(users)
}

fn user(row: &Row<'_>) -> rusqlite::Result<User> {
    Ok(User {
        address: row.get(0)?,
        name: row.get(1)?,
        enabled: row.get(2)?,
        quota_bytes: row.get(3)?,
        created: row.get(4)?,
        password_set: row.get(5)?,
        last_used: row.get(6)?,
        app_passwords: Vec::new(),
        aliases: Vec::new(),
    })
}

/// One user.
///
/// # Errors
/// When there is none of that address.
pub fn get(db: &Connection, address: &Address) -> Result<User, AccountError> {
    let name = address.to_string();
    let found = list(db)?.into_iter().find(|u| u.address == name);
    match found {
        Some(user) => Ok(user),
        None => Err(super::no_user(db, &name)?),
    }
}

/// That a user could have this address.
///
/// # Errors
/// When its domain is not ours, or somebody has it.
pub fn check_new(db: &Connection, address: &Address) -> Result<(), AccountError> {
    domain_id(db, address.domain.as_str())?;
    super::free(db, &address.to_string())
}

/// Adds a user.
///
/// # Errors
/// As [`check_new`].
pub fn add(db: &Connection, user: &NewUser<'_>, now: i64) -> Result<(), AccountError> {
    check_new(db, user.address)?;
    let domain = domain_id(db, user.address.domain.as_str())?;
    db.execute(
        "INSERT INTO user (local_part, domain_id, quota_bytes, created, display_name)
         VALUES (?1, ?2, ?3, ?4, ?5)",
        params![user.address.local, domain, user.quota_bytes, now, user.name],
    )?;
    let id = db.last_insert_rowid();
    put_password(db, id, user.hash, now)
}

fn put_password(db: &Connection, user: i64, hash: &str, now: i64) -> Result<(), AccountError> {
    // the time of the last login belongs to the old password
    db.execute(
        "INSERT INTO credential (user_id, kind, hash, created) VALUES (?1, 'password', ?2, ?3)
         ON CONFLICT (user_id, kind, label) DO UPDATE
         SET hash = excluded.hash, created = excluded.created, last_used = NULL",
        params![user, hash, now],
    )?;
    Ok(())
}

/// The hash of a user's password; none if it has none.
///
/// # Errors
/// When the database cannot be read.
pub fn password_hash(db: &Connection, address: &Address) -> Result<Option<String>, AccountError> {
    let hash = "SELECT hash FROM credential JOIN user ON user.id = user_id
                JOIN domain ON domain.id = domain_id
                WHERE kind = 'password' AND local_part = ?1 AND name = ?2";
    let named = params![address.local, address.domain.as_str()];
    Ok(db.query_row(hash, named, |row| row.get(0)).optional()?)
}

/// Gives a user another password.
///
/// # Errors
/// When there is no such user.
pub fn set_password(
    db: &Connection,
    address: &Address,
    hash: &str,
    now: i64,
) -> Result<(), AccountError> {
    let id = user_id(db, &address.to_string())?;
    put_password(db, id, hash, now)
}

/// Lets a mailbox hold more or less.
///
/// # Errors
/// When there is no such user.
pub fn set_quota(db: &Connection, address: &Address, bytes: i64) -> Result<(), AccountError> {
    let id = user_id(db, &address.to_string())?;
    let set = "UPDATE user SET quota_bytes = ?2 WHERE id = ?1";
    db.execute(set, params![id, bytes])?;
    Ok(())
}

/// Locks a mailbox, whose mail still arrives, or opens it again; returns whether that is new.
///
/// # Errors
/// When there is no such user.
pub fn enable(db: &Connection, address: &Address, on: bool) -> Result<bool, AccountError> {
    let id = user_id(db, &address.to_string())?;
    let set = "UPDATE user SET enabled = ?2 WHERE id = ?1 AND enabled <> ?2";
    Ok(db.execute(set, params![id, on])? > 0)
}

/// Removes a user, its passwords, and the ways of aliases to it; returns those aliases.
///
/// # Errors
/// When there is no such user.
pub fn remove(db: &Connection, address: &Address) -> Result<Vec<String>, AccountError> {
    let id = user_id(db, &address.to_string())?;
    let mut left = Vec::new();
    for (alias, target) in aliases::leading_to(db, address)? {
        aliases::unlink(db, &alias, &target)?;
        left.push(alias);
    }
    db.execute("DELETE FROM user WHERE id = ?1", [id])?;
    Ok(left)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::accounts::{
        change,
        tests::{HASH, address, database, links},
    };

    #[test]
    fn a_user_comes_and_goes() {
        let (mut db, roles) = database();
        let carol = address("carol@example.net");
        let new = NewUser {
            address: &carol,
            name: Some("Carol"),
            hash: HASH,
            quota_bytes: 1 << 30,
        };
        change(&mut db, &roles, |db| add(db, &new, 5)).unwrap();
        let twice = change(&mut db, &roles, |db| add(db, &new, 5)).unwrap_err();
        assert_eq!(
            twice.to_string(),
            "there is a user carol@example.net already"
        );
        set_password(&db, &carol, "other", 7).unwrap();
        set_quota(&db, &carol, 2 << 30).unwrap();
        assert!(enable(&db, &carol, false).unwrap());
        assert!(!enable(&db, &carol, false).unwrap());
        let user = get(&db, &carol).unwrap();
        assert_eq!(
            (
                user.password_set,
                user.quota_bytes,
                user.enabled,
                user.created
            ),
            (Some(7), 2 << 30, false, 5)
        );
        change(&mut db, &roles, |db| remove(db, &carol)).unwrap();
        let gone = get(&db, &carol).unwrap_err().to_string();
        insta::assert_snapshot!(gone, @"there is no user carol@example.net; 'mailctl user list' shows all");
        let near = get(&db, &address("alcie@example.org")).unwrap_err();
        insta::assert_snapshot!(near, @"there is no user alcie@example.org: did you mean alice@example.org? 'mailctl user list' shows all");
    }

    #[test]
    fn aliases_go_with_a_user_but_the_postmaster_stays() {
        let (mut db, roles) = database();
        let alice = address("alice@example.org");
        let gone = change(&mut db, &roles, |db| remove(db, &alice)).unwrap();
        assert_eq!(
            (gone, links(&db)),
            (vec!["al@example.org".to_owned()], String::new())
        );
        let bob = address("bob@example.org");
        let kept = change(&mut db, &roles, |db| remove(db, &bob)).unwrap_err();
        insta::assert_snapshot!(kept, @"nobody would have bob@example.org, which the answers name as the postmaster: apply answers with another one first, with 'ezmail-agent apply --answers FILE'; nothing was changed");
        assert_eq!(list(&db).unwrap().len(), 1);
    }
}
