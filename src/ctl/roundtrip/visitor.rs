//! The user that is made for a test, and removed with all it got.

use std::{
    fs, io,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use rusqlite::{Connection, OptionalExtension, params};

use crate::{
    ctl::{
        queue::{Envelope, State},
        server::Server,
    },
    mail::password,
    util::{files, random, secret::Secret},
};

/// What the names of such users begin with; no other user has such a name.
const PREFIX: &str = "mailctl-test-";
/// A user of an earlier test that is older, in seconds, was left behind by a killed one.
const LEFT_BEHIND: i64 = 2 * 3600;
/// How long the end of a delivery that has begun is waited for.
const DELIVERY: Duration = Duration::from_secs(3);

/// Takes from the queue what is meant: [`crate::ctl::queue::discard`], but for tests.
pub type Discard<'a> = &'a dyn Fn(&dyn Fn(&Envelope) -> bool) -> Result<Vec<Envelope>>;

/// A user with a mailbox, gone when dropped, and its mail in the queue with it.
pub struct Visitor<'a> {
    db: &'a Connection,
    id: i64,
    folder: PathBuf,
    discard: Discard<'a>,
    gone: bool,
    /// Its address.
    pub address: String,
    /// Its password.
    pub password: Secret,
}

impl<'a> Visitor<'a> {
    /// Makes one in the first domain.
    ///
    /// # Errors
    /// When there is no domain, or the database cannot be written.
    pub fn new(
        db: &'a Connection,
        server: &Server,
        now: i64,
        discard: Discard<'a>,
    ) -> Result<Self> {
        let domain: Option<(i64, String)> = db
            .query_row("SELECT id, name FROM domain ORDER BY id LIMIT 1", [], |r| {
                Ok((r.get(0)?, r.get(1)?))
            })
            .optional()?;
        let (domain_id, domain) = domain.context("this server has no domain yet")?;
        let local = format!("{PREFIX}{}", hex::encode(*random::bytes::<6>()?));
        let password = Secret::new(hex::encode(*random::bytes::<16>()?));
        let hash = password::hash(password.expose())?;
        let folder = server.target.path(&server.paths.mail);
        let change = db.unchecked_transaction().context("making a user")?;
        change.execute(
            "INSERT INTO user (local_part, domain_id, quota_bytes, created)
             VALUES (?1, ?2, 1000000, ?3)",
            params![local, domain_id, now],
        )?;
        let id = change.last_insert_rowid();
        change.execute(
            "INSERT INTO credential (user_id, kind, hash, created) VALUES (?1, 'password', ?2, ?3)",
            params![id, hash, now],
        )?;
        change.commit().context("making a user")?;
        Ok(Self {
            db,
            id,
            folder: folder.join(&domain).join(&local),
            discard,
            gone: false,
            address: format!("{local}@{domain}"),
            password,
        })
    }

    /// Removes its mail from the queue, it, and its mailbox.
    ///
    /// # Errors
    /// When something of it cannot be removed.
    pub fn leave(mut self) -> Result<()> {
        self.gone = true;
        self.remove()
    }

    fn remove(&self) -> Result<()> {
        let mine =
            |e: &Envelope| [&e.sender, &e.recipient, &e.destination].contains(&&self.address);
        let mut waited = (self.discard)(&mine);
        // whatever became of that; without the user no other delivery begins
        self.db
            .execute("DELETE FROM user WHERE id = ?1", [self.id])
            .with_context(|| format!("removing the user {}", self.address))?;
        let on_its_way = |e: &Envelope| matches!(e.state, State::Inflight { .. });
        if waited
            .as_ref()
            .is_ok_and(|gone| gone.iter().any(on_its_way))
        {
            // it makes the folder once more, or ends as a bounce
            thread::sleep(DELIVERY);
            waited = (self.discard)(&mine);
        }
        files::remove_dir_all(&self.folder)?;
        waited.map(drop)
    }
}

impl Drop for Visitor<'_> {
    fn drop(&mut self) {
        if !self.gone
            && let Err(error) = self.remove()
        {
            eprintln!("mailctl: {error:#}");
        }
    }
}

/// Removes what a killed test has left behind: mail in the queue, users and mailboxes.
///
/// # Errors
/// When the queue cannot be read, the database not be written, or a mailbox not be removed.
pub fn clean(db: &Connection, server: &Server, now: i64, discard: Discard<'_>) -> Result<()> {
    let before = now - LEFT_BEHIND;
    discard(&|e| {
        let addresses = [&e.sender, &e.recipient, &e.destination];
        e.created < before && addresses.into_iter().any(|a| is_visitor(a))
    })?;
    let mail = server.target.path(&server.paths.mail);
    // listed first: a test that runs has its user before its folder
    let folders = folders(&mail)?;
    let mut query = db.prepare(
        "SELECT u.id, u.local_part, d.name, u.created FROM user u JOIN domain d
         ON d.id = u.domain_id WHERE u.local_part GLOB ?1",
    )?;
    let found = query.query_map([format!("{PREFIX}*")], |r| {
        Ok((
            r.get::<_, i64>(0)?,
            mail.join(r.get::<_, String>(2)?)
                .join(r.get::<_, String>(1)?),
            r.get::<_, i64>(3)?,
        ))
    })?;
    let mut in_use = Vec::new();
    for (id, folder, created) in found.collect::<Result<Vec<_>, _>>()? {
        if created < before {
            db.execute("DELETE FROM user WHERE id = ?1", [id])?;
            files::remove_dir_all(&folder)?;
        } else {
            in_use.push(folder);
        }
    }
    // a delivery may have made it after its user was gone
    for folder in folders.iter().filter(|f| !in_use.contains(f)) {
        files::remove_dir_all(folder)?;
    }
    Ok(())
}

