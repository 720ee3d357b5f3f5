//! `[restore]` in the answers: a new server begins with a backup.

use std::{
    fs,
    path::Path,
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
    mail::database,
};

use crate::world::{self, World};

const PASSPHRASE: &str = "rainy bridge with a stapler of wood";
const ID: &str = "mail.example.org_20261124T033000Z";
/// When that was made.
const TIME: i64 = 1_795_491_000;

/// `small`, with a backup to begin with.
fn answers(passphrase: &str, source: &str, more: &str) -> String {
    format!(
        "{}\n{more}\n[backup]\ntarget = \"sftp://backup@backup.example.net/srv\"\npassphrase = \
         \"{passphrase}\"\n[restore]\nsource = \"{source}\"\n",
        world::text("small")
    )
}

/// A server that has been in use, and its backup in the folder `backups` beside `beside`.
fn used(beside: &Path) -> World {
    let world = World::new();
    let done = world.apply(&world::good("small"));
    assert!(done.status.success(), "{}", done.text());
    let db = database::open(&world.path("var/lib/ezmail/mail.sqlite")).unwrap();
    db.execute_batch(
        "UPDATE credential SET hash = '$argon2id$changed' WHERE kind = 'password';
         DELETE FROM user WHERE local_part = 'alice';
         INSERT INTO user (local_part, domain_id, quota_bytes, created)
         SELECT 'carol', id, 1000000000, 1 FROM domain;
         INSERT INTO credential (user_id, kind, hash, created)
         SELECT id, 'password', '$argon2id$carol', 1 FROM user WHERE local_part = 'carol';",
    )
    .unwrap();
    drop(db);
    let message = world.path("var/vmail/example.org/carol/Maildir/cur/1.M2.mail:2,S");
    fs::create_dir_all(message.parent().unwrap()).unwrap();
    fs::write(message, "hello").unwrap();
    let store = beside.parent().unwrap().join("backups");
    fs::create_dir_all(&store).unwrap();
    backup(&world, &store, "mail.example.org", &Module::ALL, TIME);
    world
}

/// Makes a backup of `modules`, as one of the server `host`.
fn backup(world: &World, store: &Path, host: &str, modules: &[Module], now: i64) {
    let (target, paths) = (Target::new(&world.path("")).unwrap(), Paths::default());
    let request = Request {
        target: &target,
        paths: &paths,
        host,
        modules,
        full: false,
        now,
        part: PART,
    };
    let store = Folder::new(store).unwrap();
    let scratch = Scratch::take(&world.path("var/lib/ezmail")).unwrap();
    create(
        &request,
        &mut Deriving::begin(Passphrase::new(PASSPHRASE.into()).unwrap()).unwrap(),
        Sink::Store(&store),
        &scratch,
        &NoServices,
        &Unwatched,
    )
    .unwrap();
}

#[test]
fn a_new_server_begins_with_the_backup() {
    let new = World::new();
    // names that are not those of the backup, and a certificate that is
    let file = new.answers("a.toml", &answers(PASSPHRASE, "backups", ""));
    let old = used(&file);
    let dry = new.run(&file, &["--dry-run"]);
    assert!(
        dry.stdout()
            .contains("# restore: the backup in backups would be restored first")
    );
    let done = new.apply(&file);
    assert!(done.status.success(), "{}", done.text());
    let lines: Vec<_> = done
        .stdout()
        .lines()
        .filter(|l| l.starts_with("ezmail: restore"))
        .map(str::to_owned)
        .collect();
    assert_eq!(lines[0], "ezmail: restore       from backups");
    assert!(
        lines[1].starts_with(&format!("ezmail: restore       {ID}: ")),
        "{lines:?}"
    );
    assert_eq!(lines[2], lines[1].replace(ID, &format!("restored {ID}")));
    // alice, whom the answers have and the backup has not, does not come back; passwords stay
    let without_meta = |text: String| text.split("\n\n").take(4).collect::<Vec<_>>().join("\n\n");
    assert_eq!(without_meta(new.database()), without_meta(old.database()));
    for path in [
        "var/lib/ezmail/dkim/example.org/ezmail-rsa.pem",
        "var/lib/ezmail/tls/cert.pem",
        "var/lib/ezmail/tls/key.pem",
        "var/lib/ezmail/ssh/ssh_host_ed25519_key",
        "var/vmail/example.org/carol/Maildir/cur/1.M2.mail:2,S",
    ] {
        assert_eq!(new.read(path), old.read(path), "{path}");
    }
    // nothing was there before, so nothing is kept of it
    let left: Vec<_> = fs::read_dir(new.path("var/lib/ezmail/restore"))
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(left, ["done.json"]);

    // at the next boot, nothing of it is done again
    let database = new.database();
    let again = new.apply(&file);
    assert!(again.status.success(), "{}", again.text());
    assert!(
        again.stdout().contains(&format!(
            "ezmail: restore       done before: {ID} was restored on "
        )),
        "{}",
        again.text()
    );
    assert_eq!(new.database(), database);
    // and what later answers say differently counts
    let text = answers(PASSPHRASE, "backups", "").replace("Bob", "Robert");
    let more =
        "[[user]]\naddress = \"dave@example.org\"\npassword = \"stapler bridge rain wood\"\n";
    let later = new.apply(&new.answers("a.toml", &(text + more)));
    assert!(later.status.success(), "{}", later.text());
    assert!(
        later.stdout().contains("user dave@example.org added"),
        "{}",
        later.text()
    );
    assert!(new.database().contains("carol@example.org"));
}

