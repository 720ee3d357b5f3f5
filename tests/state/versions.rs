//! State of other versions: a newer one is refused, an older one is brought up to date.

use std::{fs, path::Path};

use ezmail::mail::database;
use rusqlite::Connection;

use crate::{BOOT, World, answers_with_state, assert_closed, boot, disk::Disk, wait_for};

#[test]
fn full_a_newer_state_is_refused() {
    let world = World::new("newer").unwrap();
    let stamp = br#"{"format": 99, "version": "99.0.0"}"#;
    let disk = Disk::with_state(world.folder(), &[("state.json", stamp)]);
    let answers = answers_with_state(&world, "").unwrap();
    let machine = boot(&world, &disk, Some(&answers)).unwrap();
    wait_for(
        &machine,
        r"the state was written by ezmail 99\.0\.0 \(format 99\)",
    );
    machine.shell().wait(BOOT).unwrap();
    assert_closed(&world);
    machine.kill().unwrap();
    assert_eq!(disk.read("answers/answers.toml"), None);
    assert_eq!(disk.read("state.json").unwrap().as_bytes(), stamp);
}

/// A database as the first version of the schema had it, with a user whom mailctl made.
fn first_schema(path: &Path) -> Vec<u8> {
    drop(database::open(path).unwrap());
    let db = Connection::open(path).unwrap();
    db.execute_batch(
        "DROP TABLE renamed; DROP TRIGGER renamed_added; DROP TRIGGER renamed_taken;
         DROP TABLE dkim_key; ALTER TABLE user DROP COLUMN display_name;
         UPDATE meta SET value = '1' WHERE key = 'schema_version';
         INSERT INTO domain (id, name, created) VALUES (1, 'example.org', 1);
         INSERT INTO user (local_part, domain_id, quota_bytes, created)
           VALUES ('dave', 1, 1000000000, 1);",
    )
    .unwrap();
    drop(db);
    fs::read(path).unwrap()
}

#[test]
fn full_an_older_state_is_brought_up_to_date() {
    let world = World::new("older").unwrap();
    let bytes = first_schema(&world.folder().join("old.sqlite"));
    let disk = Disk::with_state(world.folder(), &[("mail.sqlite", &bytes)]);
    let answers = answers_with_state(&world, "").unwrap();
    let machine = boot(&world, &disk, Some(&answers)).unwrap();
    machine.wait_until_up(&world).unwrap();
    let ask = |file: &str, sql: &str| {
        let script = format!("sqlite3 /var/lib/ezmail/{file} \"{sql}\"");
        machine.run(&script).unwrap()
    };
    let version = "SELECT value FROM meta WHERE key = 'schema_version'";
    assert_eq!(
        ask("mail.sqlite", version),
        format!("{}\n", database::VERSION)
    );
    assert_eq!(ask("mail.sqlite.schema-1", version), "1\n");
    let users =
        "SELECT group_concat(local_part, ' ') FROM (SELECT local_part FROM user ORDER BY 1)";
    assert_eq!(ask("mail.sqlite", users), "alice bob dave\n");
    machine.power_off().unwrap();
}
