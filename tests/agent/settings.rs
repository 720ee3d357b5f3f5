//! The server's settings: time zone, console, certificate; and what is refused.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
};

use ezmail::mail::certificate;

use crate::world::{self, SHADOW, World};

/// `small` with more at its end.
fn small(more: &str) -> String {
    world::text("small") + more
}

fn top(line: &str) -> String {
    format!("{line}\n{}", world::text("small"))
}

#[track_caller]
fn apply(world: &World, text: &str) -> String {
    let done = world.apply(&world.answers("a.toml", text));
    assert!(done.status.success(), "{}", done.text());
    done.text()
}

#[test]
fn the_time_zone_is_a_link() {
    let world = World::new();
    let link = || fs::read_link(world.path("etc/localtime")).unwrap();
    let utc = "../usr/share/zoneinfo/UTC";
    let berlin = "../usr/share/zoneinfo/Europe/Berlin";
    fs::write(world.path("etc/localtime"), "a file").unwrap();
    apply(&world, &small(""));
    assert_eq!(link().to_str(), Some(utc));
    let said = apply(&world, &top("timezone = \"Europe/Berlin\""));
    assert!(
        said.contains(&format!("/etc/localtime leads to {berlin}")),
        "{said}"
    );
    assert_eq!(link().to_str(), Some(berlin));
    let inode = || {
        fs::symlink_metadata(world.path("etc/localtime"))
            .unwrap()
            .ino()
    };
    let before = inode();
    apply(&world, &top("timezone = \"Europe/Berlin\""));
    assert_eq!(inode(), before);

    // a right name that this image does not have
    let files = world.inodes();
    let tokyo = world.answers("a.toml", &top("timezone = \"Asia/Tokyo\""));
    let done = world.apply(&tokyo);
    assert_eq!(done.status.code(), Some(1));
    assert_eq!(world.inodes(), files);
    insta::assert_snapshot!(done.stderr(), @r"
    ezmail-agent: the new answers are refused, for what is said below: the server goes on with the answers that it has
    ezmail-agent: the server goes on with the answers that it has: step 'timezone' (the server's time): this image does not know the time zone Asia/Tokyo: there is no /usr/share/zoneinfo/Asia/Tokyo; name another one of the same place
    ");
    apply(&world, &small(""));
    assert_eq!(link().to_str(), Some(utc));
}

#[test]
fn the_console_has_the_password_of_the_answers_or_none() {
    let world = World::new();
    apply(&world, &small(""));
    assert_eq!(world.read("etc/shadow"), SHADOW);

    // the mode of the stand-in's file, whoever may read it there
    let path = world.path("etc/shadow");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let plain = small("[console]\npassword = \"rain under wood stapler\"\n");
    let said = apply(&world, &plain);
    assert!(
        said.contains("root's password at the console is set"),
        "{said}"
    );
    let shadow = world.read("etc/shadow");
    let hash = shadow
        .strip_prefix("root:")
        .unwrap()
        .split(':')
        .next()
        .unwrap();
    assert!(ezmail::mail::crypt::verify("rain under wood stapler", hash));
    assert!(!said.contains(hash) && !said.contains("stapler"), "{said}");
    assert_eq!(shadow.replace(hash, "!*"), SHADOW);
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o640);

    let before = world.inodes();
    apply(&world, &plain);
    assert_eq!(world.inodes(), before);

    let given = "$6$HtKaUpKsz7K46esg$PelHGjdG64DEDj/aKG2iHycySGwAprllEB6/kpkdAONRh34LOH/HjsYsSXOBeRX208JbiMwfEUta4Hq9VOO340";
    let hashed = small(&format!("[console]\npassword_hash = \"{given}\"\n"));
    let preview = world.run(&world.answers("a.toml", &hashed), &["--dry-run"]);
    let shown = preview.stdout();
    assert!(
        shown.contains("root's password at the console is set\n"),
        "{shown}"
    );
    assert!(!shown.contains("$6$"), "{shown}");
    apply(&world, &hashed);
    assert_eq!(
        world.read("etc/shadow"),
        SHADOW.replace("root:!*", &format!("root:{given}"))
    );

    let said = apply(&world, &small(""));
    assert!(said.contains("root has no password any more"), "{said}");
    assert_eq!(world.read("etc/shadow"), SHADOW);
}

#[test]
fn a_console_password_without_a_place_for_it_changes_nothing() {
    let world = World::new();
    apply(&world, &small(""));
    fs::write(world.path("etc/shadow"), "smtpd:!*:1::::::\n").unwrap();
    let before = world.inodes();
    let text = small("[console]\npassword = \"rain under wood stapler\"\n");
    let done = world.apply(&world.answers("a.toml", &text));
    assert_eq!(done.status.code(), Some(1));
    assert_eq!(world.inodes(), before);
    let folder = world.path("").display().to_string();
    let said = done.stderr().replace(&folder, "[root]/");
    assert!(
        said.contains("etc/shadow: there is no line for root"),
        "{said}"
    );
}

#[test]
fn the_certificate_of_the_answers_comes_and_goes() {
    let world = World::new();
    let (cert, key) = ("var/lib/ezmail/tls/cert.pem", "var/lib/ezmail/tls/key.pem");
    apply(&world, &small(""));
    let first = (world.read(cert), world.read(key));

    let host = world::text("small").replace("Mail.Example.ORG", "mx1.example.net");
    let files = "[tls]\ncertificate_file = \"fullchain.pem\"\nkey_file = \"privkey.pem\"\n";
    let given = host.clone() + files;
    let said = apply(&world, &given);
    let chain = fs::read_to_string(world::good("x").with_file_name("fullchain.pem")).unwrap();
    assert_eq!(world.read(cert), chain);
    let pem = world.read(key);
    assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----\n") && pem != first.1);
    assert!(
        said.contains("/var/lib/ezmail/tls/cert.pem changed"),
        "{said}"
    );
    assert_eq!(fs::metadata(world.path(key)).unwrap().mode() & 0o777, 0o600);
    let before = world.inodes();
    apply(&world, &given);
    assert_eq!(world.inodes(), before);

    apply(&world, &host);
    let last = (world.read(cert), world.read(key));
    assert!(last.0 != chain && last.1 != pem && last.0 != first.0);
    let before = world.inodes();
    apply(&world, &host);
    assert_eq!(world.inodes(), before);
}

/// What mailctl, or a person, installed after the answers had their say.
#[test]
fn another_certificate_after_that_of_the_answers_stays() {
    let world = World::new();
    let host = world::text("small").replace("Mail.Example.ORG", "mx1.example.net");
    let files = "[tls]\ncertificate_file = \"fullchain.pem\"\nkey_file = \"privkey.pem\"\n";
    apply(&world, &(host.clone() + files));
    let path = world.path("var/lib/ezmail/tls/cert.pem");
    fs::write(&path, "from an authority").unwrap();
    apply(&world, &host);
    assert_eq!(fs::read_to_string(&path).unwrap(), "from an authority");
}

/// Lays a certificate ready, as mailctl does; it is for `host`.
fn lay_ready(world: &World, host: &str, mark: &str) -> [String; 2] {
    let names = [host.to_owned()].into();
    let made = certificate::self_signed(&host.parse().unwrap(), &names, None).unwrap();
    let folder = world.path("var/lib/ezmail/tls/next");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("cert.pem"), &made.certificate).unwrap();
    fs::write(folder.join("key.pem"), made.key.expose()).unwrap();
    fs::write(folder.join("mark"), mark).unwrap();
    [made.certificate, made.key.expose().to_owned()]
}

