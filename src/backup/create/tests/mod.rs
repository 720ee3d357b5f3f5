mod damage;
mod random;
mod world;

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

use super::*;
use crate::backup::{
    extract::extract,
    open::{backups, open as open_backup},
    store::Folder,
};
use crate::encpipe::Key;
use world::{Broken, World, key};

/// The names of the archives that a backup needs beside its own.
fn parts(made: &Made) -> Vec<String> {
    made.header
        .archives
        .iter()
        .map(|a| a.name.clone())
        .collect()
}

#[test]
fn what_is_backed_up_comes_back() {
    let world = World::new();
    fs::set_permissions(
        world.path("var/vmail/example.org/a"),
        fs::Permissions::from_mode(0o710),
    )
    .unwrap();
    let made = world.backup(1_795_491_000);
    let id = "mail.example.org_20261124T033000Z";
    assert_eq!(
        world.names(),
        [
            format!("{id}.manifest.zst.encpipe"),
            format!("{id}.part01.tar.zst.encpipe"),
            format!("{id}.tar.zst.encpipe")
        ]
    );
    assert_eq!(made.header.id.to_string(), id);
    assert_eq!((made.header.files, made.notes.len()), (8, 0));
    assert_eq!(made.header.schema, Some(database::VERSION));
    let done = world.compare(&made.header.id);
    assert_eq!(
        (done.files, done.bytes),
        (made.header.files, made.header.bytes)
    );
    // without the manifest beside it
    world.store.remove(&made.header.id.manifest()).unwrap();
    world.compare(&made.header.id);
}

#[test]
fn mail_goes_out_once_whatever_its_name() {
    let world = World::new();
    let big = "0123456789".repeat(300_000);
    world.write("var/vmail/example.org/a/Maildir/cur/3.x:2,", &big);
    let first = world.backup(1_795_491_000);
    let maildir = world.path("var/vmail/example.org/a/Maildir");
    // read, filed, copied; another file with the same bytes; a new message
    fs::create_dir_all(maildir.join(".Sent/cur")).unwrap();
    fs::rename(maildir.join("new/1.x"), maildir.join("cur/1.x:2,S")).unwrap();
    fs::rename(
        maildir.join("cur/3.x:2,"),
        maildir.join(".Sent/cur/3.x:2,S"),
    )
    .unwrap();
    fs::hard_link(
        maildir.join(".Sent/cur/3.x:2,S"),
        maildir.join("cur/5.x:2,"),
    )
    .unwrap();
    world.write("var/vmail/example.org/b/Maildir/new/6.x", &big);
    world.write("var/vmail/example.org/a/Maildir/new/4.x", "four");
    let second = world.backup(1_795_577_400);
    let part = second.header.id.part(1);
    let needed = [first.header.id.part(1), part.clone()];
    assert_eq!(parts(&second), needed);
    let (_scratch, opened) = world.open(&second.header.id);
    let needed = opened.catalog.archives(&[Module::Mail]).unwrap();
    let own = needed
        .iter()
        .find(|(archive, _)| *archive == Some(part.clone()));
    assert_eq!(own.unwrap().1, 4, "only the new message is in it");
    world.compare(&second.header.id);
    // the first is as it was
    let (_scratch, opened) = world.open(&first.header.id);
    extract(
        &opened,
        &world.store,
        &world.key,
        &Module::ALL,
        None,
        &Unwatched,
    )
    .unwrap();
    // and with --full it is all there again
    let third = world
        .backup_of(&Request {
            full: true,
            ..world.request(1_795_577_401)
        })
        .unwrap();
    assert_eq!(parts(&third), [third.header.id.part(1)]);
    world.compare(&third.header.id);
}

#[test]
fn another_passphrase_shares_nothing() {
    let mut world = World::new();
    world.backup(1_795_491_000);
    world.key = key("two");
    let second = world.backup(1_795_577_400);
    assert_eq!(parts(&second), [second.header.id.part(1)]);
    world.compare(&second.header.id);
}

