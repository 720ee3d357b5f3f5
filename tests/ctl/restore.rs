//! `mailctl restore`: what it shows, what it puts in place and takes back.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use ezmail::{
    agent::{paths::Paths, target::Target},
    backup::{
        create::{NoServices, PART, Request, Sink, Unwatched, create},
        module::Module,
        scratch::Scratch,
        store::Folder,
    },
    encpipe::{Deriving, Passphrase},
};

use crate::server::Server;

/// The passphrase of the backups of these tests.
pub const PASSPHRASE: &str = "wood stapler under the rain bridge";
/// When the first backup is made.
pub const TIME: i64 = 1_795_491_000;
pub const ID: &str = "mail.example.org_20261124T033000Z";

/// Files with their mode and content, by path.
pub type Tree = BTreeMap<String, (u32, Vec<u8>)>;

/// A server that has backups.
pub struct World {
    pub server: Server,
    pub folder: tempfile::TempDir,
}

impl World {
    pub fn new() -> Self {
        let world = Self {
            server: Server::small(),
            folder: tempfile::tempdir().unwrap(),
        };
        fs::create_dir(world.store()).unwrap();
        fs::write(world.passphrase(), PASSPHRASE).unwrap();
        world.state("secrets/backup-passphrase", PASSPHRASE);
        world.mail("bob/Maildir/cur/1.M2.mail:2,S", "one");
        world.mail("bob/Maildir/new/2.M2.mail", "two");
        world.mail("bob/Maildir/dovecot-uidlist", "3 V1");
        world.mail("alice/Maildir/cur/3.M2.mail:2,", "three");
        world
    }

    pub fn store(&self) -> PathBuf {
        self.folder.path().join("backups")
    }

