//! `mailctl backup create|list|verify|prune|drill`, into folders and files.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Command, Stdio},
};

use regex::Regex;

use crate::server::Server;

/// alice and bob with some mail, and a folder for backups.
struct Home {
    server: Server,
    store: tempfile::TempDir,
}

impl Home {
    fn new() -> Self {
        let home = Self {
            server: Server::small(),
            store: tempfile::tempdir().unwrap(),
        };
        home.message("alice/Maildir/cur/1.M1.mail:2,S", "Subject: one\n\n1\n");
        home.message("alice/Maildir/new/2.M2.mail", "Subject: two\n\n2\n");
        home.message("alice/Maildir/dovecot-uidlist", "3 V1 N3\n");
        home.message(
            "bob/Maildir/.Sent/cur/3.M3.mail:2,RS",
            "Subject: three\n\n3\n",
        );
        home
    }

    fn message(&self, path: &str, text: &str) {
        let path = self.server.world.path("var/vmail/example.org").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn store(&self) -> &str {
        self.store.path().to_str().unwrap()
    }

    /// What is printed, without what differs from run to run.
    fn shown(&self, text: &str) -> String {
        let mut text = text.replace(self.store(), "STORE");
        for (pattern, with) in [
            (r"\d{8}T\d{6}Z", "TIME"),
            (r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", "DATE"),
            (r"\d+(\.\d+)? k?B", "SIZE"),
            (r" +DATE", " DATE"),
            (r" +SIZE", " SIZE"),
            (r"\d+ bytes|byte \d+", "BYTES"),
        ] {
            text = Regex::new(pattern)
                .unwrap()
                .replace_all(&text, with)
                .into_owned();
        }
        text
    }

    fn good(&self, arguments: &[&str]) -> String {
        self.shown(&self.server.good(arguments))
    }

    fn create(&self) -> String {
        // two of one second would have one name
        std::thread::sleep(std::time::Duration::from_millis(1100));
        self.good(&["backup", "create", "--to", self.store()])
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.store.path()).unwrap();
        let mut names: Vec<String> = entries
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn passphrase_file(&self) -> PathBuf {
        self.server
            .world
            .path("var/lib/ezmail/secrets/backup-passphrase")
    }
}

#[test]
fn backups_are_made_listed_verified_and_removed() {
    let home = Home::new();
    insta::assert_snapshot!(home.create(), @"backup mail.example.org_TIME: 18 files, SIZE; SIZE written to STORE");
    let mode = home
        .passphrase_file()
        .metadata()
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    home.message("alice/Maildir/new/4.M4.mail", "Subject: four\n\n4\n");
    home.create();
    let from = ["--from", home.store()];
    insta::assert_snapshot!(home.good(&[&["backup", "list"], &from[..]].concat()));
    insta::assert_snapshot!(home.good(&[&["backup", "verify", "--all"], &from[..]].concat()));
    insta::assert_snapshot!(home.good(&[&["backup", "drill"], &from[..]].concat()));
    let listed: serde_json::Value = serde_json::from_str(
        &home
            .server
            .good(&[&["backup", "list", "--json"], &from[..]].concat()),
    )
    .unwrap();
    assert_eq!(listed["backups"][1]["drilled"], true);
    assert_eq!(listed["backups"][1]["modules"].as_array().unwrap().len(), 7);
    let keep = ["--daily", "1", "--weekly", "0", "--monthly", "0"];
    let prune = [&["backup", "prune"], &from[..], &keep[..]].concat();
    insta::assert_snapshot!(home.good(&[&prune[..], &["--dry-run"]].concat()));
    let refused = home.server.bad(1, &prune);
    insta::assert_snapshot!(home.shown(&refused), @"mailctl: Remove 1 of 2 backups from STORE? Nobody is there to ask: say --yes; nothing was changed");
    assert_eq!(home.names().len(), 6);
    insta::assert_snapshot!(home.good(&[&prune[..], &["--yes"]].concat()));
    // the part with the first messages is needed by the second backup
    assert_eq!(home.names().len(), 4);
    home.good(&[&["backup", "verify"], &from[..]].concat());
    insta::assert_snapshot!(home.good(&[&prune[..], &["--yes"]].concat()));
}

/// `encpipe -d -P FILE | zstd -d | tar WORDS`.
fn opened(archive: &std::path::Path, passphrase: &std::path::Path, words: &str) -> String {
    let mut shell = Command::new("sh");
    shell.args([
        "-c",
        &format!("\"$0\" -d -P \"$1\" -i \"$2\" | zstd -d | tar {words}"),
    ]);
    shell.arg(env!("CARGO_BIN_EXE_encpipe"));
    shell.args([passphrase, archive]);
    let output = shell.stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_backup_opens_with_the_three_commands() {
    let home = Home::new();
    let file = home.store.path().join("server.backup");
    let name = file.to_str().unwrap();
    home.good(&["backup", "create", "-o", name]);
    let passphrase = home.passphrase_file();
    insta::assert_snapshot!(opened(&file, &passphrase, "t"));
    let manifest = opened(&file, &passphrase, "xO ezmail/manifest.jsonl");
    let lines: Vec<serde_json::Value> = manifest
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert_eq!(lines[0]["format"], 1);
    let of = |path: &str| lines.iter().find(|l| l["path"] == path).unwrap();
    let message = of("mail/example.org/alice/Maildir/cur/1.M1.mail:2,S");
    assert_eq!(message["size"], 16);
    let hash = "92718152d459";
    assert!(
        message["sha256"].as_str().unwrap().starts_with(hash),
        "{message}"
    );
    for key in ["mode", "uid", "gid", "mtime"] {
        assert!(!message[key].is_null(), "{key}");
    }
    // neither the passphrase's file nor the passphrase is in it
    let text = fs::read_to_string(&passphrase).unwrap();
    assert!(
        lines
            .iter()
            .all(|l| !l["path"].to_string().contains("passphrase"))
    );
    let everything = opened(&file, &passphrase, "xO --exclude=mail.sqlite");
    assert!(!everything.contains(text.trim()));
    home.good(&["backup", "verify", "--from", name]);
    let refused = home.server.bad(1, &["backup", "create", "-o", name]);
    insta::assert_snapshot!(home.shown(&refused), @"mailctl: STORE/server.backup is there already");
    // and through a pipe
    let piped = home.store.path().join("piped");
    let status = Command::new(env!("CARGO_BIN_EXE_mailctl"))
        .arg("--root")
        .arg(home.server.world.path(""))
        .args(["backup", "create", "-o", "-"])
        .stdout(fs::File::create(&piped).unwrap())
        .status();
    assert!(status.unwrap().success());
    home.good(&["backup", "verify", "--from", piped.to_str().unwrap()]);
}

#[test]
fn a_damaged_backup_is_found_wherever_it_is_damaged() {
    let home = Home::new();
    let file = home.store.path().join("server.backup");
    home.good(&["backup", "create", "-o", file.to_str().unwrap()]);
    let whole = fs::read(&file).unwrap();
    let verify = ["backup", "verify", "--from", file.to_str().unwrap()];
    let found = |what: &str| {
        let called = home.server.call(&verify);
        assert_eq!(called.status, 3, "{what}: {}", called.stdout);
        home.shown(&called.stdout)
    };
    fs::write(&file, &whole[..whole.len() - 1]).unwrap();
    insta::assert_snapshot!(found("cut"));
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 0x10;
    fs::write(&file, &flipped).unwrap();
    insta::assert_snapshot!(found("flipped"));
    fs::write(&file, &whole).unwrap();
    home.good(&verify);
    let other = home.store.path().join("other");
    fs::write(&other, "another passphrase altogether").unwrap();
    let with = [&verify[..], &["--passphrase-file", other.to_str().unwrap()]].concat();
    let called = home.server.call(&with);
    assert_eq!(called.status, 3);
    insta::assert_snapshot!(home.shown(&called.stdout));
}

#[test]
fn what_cannot_be_is_refused() {
    let home = Home::new();
    let bad = |arguments: &[&str]| home.shown(&home.server.bad(1, arguments));
    insta::assert_snapshot!(bad(&["backup", "create"]), @"mailctl: the answers have no [backup] with a target: name a folder, a file, or an address, such as /mnt/usb");
    insta::assert_snapshot!(bad(&["backup", "create", "--to", "/nonexistent"]), @"mailctl: /nonexistent is neither a folder nor a file");
    insta::assert_snapshot!(bad(&["backup", "list", "--from", "ftp://a@b.example/c"]), @"mailctl: `ftp://a@b.example/c` is no address of backups: write sftp://USER@HOST/FOLDER or s3://ACCESS_KEY@HOST/BUCKET/FOLDER: it has to begin with `sftp://` or `s3://`");
    insta::assert_snapshot!(bad(&["backup", "verify", "--from", home.store()]), @"mailctl: there is no backup in STORE");
    let typo = home
        .server
        .bad(2, &["backup", "verify", "x_y", "--from", home.store()]);
    assert!(
        typo.contains("is no time such as 20261124T033000Z"),
        "{typo}"
    );
}

#[test]
fn a_backup_is_not_called_damaged_because_another_one_runs() {
    let home = Home::new();
    home.create();
    let lock = home.server.world.path("var/lib/ezmail/backup/lock");
    let held = fs::File::open(lock).unwrap();
    held.lock().unwrap();
    let refused = home
        .server
        .bad(1, &["backup", "verify", "--from", home.store()]);
    insta::assert_snapshot!(home.shown(&refused), @"mailctl: another backup, drill or restore is running; try again when it has ended ('systemctl status ezmail-backup ezmail-drill')");
}

#[test]
fn whoever_stops_reading_what_is_said_does_not_stop_the_backup() {
    let home = Home::new();
    let piped = home.store.path().join("piped");
    let (reader, nobody) = std::io::pipe().unwrap();
    drop(reader);
    let status = Command::new(env!("CARGO_BIN_EXE_mailctl"))
        .arg("--root")
        .arg(home.server.world.path(""))
        .args(["backup", "create", "-o", "-"])
        .stdout(fs::File::create(&piped).unwrap())
        .stderr(nobody)
        .status();
    assert!(status.unwrap().success());
    home.good(&["backup", "verify", "--from", piped.to_str().unwrap()]);
    // nor does it count as made where nobody takes it
    let (reader, nobody) = std::io::pipe().unwrap();
    drop(reader);
    let output = Command::new(env!("CARGO_BIN_EXE_mailctl"))
        .arg("--root")
        .arg(home.server.world.path(""))
        .args(["backup", "create", "-o", "-"])
        .stdout(nobody)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    insta::assert_snapshot!(home.shown(&said));
}

#[test]
fn why_no_backup_could_be_begun_is_reported() {
    let home = Home::new();
    home.create();
    fs::write(home.passphrase_file(), "").unwrap();
    home.server.bad(1, &["backup", "create"]);
    let report = home.server.world.path("var/lib/ezmail/backup/report.json");
    let report: serde_json::Value = serde_json::from_slice(&fs::read(report).unwrap()).unwrap();
    let error = report["last"]["error"].as_str().unwrap();
    let root = home.server.world.path("");
    let error = error.replace(root.to_str().unwrap().trim_end_matches('/'), "");
    insta::assert_snapshot!(error, @"the passphrase in /var/lib/ezmail/secrets/backup-passphrase: the passphrase is empty");
}
