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
