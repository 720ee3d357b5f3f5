//! `mailctl restore`: what it shows, what it puts in place and takes back, and that whatever goes
//! wrong leaves the server as it was.

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
    encpipe::{self, Key, Passphrase},
};

use crate::server::Server;

/// The passphrase of the backups of these tests.
pub const PASSPHRASE: &str = "wood stapler under the rain bridge";
/// When the first backup is made.
const TIME: i64 = 1_795_491_000;
const ID: &str = "mail.example.org_20261124T033000Z";

/// Files with their mode and content, by path.
type Tree = BTreeMap<String, (u32, Vec<u8>)>;

/// A server that has backups.
struct World {
    server: Server,
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
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

    fn store(&self) -> PathBuf {
        self.folder.path().join("backups")
    }

    fn passphrase(&self) -> PathBuf {
        self.folder.path().join("passphrase")
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.server.world.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn state(&self, path: &str, text: &str) {
        self.write(&format!("var/lib/ezmail/{path}"), text);
    }

    fn mail(&self, path: &str, text: &str) {
        self.write(&format!("var/vmail/example.org/{path}"), text);
    }

    /// Makes a backup of everything.
    fn backup(&self, time: i64) {
        backup(&self.server.world.path(""), &self.store(), time);
    }

    /// What happens after the backup.
    fn change(&self) {
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

    fn call(&self, more: &[&str]) -> crate::server::Called {
        let store = self.store().display().to_string();
        self.server.call(&[&["restore", &store], more].concat())
    }

    /// Output without the folders of this run.
    fn shown(&self, text: &str) -> String {
        text.replace(self.folder.path().to_str().unwrap(), "BACKUPS")
    }

    /// Everything that the server is.
    fn tree(&self) -> Tree {
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
    fn content(&self) -> Tree {
        let mut tree = self.tree();
        tree.retain(|path, _| {
            let state = path.strip_prefix("var/lib/ezmail/").unwrap_or(path);
            (path.starts_with("var/vmail") || state != path)
                && !state.starts_with("restore/")
                && !state.starts_with("mail.sqlite")
        });
        tree
    }

    fn users(&self) -> String {
        self.server.good(&["user", "list"])
    }

    fn olds(&self) -> usize {
        let folder = self.server.world.path("var/lib/ezmail/restore");
        let entries = fs::read_dir(folder).into_iter().flatten();
        let names = entries.map(|e| e.unwrap().file_name().into_string().unwrap());
        names.filter(|n| n.starts_with("old-")).count()
    }
}

/// Makes a backup of the server below `root` into the folder `store`.
pub fn backup(root: &Path, store: &Path, time: i64) {
    let (target, paths) = (Target::new(root).unwrap(), Paths::default());
    let passphrase = Passphrase::new(PASSPHRASE.as_bytes().to_vec()).unwrap();
    let key = Key::derive(&passphrase).unwrap();
    let request = Request {
        target: &target,
        paths: &paths,
        host: "mail.example.org",
        modules: &Module::ALL,
        key: &key,
        full: false,
        now: time,
        part: PART,
    };
    let store = Folder::new(store).unwrap();
    let scratch = Scratch::take(&root.join("var/lib/ezmail")).unwrap();
    create(
        &request,
        Sink::Store(&store),
        &scratch,
        &NoServices,
        &Unwatched,
    )
    .unwrap();
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
fn regex(pattern: &str, text: &str, to: &str) -> String {
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

/// Every refusal leaves the server byte for byte as it was.
#[test]
fn refusals_change_nothing() {
    let world = World::new();
    world.backup(TIME);
    world.change();
    let before = world.tree();
    let mut text = String::new();
    let mut refused = |what: &str, called: crate::server::Called| {
        assert_eq!(
            called.status, 1,
            "{what}: {}{}",
            called.stdout, called.stderr
        );
        assert_eq!(world.tree(), before, "{what}");
        text += &format!("{what}\n  {}\n", world.shown(called.stderr.trim_end()));
    };
    let wrong = world.folder.path().join("wrong");
    fs::write(&wrong, "wood stapler under the rain bridges").unwrap();
    let wrong = wrong.display().to_string();
    refused(
        "wrong passphrase",
        world.call(&["--yes", "--passphrase-file", &wrong]),
    );
    refused(
        "no such backup",
        world.call(&["--yes", "--backup", "mail.example.org_20261124T033001Z"]),
    );
    refused("nobody to ask", world.call(&[]));
    let nowhere = ["restore", "/nonexistent", "--yes"];
    refused("no such place", world.server.call(&nowhere));
    refused("no target", world.server.call(&["restore", "--yes"]));
    refused(
        "no address",
        world.server.call(&["restore", "ftp://x/y", "--yes"]),
    );
    let empty = world.folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let empty = empty.display().to_string();
    refused(
        "no backup there",
        world.server.call(&["restore", &empty, "--yes"]),
    );

    let archive = world.store().join(format!("{ID}.tar.zst.encpipe"));
    let whole = fs::read(&archive).unwrap();
    fs::write(&archive, &whole[..whole.len() - 100]).unwrap();
    refused("cut short", world.call(&["--yes"]));
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 4;
    fs::write(&archive, &flipped).unwrap();
    refused("a bit flipped", world.call(&["--yes"]));
    insta::assert_snapshot!(regex("byte [0-9]+", &text, "byte N"));
}

#[test]
fn a_flipped_bit_anywhere_is_found() {
    let world = World::new();
    world.backup(TIME);
    world.change();
    let before = world.tree();
    let archive = world.store().join(format!("{ID}.tar.zst.encpipe"));
    let whole = fs::read(&archive).unwrap();
    for n in 0..12 {
        let mut flipped = whole.clone();
        let place = (whole.len() - 1) * n / 11;
        flipped[place] ^= 1 << (n % 8);
        fs::write(&archive, &flipped).unwrap();
        let called = world.call(&["--yes"]);
        assert_eq!(called.status, 1, "{place}: {}", called.stdout);
        assert_eq!(world.tree(), before, "{place}");
    }
    fs::write(&archive, &whole).unwrap();
    assert_eq!(world.call(&["--yes"]).status, 0);
}

#[test]
fn another_server_has_to_be_meant() {
    let world = World::new();
    let store = world.store();
    backup_of_another(&world, &store);
    let before = world.tree();
    let called = world.call(&["--yes"]);
    assert_eq!(called.status, 1);
    insta::assert_snapshot!(called.stderr, @"mailctl: say --another-host to restore a backup of another server: This backup is of mx.example.net, and this server is mail.example.org: restore it all the same? Nobody is there to ask: say --yes; nothing was changed");
    assert_eq!(world.tree(), before);
    let called = world.call(&["--yes", "--another-host", "--module", "mail"]);
    assert_eq!(called.status, 0, "{}", called.stderr);
}

fn backup_of_another(world: &World, store: &Path) {
    let root = world.server.world.path("");
    let (target, paths) = (Target::new(&root).unwrap(), Paths::default());
    let passphrase = Passphrase::new(PASSPHRASE.as_bytes().to_vec()).unwrap();
    let key = Key::derive(&passphrase).unwrap();
    let request = Request {
        target: &target,
        paths: &paths,
        host: "mx.example.net",
        modules: &Module::ALL,
        key: &key,
        full: false,
        now: TIME,
        part: PART,
    };
    let store = Folder::new(store).unwrap();
    let scratch = Scratch::take(&root.join("var/lib/ezmail")).unwrap();
    create(
        &request,
        Sink::Store(&store),
        &scratch,
        &NoServices,
        &Unwatched,
    )
    .unwrap();
}

/// On a state volume of 16 MiB, in a name space of its own.
#[test]
fn what_does_not_fit_is_refused_in_numbers() {
    let world = World::new();
    world.backup(TIME);
    let state = world.server.world.path("var/lib/ezmail");
    let script = format!(
        "set -e; cp -a {state} {away}; mount -t tmpfs -o size=16m none {state}; cp -a {away}/. {state}
         cd {state}; find . -type f ! -path './backup/*' -exec sha256sum {{}} + | sort > {away}.before
         set +e; {mailctl} --root {root} restore {store} --yes; status=$?; set -e
         find . -type f ! -path './backup/*' -exec sha256sum {{}} + | sort > {away}.after
         cmp {away}.before {away}.after; exit $status",
        state = state.display(),
        away = world.folder.path().join("away").display(),
        mailctl = env!("CARGO_BIN_EXE_mailctl"),
        root = world.server.world.path("").display(),
        store = world.store().display(),
    );
    let is_root = fs::metadata(&state).unwrap().uid() == 0;
    let output = Command::new("unshare")
        .args((!is_root).then_some("--map-root-user"))
        .args(["--mount", "sh", "-c", &script])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr)
        .unwrap()
        .replace("\n  ", " ");
    assert_eq!(output.status.code(), Some(1), "{said}");
    let said = regex(r"[\d.]+ MB", &said, "N MB");
    insta::assert_snapshot!(said, @"mailctl: there is no room for the new state beside the one that is there: it takes N MB, N MB are free and N MB are missing; nothing was changed. Make the state volume larger, or restore fewer modules");
}

/// Runs `script` in a name space of its own, as root there; what it says, and how it ends.
fn apart(script: &str) -> (Option<i32>, String) {
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    let output = Command::new("unshare")
        .args((!is_root).then_some("--map-root-user"))
        .args(["--mount", "sh", "-c", script])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), said.replace("\n  ", " "))
}

/// Another writer fills the disk when the check is past and the new state is being put together.
#[test]
fn a_disk_that_fills_up_meanwhile_changes_nothing() {
    let world = World::new();
    let mut noise = 1_u64;
    for n in 0..150 {
        // not to be compressed
        let text: String = (0..10_000)
            .map(|_| {
                noise = noise
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(9);
                char::from(b'!' + u8::try_from((noise >> 40) % 90).unwrap())
            })
            .collect();
        world.mail(&format!("bob/Maildir/cur/{n}.M8.mail:2,S"), &text.repeat(8));
    }
    world.backup(TIME);
    world.change();
    let script = format!(
        "set -e; cp -a {root}/var {away}; mount -t tmpfs -o size=96m none {root}/var
         cp -a {away}/. {root}/var; cd {root}/var/lib/ezmail; sums() {{ find {root}/var {root}/etc -type f ! -path '*/ezmail/backup/*' ! -name fill \
           -exec sha256sum {{}} + | sort; }}
         sums > {away}.before
         ( for n in $(seq 600); do [ -e restore/new/mail/example.org/bob ] && break; sleep 0.05; done; cat /dev/zero > fill ) 2> {away}.fill &
         set +e; {mailctl} --root {root} restore {store} --yes; status=$?; set -e
         wait || true; grep -q 'No space left' {away}.fill
         sums > {away}.after; cmp {away}.before {away}.after; test ! -e restore/new; exit $status",
        away = world.folder.path().join("away").display(),
        mailctl = env!("CARGO_BIN_EXE_mailctl"),
        root = world.server.world.path("").display(),
        store = world.store().display(),
    );
    let (status, said) = apart(&script);
    assert_eq!(status, Some(1), "{said}");
    let said = said.lines().find(|line| line.starts_with("mailctl: "));
    let said = said.unwrap_or_default();
    assert!(
        said.starts_with("mailctl: nothing was changed: ")
            && said.ends_with("No space left on device (os error 28)"),
        "{said}"
    );
}

/// On a server in memory, a folder that comes with the image cannot be renamed.
#[test]
fn a_part_of_the_image_is_found_before_anything_is_moved() {
    let world = World::new();
    world.backup(TIME);
    world.change();
    let away = world.folder.path().join("away");
    fs::create_dir(&away).unwrap();
    let script = format!(
        "set -e; mount -t tmpfs none {away}; cd {away}; mkdir upper work root
         mount -t overlay -o lowerdir={root},upperdir=upper,workdir=work overlay root
         sums() {{ find root -type f ! -path '*/ezmail/backup/*' ! -path 'root/run/*' \
           -exec sha256sum {{}} + | sort; }}
         sums > before; set +e; {mailctl} --root {away}/root restore {store} --yes; status=$?; set -e
         sums > after; cmp before after; exit $status",
        away = away.display(),
        mailctl = env!("CARGO_BIN_EXE_mailctl"),
        root = world.server.world.path("").display(),
        store = world.store().display(),
    );
    let (status, said) = apart(&script);
    let said = said.replace(away.to_str().unwrap(), "AWAY");
    assert_eq!(status, Some(1), "{said}");
    insta::assert_snapshot!(said.trim_end());
}

/// Backups that a version to come may make.
#[test]
fn what_a_newer_version_made_changes_nothing() {
    let world = World::new();
    world.backup(TIME);
    world.change();
    let before = world.tree();
    let key = Key::derive(&Passphrase::new(PASSPHRASE.into()).unwrap()).unwrap();
    let names = [".tar.zst.encpipe", ".manifest.zst.encpipe"];
    let paths = names.map(|name| world.store().join(format!("{ID}{name}")));
    let whole = paths.each_ref().map(|path| fs::read(path).unwrap());
    let schema = format!("\"schema\":{}", ezmail::mail::database::VERSION);
    let newer = regex(r"\d$", &schema, "9");
    let mut text = String::new();
    for (from, to) in [("\"format\":1", "\"format\":2"), (&schema, &newer)] {
        for (path, whole) in paths.iter().zip(&whole) {
            let mut packed = Vec::new();
            encpipe::decrypt(&whole[..], &mut packed, &key).unwrap();
            let plain = zstd::decode_all(&packed[..]).unwrap();
            let other = replace(&plain, from, to);
            assert_ne!(other, plain);
            let packed = zstd::encode_all(&other[..], 1).unwrap();
            let mut sealed = Vec::new();
            encpipe::encrypt(&packed[..], &mut sealed, &key).unwrap();
            fs::write(path, sealed).unwrap();
        }
        for step in ["as it was made", "without the manifest beside it"] {
            let called = world.call(&["--yes"]);
            assert_eq!(called.status, 1, "{}", called.stdout);
            assert_eq!(world.tree(), before, "{to}");
            let said = world.shown(called.stderr.trim_end());
            text += &format!("{from}, {step}\n  {}\n", said.replace(&newer[9..], "N"));
            fs::remove_file(&paths[1]).unwrap_or_default();
        }
    }
    let known = format!("schema {}", ezmail::mail::database::VERSION);
    insta::assert_snapshot!(text.replace(&schema, "schema").replace(&known, "schema N"));
}

/// `bytes` with `to` wherever `from` was, which is as long.
fn replace(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let places = bytes.windows(from.len()).enumerate();
    let places: Vec<usize> = places
        .filter(|(_, window)| *window == from.as_bytes())
        .map(|(n, _)| n)
        .collect();
    for n in places {
        bytes[n..n + to.len()].copy_from_slice(to.as_bytes());
    }
    bytes
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
        // as a boot does, and the unit when it is started again
        let finished = world.server.call(&["restore", "--finish"]);
        assert_eq!(finished.status, 0, "{}", finished.stderr);
        let now = (world.content(), world.users());
        let is_new = now == then;
        assert!(is_new || now == before, "{n}");
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
