//! Domains.

use rusqlite::{Connection, params};
use serde::Serialize;

use super::{AccountError, Roles, aliases, domain_id};
use crate::mail::address::{Address, DomainName};

/// A domain and how much there is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Domain {
    /// Its name.
    pub name: String,
    /// How many users it has.
    pub users: i64,
    /// How many aliases.
    pub aliases: i64,
    /// When it was added, in seconds since 1970.
    pub created: i64,
}

/// All domains by name.
///
/// # Errors
/// When the database cannot be read.
pub fn list(db: &Connection) -> Result<Vec<Domain>, AccountError> {
    let mut query = db.prepare(
        "SELECT name, (SELECT count(*) FROM user WHERE domain_id = domain.id),
           (SELECT count(DISTINCT coalesce(local_part, '')) FROM alias
            WHERE domain_id = domain.id), created
         FROM domain ORDER BY name",
    )?;
    let rows = query.query_map([], |row| {
        Ok(Domain {
            name: row.get(0)?,
            users: row.get(1)?,
            aliases: row.get(2)?,
            created: row.get(3)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Adds a domain.
///
/// # Errors
/// When it is there.
pub fn add(db: &Connection, name: &DomainName, now: i64) -> Result<(), AccountError> {
    let added = db.execute(
        "INSERT INTO domain (name, created) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
        params![name.as_str(), now],
    )?;
    match added {
        0 => Err(AccountError::DomainExists(name.to_string())),
        _ => Ok(()),
    }
}

/// The users of a domain that could be removed.
///
/// # Errors
/// When there is no such domain, it is the only one, the server's own mail goes there, or aliases
/// of others lead into it.
pub fn check_remove(
    db: &Connection,
    roles: &Roles,
    name: &DomainName,
) -> Result<Vec<String>, AccountError> {
    let id = domain_id(db, name.as_str())?;
    if list(db)?.len() == 1 {
        return Err(AccountError::LastDomain(name.to_string()));
    }
    for (what, address) in roles.named() {
        if address.domain == *name {
            return Err(AccountError::Named {
                what,
                address: address.to_string(),
            });
        }
    }
    let outside = |alias: &&aliases::Alias| !alias.address.ends_with(&format!("@{name}"));
    let into = |to: &String| to.parse::<Address>().is_ok_and(|to| to.domain == *name);
    let all = aliases::list(db)?;
    let leading = all.iter().filter(outside).filter(|a| a.to.iter().any(into));
    let leading: Vec<String> = leading.map(|a| a.address.clone()).collect();
    if !leading.is_empty() {
        return Err(AccountError::LeadsInto {
            domain: name.to_string(),
            aliases: leading,
        });
    }
    let mut query = db.prepare(
        "SELECT local_part || '@' || ?2 FROM user WHERE domain_id = ?1 ORDER BY local_part",
    )?;
    let users = query.query_map(params![id, name.as_str()], |row| row.get(0))?;
    Ok(users.collect::<Result<_, _>>()?)
}

/// Removes a domain with its users, aliases and the rows of its keys; returns the users.
///
/// # Errors
/// As [`check_remove`].
pub fn remove(
    db: &Connection,
    roles: &Roles,
    name: &DomainName,
) -> Result<Vec<String>, AccountError> {
    let users = check_remove(db, roles, name)?;
    db.execute("DELETE FROM domain WHERE name = ?1", [name.as_str()])?;
    Ok(users)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::accounts::{
        change,
        tests::{address, database},
    };

    fn name(text: &str) -> DomainName {
        text.parse().unwrap()
    }

    #[test]
    fn a_domain_comes_and_goes() {
        let (mut db, roles) = database();
        let new = name("example.com");
        change(&mut db, &roles, |db| add(db, &new, 3)).unwrap();
        let twice = change(&mut db, &roles, |db| add(db, &new, 3)).unwrap_err();
        assert_eq!(
            twice.to_string(),
            "example.com is a domain of this server already"
        );
        change(&mut db, &roles, |db| remove(db, &roles, &new)).unwrap();
        let gone = change(&mut db, &roles, |db| remove(db, &roles, &new)).unwrap_err();
        insta::assert_snapshot!(gone, @"example.com is not a domain of this server, which has example.net, example.org; 'mailctl domain add example.com' adds it");
        let main = change(&mut db, &roles, |db| {
            remove(db, &roles, &name("example.net"))
        })
        .unwrap();
        assert_eq!(main, Vec::<String>::new());
        let last = change(&mut db, &roles, |db| {
            remove(db, &roles, &name("example.org"))
        })
        .unwrap_err();
        insta::assert_snapshot!(last, @"example.org is the only domain of this server, and it needs one: add another one first");
    }

    #[test]
    fn what_others_need_stays() {
        let (mut db, roles) = database();
        let postmaster = change(&mut db, &roles, |db| {
            remove(db, &roles, &name("example.org"))
        });
        insta::assert_snapshot!(postmaster.unwrap_err(), @"the answers name bob@example.org as the postmaster: apply answers with another one first, with 'ezmail-agent apply --answers FILE'");
        let all = crate::answers::model::AliasAddress::CatchAll(name("example.net"));
        let to = [address("alice@example.org")];
        change(&mut db, &roles, |db| aliases::add(db, &all, &to)).unwrap();
        let roles = Roles {
            postmaster: address("me@example.com"),
            notify: None,
        };
        let into = change(&mut db, &roles, |db| {
            remove(db, &roles, &name("example.org"))
        })
        .unwrap_err();
        insta::assert_snapshot!(into, @"the alias @example.net leads into example.org: change that first, with 'mailctl alias remove'");
    }

    /// Mail that left the server may no longer do so when the domain becomes ours.
    #[test]
    fn a_new_domain_has_somebody_where_aliases_lead() {
        let (mut db, roles) = database();
        let out = crate::answers::model::AliasAddress::Exact(address("out@example.org"));
        let to = [address("someone@example.com")];
        change(&mut db, &roles, |db| aliases::add(db, &out, &to)).unwrap();
        let nobody = change(&mut db, &roles, |db| add(db, &name("example.com"), 3));
        insta::assert_snapshot!(nobody.unwrap_err(), @"the alias out@example.org would lead to someone@example.com, and nobody has that address; nothing was changed");
    }
}
