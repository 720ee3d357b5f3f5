//! Aliases: addresses whose mail goes on to others.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};
use serde::Serialize;

use super::{AccountError, domain_id};
use crate::{answers::model::AliasAddress, mail::address::Address};

/// An address and where it leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Alias {
    /// The address, or `@domain` for all others of a domain.
    pub address: String,
    /// Where it leads.
    pub to: Vec<String>,
}

/// Condition of the rows of an alias: `?1` and `?2` are what stands before and behind the `@`.
const OF_ALIAS: &str = "coalesce(local_part, '') = ?1
    AND domain_id = (SELECT id FROM domain WHERE name = ?2)";

/// All aliases by address.
///
/// # Errors
/// When the database cannot be read.
pub fn list(db: &Connection) -> Result<Vec<Alias>, AccountError> {
    let mut query = db.prepare(
        "SELECT coalesce(local_part, '') || '@' || name, target FROM alias
         JOIN domain ON domain.id = domain_id ORDER BY name, 1, 2",
    )?;
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut aliases: Vec<Alias> = Vec::new();
    for row in rows {
        let (address, target): (String, String) = row?;
        match aliases.last_mut() {
            Some(last) if last.address == address => last.to.push(target),
            _ => aliases.push(Alias {
                address,
                to: vec![target],
            }),
        }
    }
    Ok(aliases)
}

fn targets(db: &Connection, alias: &str) -> Result<Vec<String>, AccountError> {
    let all: BTreeMap<_, _> = list(db)?.into_iter().map(|a| (a.address, a.to)).collect();
    Ok(all.get(alias).cloned().unwrap_or_default())
}

/// Lets an address lead to `to`, besides where it leads already.
///
/// # Errors
/// When its domain is not ours, a user has it, or it leads there already.
pub fn add(db: &Connection, alias: &AliasAddress, to: &[Address]) -> Result<(), AccountError> {
    let name = alias.to_string();
    let (local, domain) = name.split_once('@').unwrap_or(("", &name));
    let id = domain_id(db, domain)?;
    let before = targets(db, &name)?;
    if before.is_empty() && !local.is_empty() {
        super::free(db, &name)?;
    }
    for target in to {
        let target = own_spelling(db, target)?;
        let local = (!local.is_empty()).then_some(local);
        let added = db.execute(
            "INSERT INTO alias (local_part, domain_id, target) VALUES (?1, ?2, ?3)
             ON CONFLICT DO NOTHING",
            params![local, id, target],
        )?;
        if added == 0 {
            return Err(AccountError::TargetExists {
                alias: name.clone(),
                target,
            });
        }
    }
    Ok(())
}

/// Addresses of our own domains are kept in lower case.
fn own_spelling(db: &Connection, address: &Address) -> Result<String, AccountError> {
    match domain_id(db, address.domain.as_str()) {
        Ok(_) => Ok(address.to_string().to_ascii_lowercase()),
        Err(AccountError::NoDomain { .. }) => Ok(address.to_string()),
        Err(other) => Err(other),
    }
}

/// Removes some targets of an alias, or with none named the whole alias; returns where it still
/// leads.
///
/// # Errors
/// When there is no such alias, or it does not lead there.
pub fn remove(
    db: &Connection,
    alias: &AliasAddress,
    targets_to_remove: &[Address],
) -> Result<Vec<String>, AccountError> {
    let name = alias.to_string();
    let (local, domain) = name.split_once('@').unwrap_or(("", &name));
    let before = targets(db, &name)?;
    if before.is_empty() {
        return Err(AccountError::NoAlias(name));
    }
    if targets_to_remove.is_empty() {
        let all = format!("DELETE FROM alias WHERE {OF_ALIAS}");
        db.execute(&all, params![local, domain])?;
        return Ok(Vec::new());
    }
    for target in targets_to_remove {
        let target = own_spelling(db, target)?;
        let one = format!("DELETE FROM alias WHERE {OF_ALIAS} AND target = ?3");
        if db.execute(&one, params![local, domain, target])? == 0 {
            return Err(AccountError::NoTarget {
                alias: name.clone(),
                target,
                to: before,
            });
        }
    }
    targets(db, &name)
}

