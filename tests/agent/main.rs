//! `ezmail-agent`: what `apply --root` writes for which answers and what it leaves alone, and the
//! page of `console`.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod backup;
mod console;
mod restore;
mod settings;
mod world;

use std::{fs, os::unix::fs::MetadataExt, process::Command};

use world::{World, good};

/// Texts of the answers, and of what is made from them, that must not be printed.
const SECRETS: [&str; 7] = [
    "wood stapler",
    "relay-password",
    "PRIVATE KEY",
    "HtKaUpKsz7K46",
    "$argon2id$",
    "PelHGjdG64DEDj",
    "aaf0d3b7c4e6",
];

#[test]
fn the_files_of_few_answers() {
    files_of("small");
}

#[test]
fn the_files_of_many_answers() {
    files_of("rich");
}

fn files_of(name: &str) {
    let world = World::new();
    let preview = world.run(&good(name), &["--dry-run"]).stdout();
    let done = world.apply(&good(name));
    assert!(done.status.success(), "{}", done.text());
    for secret in SECRETS {
        assert!(!done.text().contains(secret), "{secret}: {}", done.text());
    }
    let list = world::list(&preview);
    world.check(&list);
    insta::assert_snapshot!(format!("{name}-list"), list);
    insta::assert_snapshot!(format!("{name}-files"), world.own_files());
    insta::assert_snapshot!(format!("{name}-database"), world.database());
    insta::assert_snapshot!(format!("{name}-said"), world::masked(&done.stdout()));
}

#[test]
fn a_second_apply_writes_nothing() {
    for name in ["small", "rich"] {
        let world = World::new();
        assert!(world.apply(&good(name)).status.success());
        let before = world.inodes();
        let again = world.apply(&good(name));
        assert!(again.status.success(), "{}", again.text());
        assert_eq!(world.inodes(), before);
        let lines = again.stdout();
        let steps: Vec<_> = lines
            .lines()
            .filter(|l| l.ends_with(" unchanged"))
            .collect();
        assert_eq!(steps.len(), 14, "{lines}");
    }
}

#[test]
fn a_dry_run_shows_and_does_not_write() {
    let world = World::new();
    let before = world.inodes();
    let done = world.run(&good("rich"), &["--dry-run"]);
    assert!(done.status.success(), "{}", done.text());
    assert_eq!(world.inodes(), before);
    for secret in SECRETS {
        assert!(!done.text().contains(secret), "{secret}: {}", done.text());
    }
    for shown in [
        "+mx1.example.net\n",
        "+GatewayOnLink=yes\n",
        "database: user bob@example.org added\n",
        "/var/lib/ezmail/tls/key.pem (600 root:root): nothing becomes a secret of ",
    ] {
        assert!(done.stdout().contains(shown), "{shown}\n{}", done.stdout());
    }

    assert!(world.apply(&good("rich")).status.success());
    let done = world.run(&good("rich"), &["--dry-run"]);
    assert!(
        done.stdout().ends_with("\nnothing would change\n"),
        "{}",
        done.stdout()
    );
    let (mx1, mail) = ("\"mx1.example.net\"", "\"mail.example.org\"");
    let less = world.answers("less.toml", &world::text("rich").replace(mx1, mail));
    let done = world.run(&less, &["--dry-run"]);
    assert!(
        done.stdout()
            .contains("-mx1.example.net\n+mail.example.org\n"),
        "{}",
        done.stdout()
    );
}

