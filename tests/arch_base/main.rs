//! The `arch` base against a mirror on loopback that is signed by throw-away keys.

#![expect(clippy::unwrap_used, reason = "tests and their helpers")]

mod keys;
mod server;
mod world;

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use anyhow::Result;
use ezmail::host::{
    base::{
        arch::{self, Answer, Config, Prepared},
        lock::{self, Mode},
    },
    pacman::{self, Pacman},
};
use world::{World, there};

/// The same `Pacman` that a build makes of a base.
fn pacman(world: &World, prepared: &Prepared) -> Pacman {
    Pacman {
        sections: prepared.sections.clone(),
        cache_dir: world.path("packages"),
        gpg_dir: Some(prepared.gpg_dir.clone()),
    }
}

fn prepare(world: &World, config: &Config) -> Result<Prepared> {
    arch::prepare(config, &world.path("cache"), &world.path("log"))
}

/// Installs `hello` into an empty root, from the mirrors up.
fn install(world: &World, config: &Config) -> Result<PathBuf> {
    let prepared = prepare(world, config)?;
    let root = world.path("root");
    std::fs::create_dir_all(&root)?;
    pacman(world, &prepared).install(&root, &["hello".to_owned()], &world.path("log"))?;
    Ok(root)
}

fn text(error: &anyhow::Error) -> String {
    format!("{error:#}")
}

fn hello(world: &World) -> PathBuf {
    world.repository("extra").join("hello-2-1-any.pkg.tar.zst")
}

#[test]
fn signed_packages_are_installed() {
    let world = World::new();
    let server = world.serve();
    let config = world.config(&[server.url("")]);
    let root = install(&world, &config).unwrap();
    assert!(there(&root, "usr/share/hello/version"));
    let installed = pacman::query(&root).unwrap();
    let pair = |n: &str, v: &str| (n.to_owned(), v.to_owned());
    assert_eq!(installed, [pair("base-files", "1-1"), pair("hello", "2-1")]);
    // the keyring is found again, and has no secret in it
    let prepared = prepare(&world, &config).unwrap();
    let mut names: Vec<String> = std::fs::read_dir(&prepared.gpg_dir)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert!(names.contains(&"pubring.gpg".to_owned()), "{names:?}");
    assert!(
        !names
            .iter()
            .any(|n| n.starts_with("private") || n.starts_with("sec"))
    );
    let mode = prepared.gpg_dir.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let made = std::fs::read_to_string(world.path("log")).unwrap();
    assert_eq!(made.matches("--init").count(), 1, "{made}");
}

#[test]
fn a_bad_signature_is_refused() {
    let world = World::new();
    let server = world.serve();
    // signed by the right key, but for other bytes
    let other = world
        .repository("core")
        .join("base-files-1-1-any.pkg.tar.zst.sig");
    std::fs::copy(other, hello(&world).with_extension("zst.sig")).unwrap();
    let error = install(&world, &world.config(&[server.url("")])).unwrap_err();
    assert!(
        text(&error).contains("invalid or corrupted package (PGP signature)"),
        "{error:#}"
    );
    assert!(!there(&world.path("root"), "usr/share/hello"));
}

#[test]
fn a_missing_signature_is_refused() {
    let world = World::new();
    let server = world.serve();
    std::fs::remove_file(hello(&world).with_extension("zst.sig")).unwrap();
    let error = install(&world, &world.config(&[server.url("")])).unwrap_err();
    assert!(
        text(&error).contains("hello-2-1-any.pkg.tar.zst.sig"),
        "{error:#}"
    );
    assert!(!there(&world.path("root"), "usr/share/hello"));
}

#[test]
fn an_unknown_signer_is_refused() {
    let world = World::new();
    let server = world.serve();
    let stranger = world.keys.generate("stranger");
    world.keys.sign(&hello(&world), &stranger);
    let error = install(&world, &world.config(&[server.url("")])).unwrap_err();
    assert!(
        text(&error).contains("required key missing from keyring"),
        "{error:#}"
    );
    assert!(!there(&world.path("root"), "usr/share/hello"));
}

#[test]
fn a_signer_whom_too_few_masters_vouch_for_is_refused() {
    let world = World::new();
    let server = world.serve();
    let newcomer = world.keys.generate("newcomer");
    world.keys.certify(&newcomer, &world.masters[..2]);
    let mut keyring = world.keyring();
    keyring.packagers.push(newcomer.clone());
    world.keyring_package(&keyring, "20261102-1", &world.packager);
    world.keys.sign(&hello(&world), &newcomer);
    let config = world.config(&[server.url("")]);
    let error = install(&world, &config).unwrap_err();
    assert!(text(&error).contains("marginal trust"), "{error:#}");
    // the third one makes the difference
    world.keys.certify(&newcomer, &world.masters[2..]);
    world.keyring_package(&keyring, "20261103-1", &world.packager);
    install(&world, &config).unwrap();
}