/// One that an authority has issued, and those that it replaces.
#[test]
fn a_certificate_that_lies_ready_is_put_in_place() {
    let world = World::new();
    let answers = small("");
    apply(&world, &answers);
    let tls = |name: &str| format!("var/lib/ezmail/tls/{name}");
    let place = || [world.read(&tls("cert.pem")), world.read(&tls("key.pem"))];
    let old = || match fs::read_dir(world.path(&tls("old"))) {
        Ok(entries) => entries.count(),
        Err(_) => 0,
    };

    // the one that was made here is worth nothing
    let first = lay_ready(&world, "mail.example.org", "first mark");
    apply(&world, &answers);
    assert_eq!(place(), first);
    assert_eq!(world.read(&tls("self-signed")), "first mark");
    assert!(!world.path(&tls("next")).exists());
    assert_eq!(old(), 0);
    let before = world.inodes();
    apply(&world, &answers);
    assert_eq!(world.inodes(), before);

    // any other is kept, for a while
    let second = lay_ready(&world, "mail.example.org", "");
    apply(&world, &answers);
    assert_eq!(place(), second);
    assert_eq!(old(), 1);
    let kept = fs::read_dir(world.path(&tls("old"))).unwrap().next();
    let kept = kept.unwrap().unwrap().path();
    assert_eq!(fs::read_to_string(kept.join("cert.pem")).unwrap(), first[0]);
    assert_eq!(fs::read_to_string(kept.join("key.pem")).unwrap(), first[1]);
    let mode = fs::metadata(kept.join("key.pem")).unwrap().mode();
    assert_eq!(mode & 0o777, 0o600);
    for n in 1..=4 {
        let name = format!("2020010{n}T000000Z");
        fs::create_dir_all(world.path(&tls("old")).join(name)).unwrap();
    }
    lay_ready(&world, "mail.example.org", "");
    apply(&world, &answers);
    assert_eq!(old(), 3);
    assert!(kept.exists(), "the oldest go first");

    // a key that is another one's
    let good = place();
    lay_ready(&world, "mail.example.org", "");
    fs::write(world.path(&tls("next/key.pem")), &first[1]).unwrap();
    let said = apply(&world, &answers);
    assert!(
        said.contains("it may be removed: its key is another one's"),
        "{said}"
    );
    assert_eq!(place(), good);
}