#[test]
fn changed_answers_change_what_they_should() {
    let world = World::new();
    let small = world::text("small");
    assert!(
        world
            .apply(&world.answers("a.toml", &small))
            .status
            .success()
    );
    let before = world.inodes();

    let more = small.replace("quota = \"2G\"", "quota = \"3G\"")
        + "[dns]\nforwarders = [\"192.0.2.53\"]\n";
    let done = world.apply(&world.answers("a.toml", &more));
    assert!(done.status.success(), "{}", done.text());
    assert!(
        done.text().contains("user bob@example.org: quota changed"),
        "{}",
        done.text()
    );
    let after = world.inodes();
    let changed = after
        .iter()
        .filter(|(path, _)| before.get(*path) != after.get(*path));
    let changed: Vec<_> = changed.map(|(path, _)| path.as_str()).collect();
    assert_eq!(
        changed,
        [
            "etc/knot-resolver/kresd.conf",
            "var/lib/ezmail/answers/answers.toml",
            "var/lib/ezmail/mail.sqlite",
        ]
    );
    // what changed is shown
    for line in ["-quota = \"2G\"\n", "+quota = \"3G\"\n", "+[dns]\n"] {
        assert!(done.stdout().contains(line), "{line}{}", done.text());
    }

    // another name: a certificate for it with the same key, and the same DKIM keys
    let key = world.read("var/lib/ezmail/tls/key.pem");
    let dkim = world.read("var/lib/ezmail/dkim/example.org/ezmail-rsa.pem");
    let renamed = more.replace("Mail.Example.ORG", "mx.example.org");
    assert!(
        world
            .apply(&world.answers("a.toml", &renamed))
            .status
            .success()
    );
    assert_eq!(world.read("var/lib/ezmail/tls/key.pem"), key);
    assert_eq!(
        world.read("var/lib/ezmail/dkim/example.org/ezmail-rsa.pem"),
        dkim
    );
    let mut openssl = Command::new("openssl");
    openssl.args(["x509", "-noout", "-ext", "subjectAltName", "-in"]);
    let shown = openssl
        .arg(world.path("var/lib/ezmail/tls/cert.pem"))
        .output()
        .unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(
        shown.contains("DNS:mail.example.org, DNS:mx.example.org"),
        "{shown}"
    );
}

#[test]
fn a_certificate_of_somebody_else_stays() {
    let world = World::new();
    assert!(world.apply(&good("small")).status.success());
    let path = world.path("var/lib/ezmail/tls/cert.pem");
    fs::write(&path, "from an authority").unwrap();
    let renamed = world::text("small").replace("Mail.Example.ORG", "mx.example.org");
    assert!(
        world
            .apply(&world.answers("a.toml", &renamed))
            .status
            .success()
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), "from an authority");
}

#[test]
fn broken_answers_change_nothing() {
    let world = World::new();
    assert!(world.apply(&good("small")).status.success());
    let before = world.inodes();
    let broken = world::text("small").replace("quota = \"2G\"", "quotum = \"2G\"");
    let done = world.apply(&world.answers("broken.toml", &broken));
    assert_eq!(done.status.code(), Some(1));
    assert_eq!(world.inodes(), before);
    let folder = world.path("").parent().unwrap().display().to_string();
    insta::assert_snapshot!(done.stderr().replace(&folder, "[folder]"));
    let status = world.read("run/ezmail/status.json");
    assert!(
        status.contains("\"outcome\": \"failed\"") && status.contains("quotum"),
        "{status}"
    );
}

