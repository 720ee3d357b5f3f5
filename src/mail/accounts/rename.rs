//! A user gets another address: the row, the aliases that lead to it, and the mail.
//!
//! Two things move, a row and a folder, and power may fail between them. So what is to be done is
//! written down first ([`begin`]), and whoever comes next finishes it ([`finish`]): mailctl, or at
//! boot the agent, before any daemon runs. While the folder moves the database is locked, so that
//! no delivery and no login finds one without the other.

use std::path::Path;

use anyhow::{Context, Result};
use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior, params};
use serde::{Deserialize, Serialize};

use super::{AccountError, Roles, aliases, domain_id, routes, user_id, users};
use crate::mail::{address::Address, database, mailbox};

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Journal {
    old: String,
    new: String,
    alias: bool,
}

/// A rename that was finished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Renamed {
    /// The address that it was.
    pub old: Address,
    /// The address that it is.
    pub new: Address,
}

/// Where the journal stands in `meta`.
const KEY: &str = "rename";

/// Writes down that `old` becomes `new`, and with `alias` an alias of it.
///
/// # Errors
/// When there is no such user, somebody has the new address, or the change would leave what the
/// answers refuse.
pub fn begin(
    db: &mut Connection,
    roles: &Roles,
    old: &Address,
    new: &Address,
    alias: bool,
) -> Result<(), AccountError> {
    let journal = Journal {
        old: old.to_string(),
        new: new.to_string(),
        alias,
    };
    let mut step = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    {
        // tried, looked at, and taken back
        let mut trial = step.savepoint()?;
        let before = roles.problems(&routes::load(&trial, roles)?);
        rows(&trial, &journal)?;
        let after = roles.problems(&routes::load(&trial, roles)?);
        if let Some(problem) = after.difference(&before).next() {
            return Err(AccountError::Leaves(problem.clone()));
        }
        trial.rollback()?;
    }
    let text = serde_json::to_string(&journal).map_err(|e| AccountError::Damaged(e.to_string()))?;
    step.execute("INSERT INTO meta VALUES (?1, ?2)", [KEY, &text])?;
    step.commit()?;
    Ok(())
}

/// The rows of a rename.
fn rows(db: &Connection, journal: &Journal) -> Result<(), AccountError> {
    let Journal { old, new, alias } = journal;
    let damaged = |e| AccountError::Damaged(format!("the rename of {old} to {new}: {e}"));
    let from: Address = old.parse().map_err(damaged)?;
    let to: Address = new.parse().map_err(damaged)?;
    let id = user_id(db, old)?;
    let leading = aliases::leading_to(db, &from)?;
    // an alias of the user alone may become its address
    aliases::unlink(db, new, old)?;
    users::check_new(db, &to)?;
    let domain = domain_id(db, to.domain.as_str())?;
    db.execute(
        "UPDATE user SET local_part = ?2, domain_id = ?3 WHERE id = ?1",
        params![id, to.local, domain],
    )?;
    for (name, target) in leading {
        if name == *new {
            continue;
        }
        aliases::unlink(db, &name, &target)?;
        let detail = target.split('@').next().and_then(|l| l.split_once('+'));
        let local = match detail {
            Some((_, detail)) => format!("{}+{detail}", to.local),
            None => to.local.clone(),
        };
        link(db, &name, &format!("{local}@{}", to.domain))?;
    }
    if *alias {
        link(db, old, new)?;
    }
    db.execute(
        "INSERT INTO renamed (address, user_id, since) VALUES (?1, ?2, unixepoch())
         ON CONFLICT (address) DO UPDATE SET user_id = excluded.user_id, since = excluded.since",
        params![old, id],
    )?;
    Ok(())
}

fn link(db: &Connection, alias: &str, target: &str) -> Result<(), AccountError> {
    let (local, domain) = alias.split_once('@').unwrap_or(("", alias));
    let id = domain_id(db, domain)?;
    db.execute(
        "INSERT INTO alias (local_part, domain_id, target) VALUES (?1, ?2, ?3)
         ON CONFLICT DO NOTHING",
        params![(!local.is_empty()).then_some(local), id, target],
    )?;
    Ok(())
}

