//! The repository as pacman reads it, and the proofs about single packages.

use std::{fs, path::Path, process::Command};

use ezmail::host::{
    pacman::{Section, conf},
    repo,
};

use crate::built::{out, run};

/// pacman with our repository alone, and a database of its own.
struct Pacman(tempfile::TempDir);

impl Pacman {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let section = Section::local(repo::NAME, &out().join("repo")).unwrap();
        fs::write(dir.path().join("pacman.conf"), conf(&[section])).unwrap();
        let this = Self(dir);
        this.run(&["-Sy"]);
        this.run(&["-Fy"]);
        this
    }

    fn run(&self, words: &[&str]) -> String {
        let dir = self.0.path();
        let mut command = Command::new("pacman");
        command.arg("--root").arg(dir).arg("--dbpath").arg(dir);
        command
            .arg("--config")
            .arg(dir.join("pacman.conf"))
            .args(["--logfile", "/dev/null"]);
        run(command.args(words))
    }
}

#[test]
fn pacman_reads_our_repository() {
    let pacman = Pacman::new();
    let list = pacman.run(&["-Sl", "ezmail"]);
    let names: Vec<&str> = list.lines().filter_map(|l| l.split(' ').nth(1)).collect();
    assert_eq!(
        names,
        [
            "encpipe",
            "ezmail",
            "knot-resolver",
            "libressl-static",
            "opensmtpd",
            "opensmtpd-table-sqlite",
            "rspamd",
        ]
    );
    let info = pacman.run(&["-Si", "opensmtpd-table-sqlite"]);
    for wanted in [
        "Provides        : opensmtpd-extras",
        "Validated By    : SHA-256 Sum",
    ] {
        assert!(info.contains(wanted), "no '{wanted}' in\n{info}");
    }
    let files = pacman.run(&["-Fl", "opensmtpd"]);
    for path in [
        "usr/bin/smtpd",
        "usr/bin/smtpctl",
        "usr/lib/systemd/system/smtpd.service",
    ] {
        assert!(
            files.lines().any(|l| l == format!("opensmtpd {path}")),
            "{path}"
        );
    }
}

/// Unpacks the package of ours whose file name begins with `name-` and a digit.
fn unpack(name: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let file = fs::read_dir(out().join("repo"))
        .unwrap()
        .map(|e| e.unwrap().path())
        .find(|p| {
            let file = p.file_name().unwrap().to_string_lossy().into_owned();
            file.ends_with(".pkg.tar.zst")
                && file
                    .strip_prefix(&format!("{name}-"))
                    .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        })
        .unwrap_or_else(|| panic!("no package {name}"));
    run(Command::new("bsdtar")
        .arg("-xf")
        .arg(file)
        .arg("-C")
        .arg(dir.path()));
    dir
}

fn needed(program: &Path) -> Vec<String> {
    run(Command::new("readelf").arg("-d").arg(program))
        .lines()
        .filter(|l| l.contains("(NEEDED)"))
        .filter_map(|l| l.split(['[', ']']).nth(1).map(str::to_owned))
        .collect()
}

#[test]
fn smtpd_has_libressl_inside_and_no_other_tls() {
    let dir = unpack("opensmtpd");
    let smtpd = dir.path().join("usr/bin/smtpd");
    let bytes = fs::read(&smtpd).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.contains("LibreSSL "), "smtpd does not name LibreSSL");
    let needed = needed(&smtpd);
    assert!(
        needed.iter().any(|n| n.starts_with("libsodium.so")),
        "{needed:?}"
    );
    for library in ["libssl.", "libcrypto.", "libtls."] {
        assert!(!needed.iter().any(|n| n.starts_with(library)), "{needed:?}");
    }
}

#[test]
fn the_queue_group_may_submit_and_nothing_is_setuid() {
    use std::os::unix::fs::PermissionsExt;
    let dir = unpack("opensmtpd");
    let mode = |p: &str| {
        fs::metadata(dir.path().join(p))
            .unwrap()
            .permissions()
            .mode()
            & 0o7777
    };
    assert_eq!(mode("usr/bin/smtpctl"), 0o2555);
    for entry in walkdir::WalkDir::new(dir.path()) {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert!(
            mode & 0o4000 == 0 || entry.path_is_symlink(),
            "{}",
            entry.path().display()
        );
    }
}
