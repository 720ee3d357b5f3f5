//! `mailctl backup`: passphrase, SSH key, schedule; and what status and check say of backups.

use std::fs;

use ezmail::backup::report::{Report, Run};
use regex::Regex;
use serde_json::Value;

use crate::{accounts::shown, server::Server, world};

const FILE: &str = "var/lib/ezmail/secrets/backup-passphrase";
/// One that looks as if it were made by the server.
const MADE: &str = "5f0c7a1e9d2b4f6688aa31c05e7d9b120123456789abcdef00112233445566ff";

/// `small` with a `[backup]`, and the passphrase that the server has made in a known form.
fn server() -> Server {
    let server = with("");
    fs::write(server.world.path(FILE), format!("{MADE}\n")).unwrap();
    server
}

fn with(more: &str) -> Server {
    let server = Server::bare();
    let target = "sftp://backup@backup.example.net/srv/ezmail";
    let text = world::text("small") + &format!("\n[backup]\ntarget = \"{target}\"\n{more}\n");
    let done = server.world.apply(&server.world.answers("a.toml", &text));
    assert!(done.status.success(), "{}", done.text());
    server
}

fn dated(text: &str) -> String {
    let date = Regex::new(r"\d{4}-\d\d-\d\d( \d\d:\d\d)?").unwrap();
    date.replace_all(text, "DATE").into_owned()
}