#[test]
fn a_dead_mirror_is_passed_over() {
    let world = World::new();
    let server = world.serve();
    let config = world.config(&[server::dead(), server.url("/nothing/here"), server.url("")]);
    let good = format!("{}/$repo/os/$arch", server.url(""));
    assert_eq!(
        arch::answers(&config).unwrap(),
        Answer::Mirror(good.clone())
    );
    let root = install(&world, &config).unwrap();
    assert!(there(&root, "usr/share/hello/version"));
    assert_eq!(prepare(&world, &config).unwrap().mirror, good);
}

#[test]
fn a_day_of_the_archive_is_asked_for_by_its_path() {
    let world = World::new();
    let server = server::Server::start(&world.path("mirror"), "/repos/2026/11/01");
    let config = Config {
        archive: server.url("/"),
        archive_date: Some("2026/11/01".parse().unwrap()),
        ..world.config(&[server::dead()])
    };
    install(&world, &config).unwrap();
    let asked = server.asked();
    assert!(
        asked.iter().all(|p| p.starts_with("/repos/2026/11/01/")),
        "{asked:?}"
    );
    for path in [
        "core/os/x86_64/core.db",
        "extra/os/x86_64/hello-2-1-any.pkg.tar.zst.sig",
    ] {
        let path = format!("/repos/2026/11/01/{path}");
        assert!(asked.contains(&path), "{path} is not in {asked:?}");
    }
}

#[test]
fn an_old_keyring_takes_a_new_packager_whom_its_masters_vouch_for() {
    let world = World::new();
    let server = world.serve();
    let newcomer = world.keys.generate("newcomer");
    world.keys.certify(&newcomer, &world.masters);
    let mut keyring = world.keyring();
    keyring.packagers.push(newcomer.clone());
    world.keyring_package(&keyring, "20261102-1", &newcomer);
    for path in [
        hello(&world),
        world
            .repository("core")
            .join("base-files-1-1-any.pkg.tar.zst"),
    ] {
        world.keys.sign(&path, &newcomer);
    }
    let root = install(&world, &world.config(&[server.url("")])).unwrap();
    assert!(there(&root, "usr/share/hello/version"));
}

#[test]
fn a_keyring_of_other_masters_is_refused_with_the_way_out() {
    let world = World::new();
    let server = world.serve();
    let masters: Vec<String> = (1..=3)
        .map(|n| world.keys.generate(&format!("false master {n}")))
        .collect();
    let packager = world.keys.generate("false packager");
    world.keys.certify(&packager, &masters);
    let mut keyring = world.keyring();
    keyring.masters.extend(masters);
    keyring.packagers.push(packager.clone());
    world.keyring_package(&keyring, "20261102-1", &packager);
    let config = world.config(&[server.url("")]);
    let error = prepare(&world, &config).unwrap_err();
    let said = world.plain(&text(&error)).replace(&packager, "STRANGER");
    insta::assert_snapshot!(said);
    // nothing is left that a second try would take for good
    let again = prepare(&world, &config).unwrap_err();
    assert_eq!(text(&error), text(&again));
}

#[test]
fn a_keyring_signed_by_a_revoked_key_is_refused() {
    let world = World::new();
    let server = world.serve();
    let mut keyring = world.keyring();
    keyring.revoked.push(world.packager.clone());
    world.host(&keyring);
    let error = prepare(&world, &world.config(&[server.url("")])).unwrap_err();
    insta::assert_snapshot!(world.plain(&text(&error)).lines().next().unwrap());
}

#[test]
fn a_keyring_package_with_a_wrong_signature_is_refused_until_it_has_the_right_one() {
    let world = World::new();
    let server = world.serve();
    let core = world.repository("core");
    let package = core.join("archlinux-keyring-20261101-1-any.pkg.tar.zst");
    let signature = package.with_extension("zst.sig");
    std::fs::copy(core.join("base-files-1-1-any.pkg.tar.zst.sig"), &signature).unwrap();
    let config = world.config(&[server.url("")]);
    let error = prepare(&world, &config).unwrap_err();
    insta::assert_snapshot!(world.plain(&text(&error)).lines().next().unwrap());
    std::fs::write(&signature, "").unwrap();
    let error = prepare(&world, &config).unwrap_err();
    insta::assert_snapshot!(world.plain(&text(&error)).lines().next().unwrap());
    world.keys.sign(&package, &world.packager);
    prepare(&world, &config).unwrap();
}