#[test]
fn a_step_that_fails_in_planning_leaves_the_others_undone() {
    let world = World::new();
    assert!(world.apply(&good("small")).status.success());
    fs::write(
        world.path("var/lib/ezmail/dkim/example.org/ezmail-rsa.pem"),
        "rubbish",
    )
    .unwrap();
    let before = world.inodes();
    let renamed = world::text("small").replace("Mail.Example.ORG", "mx.example.org");
    let done = world.apply(&world.answers("a.toml", &renamed));
    assert_eq!(done.status.code(), Some(1));
    assert_eq!(world.inodes(), before);
    // neither the new answers nor the old ones can be applied
    insta::assert_snapshot!(done.stderr(), @r"
    ezmail-agent: the new answers are refused, for what is said below: the server goes on with the answers that it has
    ezmail-agent: step 'dkim' (keys that sign mail): the DKIM key /var/lib/ezmail/dkim/example.org/ezmail-rsa.pem: this is not a private key in PEM form (`-----BEGIN PRIVATE KEY-----` …)
    ");
}

/// One that does not sign is as if it were not there; one that signed until now is made anew, and
/// that is said where nobody overlooks it.
#[test]
fn what_is_wrong_with_a_dkim_key_is_said() {
    let world = World::new();
    assert!(world.apply(&good("small")).status.success());
    let db = rusqlite::Connection::open(world.path("var/lib/ezmail/mail.sqlite")).unwrap();
    db.execute_batch(
        "UPDATE dkim_key SET since = 1;
         INSERT INTO dkim_key (domain_id, selector, algorithm, stage, since)
           SELECT id, 'next', 'rsa', 'next', 1 FROM domain WHERE name = 'example.org';
         INSERT INTO dkim_key (domain_id, selector, algorithm, stage, since)
           SELECT id, 'old', 'rsa', 'old', 1 FROM domain WHERE name = 'example.org';",
    )
    .unwrap();
    let folder = world.path("var/lib/ezmail/dkim/example.org");
    fs::write(folder.join("next.pem"), "rubbish").unwrap();
    fs::write(folder.join("old.pem"), b"\xff").unwrap();
    fs::remove_file(folder.join("ezmail-rsa.pem")).unwrap();
    let done = world.apply(&good("small"));
    assert!(done.status.success(), "{}", done.text());
    let said = done.stdout();
    let lines: Vec<&str> = said
        .lines()
        .filter(|l| l.contains("left out") || l.contains("LOST"))
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
    the next DKIM key /var/lib/ezmail/dkim/example.org/next.pem is left out: this is not a private key in PEM form (`-----BEGIN PRIVATE KEY-----` …)
    THE DKIM KEY ezmail-rsa OF example.org WAS LOST and is made anew: its record in the DNS no longer fits, publish the one of 'mailctl dkim show example.org ezmail-rsa'
    the old DKIM key /var/lib/ezmail/dkim/example.org/old.pem is left out: it is not PEM
    ");
    assert!(folder.join("ezmail-rsa.pem").exists());
    let status = world.read("run/ezmail/status.json");
    assert!(status.contains("OF example.org WAS LOST"), "{status}");
    let again = world.apply(&good("small")).stdout();
    assert!(!again.contains("LOST"), "{again}");
}

#[test]
fn what_a_broken_off_apply_has_changed_is_not_forgotten() {
    let world = World::new();
    assert!(world.apply(&good("small")).status.success());
    let pending = |world: &World| -> Vec<String> {
        let status = world.read("run/ezmail/status.json");
        let status: serde_json::Value = serde_json::from_str(&status).unwrap();
        serde_json::from_value(status["pending"].clone()).unwrap()
    };
    assert_eq!(pending(&world), [""; 0]);
    // dovecot.conf is written anew, and then smtpd's folder cannot be written to
    fs::remove_file(world.path("etc/dovecot/dovecot.conf")).unwrap();
    let folder = world.path("etc/smtpd");
    let away = folder.with_extension("away");
    fs::rename(&folder, &away).unwrap();
    std::os::unix::fs::symlink("/nonexistent/folder", &folder).unwrap();
    let broken = world.apply(&good("small"));
    assert!(!broken.status.success(), "{}", broken.text());
    assert_eq!(pending(&world), ["dovecot.service"], "{}", broken.text());
    fs::remove_file(&folder).unwrap();
    fs::rename(&away, &folder).unwrap();
    let mended = world.apply(&good("small"));
    assert!(mended.status.success(), "{}", mended.text());
    assert_eq!(pending(&world), [""; 0]);
}

#[test]
fn the_answers_are_kept_without_a_plain_password() {
    let world = World::new();
    let plain = world::text("small").replace(
        "password_hash = \"",
        "password = \"wood stapler under rain\" # \"",
    );
    assert!(plain.contains("password = \"wood"));
    let first = world.apply(&world.answers("a.toml", &plain));
    assert!(first.status.success(), "{}", first.text());
    let kept = world.read("var/lib/ezmail/answers/answers.toml");
    assert!(kept.contains("password_hash = \"$argon2id$"), "{kept}");
    for place in ["var/lib/ezmail", "run", "etc"] {
        for entry in walkdir::WalkDir::new(world.path(place)) {
            let entry = entry.unwrap();
            if entry.file_type().is_file() {
                let bytes = fs::read(entry.path()).unwrap();
                let there = bytes.windows(12).any(|w| w == b"wood stapler");
                assert!(!there, "{} has the password", entry.path().display());
            }
        }
    }
    // the same password again is the same hash: nothing is written
    let before = world.inodes();
    let again = world.apply(&world.answers("a.toml", &plain));
    assert!(again.status.success(), "{}", again.text());
    assert_eq!(world.inodes(), before);
}

#[test]
fn a_newer_state_is_refused_and_an_older_one_brought_up_to_date() {
    let world = World::new();
    assert!(world.apply(&good("small")).status.success());
    let stamp = world.path("var/lib/ezmail/state.json");
    let own = fs::read_to_string(&stamp).unwrap();
    fs::write(&stamp, "{\"format\": 7, \"version\": \"9.9.9\"}").unwrap();
    let before = world.inodes();
    let done = world.apply(&good("small"));
    assert_eq!(done.status.code(), Some(1));
    assert_eq!(world.inodes(), before);
    insta::assert_snapshot!(done.stderr());
    fs::write(&stamp, own).unwrap();

    // as the first version of the schema was
    let path = world.path("var/lib/ezmail/mail.sqlite");
    let db = rusqlite::Connection::open(&path).unwrap();
    db.execute_batch(
        "DROP TABLE renamed; DROP TRIGGER renamed_added; DROP TRIGGER renamed_taken;
         DROP TABLE dkim_key; ALTER TABLE user DROP COLUMN display_name;
         UPDATE meta SET value = '1' WHERE key = 'schema_version';",
    )
    .unwrap();
    drop(db);
    let preview = world.run(&good("small"), &["--dry-run"]).stdout();
    assert!(
        preview.contains("database: schema 1 becomes 4; "),
        "{preview}"
    );
    let done = world.apply(&good("small"));
    assert!(done.status.success(), "{}", done.text());
    assert!(
        done.stdout().contains("schema 1 becomes 4; "),
        "{}",
        done.text()
    );
    assert!(world.path("var/lib/ezmail/mail.sqlite.schema-1").exists());
    let again = world.apply(&good("small")).stdout();
    assert!(!again.contains("schema 1"), "{again}");
}

#[test]
fn odd_calls_are_explained() {
    let world = World::new();
    let root = world.path("");
    let root = root.to_str().unwrap();
    let call = |arguments: &[&str]| {
        let done = Command::new(env!("CARGO_BIN_EXE_ezmail-agent"))
            .args(arguments)
            .output();
        let done = done.unwrap();
        assert_eq!(done.status.code(), Some(1));
        String::from_utf8(done.stderr).unwrap()
    };
    insta::assert_snapshot!(call(&["apply", "--root", root]), @"ezmail-agent: with --root, name the answers file with --answers");
    insta::assert_snapshot!(call(&["apply", "--root", "/nonexistent", "--answers", "x"]), @"ezmail-agent: /nonexistent is not a folder");
    let missing = call(&["apply", "--root", root, "--answers", "/nonexistent/a.toml"]);
    insta::assert_snapshot!(missing, @"ezmail-agent: reading the answers from /nonexistent/a.toml: reading /nonexistent/a.toml: No such file or directory (os error 2)");
}

/// Without root, the files are the caller's; that is said once.
#[test]
fn an_ordinary_user_can_look_at_everything() {
    let world = World::new();
    let done = world.as_nobody(&good("small"));
    assert!(done.status.success(), "{}", done.text());
    let said = "only root can set owners: they stay those of the caller; owners are not set there";
    assert_eq!(done.stderr().matches(said).count(), 1, "{}", done.stderr());
    let key = fs::metadata(world.path("var/lib/ezmail/tls/key.pem")).unwrap();
    assert_ne!(key.uid(), 0);
    assert_eq!(key.mode() & 0o777, 0o600);
}
