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
    step.execute(
        "INSERT INTO meta VALUES ('answers', ?1)
         ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        [serde_json::to_string(desired)?],
    )?;
    step.commit().context("writing the database")?;
    if said.is_empty() {
        said.push("what the answers said is remembered".to_owned());
    }
    Ok(said)
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
mod tests {
    use super::*;
    use crate::{answers, mail::database::schema};

    const HEAD: &str = "hostname = \"mail.example.org\"\n[[domain]]\nname = \"example.org\"\n";
    const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$HtKaUpKsz7K46esgPcLogg$YYARhO8rPJMzMa3rp0rZn5AJfv6zTdYNs/CUltaDMeg";

    fn user(name: &str, rest: &str) -> String {
        format!("[[user]]\naddress = \"{name}@example.org\"\npassword_hash = \"{HASH}\"\n{rest}\n")
    }

    fn apply(db: &mut Connection, text: &str) -> Vec<String> {
        let answers = answers::parse(text, "a").unwrap();
        let desired = Desired::new(&answers).unwrap();
        sync(db, &desired, 1).unwrap()
    }

    fn database() -> Connection {
        let mut db = Connection::open_in_memory().unwrap();
        db.pragma_update(None, "foreign_keys", true).unwrap();
        schema::migrate(&mut db).unwrap();
        db
    }

    fn count(db: &Connection, what: &str) -> i64 {
        db.query_row(&format!("SELECT count(*) FROM {what}"), [], |r| r.get(0))
            .unwrap()
    }

    #[test]
    fn a_change_does_what_it_says_and_no_more() {
        let mut db = database();
        let first =
            HEAD.to_owned() + &user("alice", "") + &user("bob", "aliases = [\"b@example.org\"]");
        // with two DKIM keys
        assert_eq!(apply(&mut db, &first).len(), 3 + 1 + 2);
        assert_eq!(apply(&mut db, &first), Vec::<String>::new());
        let second = HEAD.to_owned() + &user("alice", "quota = \"2G\"") + &user("carol", "");
        assert_eq!(
            apply(&mut db, &second),
            [
                "alias b@example.org removed",
                "user bob@example.org removed; the mail is kept",
                "user alice@example.org: quota changed",
                "user carol@example.org added",
            ]
        );
        assert_eq!((count(&db, "user"), count(&db, "credential")), (2, 2));
    }

    #[test]
    fn what_mailctl_did_is_not_undone() {
        let mut db = database();
        let text = HEAD.to_owned() + &user("alice", "") + &user("bob", "");
        apply(&mut db, &text);
        db.execute_batch(
            "UPDATE user SET quota_bytes = 5 WHERE local_part = 'alice';
             UPDATE credential SET hash = 'new' WHERE user_id = 1;
             DELETE FROM user WHERE local_part = 'bob';
             INSERT INTO user (local_part, domain_id, quota_bytes, created) VALUES ('dave', 1, 1, 1);
             INSERT INTO alias (local_part, domain_id, target) VALUES ('x', 1, 'dave@example.org')",
        )
        .unwrap();
        assert_eq!(apply(&mut db, &text), Vec::<String>::new());
        let more = text + &user("carol", "");
        assert_eq!(apply(&mut db, &more), ["user carol@example.org added"]);
        assert_eq!(count(&db, "user WHERE quota_bytes = 5"), 1);
        assert_eq!(count(&db, "credential WHERE hash = 'new'"), 1);
        assert_eq!(count(&db, "user"), 3);
        assert_eq!(count(&db, "alias WHERE local_part = 'x'"), 1);
    }

    #[test]
    fn a_domain_goes_with_all_that_is_in_it() {
        let mut db = database();
        let text = HEAD.to_owned() + "[[domain]]\nname = \"example.net\"\n" + &user("alice", "");
        apply(&mut db, &text);
        db.execute(
            "INSERT INTO user (local_part, domain_id, quota_bytes, created)
             SELECT 'dave', id, 1, 1 FROM domain WHERE name = 'example.net'",
            [],
        )
        .unwrap();
        let said = apply(&mut db, &(HEAD.to_owned() + &user("alice", "")));
        let want = "user dave@example.net removed with the domain; the mail is kept";
        assert!(said.iter().any(|s| s == want), "{said:?}");
        assert_eq!(
            said.last().map(String::as_str),
            Some("domain example.net removed")
        );
        assert_eq!((count(&db, "domain"), count(&db, "user")), (1, 1));
    }