fn pending(db: &Connection) -> rusqlite::Result<Option<String>> {
    let get = "SELECT value FROM meta WHERE key = ?1";
    db.query_row(get, [KEY], |row| row.get(0)).optional()
}

/// Finishes what was begun, if anything was; `mail` is the folder of the Maildirs.
///
/// # Errors
/// When the database cannot be locked or the folder not moved. What was begun is then still
/// written down, and rows and folder are either both as they were or both as they will be, but for
/// a cut of power, after which the next call sees to it.
pub fn finish(db: &mut Connection, mail: &Path) -> Result<Option<Renamed>> {
    if pending(db)?.is_none() {
        return Ok(None);
    }
    let step = db.transaction_with_behavior(TransactionBehavior::Exclusive)?;
    let Some(text) = pending(&step)? else {
        return Ok(None);
    };
    let journal: Journal =
        serde_json::from_str(&text).context("reading a rename that was begun")?;
    let what = || format!("renaming {} to {}", journal.old, journal.new);
    rows(&step, &journal).with_context(what)?;
    let renamed = Renamed {
        old: journal.old.parse().with_context(what)?,
        new: journal.new.parse().with_context(what)?,
    };
    mailbox::settle(mail, &renamed.old, &renamed.new).with_context(what)?;
    step.execute("DELETE FROM meta WHERE key = ?1", [KEY])?;
    step.commit().with_context(what)?;
    Ok(Some(renamed))
}

/// How long the address of before still leads to the user, in seconds: 30 days, where smtpd's queue
/// keeps a message for 5.
const KEPT: i64 = 30 * 24 * 60 * 60;

/// Brings home what a delivery that began before a rename has put into the folder of before, and
/// forgets renames of long ago. Returns those whose mail was moved; `now` is in seconds since 1970.
///
/// # Errors
/// When the database cannot be read or locked, or a folder not moved; no message is lost.
pub fn settle_again(db: &mut Connection, mail: &Path, now: i64) -> Result<Vec<Renamed>> {
    let due = |(old, _, since): &(Address, Address, i64)| {
        Ok::<_, anyhow::Error>(now - since > KEPT || mailbox::is_left(mail, old)?)
    };
    let mut any = false;
    for row in renamed(db)? {
        any |= due(&row)?;
    }
    if !any {
        return Ok(Vec::new());
    }
    // nobody gets one of the addresses meanwhile
    let step = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut moved = Vec::new();
    for (old, new, since) in renamed(&step)? {
        let what = || format!("moving what arrived for {old} to {new}");
        if mailbox::settle(mail, &old, &new).with_context(what)? {
            moved.push(Renamed {
                old: old.clone(),
                new,
            });
        }
        if now - since > KEPT {
            let forget = "DELETE FROM renamed WHERE address = ?1";
            step.execute(forget, [old.to_string()])?;
        }
    }
    step.commit().context("writing the database")?;
    Ok(moved)
}

/// The addresses that users had, those that they have, and since when.
fn renamed(db: &Connection) -> Result<Vec<(Address, Address, i64)>> {
    let mut query = db.prepare(
        "SELECT address, local_part || '@' || name, since FROM renamed
         JOIN user ON user.id = user_id JOIN domain ON domain.id = domain_id ORDER BY 1",
    )?;
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let read = |row: rusqlite::Result<(String, String, i64)>| {
        let (old, new, since) = row?;
        let what = || format!("reading the rename of {old} to {new}");
        let both = (old.parse(), new.parse());
        Ok((
            both.0.with_context(what)?,
            both.1.with_context(what)?,
            since,
        ))
    };
    rows.map(read).collect()
}

/// Forgets what was begun, for when it could not be finished and nothing has moved.
///
/// # Errors
/// When the database cannot be written.
pub fn forget(db: &Connection) -> Result<()> {
    db.execute("DELETE FROM meta WHERE key = ?1", [KEY])?;
    Ok(())
}