#[test]
fn a_run_that_was_broken_off_is_gone_on_with() {
    let world = World::new();
    for n in 0..10u8 {
        let path = format!("var/vmail/example.org/a/Maildir/cur/{n}.big:2,");
        world.write(&path, vec![n; 100_000]);
    }
    let request = |now| Request {
        part: 300_000,
        ..world.request(now)
    };
    let broken = Broken(&world.store, 2.into());
    let error = create(
        &request(1_795_491_000),
        &mut world.deriving(),
        Sink::Store(&broken),
        &world.scratch(),
        &NoServices,
        &Unwatched,
    );
    assert!(format!("{:#}", error.unwrap_err()).contains("the connection was lost"));
    assert_eq!(world.names().len(), 2);
    assert_eq!(backups(&world.store.list().unwrap()), []);
    let made = world.backup_of(&request(1_795_494_600)).unwrap();
    let used: Vec<&str> = made
        .header
        .archives
        .iter()
        .map(|a| a.name.as_str())
        .collect();
    assert_eq!(
        used,
        [
            "mail.example.org_20261124T033000Z.part01.tar.zst.encpipe",
            "mail.example.org_20261124T033000Z.part02.tar.zst.encpipe",
            "mail.example.org_20261124T043000Z.part01.tar.zst.encpipe",
            "mail.example.org_20261124T043000Z.part02.tar.zst.encpipe",
        ]
    );
    world.compare(&made.header.id);
}

#[test]
fn one_stream_has_everything() {
    let world = World::new();
    world.backup(1_795_491_000);
    let file = world.path("alone");
    let folder = Folder::new(&world.root).unwrap();
    let sink = Sink::Stream(folder.create("alone").unwrap());
    let made = create(
        &world.request(1_795_577_400),
        &mut world.deriving(),
        sink,
        &world.scratch(),
        &NoServices,
        &Unwatched,
    )
    .unwrap();
    assert_eq!(made.header.archives, []);
    assert_eq!(made.written, file.metadata().unwrap().len());
    let scratch = tempfile::tempdir().unwrap();
    let opened = open_backup(&folder, "alone", &world.key, scratch.path()).unwrap();
    let done = extract(&opened, &folder, &world.key, &Module::ALL, None, &Unwatched).unwrap();
    assert_eq!(done.files, 8);
}

#[test]
fn only_chosen_modules_are_in_it() {
    let world = World::new();
    let request = Request {
        modules: &[Module::Keys],
        ..world.request(1_795_491_000)
    };
    let made = world.backup_of(&request).unwrap();
    let (_scratch, opened) = world.open(&made.header.id);
    let totals = opened.catalog.totals().unwrap();
    assert_eq!(totals.len(), 1);
    assert_eq!((totals[0].0, totals[0].1.files), (Module::Keys, 1));
    // and do not make the next whole one write all mail anew
    let whole = world.backup(1_795_577_400);
    world
        .backup_of(&Request {
            now: 1_795_577_401,
            ..request
        })
        .unwrap();
    let next = world.backup(1_795_577_402);
    assert_eq!(parts(&next), parts(&whole));
}

/// Runs `change` when mail is held, which is after everything was read once.
struct Meanwhile<F>(F);

impl<F: Fn()> Services for Meanwhile<F> {
    fn save_spam(&self) -> Result<()> {
        Ok(())
    }
    fn hold(&self) -> Result<Box<dyn Hold>> {
        (self.0)();
        Ok(Box::new(NoServices))
    }
}

#[test]
fn what_comes_while_it_runs_is_in_it() {
    let world = World::new();
    world.write("var/spool/smtpd/queue/a/message", "queued");
    let meanwhile = Meanwhile(|| {
        let maildir = world.path("var/vmail/example.org/a/Maildir");
        fs::rename(maildir.join("new/1.x"), maildir.join("cur/1.x:2,S")).unwrap();
        fs::remove_file(maildir.join("cur/2.x:2,S")).unwrap();
        fs::write(maildir.join("new/7.x"), "seven").unwrap();
        // in place, which no folder tells of
        fs::write(maildir.join("dovecot-uidlist"), "3 V1\n1 :1.x\n").unwrap();
        fs::remove_file(world.path("var/spool/smtpd/queue/a/message")).unwrap();
        let db = database::open(&world.path("var/lib/ezmail/mail.sqlite")).unwrap();
        db.execute(
            "INSERT INTO domain (name, created) VALUES ('late.example', 1)",
            [],
        )
        .unwrap();
    });
    let made = create(
        &world.request(1_795_491_000),
        &mut world.deriving(),
        Sink::Store(&world.store),
        &world.scratch(),
        &meanwhile,
        &Unwatched,
    )
    .unwrap();
    let (_scratch, opened) = world.open(&made.header.id);
    let mut paths = Vec::new();
    opened
        .catalog
        .each(Some(Module::Queue), |i| {
            paths.push(i.path);
            Ok(())
        })
        .unwrap();
    assert_eq!(paths.len(), 3, "the folders: {paths:?}");
    world.compare(&made.header.id);
    let to = tempfile::tempdir().unwrap();
    extract(
        &opened,
        &world.store,
        &world.key,
        &[Module::Database],
        Some(to.path()),
        &Unwatched,
    )
    .unwrap();
    let db = database::open(&to.path().join("mail.sqlite")).unwrap();
    let count: i64 = db
        .query_row("SELECT count(*) FROM domain", [], |row| row.get(0))
        .unwrap();
    assert_eq!(count, 1);
}