    fn refused(db: &mut Connection, text: &str) -> String {
        let desired = Desired::new(&answers::parse(text, "a").unwrap()).unwrap();
        let before = count(db, "user") + count(db, "alias");
        let error = sync(db, &desired, 1).unwrap_err().to_string();
        assert_eq!(count(db, "user") + count(db, "alias"), before);
        error
    }

    #[test]
    fn answers_that_do_not_go_with_what_mailctl_did_are_refused() {
        let mut db = database();
        let head = HEAD.replacen('\n', "\npostmaster = \"alice@example.org\"\n", 1);
        let text = head.clone() + &user("alice", "") + &user("bob", "");
        apply(&mut db, &text);
        db.execute_batch(
            "DELETE FROM user WHERE local_part = 'bob';
             INSERT INTO alias (local_part, domain_id, target) VALUES ('x', 1, 'alice@example.org');
             INSERT INTO user (local_part, domain_id, quota_bytes, created) VALUES ('dave', 1, 1, 1);",
        )
        .unwrap();
        let more = |name: &str, rest: &str| text.clone() + &user(name, rest);
        insta::assert_snapshot!(
            refused(&mut db, &more("x", "")),
            @"the answers do not go with what mailctl has changed: x@example.org would be a user and an alias"
        );
        insta::assert_snapshot!(
            refused(&mut db, &more("carol", "aliases = [\"dave@example.org\"]")),
            @"the answers do not go with what mailctl has changed: dave@example.org would be a user and an alias"
        );
        let to_bob = "[[alias]]\naddress = \"y@example.org\"\nto = [\"bob@example.org\"]\n";
        insta::assert_snapshot!(
            refused(&mut db, &(text.clone() + to_bob)),
            @"the answers do not go with what mailctl has changed: the alias y@example.org would lead to bob@example.org, and nobody has that address"
        );
        let postmaster = text.replacen("\"alice@", "\"bob@", 1);
        insta::assert_snapshot!(
            refused(&mut db, &postmaster),
            @"the answers do not go with what mailctl has changed: nobody would have bob@example.org, which the answers name as the postmaster: apply answers with another one first, with 'ezmail-agent apply --answers FILE'"
        );
        // what is so already is no reason: a server that boots with it goes on
        db.execute("DELETE FROM user WHERE local_part = 'alice'", [])
            .unwrap();
        assert_eq!(apply(&mut db, &text), Vec::<String>::new());
    }

    #[test]
    fn what_is_said_of_a_domain_that_mailctl_removed_is_left_out() {
        let mut db = database();
        let two = HEAD.to_owned() + "[[domain]]\nname = \"example.net\"\n";
        apply(&mut db, &(two.clone() + &user("alice", "")));
        db.execute("DELETE FROM domain WHERE name = 'example.net'", [])
            .unwrap();
        let carol = user("carol", "aliases = [\"c@example.net\"]")
            .replace("carol@example.org", "carol@example.net");
        let more = two + &user("alice", "") + &carol;
        assert_eq!(
            apply(&mut db, &more),
            [
                "user carol@example.net left out: example.net was removed with mailctl",
                "alias c@example.net left out: example.net was removed with mailctl"
            ]
        );
        assert_eq!((count(&db, "domain"), count(&db, "user")), (1, 1));
        // named anew
        apply(&mut db, &(HEAD.to_owned() + &user("alice", "")));
        assert!(apply(&mut db, &more).contains(&"user carol@example.net added".to_owned()));
    }

    #[test]
    fn a_new_hash_is_a_changed_password() {
        let mut db = database();
        let text = HEAD.to_owned() + &user("alice", "");
        apply(&mut db, &text);
        let other = text.replace("YYARhO8rPJ", "ZZARhO8rPJ");
        let said = apply(&mut db, &other);
        assert_eq!(said, ["user alice@example.org: password changed"]);
    }
}
