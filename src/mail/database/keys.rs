//! Which DKIM keys a domain has, and at which stage of its life each is.
//!
//! The private keys are files on the state volume; the table says what they are for.

use std::{fmt, str::FromStr};

use anyhow::{Context, Result, bail};
use rusqlite::{Connection, Row, params};
use serde::Serialize;

use super::desired::Desired;
use crate::mail::dkim::Algorithm;

/// The stages of a key's life, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Made, and waiting until the DNS shows its record: it does not sign yet.
    Next,
    /// It signs.
    Active,
    /// It signs no more; its record stays until mail in flight is past.
    Old,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Next => "next",
            Self::Active => "active",
            Self::Old => "old",
        })
    }
}

impl FromStr for Stage {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        [Self::Next, Self::Active, Self::Old]
            .into_iter()
            .find(|stage| stage.to_string() == text)
            .with_context(|| format!("`{text}` is no stage of a DKIM key"))
    }
}

/// A key of a domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Key {
    /// The domain that it signs for.
    pub domain: String,
    /// What stands before `._domainkey`.
    pub selector: String,
    /// What it signs with.
    pub algorithm: Algorithm,
    /// How far it is.
    pub stage: Stage,
    /// When this stage began, in seconds since 1970.
    pub since: i64,
}

/// All keys, by domain, algorithm and stage.
///
/// # Errors
/// When the database cannot be read.
pub fn all(db: &Connection) -> Result<Vec<Key>> {
    let mut query = db.prepare(
        "SELECT name, selector, algorithm, stage, since FROM dkim_key
         JOIN domain ON domain.id = domain_id",
    )?;
    let rows = query.query_map([], |row| Ok(key(row)))?;
    let mut keys = rows.map(|row| row?).collect::<Result<Vec<_>>>()?;
    keys.sort_by(|a, b| {
        let order = |k: &Key| (k.domain.clone(), k.algorithm, k.stage, k.selector.clone());
        order(a).cmp(&order(b))
    });
    Ok(keys)
}

fn key(row: &Row<'_>) -> Result<Key> {
    let algorithm: String = row.get(2)?;
    let known = |a: &Algorithm| a.to_string() == algorithm;
    let stage: String = row.get(3)?;
    Ok(Key {
        domain: row.get(0)?,
        selector: row.get(1)?,
        algorithm: Algorithm::ALL
            .into_iter()
            .find(known)
            .with_context(|| format!("`{algorithm}` is no algorithm of DKIM"))?,
        stage: stage.parse()?,
        since: row.get(4)?,
    })
}

/// Puts a key at a stage; it is added if it is new.
///
/// # Errors
/// When there is no such domain, the selector is another algorithm's, or the database cannot be
/// written.
pub fn put(db: &Connection, key: &Key) -> Result<()> {
    let written = db.execute(
        "INSERT INTO dkim_key (domain_id, selector, algorithm, stage, since)
         SELECT id, ?2, ?3, ?4, ?5 FROM domain WHERE name = ?1
         ON CONFLICT (domain_id, selector) DO UPDATE
         SET stage = excluded.stage, since = excluded.since
         WHERE algorithm = excluded.algorithm",
        params![
            key.domain,
            key.selector,
            key.algorithm.to_string(),
            key.stage.to_string(),
            key.since
        ],
    )?;
    if written == 0 {
        let Key {
            domain, selector, ..
        } = key;
        bail!("{domain} is not a domain of this server, or its selector {selector} is taken");
    }
    Ok(())
}

