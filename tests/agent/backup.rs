//! Backups: their secrets, their hours, and that the passphrase lies nowhere else.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use crate::world::{self, World};

const TARGET: &str = "target = \"sftp://backup@backup.example.net/srv/ezmail\"\n";
const PASSPHRASE: &str = "5f0c7a1e9d2b4f6688aa31c05e7d9b12";
const FILE: &str = "var/lib/ezmail/secrets/backup-passphrase";
const KEY: &str = "var/lib/ezmail/secrets/backup-ssh-key";

/// `small` with a `[backup]`.
fn small(more: &str) -> String {
    format!("{}\n[backup]\n{TARGET}{more}\n", world::text("small"))
}

#[track_caller]
fn apply(world: &World, text: &str) -> String {
    let done = world.apply(&world.answers("a.toml", text));
    assert!(done.status.success(), "{}", done.text());
    done.text()
}

/// The files of the state that have `text` in them.
fn files_with(world: &World, text: &str) -> Vec<String> {
    let root = world.path("");
    let mut found = Vec::new();
    for entry in walkdir::WalkDir::new(&root).sort_by_file_name() {
        let entry = entry.unwrap();
        if entry.file_type().is_file() {
            let bytes = fs::read(entry.path()).unwrap();
            if bytes
                .windows(text.len())
                .any(|part| part == text.as_bytes())
            {
                let path = entry.path().strip_prefix(&root).unwrap();
                found.push(path.display().to_string());
            }
        }
    }
    found
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn what_the_answers_do_not_give_is_made_once() {
    let world = World::new();
    let said = apply(&world, &small(""));
    let passphrase = world.read(FILE);
    assert_eq!(passphrase.trim().len(), 64, "{passphrase}");
    assert!(!said.contains(passphrase.trim()), "{said}");
    let lines = said.lines().filter(|line| line.contains(" was made"));
    let lines: Vec<_> = lines.filter(|line| !line.starts_with("ezmail: ")).collect();
    let blob = regex::Regex::new("AAAA[A-Za-z0-9+/=]+").unwrap();
    let lines = lines.join("\n");
    insta::assert_snapshot!(blob.replace_all(&lines, "AAAA[key]"), @r"
    a passphrase for the backups was made: without it, none opens. 'mailctl backup passphrase --sheet' prints it, to keep where the server is not
    an SSH key for the backups was made, and sftp://backup@backup.example.net/srv/ezmail has to let it in ('mailctl backup ssh-key' says how): ssh-ed25519 AAAA[key] ezmail-backup@mail.example.org
    ");
    let public = world.read(&format!("{KEY}.pub"));
    assert!(lines.contains(public.trim()), "{lines}");
    assert!(public.starts_with("ssh-ed25519 AAAA"), "{public}");
    assert!(
        public.ends_with(" ezmail-backup@mail.example.org\n"),
        "{public}"
    );
    let keygen = Command::new("ssh-keygen")
        .arg("-yf")
        .arg(world.path(KEY))
        .output();
    let keygen = String::from_utf8(keygen.unwrap().stdout).unwrap();
    let blob = |line: &str| line.split(' ').nth(1).unwrap().trim().to_owned();
    assert_eq!(blob(&keygen), blob(&public));
    for path in [FILE, KEY, &format!("{KEY}.pub")] {
        assert_eq!(mode(&world.path(path)), 0o600, "{path}");
    }
    let timers = ["ezmail-backup", "ezmail-drill"].map(|timer| {
        world.read(&format!(
            "etc/systemd/system/{timer}.timer.d/10-schedule.conf"
        ))
    });
    insta::assert_snapshot!(timers.concat(), @r"
    # Written by ezmail-agent: changes are lost.
    [Timer]
    OnCalendar=*-*-* 03:30:00 UTC
    # Written by ezmail-agent: changes are lost.
    [Timer]
    OnCalendar=Sun *-*-* 06:30:00 UTC
    ");

    let before = world.inodes();
    let again = apply(&world, &small(""));
    assert_eq!(world.inodes(), before);
    assert!(!again.contains("was made"), "{again}");
    // secrets outlive the [backup]: the archives are still there
    apply(&world, &world::text("small"));
    assert_eq!(world.read(FILE), passphrase);
}

#[test]
fn the_hours_are_those_of_the_time_zone() {
    let world = World::new();
    let zone = format!(
        "timezone = \"Europe/Berlin\"\n{}",
        small("schedule = \"22:05\"")
    );
    apply(&world, &zone);
    let timer = |name: &str| {
        world.read(&format!(
            "etc/systemd/system/{name}.timer.d/10-schedule.conf"
        ))
    };
    assert!(timer("ezmail-backup").contains("\nOnCalendar=*-*-* 22:05:00 Europe/Berlin\n"));
    assert!(timer("ezmail-drill").contains("\nOnCalendar=Mon *-*-* 01:05:00 Europe/Berlin\n"));
}

/// Everything on the state volume but `secrets` is in backups.
#[test]
fn the_passphrase_lies_in_its_file_alone() {
    let world = World::new();
    let given = small(&format!("passphrase = \"{PASSPHRASE}\""));
    apply(&world, &given);
    assert_eq!(files_with(&world, PASSPHRASE), [FILE]);
    // the same answers are the same, and what is kept of them applies by itself
    let before = world.inodes();
    let said = apply(&world, &given);
    assert_eq!(world.inodes(), before);
    assert!(!said.contains("the answers have changed"), "{said}");
    let kept = world.read("var/lib/ezmail/answers/answers.toml");
    assert!(
        kept.contains("passphrase_file = \"backup-passphrase."),
        "{kept}"
    );
}

#[test]
fn one_that_is_replaced_stays_beside_it() {
    let world = World::new();
    let other = "00ff7a1e9d2b4f6688aa31c05e7d9b12";
    apply(&world, &small(&format!("passphrase = \"{PASSPHRASE}\"")));
    let said = apply(&world, &small(&format!("passphrase = \"{other}\"")));
    assert!(
        said.contains("the passphrase of the backups changes: "),
        "{said}"
    );
    assert!(
        said.contains("only passwords, hashes or keys differ") || said.contains("-passphrase_file"),
        "{said}"
    );
    assert!(
        !said.contains(PASSPHRASE) && !said.contains(other),
        "{said}"
    );
    assert_eq!(world.read(FILE).trim(), other);
    let before = files_with(&world, PASSPHRASE);
    assert_eq!(before.len(), 1, "{before:?}");
    assert!(
        before[0].starts_with(&format!("{FILE}.before-")),
        "{before:?}"
    );
    assert_eq!(mode(&world.path(&before[0])), 0o600);
    // without one in the answers, it goes on with what it has
    apply(&world, &small(""));
    assert_eq!(world.read(FILE).trim(), other);
}

/// Version 0.1.0 kept the passphrase with the answers.
#[test]
fn what_an_earlier_version_kept_is_brought_to_the_new_form() {
    let world = World::new();
    apply(&world, &small(&format!("passphrase = \"{PASSPHRASE}\"")));
    let folder = world.path("var/lib/ezmail/answers");
    let text = fs::read_to_string(folder.join("answers.toml")).unwrap();
    let inline = regex::Regex::new("passphrase_file = .*").unwrap();
    let old = inline.replace(&text, format!("passphrase = \"{PASSPHRASE}\""));
    for name in ["answers.toml", "found.toml"] {
        fs::write(folder.join(name), old.as_ref()).unwrap();
    }
    fs::remove_file(world.path(FILE)).unwrap();
    let done = world.run_kept();
    assert!(done.status.success(), "{}", done.text());
    assert_eq!(files_with(&world, PASSPHRASE), [FILE]);
    assert_eq!(
        fs::read_to_string(folder.join("answers.toml")).unwrap(),
        text
    );
    assert_eq!(fs::read_to_string(folder.join("found.toml")).unwrap(), text);
}

#[test]
fn a_lost_passphrase_is_told() {
    let world = World::new();
    apply(&world, &small(&format!("passphrase = \"{PASSPHRASE}\"")));
    fs::remove_file(world.path(FILE)).unwrap();
    let done = world.run_kept();
    assert!(done.status.success(), "{}", done.text());
    assert!(
        done.text()
            .contains("THE PASSPHRASE OF THE BACKUPS IS NOT THERE ANY MORE")
    );
    assert_eq!(world.read(FILE).trim().len(), 64);
}

#[test]
fn given_keys_are_put_in_place() {
    let world = World::new();
    apply(&world, &small("ssh_key_file = \"backup_ed25519\""));
    let given = fs::read_to_string(world::good("x").with_file_name("backup_ed25519")).unwrap();
    assert_eq!(world.read(KEY), given);
    let public = world.read(&format!("{KEY}.pub"));
    assert!(public.starts_with("ssh-ed25519 AAAA"), "{public}");

    let world = World::new();
    let s3 = small("secret_key = \"wJalrXUtnFEMI\"")
        .replace(TARGET, "target = \"s3://AKIA7@s3.example.net/bucket\"\n");
    apply(&world, &s3);
    let file = "var/lib/ezmail/secrets/backup-secret-key";
    assert_eq!(world.read(file), "wJalrXUtnFEMI\n");
    assert_eq!(mode(&world.path(file)), 0o600);
    assert!(!world.path(KEY).exists());
}
