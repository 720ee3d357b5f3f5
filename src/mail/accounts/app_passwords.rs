//! App passwords: one for each device, which is removed alone when the device is lost.

use std::{fmt, str::FromStr};

use anyhow::Result;
use rusqlite::{Connection, params};
use serde::Serialize;
use thiserror::Error;
use zeroize::Zeroizing;

use super::{AccountError, user_id};
use crate::{mail::address::Address, util::random};

/// The password of one device; the password itself is known to nobody here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AppPassword {
    /// What the device is called.
    pub label: String,
    /// What is typed as the user name on it.
    pub login: String,
    /// When it was made, in seconds since 1970.
    pub created: i64,
    /// The last login with it.
    pub last_used: Option<i64>,
}

/// Most characters of a label.
pub const MAX_LABEL: usize = 32;

/// The name of an app password: what can stand behind the `+` of a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label(String);

/// Why a text is no label.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum LabelError {
    /// Empty, or longer than [`MAX_LABEL`].
    #[error("a name has 1 to {MAX_LABEL} characters")]
    Length,
    /// What dovecot takes in no login.
    #[error("`{0}` cannot stand in a login: only letters, digits, `.`, `_` and `-` can")]
    Character(char),
}

impl FromStr for Label {
    type Err = LabelError;

    /// Capitals make no difference in a login, so none are kept.
    fn from_str(text: &str) -> Result<Self, LabelError> {
        let odd = |c: &char| !c.is_ascii_alphanumeric() && !"._-".contains(*c);
        if let Some(c) = text.chars().find(odd) {
            return Err(LabelError::Character(c));
        }
        match text.len() {
            1..=MAX_LABEL => Ok(Self(text.to_ascii_lowercase())),
            _ => Err(LabelError::Length),
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The login of a label.
pub fn login(user: &str, label: &str) -> String {
    let label = label.to_ascii_lowercase();
    match user.split_once('@') {
        Some((local, domain)) => format!("{local}+{label}@{domain}"),
        None => user.to_owned(),
    }
}

/// Letters and digits that nobody takes for one another: 32, five bits each.
const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// A new password of 100 random bits, in groups that can be typed.
///
/// # Errors
/// When the kernel gives no random numbers.
pub fn generate() -> Result<Zeroizing<String>> {
    let bytes = random::bytes::<20>()?;
    let mut text = Zeroizing::new(String::with_capacity(24));
    for (place, byte) in bytes.iter().enumerate() {
        if place > 0 && place % 4 == 0 {
            text.push('-');
        }
        text.push(char::from(LETTERS[usize::from(byte & 31)]));
    }
    Ok(text)
}

/// The app passwords of a user, by label; none for nobody.
///
/// # Errors
/// When the database cannot be read.
pub fn list(db: &Connection, user: &str) -> Result<Vec<AppPassword>, AccountError> {
    let mut query = db.prepare(
        "SELECT label, credential.created, last_used FROM credential
         JOIN user ON user.id = user_id JOIN domain ON domain.id = domain_id
         WHERE kind = 'app' AND local_part || '@' || name = ?1 ORDER BY label",
    )?;
    let rows = query.query_map([user], |row| {
        let label: String = row.get(0)?;
        Ok(AppPassword {
            login: login(user, &label),
            label,
            created: row.get(1)?,
            last_used: row.get(2)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// That a user could have an app password of this name.
///
/// # Errors
/// When there is no such user, or it has one.
pub fn check_new(db: &Connection, user: &Address, label: &Label) -> Result<(), AccountError> {
    let user = user.to_string();
    user_id(db, &user)?;
    let same = |app: AppPassword| app.label.eq_ignore_ascii_case(&label.0);
    match list(db, &user)?.into_iter().any(same) {
        true => Err(AccountError::LabelExists {
            user,
            label: label.to_string(),
        }),
        false => Ok(()),
    }
}

/// Adds an app password by its hash.
///
/// # Errors
/// As [`check_new`].
pub fn add(
    db: &Connection,
    user: &Address,
    label: &Label,
    hash: &str,
    now: i64,
) -> Result<(), AccountError> {
    check_new(db, user, label)?;
    let id = user_id(db, &user.to_string())?;
    db.execute(
        "INSERT INTO credential (user_id, kind, label, hash, created)
         VALUES (?1, 'app', ?2, ?3, ?4)",
        params![id, label.0, hash, now],
    )?;
    Ok(())
}

/// Removes an app password.
///
/// # Errors
/// When there is no such user, or it has none of that name.
pub fn remove(db: &Connection, user: &Address, label: &Label) -> Result<(), AccountError> {
    let user = user.to_string();
    let id = user_id(db, &user)?;
    let one = "DELETE FROM credential WHERE user_id = ?1 AND kind = 'app' AND lower(label) = ?2";
    if db.execute(one, params![id, label.0])? == 0 {
        let known = list(db, &user)?.into_iter().map(|app| app.label).collect();
        let label = label.to_string();
        return Err(AccountError::NoLabel { user, label, known });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::accounts::tests::{HASH, address, database};

    #[test]
    fn labels_are_what_a_login_can_carry() {
        let label = |text: &str| text.parse::<Label>().map(|l| l.to_string());
        assert_eq!(label("Phone.2-x_y").as_deref(), Ok("phone.2-x_y"));
        for c in ['+', '@', ' ', 'ü', '\''] {
            assert_eq!(label(&format!("a{c}b")), Err(LabelError::Character(c)));
        }
        assert_eq!(label(""), Err(LabelError::Length));
        assert_eq!(label(&"a".repeat(33)), Err(LabelError::Length));
    }

    #[test]
    fn a_password_is_five_groups_of_four() {
        let one = generate().unwrap();
        let groups: Vec<&str> = one.split('-').collect();
        assert_eq!(groups.len(), 5, "{}", one.len());
        assert!(groups.iter().all(|g| g.len() == 4));
        assert!(one.bytes().all(|b| b == b'-' || LETTERS.contains(&b)));
        assert_ne!(*one, *generate().unwrap());
        let distinct: std::collections::BTreeSet<_> = LETTERS.iter().collect();
        assert_eq!(distinct.len(), 32);
    }

    #[test]
    fn each_device_has_its_own() {
        let (db, _) = database();
        let (alice, phone) = (address("alice@example.org"), "Phone".parse().unwrap());
        add(&db, &alice, &phone, HASH, 4).unwrap();
        let twice = add(&db, &alice, &"PHONE".parse().unwrap(), HASH, 5).unwrap_err();
        insta::assert_snapshot!(twice, @"alice@example.org has an app password phone already: 'mailctl app-password remove alice@example.org phone' removes it, or choose another name");
        let all = list(&db, "alice@example.org").unwrap();
        assert_eq!(all[0].login, "alice+phone@example.org");
        let other = remove(&db, &alice, &"tablet".parse().unwrap()).unwrap_err();
        insta::assert_snapshot!(other, @"alice@example.org has no app password tablet; it has phone");
        remove(&db, &alice, &phone).unwrap();
        let none = remove(&db, &alice, &phone).unwrap_err();
        insta::assert_snapshot!(none, @"alice@example.org has no app password phone; it has none at all");
    }
}