#[test]
fn the_passphrase_is_shown_once() {
    let server = server();
    insta::assert_snapshot!("backup-passphrase", server.good(&["backup", "passphrase"]));
    insta::assert_snapshot!(dated(&server.bad(1, &["backup", "passphrase"])), @"mailctl: the passphrase was shown on DATE UTC, and is not shown by mistake: say --again");
    insta::assert_snapshot!(dated(&server.bad(1, &["backup", "passphrase", "--sheet"])), @"mailctl: the passphrase was shown on DATE UTC, and is not shown by mistake: say --again");
    let sheet = server.good(&["backup", "passphrase", "--sheet", "--again"]);
    insta::assert_snapshot!("backup-sheet", dated(&sheet));
    let json = server.good(&["backup", "passphrase", "--json", "--again"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["passphrase"], MADE);
    // nothing is printed by a wrong command line either
    let both = server.bad(2, &["backup", "passphrase", "--check", "--again"]);
    assert!(both.contains("cannot be used with"), "{both}");
}

#[test]
fn a_server_without_a_backup_gets_one_when_it_is_asked_for() {
    let server = Server::small();
    let json = server.good(&["backup", "passphrase", "--json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["passphrase"], server.world.read(FILE).trim());
    assert_eq!(json["target"], Value::Null);
    insta::assert_snapshot!(Server::bare().bad(1, &["backup", "passphrase"]), @"mailctl: there are no answers yet: this server was not set up; 'mailctl status' tells more");
}

#[test]
fn typed_back_it_is_compared() {
    let server = server();
    let check = |typed: &str| {
        let called = server.call_with(&["backup", "passphrase", "--check"], typed);
        assert_eq!(called.stderr, "");
        (called.status, called.stdout)
    };
    let right = (0, "This is the passphrase.\n".to_owned());
    assert_eq!(check(MADE), right);
    let lines =
        "5f0c 7a1e 9d2b 4f66\n88AA 31C0 5E7D 9B12\n0123 4567 89ab cdef\n0011 2233 4455 66ff\n";
    assert_eq!(check(lines), right);
    let wrong = lines.replace("89ab", "89ba");
    insta::assert_snapshot!(format!("{:?}", check(&wrong)), @"(3, \"This is NOT the passphrase: line 3 is not right.\\n\")");
    insta::assert_snapshot!(format!("{:?}", check("something else")), @"(3, \"This is NOT the passphrase.\\n\")");
    let json = server.call_with(&["backup", "passphrase", "--check", "--json"], &wrong);
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["wrong_lines"], serde_json::json!([3]));
    // looking is not showing
    server.good(&["backup", "passphrase"]);

    fs::write(
        server
            .world
            .path(&format!("{FILE}.before-20260101T000000Z")),
        "the one before it\n",
    )
    .unwrap();
    insta::assert_snapshot!(format!("{:?}", check("the one before it")), @"(3, \"This is the passphrase of before: older backups open with it, the newest ones do not.\\n\")");
    let bare = Server::small();
    let called = bare.call_with(&["backup", "passphrase", "--check"], MADE);
    insta::assert_snapshot!(called.stderr, @"mailctl: there is no passphrase yet: 'mailctl backup passphrase' makes one");
    assert_eq!(called.status, 1);
}

#[test]
fn the_ssh_key_says_where_it_goes() {
    let server = server();
    let blob = Regex::new("AAAA[A-Za-z0-9+/=]+").unwrap();
    let text = server.good(&["backup", "ssh-key"]);
    insta::assert_snapshot!(blob.replace_all(&text, "AAAA[key]"), @r#"
    ssh-ed25519 AAAA[key] ezmail-backup@mail.example.org

    Put this line into the file .ssh/authorized_keys of the user backup on the
    machine that sftp://backup@backup.example.net/srv/ezmail
    is on. With 'restrict,command="internal-sftp" ' before it, the key opens SFTP and
    nothing else.

    This key is lost with the server. For that day, let a second one in there now, and keep
    its private half with the recovery sheet: ssh-keygen -t ed25519 -N '' -f backup_ed25519
    "#);
    let json = server.good(&["backup", "ssh-key", "--json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert!(text.starts_with(json["key"].as_str().unwrap()));
    insta::assert_snapshot!(Server::small().bad(1, &["backup", "ssh-key"]), @"mailctl: the answers have no [backup], so there is no key yet");
}

#[test]
fn the_schedule_is_shown_and_changed() {
    let server = server();
    let next = Regex::new(r"in \d+ \w+").unwrap();
    let text = dated(&server.good(&["backup", "schedule"]));
    insta::assert_snapshot!(next.replace_all(&text, "in TIME"), @r"
    Backups   every day at 03:30 (UTC)
    To        sftp://backup@backup.example.net/srv/ezmail
    Next      DATE UTC, in TIME; one is due
    Last      none yet
    Drill     none yet
    ");
    insta::assert_snapshot!(server.good(&["backup", "schedule", "22:15"]), @"every day at 22:15");
    insta::assert_snapshot!(server.good(&["backup", "schedule", "22:15"]), @"every day at 22:15, as before");
    let timer = "etc/systemd/system/ezmail-backup.timer.d/10-schedule.conf";
    assert!(server.world.read(timer).contains("22:15:00 UTC"));
    let kept = server.world.read("var/lib/ezmail/answers/answers.toml");
    assert!(
        kept.contains("schedule = \"22:15\"") && !kept.contains(MADE),
        "{kept}"
    );
    assert_eq!(server.world.read(FILE).trim(), MADE);
    insta::assert_snapshot!(server.good(&["backup", "schedule", "off"]), @"never by itself");
    let json = server.good(&["backup", "schedule", "--json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&json["schedule"], &json["next"]),
        (&"never".into(), &Value::Null)
    );
    insta::assert_snapshot!(server.bad(2, &["backup", "schedule", "sometimes"]), @r"
    error: invalid value 'sometimes' for '[WHEN]': say hourly, daily, weekly, off, or an hour such as 22:15

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(Server::small().bad(1, &["backup", "schedule"]), @"mailctl: the answers have no [backup], which says where to: 'mailctl answers export' writes them, 'ezmail-agent apply --answers FILE' takes them with a [backup] in them");
}

/// A passphrase that the answers gave stays when something else of them is changed.
#[test]
fn a_given_passphrase_outlives_another_schedule() {
    let given = "0f0c7a1e9d2b4f6688aa31c05e7d9b12";
    let server = with(&format!("passphrase = \"{given}\""));
    server.good(&["backup", "schedule", "weekly"]);
    assert_eq!(server.world.read(FILE).trim(), given);
    let secrets = fs::read_dir(server.world.path("var/lib/ezmail/secrets")).unwrap();
    let before = secrets.filter(|e| {
        e.as_ref()
            .unwrap()
            .file_name()
            .to_string_lossy()
            .contains(".before-")
    });
    assert_eq!(before.count(), 0);
    // and an export has it, so that a new server opens the backups of this one
    let export = server.call(&["answers", "export", "--output", "-"]);
    assert!(
        export.stdout.contains(&format!("passphrase = \"{given}\"")),
        "{}",
        export.stdout
    );
}

#[test]
fn an_export_has_the_passphrase_that_the_server_made() {
    let export = server().call(&["answers", "export", "--output", "-"]);
    assert!(
        export.stdout.contains(&format!("passphrase = \"{MADE}\"")),
        "{}",
        export.stdout
    );
}

#[test]
fn status_and_check_tell() {
    let server = server();
    let status = |server: &Server| {
        let text = server.good(&["status"]);
        let line = text.lines().find(|l| l.starts_with("Backup "));
        line.unwrap().to_owned()
    };
    insta::assert_snapshot!(status(&server), @"Backup       NONE YET");
    let check = server.call(&["check", "backup"]);
    assert_eq!(check.status, 3);
    insta::assert_snapshot!("backup-check", check.stdout);

    server.good(&["backup", "passphrase"]);
    let state = server.world.path("var/lib/ezmail");
    let now = jiff::Timestamp::now().as_second();
    Report::update(&state, |report| {
        let run = Run {
            begun: now - 3 * 3600,
            ended: now,
            id: Some("mail.example.org_20261124T033000Z".parse().unwrap()),
            place: "sftp://backup@backup.example.net/srv/ezmail".to_owned(),
            files: 12,
            bytes: 3 << 30,
            written: 5 << 20,
            error: None,
        };
        report.good = Some(run.clone());
        report.last = Some(run);
    })
    .unwrap();
    insta::assert_snapshot!(status(&server), @"Backup       newest 3 hours old, 3.0 GiB; NEVER DRILLED");
    let check = server.call(&["check", "backup"]);
    insta::assert_snapshot!("backup-check-made", check.stdout);
}

#[test]
fn the_help_has_examples() {
    let server = Server::bare();
    for (name, words) in [
        ("backup-passphrase-help", "passphrase"),
        ("backup-ssh-key-help", "ssh-key"),
        ("backup-schedule-help", "schedule"),
    ] {
        let help = server.call(&["backup", words, "--help"]);
        insta::assert_snapshot!(name, shown(&help));
    }
}