/// Mail that does not go on when it should, which is before the manifest is written to `.0`.
struct Stuck(PathBuf);

impl Services for Stuck {
    fn save_spam(&self) -> Result<()> {
        Ok(())
    }
    fn hold(&self) -> Result<Box<dyn Hold>> {
        Ok(Box::new(Self(self.0.clone())))
    }
}

impl Hold for Stuck {
    fn under_way(&self) -> Option<&str> {
        None
    }
    fn end(self: Box<Self>) -> Result<()> {
        assert!(
            !self.0.exists(),
            "mail is held for no longer than it takes to read it"
        );
        anyhow::bail!("smtpd does not answer")
    }
}

#[test]
fn mail_goes_on_before_the_manifest_goes_out_or_it_is_said() {
    let world = World::new();
    let scratch = world.scratch();
    let stuck = Stuck(scratch.work().join("manifest"));
    let sink = Sink::Store(&world.store);
    let made = create(
        &world.request(1_795_491_000),
        &mut world.deriving(),
        sink,
        &scratch,
        &stuck,
        &Unwatched,
    )
    .unwrap();
    insta::assert_snapshot!(made.notes.join("\n"), @"mail may still be held: smtpd does not answer; 'smtpctl show status' says so, and 'smtpctl resume smtp', 'smtpctl resume mda' and 'smtpctl resume mta' have it go on");
    world.compare(&made.header.id);
}

#[test]
fn what_is_wrong_with_a_backup_is_said() {
    let world = World::new();
    let first = world.backup(1_795_491_000);
    world.write("var/vmail/example.org/a/Maildir/new/4.x", "four");
    let second = world.backup(1_795_577_400);
    let said = |id: &BackupId, key: &Key| {
        let scratch = tempfile::tempdir().unwrap();
        let tried = open_backup(&world.store, &id.archive(), key, scratch.path())
            .and_then(|o| extract(&o, &world.store, key, &Module::ALL, None, &Unwatched));
        let text = format!("{:#}", tried.unwrap_err());
        let text = text.replace(&world.store.name(), "STORE");
        // lengths differ with the times in it
        let lengths = regex::Regex::new(r"(?:byte |has |have )\d+").unwrap();
        lengths.replace_all(&text, "…").into_owned()
    };
    insta::assert_snapshot!(said(&second.header.id, &key("two")));
    let archive = PathBuf::from(world.store.name()).join(first.header.id.part(1));
    let bytes = fs::read(&archive).unwrap();
    fs::write(&archive, &bytes[..bytes.len() - 1]).unwrap();
    insta::assert_snapshot!(said(&second.header.id, &world.key));
    let own = PathBuf::from(world.store.name()).join(first.header.id.archive());
    let whole = fs::read(&own).unwrap();
    fs::write(&own, &whole[..whole.len() - 1]).unwrap();
    fs::write(&archive, &bytes).unwrap();
    insta::assert_snapshot!(said(&first.header.id, &world.key));
    fs::write(&own, &whole).unwrap();
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 1;
    fs::write(&archive, &flipped).unwrap();
    insta::assert_snapshot!(said(&second.header.id, &world.key));
    world.store.remove(&first.header.id.part(1)).unwrap();
    insta::assert_snapshot!(said(&second.header.id, &world.key));
}