#[test]
fn one_file_beside_the_answers_will_do() {
    let new = World::new();
    let name = format!("{ID}.tar.zst.encpipe");
    let file = new.answers("a.toml", &answers(PASSPHRASE, &name, ""));
    let _old = used(&file);
    let folder = file.parent().unwrap();
    for entry in fs::read_dir(folder.join("backups")).unwrap() {
        let entry = entry.unwrap();
        fs::rename(entry.path(), folder.join(entry.file_name())).unwrap();
    }
    let done = new.apply(&file);
    assert!(done.status.success(), "{}", done.text());
    assert!(new.database().contains("carol@example.org"));
}

#[test]
fn a_server_that_was_set_up_before_is_not_restored() {
    let world = World::new();
    assert!(world.apply(&world::good("small")).status.success());
    let done = world.apply(&world.answers("a.toml", &answers(PASSPHRASE, "backups", "")));
    assert!(done.status.success(), "{}", done.text());
    let said = "[restore] from backups is ignored: this server was set up before.";
    assert!(done.stdout().contains(said), "{}", done.text());
    assert!(world.database().contains("alice@example.org"));
}

#[test]
fn what_cannot_be_restored_starts_nothing_and_is_tried_again() {
    let new = World::new();
    let mut text = String::new();
    let good = new.answers("a.toml", &answers(PASSPHRASE, "backups", ""));
    let mut refused = |answers: &str| {
        let file = new.answers("a.toml", answers);
        let done = new.apply(&file);
        assert_eq!(done.status.code(), Some(1), "{}", done.text());
        assert!(!new.path("var/lib/ezmail/mail.sqlite").exists());
        assert!(!new.path("var/lib/ezmail/answers").exists());
        let folder = file.parent().unwrap().to_str().unwrap();
        text += &done.stderr().replace(folder, "ANSWERS");
    };
    refused(&answers(PASSPHRASE, "backups", ""));
    fs::create_dir(good.parent().unwrap().join("backups")).unwrap();
    refused(&answers(PASSPHRASE, "backups", ""));
    let _old = used(&good);
    refused(&answers(
        "rainy bridge with a stapler of iron",
        "backups",
        "",
    ));
    refused(&answers(PASSPHRASE, "b.toml", ""));
    refused(&answers(PASSPHRASE, "sftp://b@backup.example.net/srv", ""));
    let archive = good
        .parent()
        .unwrap()
        .join(format!("backups/{ID}.tar.zst.encpipe"));
    let whole = fs::read(&archive).unwrap();
    fs::write(&archive, &whole[..whole.len() / 2]).unwrap();
    refused(&answers(PASSPHRASE, "backups", ""));
    let text = regex::Regex::new("byte [0-9]+")
        .unwrap()
        .replace_all(&text, "byte N");
    insta::assert_snapshot!(text);
    fs::write(&archive, &whole).unwrap();
    let done = new.apply(&new.answers("a.toml", &answers(PASSPHRASE, "backups", "")));
    assert!(done.status.success(), "{}", done.text());
    assert!(new.database().contains("carol@example.org"));
}