    pub fn passphrase(&self) -> PathBuf {
        self.folder.path().join("passphrase")
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.server.world.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    pub fn state(&self, path: &str, text: &str) {
        self.write(&format!("var/lib/ezmail/{path}"), text);
    }

    pub fn mail(&self, path: &str, text: &str) {
        self.write(&format!("var/vmail/example.org/{path}"), text);
    }

    /// Makes a backup of everything.
    pub fn backup(&self, time: i64) {
        self.backup_as("mail.example.org", &self.store(), time);
    }

    /// Makes a backup of it into the folder `store`, as one of a server of that name.
    pub fn backup_as(&self, host: &str, store: &Path, time: i64) {
        let root = self.server.world.path("");
        let (target, paths) = (Target::new(&root).unwrap(), Paths::default());
        let passphrase = Passphrase::new(PASSPHRASE.as_bytes().to_vec()).unwrap();
        let mut key = Deriving::begin(passphrase).unwrap();
        let request = Request {
            target: &target,
            paths: &paths,
            host,
            modules: &Module::ALL,
            full: false,
            now: time,
            part: PART,
        };
        let store = Folder::new(store).unwrap();
        let scratch = Scratch::take(&root.join("var/lib/ezmail")).unwrap();
        create(
            &request,
            &mut key,
            Sink::Store(&store),
            &scratch,
            &NoServices,
            &Unwatched,
        )
        .unwrap();
    }

    /// What happens after the backup.
    pub fn change(&self) {
        let server = &self.server;
        let removed = server.call(&["user", "remove", "alice@example.org", "--yes"]);
        assert_eq!(removed.status, 0, "{}", removed.stderr);
        let add = ["user", "add", "carol@example.org"];
        let added = server.call_with(&add, "another wood stapler in the rain\n");
        assert_eq!(added.status, 0, "{}", added.stderr);
        let mail = server.world.path("var/vmail/example.org/bob/Maildir");
        fs::rename(mail.join("new/2.M2.mail"), mail.join("cur/2.M2.mail:2,S")).unwrap();
        self.mail("bob/Maildir/new/9.M2.mail", "nine");
        self.state("dkim/example.org/mine.pem", "a key of later");
    }

    pub fn call(&self, more: &[&str]) -> crate::server::Called {
        let store = self.store().display().to_string();
        self.server.call(&[&["restore", &store], more].concat())
    }

    /// Output without the folders of this run.
    pub fn shown(&self, text: &str) -> String {
        text.replace(self.folder.path().to_str().unwrap(), "BACKUPS")
    }

    /// Everything that the server is.
    pub fn tree(&self) -> Tree {
        let root = self.server.world.path("");
        let mut tree = Tree::new();
        for entry in walkdir::WalkDir::new(&root) {
            let entry = entry.unwrap();
            let path = entry.path().strip_prefix(&root).unwrap();
            // what is gone with a boot, and backup's own
            let others = ["run", "var/lib/ezmail/backup"];
            if entry.file_type().is_file() && !others.iter().any(|o| path.starts_with(o)) {
                let bytes = fs::read(entry.path()).unwrap();
                let mode = entry.metadata().unwrap().mode();
                tree.insert(path.display().to_string(), (mode, bytes));
            }
        }
        tree
    }

    /// Only what a backup holds, but for what counts its own changes.
    pub fn content(&self) -> Tree {
        let mut tree = self.tree();
        tree.retain(|path, _| {
            let state = path.strip_prefix("var/lib/ezmail/").unwrap_or(path);
            (path.starts_with("var/vmail") || state != path)
                && !state.starts_with("restore/")
                && !state.starts_with("mail.sqlite")
        });
        tree
    }

    pub fn users(&self) -> String {
        self.server.good(&["user", "list"])
    }

    /// Waits until nothing works at this server any more. What mailctl had started outlives its kill
    /// here, such as the agent; on a server, systemd ends all of a unit.
    fn wait_for_orphans(&self) {
        let here = self.server.world.path("").display().to_string();
        let works = |entry: &fs::DirEntry| {
            let words = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&words).contains(&here)
        };
        for _ in 0..600 {
            if !fs::read_dir("/proc").unwrap().flatten().any(|e| works(&e)) {
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
        panic!("something still works in {here}");
    }

    pub fn olds(&self) -> usize {
        let folder = self.server.world.path("var/lib/ezmail/restore");
        let entries = fs::read_dir(folder).into_iter().flatten();
        let names = entries.map(|e| e.unwrap().file_name().into_string().unwrap());
        names.filter(|n| n.starts_with("old-")).count()
    }
}

#[test]
fn a_backup_is_looked_into_and_nothing_changes() {
    let world = World::new();
    world.backup(TIME);
    world.change();
    let before = world.tree();
    let called = world.call(&["--list"]);
    assert_eq!((called.status, called.stderr.as_str()), (0, ""));
    // sizes of databases and keys differ
    let text = world.shown(&called.stdout);
    let numbers = r"(?m)^(\w+ +\d+ +)[\d.]+ k?B +\d{4}-\d\d-\d\d \d\d:\d\d +";
    let text = regex(numbers, &text, "${1}SIZE     NEWEST            ");
    let text = regex("before .* UTC", &text, "before TIME UTC");
    insta::assert_snapshot!(text);
    let json = world.call(&["--list", "--json", "--module", "mail"]);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    let mail = json["modules"].as_array().unwrap();
    let mail = mail.iter().find(|m| m["module"] == "mail").unwrap();
    let numbers = ["files", "new", "changed", "only_here"].map(|key| mail[key].as_u64().unwrap());
    assert_eq!(numbers, [4, 0, 1, 1]);
    assert_eq!(json["accounts"], serde_json::Value::Null);
    assert_eq!(
        json["without_user"],
        serde_json::json!(["alice@example.org"])
    );
    assert_eq!(world.tree(), before);
}

/// `text` with `to` in place of what fits.
pub fn regex(pattern: &str, text: &str, to: &str) -> String {
    regex::Regex::new(pattern)
        .unwrap()
        .replace_all(text, to)
        .into_owned()
}

#[test]
fn all_comes_back_and_so_does_what_was_there_before() {
    let world = World::new();
    let (then, users) = (world.content(), world.users());
    world.backup(TIME);
    world.change();
    let (later, later_users) = (world.content(), world.users());
    let called = world.call(&["--yes"]);
    assert_eq!(called.status, 0, "{}", called.stderr);
    let end = called.stdout.lines().rev().take(3).collect::<Vec<_>>();
    insta::assert_snapshot!(end.into_iter().rev().collect::<Vec<_>>().join("\n"), @r"
    restored: the backup is in place
    what was there before is kept: 'mailctl restore --undo' goes back to it,
    'mailctl restore --drop-old' removes it
    ");
    assert_eq!(
        (world.content(), world.users()),
        (then.clone(), users.clone())
    );
    assert_eq!(world.olds(), 1);
    let undone = world.server.good(&["restore", "--undo", "--yes"]);
    let undone = regex(r"until .* UTC", &undone, "until TIME UTC");
    insta::assert_snapshot!(undone, @r"
    what was there until TIME UTC, when the backup mail.example.org_20261124T033000Z took its place: config, keys, certificates, database, mail, spam, queue
    what was there before is in place again; a second --undo takes that back
    ");
    assert_eq!((world.content(), world.users()), (later, later_users));
    world.server.good(&["restore", "--undo", "--yes"]);
    assert_eq!((world.content(), world.users()), (then, users));
    let dropped = world.server.good(&["restore", "--drop-old", "--yes"]);
    assert!(dropped.contains("removed; "), "{dropped}");
    assert_eq!(world.olds(), 0);
    let none = world.server.bad(1, &["restore", "--undo", "--yes"]);
    insta::assert_snapshot!(none, @"mailctl: there is nothing to go back to: nothing was restored, or --drop-old removed it");
    insta::assert_snapshot!(world.server.good(&["restore", "--drop-old"]), @"nothing is kept of what was there before");
}

#[test]
fn a_module_comes_back_alone() {
    let world = World::new();
    world.backup(TIME);
    let then = world.content();
    world.change();
    let users = world.users();
    let called = world.call(&["--module", "mail", "--yes"]);
    assert_eq!(called.status, 0, "{}", called.stderr);
    assert!(
        called
            .stdout
            .contains("mailboxes without a user here: alice@example.org")
    );
    assert_eq!(world.users(), users);
    let mail = |tree: &Tree| -> Tree {
        let mut tree = tree.clone();
        tree.retain(|path, _| path.starts_with("var/vmail"));
        tree
    };
    assert_eq!(mail(&world.content()), mail(&then));
    let key = world
        .server
        .world
        .path("var/lib/ezmail/dkim/example.org/mine.pem");
    assert!(key.exists());
    // and the passphrase stays with the server
    world.state("secrets/backup-passphrase", "another one of later on");
    let file = world.passphrase().display().to_string();
    let more = ["--module", "keys", "--yes", "--passphrase-file", &file];
    let called = world.call(&more);
    assert_eq!(called.status, 0, "{}", called.stderr);
    assert!(!key.exists());
    assert_eq!(
        world
            .server
            .world
            .read("var/lib/ezmail/secrets/backup-passphrase"),
        "another one of later on"
    );
}

#[test]
fn what_the_server_cannot_work_with_is_taken_back() {
    let world = World::new();
    let answers = world.server.world.answers(
        "a.toml",
        &format!(
            "timezone = \"Europe/Berlin\"\n{}",
            crate::world::text("small")
        ),
    );
    assert!(world.server.world.apply(&answers).status.success());
    world.backup(TIME);
    let answers = world
        .server
        .world
        .answers("a.toml", &crate::world::text("small"));
    assert!(world.server.world.apply(&answers).status.success());
    fs::remove_file(world.server.world.path("usr/share/zoneinfo/Europe/Berlin")).unwrap();
    world.change();
    let (before, users) = (world.content(), world.users());
    let called = world.call(&["--yes"]);
    assert_eq!(called.status, 1, "{}", called.stdout);
    assert!(
        called.stderr.contains(
            "cannot work with the backup mail.example.org_20261124T033000Z, and was switched back"
        ),
        "{}",
        called.stderr
    );
    assert!(
        called
            .stderr
            .contains("does not know the time zone Europe/Berlin"),
        "{}",
        called.stderr
    );
    assert_eq!((world.content(), world.users()), (before, users));
    assert_eq!(world.olds(), 0);
}

#[test]
fn a_switch_that_is_asked_for_keeps_a_backup_away() {
    let world = World::new();
    world.state("restore/job.json", "{}");
    let to = world.store().display().to_string();
    let said = world.server.bad(1, &["backup", "create", "--to", &to]);
    insta::assert_snapshot!(said, @"mailctl: a restore is being switched to: try again when it has ended ('systemctl status ezmail-switch'; 'systemctl start ezmail-switch' goes on with it)");
}

#[test]
fn killed_at_any_moment_the_server_is_as_it_was_or_as_it_will_be() {
    let world = World::new();
    for n in 0..200 {
        world.mail(
            &format!("bob/Maildir/cur/{n}.M7.mail:2,S"),
            &"text\n".repeat(n),
        );
    }
    let then = (world.content(), world.users());
    world.backup(TIME);
    world.change();
    let before = (world.content(), world.users());
    let begun = Instant::now();
    assert_eq!(world.call(&["--yes"]).status, 0);
    let took = begun.elapsed();
    world.server.good(&["restore", "--undo", "--yes"]);
    assert_eq!((world.content(), world.users()), before);
    world.server.good(&["restore", "--drop-old", "--yes"]);
    let mut ends = [0, 0];
    for n in 1..=10 {
        let mut child = Command::new(env!("CARGO_BIN_EXE_mailctl"))
            .arg("--root")
            .arg(world.server.world.path(""))
            .arg("restore")
            .arg(world.store())
            .arg("--yes")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        thread::sleep(
            took.mul_f64(f64::from(n) / 10.0)
                .max(Duration::from_millis(1)),
        );
        child.kill().unwrap();
        child.wait().unwrap();
        world.wait_for_orphans();
        // as a boot does, and the unit when it is started again
        let finished = world.server.call(&["restore", "--finish"]);
        assert_eq!(finished.status, 0, "{}", finished.stderr);
        let now = (world.content(), world.users());
        let is_new = now == then;
        let differ = |from: &(Tree, String)| -> Vec<String> {
            let paths = now.0.keys().chain(from.0.keys());
            let changed = paths.filter(|path| now.0.get(*path) != from.0.get(*path));
            changed.map(|path| format!("{path:?}")).take(10).collect()
        };
        assert!(
            is_new || now == before,
            "{n}: neither as before ({:?}) nor as then ({:?}); users: {}",
            differ(&before),
            differ(&then),
            now.1
        );
        ends[usize::from(is_new)] += 1;
        if is_new {
            world.server.good(&["restore", "--undo", "--yes"]);
            world.server.good(&["restore", "--drop-old", "--yes"]);
        }
        assert_eq!((world.content(), world.users()), before, "{n}");
    }
    assert!(ends[0] > 0, "{ends:?}");
    // nothing that was broken off is in the way
    assert_eq!(world.call(&["--yes"]).status, 0);
    assert_eq!((world.content(), world.users()), then);
    assert_eq!(world.olds(), 1);
}

#[test]
fn help_of_restore() {
    let server = Server::bare();
    insta::assert_snapshot!(server.good(&["restore", "--help"]));
}
