//! Domains, users and aliases of two databases compared.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use anyhow::Result;
use rusqlite::Connection;
use serde::Serialize;

use crate::{
    mail::{address::Address, database, mailbox},
    util::hash,
};

/// What is in one of them, each thing with what tells whether it is the same in the other.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    domains: BTreeMap<String, String>,
    users: BTreeMap<String, String>,
    aliases: BTreeMap<String, String>,
}

/// What another database in place of the present one changes.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Changes {
    pub(super) domains: Difference,
    pub(super) users: Difference,
    pub(super) aliases: Difference,
}

/// Names that are in one alone, or in both and not the same.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Difference {
    pub(super) come: Vec<String>,
    pub(super) go: Vec<String>,
    pub(super) change: Vec<String>,
}

impl Accounts {
    /// Those of a database; none if it is not there.
    pub(super) fn read(path: &Path) -> Result<Self> {
        if !path.exists() {
            return Ok(Self::default());
        }
        let db = database::open_copy(path)?;
        Ok(Self {
            domains: map(&db, "SELECT name, '' FROM domain")?,
            users: map(
                &db,
                "SELECT local_part || '@' || name,
                        enabled || ' ' || quota_bytes || ' ' || coalesce(display_name, '') || ' '
                        || (SELECT coalesce(group_concat(kind || label || hash, ' '), '')
                            FROM (SELECT * FROM credential WHERE user_id = user.id
                                  ORDER BY kind, label))
                 FROM user JOIN domain ON domain.id = domain_id",
            )?,
            aliases: map(
                &db,
                "SELECT address, group_concat(target, ' ')
                 FROM (SELECT coalesce(local_part, '') || '@' || name AS address, target
                       FROM alias JOIN domain ON domain.id = domain_id ORDER BY 1, 2)
                 GROUP BY address",
            )?,
        })
    }

    /// What `other` in their place changes.
    pub(super) fn changes(&self, other: &Self) -> Changes {
        Changes {
            domains: Difference::of(&self.domains, &other.domains),
            users: Difference::of(&self.users, &other.users),
            aliases: Difference::of(&self.aliases, &other.aliases),
        }
    }

    /// The folders of the users' mailboxes, as paths of the state.
    pub(super) fn mailboxes(&self) -> BTreeMap<PathBuf, String> {
        let addresses = self.users.keys().filter_map(|user| {
            let address: Address = user.parse().ok()?;
            Some((mailbox::folder(Path::new("mail"), &address), user.clone()))
        });
        addresses.collect()
    }
}

fn map(db: &Connection, query: &str) -> Result<BTreeMap<String, String>> {
    let mut query = db.prepare(query)?;
    let rows = query.query_map([], |row| {
        let (name, content): (String, String) = (row.get(0)?, row.get(1)?);
        // no password's hash stays in memory
        Ok((name, hash::sha256(content)))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

impl Difference {
    fn of(now: &BTreeMap<String, String>, then: &BTreeMap<String, String>) -> Self {
        let names =
            |map: &BTreeMap<String, String>| -> BTreeSet<String> { map.keys().cloned().collect() };
        let (before, after) = (names(now), names(then));
        Self {
            come: after.difference(&before).cloned().collect(),
            go: before.difference(&after).cloned().collect(),
            change: before
                .intersection(&after)
                .filter(|name| now.get(*name) != then.get(*name))
                .cloned()
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_goes_and_changes() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, sql: &str| {
            let path = folder.path().join(name);
            let db = database::open(&path).unwrap();
            db.execute_batch(
                "INSERT INTO domain (id, name, created) VALUES (1, 'example.org', 1);",
            )
            .unwrap();
            db.execute_batch(sql).unwrap();
            Accounts::read(&path).unwrap()
        };
        let user = |name: &str, hash: &str| {
            format!(
                "INSERT INTO user (local_part, domain_id, quota_bytes, created)
                 VALUES ('{name}', 1, 7, 1);
                 INSERT INTO credential (user_id, kind, hash, created)
                 VALUES (last_insert_rowid(), 'password', '{hash}', 1);"
            )
        };
        let now = write("now", &(user("alice", "a") + &user("bob", "b")));
        let alias = "INSERT INTO alias (local_part, domain_id, target) VALUES (NULL, 1, 'x@y');";
        let then = write("then", &(user("carol", "c") + &user("bob", "B") + alias));
        let changes = now.changes(&then);
        let list = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(changes.domains, Difference::default());
        assert_eq!(changes.users.come, list(&["carol@example.org"]));
        assert_eq!(changes.users.go, list(&["alice@example.org"]));
        assert_eq!(changes.users.change, list(&["bob@example.org"]));
        assert_eq!(changes.aliases.come, list(&["@example.org"]));
        assert_eq!(now.changes(&now), Changes::default());
        let folders: Vec<_> = now.mailboxes().into_keys().collect();
        assert_eq!(folders[0], Path::new("mail/example.org/alice"));
    }
}