/// Brings the table to what the answers say differently now: a key that they give signs at once
/// in place of those that they do not give. Then every domain gets a key for each algorithm that
/// has none that signs.
pub(super) fn sync(
    db: &Connection,
    desired: &Desired,
    last: &Desired,
    now: i64,
) -> Result<Vec<String>> {
    let mut said = Vec::new();
    let before = all(db)?;
    for (domain, given) in &desired.dkim {
        let known = last.dkim.get(domain);
        for (selector, info) in given {
            if known.and_then(|k| k.get(selector)) == Some(info) {
                continue;
            }
            if !has_domain(db, domain)? {
                said.push(format!(
                    "DKIM key {selector} left out: {domain} was removed with mailctl"
                ));
                continue;
            }
            let of_domain = |k: &&Key| &k.domain == domain;
            for key in before.iter().filter(of_domain) {
                if &key.selector == selector && key.algorithm != info.algorithm {
                    // another key under the same name: the record can only be one of them
                    remove(db, key)?;
                }
                let replaced = key.stage == Stage::Active && key.algorithm == info.algorithm;
                if replaced && !given.contains_key(&key.selector) {
                    retire(db, key, now, &mut said)?;
                }
            }
            put(
                db,
                &Key {
                    domain: domain.clone(),
                    selector: selector.clone(),
                    algorithm: info.algorithm,
                    stage: Stage::Active,
                    since: now,
                },
            )?;
            said.push(format!("DKIM key {selector} of {domain} signs"));
        }
    }
    for (domain, given) in &last.dkim {
        for key in before.iter().filter(|k| &k.domain == domain) {
            let still = desired.dkim.get(domain);
            let gone = given.contains_key(&key.selector)
                && !still.is_some_and(|s| s.contains_key(&key.selector));
            if gone && key.stage == Stage::Active {
                retire(db, key, now, &mut said)?;
            }
        }
    }
    fill(db, now, &mut said)?;
    Ok(said)
}

/// Whether the table of domains has one.
pub(super) fn has_domain(db: &Connection, name: &str) -> Result<bool> {
    let has = "SELECT count(*) > 0 FROM domain WHERE name = ?1";
    Ok(db.query_row(has, [name], |row| row.get(0))?)
}

fn retire(db: &Connection, key: &Key, now: i64, said: &mut Vec<String>) -> Result<()> {
    let old = Key {
        stage: Stage::Old,
        since: now,
        ..key.clone()
    };
    put(db, &old)?;
    let Key {
        domain, selector, ..
    } = key;
    said.push(format!("DKIM key {selector} of {domain} signs no more"));
    Ok(())
}

/// Removes a key from the table; its file stays.
///
/// # Errors
/// When the database cannot be written.
pub fn remove(db: &Connection, key: &Key) -> Result<()> {
    db.execute(
        "DELETE FROM dkim_key WHERE selector = ?2
         AND domain_id = (SELECT id FROM domain WHERE name = ?1)",
        params![key.domain, key.selector],
    )?;
    Ok(())
}