/// The aliases, and the addresses with or without detail, by which they lead to a user.
///
/// # Errors
/// When the database cannot be read.
pub fn leading_to(db: &Connection, user: &Address) -> Result<Vec<(String, String)>, AccountError> {
    let mut found = Vec::new();
    for alias in list(db)? {
        for target in &alias.to {
            if target.parse::<Address>().is_ok_and(|t| t.base() == *user) {
                found.push((alias.address.clone(), target.clone()));
            }
        }
    }
    Ok(found)
}

/// Removes one way from an alias to a target.
pub(super) fn unlink(db: &Connection, alias: &str, target: &str) -> Result<(), AccountError> {
    let (local, domain) = alias.split_once('@').unwrap_or(("", alias));
    let one = format!("DELETE FROM alias WHERE {OF_ALIAS} AND target = ?3");
    db.execute(&one, params![local, domain, target])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::accounts::{
        change,
        tests::{address, database, links},
    };

    fn exact(text: &str) -> AliasAddress {
        AliasAddress::Exact(address(text))
    }

    #[test]
    fn what_the_answers_refuse_is_refused() {
        let (mut db, roles) = database();
        let mut add = |alias: &AliasAddress, to: &[&str]| {
            let to: Vec<Address> = to.iter().map(|t| address(t)).collect();
            change(&mut db, &roles, |db| super::add(db, alias, &to))
                .unwrap_err()
                .to_string()
        };
        let alice = "alice@example.org";
        insta::assert_snapshot!(add(&exact(alice), &["bob@example.org"]), @"there is a user alice@example.org already");
        insta::assert_snapshot!(add(&exact("x@example.com"), &[alice]), @"example.com is not a domain of this server, which has example.net, example.org; 'mailctl domain add example.com' adds it");
        insta::assert_snapshot!(add(&exact("al@example.org"), &["Alice@example.org"]), @"the alias al@example.org leads to alice@example.org already");
        insta::assert_snapshot!(add(&exact("x@example.org"), &["nobody@example.org"]), @"the alias x@example.org would lead to nobody@example.org, and nobody has that address; nothing was changed");
        insta::assert_snapshot!(add(&exact("x@example.org"), &["x+y@example.org"]), @"the alias x@example.org would lead back to itself: x@example.org to x+y@example.org; nothing was changed");
        insta::assert_snapshot!(add(&exact("bob@example.org"), &[alice]), @"there is a user bob@example.org already");
        let all = AliasAddress::CatchAll("example.net".parse().unwrap());
        insta::assert_snapshot!(add(&all, &["anybody@example.net"]), @"the alias @example.net would lead back to itself: @example.net to anybody@example.net; nothing was changed");
        assert_eq!(links(&db), "al@example.org -> alice@example.org\n");
    }

    #[test]
    fn targets_come_and_go() {
        let (mut db, roles) = database();
        let family = exact("family@example.org");
        let all = AliasAddress::CatchAll("example.net".parse().unwrap());
        let to = [
            address("Alice+F@example.org"),
            address("Aunt.C@example.com"),
        ];
        change(&mut db, &roles, |db| add(db, &family, &to)).unwrap();
        change(&mut db, &roles, |db| {
            add(db, &all, &[address("family@example.org")])
        })
        .unwrap();
        insta::assert_snapshot!(links(&db), @r"
        @example.net -> family@example.org
        al@example.org -> alice@example.org
        family@example.org -> Aunt.C@example.com alice+f@example.org
        ");
        let wrong = change(&mut db, &roles, |db| {
            remove(db, &family, &[address("bob@example.org")])
        });
        insta::assert_snapshot!(wrong.unwrap_err(), @"the alias family@example.org does not lead to bob@example.org; it leads to Aunt.C@example.com, alice+f@example.org");
        // it would lead to nobody
        let wrong = change(&mut db, &roles, |db| remove(db, &family, &[]));
        insta::assert_snapshot!(wrong.unwrap_err(), @"the alias @example.net would lead to family@example.org, and nobody has that address; nothing was changed");
        let left = change(&mut db, &roles, |db| remove(db, &family, &to[..1])).unwrap();
        assert_eq!(left, ["Aunt.C@example.com"]);
        change(&mut db, &roles, |db| remove(db, &all, &[])).unwrap();
        change(&mut db, &roles, |db| remove(db, &family, &[])).unwrap();
        let gone = change(&mut db, &roles, |db| remove(db, &family, &[]));
        insta::assert_snapshot!(gone.unwrap_err(), @"there is no alias family@example.org; 'mailctl alias list' shows all");
        assert_eq!(links(&db), "al@example.org -> alice@example.org\n");
    }
}