#[test]
fn a_keyring_package_that_is_not_what_the_database_says_is_refused() {
    let world = World::new();
    let server = world.serve();
    let path = world
        .repository("core")
        .join("archlinux-keyring-20261101-1-any.pkg.tar.zst");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.push(0);
    std::fs::write(&path, bytes).unwrap();
    let error = prepare(&world, &world.config(&[server.url("")])).unwrap_err();
    assert!(text(&error).contains("but the database says"), "{error:#}");
}

#[test]
fn expired_masters_are_renewed_by_the_package() {
    let world = World::new();
    let server = world.serve();
    // what the host has of them ends in a second from now; the mirror has a later word
    for master in &world.masters {
        world.keys.expire(master, "seconds=1");
    }
    world.host(&world.keyring());
    std::thread::sleep(std::time::Duration::from_secs(2));
    let config = world.config(&[server.url("")]);
    world.keyring_package(&world.keyring(), "20261102-1", &world.packager);
    let error = prepare(&world, &config).unwrap_err();
    assert!(text(&error).contains("do not vouch"), "{error:#}");
    for master in &world.masters {
        world.keys.expire(master, "never");
    }
    world.keyring_package(&world.keyring(), "20261103-1", &world.packager);
    prepare(&world, &config).unwrap();
}

#[test]
fn a_host_without_a_keyring_says_so() {
    let config = Config {
        keyrings: vec!["/nonexistent/a".into(), "/nonexistent/b".into()],
        mirrors: vec![format!("{}/$repo", server::dead())],
        ..Config::default()
    };
    let error = arch::prepare(
        &config,
        Path::new("/nonexistent"),
        Path::new("/nonexistent"),
    );
    insta::assert_snapshot!(text(&error.unwrap_err()));
}

#[test]
fn with_no_mirror_auto_takes_the_standin_and_says_why() {
    let world = World::new();
    let server = world.serve();
    let dead = server::dead();
    let config = world.config(&[dead.clone(), server.url("/nothing")]);
    let answer = arch::answers(&config).unwrap();
    let plain = |text: String| {
        let text = text
            .replace(&server.url(""), "http://HERE")
            .replace(&dead, "http://DEAD");
        let port = dead.rsplit(':').next().unwrap().to_owned();
        let mut words: Vec<String> = text.split(' ').map(|w| w.replace(&port, "PORT")).collect();
        if let Some(n) = words.iter().position(|w| w == "after") {
            words[n + 1] = "N".into();
        }
        words.join(" ")
    };
    insta::assert_snapshot!(plain(answer.to_string()));
    let error = prepare(&world, &config).unwrap_err();
    insta::assert_snapshot!(plain(text(&error)));
}

#[test]
fn the_lock_holds_the_versions() {
    let world = World::new();
    let server = world.serve();
    let config = world.config(&[server.url("")]);
    let prepared = prepare(&world, &config).unwrap();
    let log = world.path("log");
    let resolve = |prepared: &Prepared| {
        let pacman = pacman(&world, prepared);
        arch::resolve(
            prepared,
            &pacman,
            &["hello".to_owned()],
            &world.path("cache"),
            &log,
        )
    };
    let first = resolve(&prepared).unwrap();
    let found: Vec<&str> = first.packages.iter().map(|p| p.file.as_str()).collect();
    assert_eq!(
        found,
        [
            "base-files-1-1-any.pkg.tar.zst",
            "hello-2-1-any.pkg.tar.zst"
        ]
    );
    let path = world.path(lock::FILE);
    let none: [String; 0] = [];
    assert_eq!(
        lock::hold(&path, "image", &first, Mode::Renew).unwrap(),
        none
    );
    assert_eq!(
        lock::hold(&path, "image", &first, Mode::Locked).unwrap(),
        none
    );

    let root = install(&world, &config).unwrap();
    lock::check_installed(&first, &pacman::query(&root).unwrap()).unwrap();

    std::fs::remove_file(hello(&world)).unwrap();
    let newer = world.package("extra", "hello", "3-1", &["base-files"], &[]);
    world.keys.sign(&newer, &world.packager);
    world.databases();
    let second = resolve(&prepared).unwrap();
    let error = lock::hold(&path, "image", &second, Mode::Locked).unwrap_err();
    assert!(error.downcast_ref::<lock::Mismatch>().is_some());
    let said = world
        .plain(&text(&error))
        .replace(&server.url(""), "http://HERE")
        .replace(&first.date.to_string(), "TODAY");
    insta::assert_snapshot!(said);

    let changed = lock::hold(&path, "image", &second, Mode::Renew).unwrap();
    assert_eq!(changed, ["hello 2-1 is locked, 3-1 is offered"]);
    assert_eq!(
        lock::hold(&path, "image", &second, Mode::Locked).unwrap(),
        none
    );
}