/// Whether an address, or its local part, is one that [`Visitor::new`] makes.
fn is_visitor(address: &str) -> bool {
    let local = address.split('@').next().unwrap_or_default();
    local
        .strip_prefix(PREFIX)
        .is_some_and(|number| number.len() == 12 && number.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// The mailboxes of such users.
fn folders(mail: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for domain in entries(mail)? {
        // beside them lie files
        if domain.is_dir() {
            found.extend(entries(&domain)?);
        }
    }
    found.retain(|f| {
        f.file_name()
            .is_some_and(|n| is_visitor(&n.to_string_lossy()))
    });
    Ok(found)
}

/// What lies in a folder, which need not be there.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let what = || format!("reading the folder {}", folder.display());
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e).with_context(what),
    };
    let paths = entries.map(|entry| entry.map(|e| e.path()));
    paths.collect::<io::Result<_>>().with_context(what)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::{ctl::queue::parse, mail::accounts::tests::database};

    const NOW: i64 = 1_700_100_000;

    /// A queue: what `smtpctl show queue` would list.
    struct Waits(RefCell<Vec<Envelope>>);

    impl Waits {
        fn add(&self, from: &str, to: &str, state: &str, created: i64) {
            let count = self.0.borrow().len();
            let line = format!(
                "c0ffee{count:02}12345678|local|mda|auth|{from}|{to}|{to}|{created}|1800000000|0|0|{state}|1|"
            );
            self.0.borrow_mut().extend(parse(&line).unwrap());
        }

        fn discard(&self, is_meant: &dyn Fn(&Envelope) -> bool) -> Vec<Envelope> {
            self.0
                .borrow_mut()
                .extract_if(.., |e| is_meant(e))
                .collect()
        }
    }

    fn users(db: &Connection) -> i64 {
        let count = "SELECT count(*) FROM user WHERE local_part GLOB 'mailctl-test-*'";
        db.query_row(count, [], |r| r.get(0)).unwrap()
    }

    #[test]
    fn its_mail_leaves_with_it() {
        let root = tempfile::tempdir().unwrap();
        let server = Server::at(root.path()).unwrap();
        let (db, _) = database();
        let waits = Waits(RefCell::default());
        let discard = |is_meant: &dyn Fn(&Envelope) -> bool| Ok(waits.discard(is_meant));
        let visitor = Visitor::new(&db, &server, NOW, &discard).unwrap();
        let (address, folder) = (visitor.address.clone(), visitor.folder.clone());
        waits.add(&address, &address, "pending", NOW);
        waits.add("@", &address, "pending", NOW);
        waits.add("alice@example.org", "bob@example.org", "pending", NOW);
        fs::create_dir_all(folder.join("cur")).unwrap();
        visitor.leave().unwrap();
        assert_eq!(waits.0.borrow().len(), 1);
        assert!(users(&db) == 0 && !folder.exists());

        // dropped, as when a step fails
        drop(Visitor::new(&db, &server, NOW, &discard).unwrap());
        assert_eq!(users(&db), 0);
        // that the queue cannot be read is told, and the rest is done
        let broken = |_: &dyn Fn(&Envelope) -> bool| anyhow::bail!("smtpd does not run");
        let visitor = Visitor::new(&db, &server, NOW, &broken).unwrap();
        assert!(visitor.leave().is_err());
        assert_eq!(users(&db), 0);
    }

    #[test]
    fn a_delivery_that_has_begun_is_waited_for() {
        let root = tempfile::tempdir().unwrap();
        let server = Server::at(root.path()).unwrap();
        let (db, _) = database();
        let waits = Waits(RefCell::default());
        let discard = |is_meant: &dyn Fn(&Envelope) -> bool| Ok(waits.discard(is_meant));
        let visitor = Visitor::new(&db, &server, NOW, &discard).unwrap();
        let folder = visitor.folder.clone();
        waits.add(&visitor.address, &visitor.address, "inflight", NOW);
        let delivery = thread::spawn({
            let folder = folder.clone();
            move || {
                thread::sleep(DELIVERY / 6);
                fs::create_dir_all(folder.join("new")).unwrap();
            }
        });
        visitor.leave().unwrap();
        delivery.join().unwrap();
        assert!(!folder.exists());
    }

    #[test]
    fn what_was_left_behind_is_found() {
        let root = tempfile::tempdir().unwrap();
        let server = Server::at(root.path()).unwrap();
        let (db, _) = database();
        let waits = Waits(RefCell::default());
        let discard = |is_meant: &dyn Fn(&Envelope) -> bool| Ok(waits.discard(is_meant));
        let old = NOW - LEFT_BEHIND - 1;
        let killed = Visitor::new(&db, &server, old, &discard).unwrap();
        let running = Visitor::new(&db, &server, NOW, &discard).unwrap();
        waits.add(&killed.address, &killed.address, "pending", old);
        waits.add(&running.address, &running.address, "pending", NOW);
        let domain = running.folder.parent().unwrap();
        let stray = domain.join("mailctl-test-0123456789ab");
        let other = domain.join("mailctl-test-me");
        for folder in [&killed.folder, &running.folder, &stray, &other] {
            fs::create_dir_all(folder).unwrap();
        }
        fs::write(domain.parent().unwrap().join("file"), "").unwrap();
        clean(&db, &server, NOW, &discard).unwrap();
        assert!(!killed.folder.exists() && !stray.exists());
        assert!(running.folder.exists() && other.exists());
        assert_eq!((users(&db), waits.0.borrow().len()), (1, 1));
        assert_eq!(waits.0.borrow()[0].sender, running.address);
    }
}