/// In a folder that several servers share, the newest backup may be of another one, or of a part.
#[test]
fn the_backup_of_another_server_or_of_a_part_is_not_taken_by_mistake() {
    let new = World::new();
    let file = new.answers("a.toml", &answers(PASSPHRASE, "backups", ""));
    let old = used(&file);
    let store = file.parent().unwrap().join("backups");
    backup(&old, &store, "mx.example.net", &Module::ALL, TIME + 60);
    let keys = [Module::Keys];
    backup(&old, &store, "mail.example.org", &keys, TIME + 120);
    let named = answers(PASSPHRASE, "backups", "").replace("Mail.Example.ORG", "box.example.org");
    let refused = new.apply(&new.answers("a.toml", &named));
    assert_eq!(refused.status.code(), Some(1), "{}", refused.text());
    assert!(!new.path("var/lib/ezmail/mail.sqlite").exists());
    let folder = file.parent().unwrap().to_str().unwrap();
    let said = refused.stderr().replace(folder, "ANSWERS");
    insta::assert_snapshot!(said.lines().next().unwrap());
    let file = new.answers("a.toml", &answers(PASSPHRASE, "backups", ""));
    let done = new.apply(&file);
    assert!(done.status.success(), "{}", done.text());
    let taken = format!("restored {ID}: ");
    assert!(done.stdout().contains(&taken), "{}", done.text());
}

#[test]
fn a_server_that_gets_another_name_is_restored_and_it_is_said() {
    let new = World::new();
    let named = answers(PASSPHRASE, "backups", "").replace("Mail.Example.ORG", "box.example.org");
    let file = new.answers("a.toml", &named);
    let _old = used(&file);
    let done = new.apply(&file);
    assert!(done.status.success(), "{}", done.text());
    let said = "THIS WAS mail.example.org, and is box.example.org now";
    assert!(done.stdout().contains(said), "{}", done.text());
}

/// The new state is in place, and what it took the place of, which was nothing, is not yet removed.
#[test]
fn what_is_left_when_the_restore_is_cut_off_behind_its_end_is_removed() {
    let new = World::new();
    let file = new.answers("a.toml", &answers(PASSPHRASE, "backups", ""));
    let _old = used(&file);
    let done = new.apply(&file);
    assert!(done.status.success(), "{}", done.text());
    let folder = new.path("var/lib/ezmail/restore");
    let done: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(folder.join("done.json")).unwrap()).unwrap();
    let record = serde_json::json!({
        "order": {
            "from": "restore/new", "old": "restore/old-20261124T033000Z", "modules": ["database"],
            "what": "the backup", "time": done["time"],
        },
        "out": [], "into": [],
    });
    let old = folder.join("old-20261124T033000Z");
    for place in [old.join("dkim"), folder.join("new/dkim")] {
        fs::create_dir_all(place).unwrap();
    }
    fs::write(old.join("switch.json"), record.to_string()).unwrap();
    let again = new.apply(&file);
    assert!(again.status.success(), "{}", again.text());
    let left = || -> Vec<_> {
        let left = fs::read_dir(&folder).unwrap();
        left.map(|e| e.unwrap().file_name()).collect()
    };
    assert_eq!(left(), ["done.json"], "{}", again.text());

    // what somebody may want to go back to stays
    fs::create_dir_all(&old).unwrap();
    fs::write(old.join("switch.json"), record.to_string()).unwrap();
    fs::write(old.join("mail.sqlite"), "x").unwrap();
    let again = new.apply(&file);
    assert!(again.status.success(), "{}", again.text());
    assert_eq!(left().len(), 2);
}

#[test]
fn killed_at_any_moment_the_next_boot_goes_on() {
    let mut took = Duration::from_secs(1);
    for n in 0..=6 {
        let new = World::new();
        let file = new.answers("a.toml", &answers(PASSPHRASE, "backups", ""));
        let old = used(&file);
        let project = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_ezmail-agent"));
        command.arg("apply").arg("--root").arg(new.path(""));
        command
            .arg("--answers")
            .arg(&file)
            .args(["--memory", "1024"]);
        let templates = project.join("airootfs/usr/share/ezmail/templates");
        command.arg("--templates").arg(templates);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let begun = Instant::now();
        let mut child = command.spawn().unwrap();
        if n > 0 {
            thread::sleep(took.mul_f64(f64::from(n) / 6.5));
            child.kill().unwrap();
        }
        child.wait().unwrap();
        if n == 0 {
            took = begun.elapsed();
        }
        let done = new.apply(&file);
        assert!(done.status.success(), "{n}: {}", done.text());
        let rows = |text: String| text.split("\n\n").take(4).collect::<Vec<_>>().join("\n\n");
        assert_eq!(rows(new.database()), rows(old.database()), "{n}");
        let key = "var/lib/ezmail/dkim/example.org/ezmail-rsa.pem";
        assert_eq!(new.read(key), old.read(key), "{n}");
        let mail = "var/vmail/example.org/carol/Maildir/cur/1.M2.mail:2,S";
        assert_eq!(new.read(mail), "hello", "{n}");
        // nothing was there before: nothing is kept of it
        let left = fs::read_dir(new.path("var/lib/ezmail/restore")).unwrap();
        let left: Vec<_> = left.map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left, ["done.json"], "{n}");
    }
}
