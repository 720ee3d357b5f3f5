//! `ezmail boot` and the library below it, on a real QEMU: a guest of a few hundred bytes that
//! boots in a second without KVM.

#![allow(clippy::unwrap_used)]

mod command;
mod installed;
mod machine;
mod mini_iso;

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use ezmail::host::qemu::{
    Accel, Config, Ending, Firmware, IsoAs, Machine, MachineType, Network, WaitError, parse,
};
use mini_iso::{COM1, COM2, Step};
use regex::Regex;
use tempfile::TempDir;

/// Every wait's limit: far more than a loaded machine needs.
const LIMIT: Duration = Duration::from_secs(120);

const READY: Step = Step::Print(COM1, "\x1b[32mthe mini guest\x1b[0m is ready\r\n");

fn iso(steps: &[Step]) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let iso = mini_iso::make(dir.path(), steps);
    (dir, iso)
}

fn ezmail(iso: &Path, options: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ezmail"));
    command.arg("boot").arg(iso);
    // a limit on each, so that none outlives a test run that is killed
    for (option, value) in [("--memory", "64"), ("--timeout", "120")] {
        if !options.contains(option) {
            command.args([option, value]);
        }
    }
    // what a killed one leaves behind goes with the test's folder
    command.env("TMPDIR", iso.parent().unwrap());
    command
        .args(options.split_whitespace())
        .current_dir(iso.parent().unwrap());
    command.env("EZMAIL_ACCEL", "tcg").stdin(Stdio::null());
    command
}

fn run(iso: &Path, options: &str) -> (i32, Output, String) {
    let output = ezmail(iso, options).output().unwrap();
    let last = String::from_utf8_lossy(&output.stderr)
        .trim_end()
        .lines()
        .last()
        .unwrap_or_default()
        .to_owned();
    (output.status.code().unwrap(), output, last)
}

fn config(iso: &Path) -> Config {
    let mut config = Config::new(Some(iso), &iso.with_extension("log"));
    config.memory_mib = 64;
    config.accel = Accel::Tcg;
    config
}

fn pattern(text: &str) -> Regex {
    Regex::new(text).unwrap()
}

/// Width and height of a PNG file (RFC 2083, sections 3.1 and 4.1.1).
fn png_size(path: &Path) -> (u32, u32) {
    let bytes = fs::read(path).unwrap();
    assert_eq!(bytes[..8], *b"\x89PNG\r\n\x1a\n");
    let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    (number(16), number(20))
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !done() {
        assert!(Instant::now() < deadline, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whether a process lives, and is not just waiting to be collected.
fn lives(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

/// The QEMU that `child` has started, once it is QEMU.
fn qemu_of(child: &Child) -> u32 {
    let parent = format!("PPid:\t{}", child.id());
    let mut found = None;
    wait_until("QEMU's start", || {
        found = fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse::<u32>().ok())
            .find(|pid| {
                fs::read_to_string(format!("/proc/{pid}/status")).is_ok_and(|status| {
                    status.starts_with("Name:\tqemu") && status.lines().any(|l| l == parent)
                })
            });
        found.is_some()
    });
    found.unwrap()
}

fn signal(name: &str, pid: u32) {
    let status = Command::new("sh")
        .args(["-c", &format!("kill -{name} {pid}")])
        .status()
        .unwrap();
    assert!(status.success());
}
