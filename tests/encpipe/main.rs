//! The program `encpipe`, run as a user runs it.
//!
//! Streams of our own cannot be compared with upstream's byte by byte, since every chunk has a
//! random header: upstream's streams are decrypted, ours are decrypted again.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod desk;
mod refusals;

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
};

use desk::{Desk, PASS, PROGRAM, vector};

#[test]
fn upstreams_streams_decrypt() {
    let desk = Desk::new();
    for name in ["hello", "empty"] {
        desk.write("in", &vector(&format!("{name}.encpipe")));
        let plain = vector(&format!("{name}.bin"));
        // Options long and short, files and pipes.
        desk.run(&[
            "--decrypt",
            "--passfile",
            "pass",
            "--in",
            "in",
            "--out",
            "out",
        ])
        .succeeds();
        assert_eq!(desk.read("out"), plain, "{name} to a file");
        let piped = desk.run_with(&["-dPpass", "-i-"], &vector(&format!("{name}.encpipe")));
        assert_eq!(piped.succeeds().stdout, plain, "{name} through pipes");
    }
}

#[test]
fn every_size_around_the_chunks_comes_back() {
    let desk = Desk::new();
    for (size, chunks) in [
        (0, 0),
        (1, 1),
        (8191, 1),
        (8192, 2),
        (65_535, 15),
        (65_536, 16),
        (1_048_575, 16),
        (1 << 20, 16),
        ((1 << 20) + 1, 17),
        (3 << 20, 48),
    ] {
        let plain: Vec<u8> = (0..size).map(|i: u64| ((i * 7919) >> 8) as u8).collect();
        desk.write("plain", &plain);
        desk.run(&["-e", "-P", "pass", "-i", "plain", "-o", "stream"])
            .succeeds();
        // A MiB of a file is divided into sixteen chunks; each has 40 bytes of its own, as the end has.
        assert_eq!(desk.read("stream").len(), plain.len() + 40 * (chunks + 1));
        desk.run(&["-d", "-P", "pass", "-i", "stream", "-o", "back"])
            .succeeds();
        assert!(desk.read("back") == plain, "{size} bytes came back changed");
    }
}

#[test]
fn a_passphrase_means_the_same_given_either_way() {
    let desk = Desk::new();
    desk.write("in", &vector("hello.encpipe"));
    let run = desk.run(&["-d", "-p", PASS, "-i", "in"]);
    assert_eq!(run.stdout, vector("hello.bin"));
    insta::assert_snapshot!(
        run.succeeds().stderr,
        @"encpipe: warning: -p shows the passphrase in the process list; -P FILE does not"
    );
    // From standard input, where the data come from a file.
    let run = desk.run_with(&["-d", "-P", "-", "-i", "in"], PASS.as_bytes());
    assert_eq!(run.succeeds().stdout, vector("hello.bin"));
    // A passphrase may begin with a hyphen.
    let stream = desk
        .run_with(&["-e", "-p", "-x"], b"text")
        .succeeds()
        .stdout;
    let run = desk.run_with(&["-d", "--pass=-x"], &stream);
    assert_eq!(run.succeeds().stdout, b"text");
}

#[test]
fn generated_passphrases_are_64_digits_and_serve() {
    let desk = Desk::new();
    let first = desk.run(&["-G"]).succeeds().stdout;
    let second = desk.run(&["--passgen"]).succeeds().stdout;
    assert_ne!(first, second);
    assert_eq!(first.len(), 65);
    assert!(first[..64].iter().all(u8::is_ascii_hexdigit));
    assert_eq!(first[64], b'\n');
    desk.write("key", &first);
    let stream = desk
        .run_with(&["-e", "-P", "key"], b"text")
        .succeeds()
        .stdout;
    let run = desk.run_with(&["-d", "-P", "key"], &stream);
    assert_eq!(run.succeeds().stdout, b"text");
}

#[test]
fn files_are_private_and_links_stay_links() {
    let desk = Desk::new();
    fs::create_dir(desk.path("real")).unwrap();
    desk.write("real/out", b"old");
    fs::set_permissions(desk.path("real/out"), fs::Permissions::from_mode(0o644)).unwrap();
    symlink("real/out", desk.path("out")).unwrap();
    desk.write("plain", b"text");
    desk.run(&["-e", "-P", "pass", "-i", "plain", "-o", "out"])
        .succeeds();
    assert!(fs::symlink_metadata(desk.path("out")).unwrap().is_symlink());
    desk.run(&["-d", "-P", "pass", "-i", "real/out", "-o", "back"])
        .succeeds();
    assert_eq!(desk.read("back"), b"text");
    for file in ["real/out", "back"] {
        let mode = fs::metadata(desk.path(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600, "{file}");
    }
}

#[test]
fn a_device_is_written_to_and_not_replaced() {
    use std::os::unix::fs::FileTypeExt;
    let desk = Desk::new();
    desk.run(&["-e", "-P", "pass", "-i", "pass", "-o", "/dev/null"])
        .succeeds();
    let kind = fs::metadata("/dev/null").unwrap().file_type();
    assert!(kind.is_char_device(), "/dev/null is still the device");
}

#[test]
fn memory_stays_constant() {
    // 64 MiB through both directions; the program and its libraries need less than half of
    // this address space, in KiB, and a program that gathered its input would not fit.
    const LIMIT_KIB: u32 = 32 * 1024;
    let desk = Desk::new();
    let script = format!(
        "set -e; ulimit -v {LIMIT_KIB}
        head -c 67108864 /dev/zero | {PROGRAM} -e -P pass > stream
        {PROGRAM} -d -P pass < stream | cksum
        head -c 67108864 /dev/zero | cksum"
    );
    let run = desk.shell(&script).succeeds();
    let sums = String::from_utf8(run.stdout).unwrap();
    let sums: Vec<&str> = sums.lines().collect();
    assert_eq!(sums.len(), 2);
    assert_eq!(sums[0], sums[1]);
    assert!(sums[0].ends_with(" 67108864"), "{}", sums[0]);
    // The limit bites: what does not fit into it fails.
    let run = desk.shell(&format!(
        "ulimit -v {LIMIT_KIB}; dd if=/dev/zero of=/dev/null bs=64M count=1"
    ));
    assert_ne!(run.status, Some(0), "the limit was not in force");
}

#[test]
fn help_and_version() {
    let desk = Desk::new();
    let help = desk.run(&["--help"]).succeeds();
    let short = desk.run(&["-h"]).succeeds();
    assert_eq!(help.stdout, short.stdout);
    let text = String::from_utf8(help.stdout).unwrap();
    assert!(text.lines().all(|line| line.len() <= 80), "{text}");
    insta::assert_snapshot!(text);
    let version = desk.run(&["--version"]).succeeds().stdout;
    assert_eq!(
        String::from_utf8(version).unwrap(),
        format!("encpipe {}\n", env!("CARGO_PKG_VERSION"))
    );
}
