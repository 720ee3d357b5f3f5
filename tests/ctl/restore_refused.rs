//! `mailctl restore`: whatever is refused or goes wrong leaves the server as it was.

use std::{fs, os::unix::fs::MetadataExt, process::Command};

use ezmail::encpipe::{self, Key, Passphrase};

use crate::restore::{ID, PASSPHRASE, TIME, World, regex};

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
    world.backup_as("mx.example.net", &store, TIME);
    let before = world.tree();
    let called = world.call(&["--yes"]);
    assert_eq!(called.status, 1);
    insta::assert_snapshot!(called.stderr, @"mailctl: say --another-host to restore a backup of another server: This backup is of mx.example.net, and this server is mail.example.org: restore it all the same? Nobody is there to ask: say --yes; nothing was changed");
    assert_eq!(world.tree(), before);
    let called = world.call(&["--yes", "--another-host", "--module", "mail"]);
    assert_eq!(called.status, 0, "{}", called.stderr);
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
         {mailctl} --root {root} restore {store} --yes & pid=$!
         n=0; until [ -e restore/new/mail/example.org/bob ]; do n=$((n + 1)); [ $n -lt 9000000 ]; done
         kill -STOP $pid; [ -e restore/new ] || exit 9
         fallocate -l $(df --output=avail -B1 . | tail -n 1) fill || true
         cat /dev/zero 2> {away}.fill >> fill || grep -q 'No space left' {away}.fill
         kill -CONT $pid; set +e; wait $pid; status=$?; set -e
         sums > {away}.after; cmp {away}.before {away}.after || exit 7; test ! -e restore/new || exit 8
         exit $status",
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