/// As [`finish`], for whoever has not opened the database yet: it is left alone, and its schema as
/// it is, if nothing was begun.
///
/// # Errors
/// As [`finish`].
pub fn finish_at(path: &Path, mail: &Path) -> Result<Option<Renamed>> {
    if !path.exists() {
        return Ok(None);
    }
    let what = || format!("looking for a rename that was begun in {}", path.display());
    let begun = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
        .and_then(|db| {
            let table = "SELECT count(*) > 0 FROM sqlite_schema WHERE name = 'meta'";
            match db.query_row(table, [], |row| row.get(0))? {
                true => pending(&db),
                false => Ok(None),
            }
        })
        .with_context(what)?;
    match begun {
        Some(_) => finish(&mut database::open(path)?, mail),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{
        answers::model::AliasAddress,
        mail::accounts::tests::{address, database, fill, links, roles},
    };

    struct World {
        folder: tempfile::TempDir,
        db: Connection,
    }

    impl World {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let mut db = database::open(&folder.path().join("mail.sqlite")).unwrap();
            fill(&mut db);
            let world = Self { folder, db };
            world.message("example.org/alice/Maildir/cur/1.a:2,S");
            world
        }

        fn message(&self, path: &str) {
            let path = self.mail().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "mail").unwrap();
        }

        fn mail(&self) -> std::path::PathBuf {
            self.folder.path().join("mail")
        }

        fn files(&self) -> Vec<String> {
            let walk = walkdir::WalkDir::new(self.mail()).sort_by_file_name();
            let files = walk.into_iter().map(Result::unwrap);
            let files = files.filter(|f| f.file_type().is_file());
            let name = |f: walkdir::DirEntry| {
                let path = f.path().strip_prefix(self.mail()).unwrap();
                path.display().to_string()
            };
            files.map(name).collect()
        }
    }

    fn begun(world: &mut World, new: &str) -> Result<(), AccountError> {
        let old = address("alice@example.org");
        begin(&mut world.db, &roles(), &old, &address(new), true)
    }

    #[test]
    fn all_that_is_a_users_moves() {
        let mut world = World::new();
        let to = [address("alice+x@example.org")];
        let all = AliasAddress::CatchAll("example.net".parse().unwrap());
        aliases::add(&world.db, &all, &to).unwrap();
        begun(&mut world, "anna@example.net").unwrap();
        let mail = world.mail();
        let renamed = finish(&mut world.db, &mail).unwrap().unwrap();
        assert_eq!(renamed.new, address("anna@example.net"));
        assert_eq!(finish(&mut world.db, &mail).unwrap(), None);
        assert_eq!(world.files(), ["example.net/anna/Maildir/cur/1.a:2,S"]);
        insta::assert_snapshot!(links(&world.db), @r"
        @example.net -> anna+x@example.net
        al@example.org -> anna@example.net
        alice@example.org -> anna@example.net
        ");
        users::get(&world.db, &renamed.new).unwrap();
    }

    #[test]
    fn an_alias_of_the_user_can_become_its_address() {
        let mut world = World::new();
        begun(&mut world, "al@example.org").unwrap();
        let mail = world.mail();
        finish(&mut world.db, &mail).unwrap();
        assert_eq!(links(&world.db), "alice@example.org -> al@example.org\n");
        assert_eq!(world.files(), ["example.org/al/Maildir/cur/1.a:2,S"]);
    }

    /// Power fails after the folder has moved; then, before anybody finishes, a message arrives for
    /// the old address.
    #[test]
    fn a_rename_that_was_cut_off_is_finished() {
        let mut world = World::new();
        begun(&mut world, "anna@example.org").unwrap();
        let (old, new) = (address("alice@example.org"), address("anna@example.org"));
        mailbox::settle(&world.mail(), &old, &new).unwrap();
        users::get(&world.db, &old).unwrap();
        world.message("example.org/alice/Maildir/new/2.b");
        world.message("example.org/alice/Maildir/.Junk/new/3.c");
        world.message("example.org/alice/Maildir/dovecot-uidlist");
        let path = world.folder.path().join("mail.sqlite");
        let done = finish_at(&path, &world.mail()).unwrap().unwrap();
        assert_eq!((&done.old, &done.new), (&old, &new));
        assert_eq!(
            world.files(),
            [
                "example.org/anna/Maildir/.Junk/new/3.c",
                "example.org/anna/Maildir/cur/1.a:2,S",
                "example.org/anna/Maildir/new/2.b",
            ]
        );
        users::get(&world.db, &new).unwrap();
        assert_eq!(finish_at(&path, &world.mail()).unwrap(), None);
    }

    /// A delivery that began before the rename puts its message into the old folder after it.
    #[test]
    fn what_arrives_late_comes_home() {
        let mut world = World::new();
        begun(&mut world, "anna@example.org").unwrap();
        let mail = world.mail();
        finish(&mut world.db, &mail).unwrap();
        let now: i64 = (world.db)
            .query_row("SELECT since FROM renamed", [], |row| row.get(0))
            .unwrap();
        assert_eq!(settle_again(&mut world.db, &mail, now).unwrap(), []);
        world.message("example.org/alice/Maildir/new/2.b");
        let moved = settle_again(&mut world.db, &mail, now).unwrap();
        assert_eq!(moved[0].new, address("anna@example.org"));
        let both = [
            "example.org/anna/Maildir/cur/1.a:2,S",
            "example.org/anna/Maildir/new/2.b",
        ];
        assert_eq!(world.files(), both);
        assert_eq!(settle_again(&mut world.db, &mail, now + KEPT).unwrap(), []);
        assert_eq!(renamed(&world.db).unwrap().len(), 1);
        settle_again(&mut world.db, &mail, now + KEPT + 1).unwrap();
        assert_eq!(renamed(&world.db).unwrap(), []);
    }

    /// Somebody else has the address: what is in its folder stays there, also after that user.
    #[test]
    fn an_address_that_is_taken_again_leads_to_nobody_else() {
        let mut world = World::new();
        begun(&mut world, "anna@example.net").unwrap();
        let mail = world.mail();
        finish(&mut world.db, &mail).unwrap();
        let (bob, alice) = (address("bob@example.org"), address("alice@example.org"));
        aliases::unlink(&world.db, "alice@example.org", "anna@example.net").unwrap();
        begin(&mut world.db, &roles_of_anna(), &bob, &alice, false).unwrap();
        finish(&mut world.db, &mail).unwrap();
        let rows = renamed(&world.db).unwrap();
        let olds: Vec<String> = rows.iter().map(|row| row.0.to_string()).collect();
        assert_eq!(olds, ["bob@example.org"]);
        users::remove(&world.db, &alice).unwrap();
        world.message("example.org/alice/Maildir/new/3.c");
        assert_eq!(settle_again(&mut world.db, &mail, 0).unwrap(), []);
    }

    fn roles_of_anna() -> Roles {
        Roles {
            postmaster: address("anna@example.net"),
            notify: None,
        }
    }

    /// While the folder moves, no daemon gets an answer from the database.
    #[test]
    fn the_database_is_locked_meanwhile() {
        let mut world = World::new();
        let path = world.folder.path().join("mail.sqlite");
        let step = world
            .db
            .transaction_with_behavior(TransactionBehavior::Exclusive)
            .unwrap();
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let reader = Connection::open_with_flags(&path, flags).unwrap();
        reader.busy_timeout(std::time::Duration::ZERO).unwrap();
        let count = "SELECT count(*) FROM user";
        let asked = || reader.query_row(count, [], |row| row.get::<_, i64>(0));
        let error = asked().unwrap_err();
        assert_eq!(
            error.sqlite_error_code(),
            Some(rusqlite::ErrorCode::DatabaseBusy)
        );
        step.commit().unwrap();
        assert_eq!(asked().unwrap(), 2);
    }

    #[test]
    fn what_cannot_be_is_refused_before_anything_is_written() {
        let (mut db, roles) = database();
        let mut refused = |old: &str, new: &str, alias| {
            let error = begin(&mut db, &roles, &address(old), &address(new), alias).unwrap_err();
            assert_eq!(pending(&db).unwrap(), None);
            error.to_string()
        };
        let alice = "alice@example.org";
        insta::assert_snapshot!(refused(alice, "bob@example.org", true), @"there is a user bob@example.org already");
        insta::assert_snapshot!(refused(alice, "anna@example.com", true), @"example.com is not a domain of this server, which has example.net, example.org; 'mailctl domain add example.com' adds it");
        insta::assert_snapshot!(refused("anna@example.org", alice, true), @"there is no user anna@example.org; 'mailctl user list' shows all");
        insta::assert_snapshot!(refused("bob@example.org", "b@example.org", false), @"nobody would have bob@example.org, which the answers name as the postmaster: apply answers with another one first, with 'ezmail-agent apply --answers FILE'; nothing was changed");
    }
}