/// A key that signs for each domain and algorithm.
fn fill(db: &Connection, now: i64, said: &mut Vec<String>) -> Result<()> {
    let keys = all(db)?;
    let mut query = db.prepare("SELECT name FROM domain ORDER BY name")?;
    let domains = query.query_map([], |row| row.get(0))?;
    for domain in domains.collect::<Result<Vec<String>, _>>()? {
        for algorithm in Algorithm::ALL {
            let of_domain = || keys.iter().filter(|k| k.domain == domain);
            let signs = |k: &Key| k.algorithm == algorithm && k.stage == Stage::Active;
            if of_domain().any(signs) {
                continue;
            }
            // one that signed before is taken again; another algorithm's is not
            let taken =
                |name: &str| of_domain().any(|k| k.selector == name && k.algorithm != algorithm);
            let plain = algorithm.selector().to_owned();
            let numbered = (2..).map(|n| format!("{}-{n}", algorithm.selector()));
            let selector = std::iter::once(plain)
                .chain(numbered)
                .find(|name| !taken(name))
                .context("looking for a free selector")?;
            said.push(format!("DKIM key {selector} of {domain} signs"));
            let key = Key {
                domain: domain.clone(),
                selector,
                algorithm,
                stage: Stage::Active,
                since: now,
            };
            put(db, &key)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::mail::{database::schema, dkim::KeyInfo};

    fn database() -> Connection {
        let mut db = Connection::open_in_memory().unwrap();
        db.pragma_update(None, "foreign_keys", true).unwrap();
        schema::migrate(&mut db).unwrap();
        let domain = "INSERT INTO domain (name, created) VALUES ('example.org', 0)";
        db.execute(domain, []).unwrap();
        db
    }

    fn given(keys: &[(&str, Algorithm, &str)]) -> Desired {
        let key = |(selector, algorithm, public): &(&str, Algorithm, &str)| {
            let (algorithm, public) = (*algorithm, (*public).to_owned());
            ((*selector).to_owned(), KeyInfo { algorithm, public })
        };
        let keys: BTreeMap<_, _> = keys.iter().map(key).collect();
        Desired {
            dkim: BTreeMap::from([("example.org".to_owned(), keys)]),
            ..Desired::default()
        }
    }

    fn stages(db: &Connection) -> String {
        let line = |k: Key| format!("{} {} {} {}\n", k.algorithm, k.selector, k.stage, k.since);
        all(db).unwrap().into_iter().map(line).collect()
    }

    #[test]
    fn every_domain_has_keys_and_given_ones_replace_them() {
        use Algorithm::{Ed25519, Rsa};
        let db = database();
        let none = Desired::default();
        sync(&db, &none, &none, 1).unwrap();
        assert_eq!(sync(&db, &none, &none, 2).unwrap(), Vec::<String>::new());
        insta::assert_snapshot!(stages(&db), @r"
        rsa ezmail-rsa active 1
        ed25519 ezmail-ed25519 active 1
        ");
        // one that is named as ours of the other algorithm, and two of the same
        let two = given(&[("ezmail-ed25519", Rsa, "A"), ("mine", Rsa, "B")]);
        sync(&db, &two, &none, 3).unwrap();
        insta::assert_snapshot!(stages(&db), @r"
        rsa ezmail-ed25519 active 3
        rsa mine active 3
        rsa ezmail-rsa old 3
        ed25519 ezmail-ed25519-2 active 3
        ");
        let one = given(&[("mine", Rsa, "B")]);
        assert_eq!(
            sync(&db, &one, &two, 4).unwrap(),
            ["DKIM key ezmail-ed25519 of example.org signs no more"]
        );
        assert_eq!(
            sync(&db, &none, &one, 5).unwrap(),
            [
                "DKIM key mine of example.org signs no more",
                "DKIM key ezmail-rsa of example.org signs"
            ]
        );
        let other = given(&[("new", Ed25519, "C")]);
        sync(&db, &other, &none, 6).unwrap();
        insta::assert_snapshot!(stages(&db), @r"
        rsa ezmail-rsa active 5
        rsa ezmail-ed25519 old 4
        rsa mine old 5
        ed25519 new active 6
        ed25519 ezmail-ed25519-2 old 6
        ");
    }

    #[test]
    fn what_mailctl_did_with_a_given_key_is_not_undone() {
        let db = database();
        let none = Desired::default();
        let one = given(&[("mine", Algorithm::Rsa, "B")]);
        sync(&db, &one, &none, 1).unwrap();
        let key = |selector: &str, stage| Key {
            domain: "example.org".to_owned(),
            selector: selector.to_owned(),
            algorithm: Algorithm::Rsa,
            stage,
            since: 2,
        };
        put(&db, &key("mine", Stage::Old)).unwrap();
        put(&db, &key("rotated", Stage::Active)).unwrap();
        assert_eq!(sync(&db, &one, &one, 3).unwrap(), Vec::<String>::new());
        db.execute("DELETE FROM domain", []).unwrap();
        let other = given(&[("mine", Algorithm::Rsa, "C")]);
        assert_eq!(
            sync(&db, &other, &one, 3).unwrap(),
            ["DKIM key mine left out: example.org was removed with mailctl"]
        );
        let elsewhere = Key {
            domain: "example.net".to_owned(),
            ..key("x", Stage::Next)
        };
        let error = put(&db, &elsewhere).unwrap_err().to_string();
        insta::assert_snapshot!(
            error,
            @"example.net is not a domain of this server, or its selector x is taken"
        );
    }
}
