//! `ezmail boot` and the library below it, on a real QEMU: a guest of a few hundred bytes that
//! boots in a second without KVM.

#![allow(clippy::unwrap_used)]

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

#[test]
fn until_is_shown() {
    let (dir, iso) = iso(&[READY]);
    let output = ezmail(&iso, "--until guest.is.ready --screenshot shots/s.png")
        .env("EZMAIL_ACCEL", "auto")
        .output()
        .unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{errors}");
    let lines: Vec<&str> = errors.lines().collect();
    assert!(
        lines[0].starts_with("KVM: ") || lines[0].starts_with("TCG: because "),
        "{errors}"
    );
    assert_eq!(lines[1], "screenshot: shots/s.png");
    assert!(lines[2].starts_with("ezmail boot: OK after "), "{errors}");
    assert!(
        lines[2].contains(": the console shows \"guest is ready\"; serial log: "),
        "{errors}"
    );
    assert!(lines[2].ends_with("mini.serial.log"), "{errors}");
    assert_eq!(output.stdout, b"the mini guest is ready\n");
    let (width, height) = png_size(&dir.path().join("shots/s.png"));
    assert!(width >= 640 && height >= 400, "{width}x{height}");
    // the log has every byte
    let log = fs::read(dir.path().join("mini.serial.log")).unwrap();
    assert_eq!(log, b"\x1b[32mthe mini guest\x1b[0m is ready\r\n");
}

#[test]
fn a_timeout_is_status_2() {
    let (dir, iso) = iso(&[READY]);
    let (status, output, last) = run(
        &iso,
        "--quiet --until never --timeout 3 --serial-log a/b.log",
    );
    assert_eq!(status, 2, "{last}");
    assert!(last.starts_with("ezmail boot: TIMEOUT after "), "{last}");
    assert!(
        last.ends_with("did not show what --until waits for within 3 s; serial log: a/b.log"),
        "{last}"
    );
    assert!(output.stdout.is_empty());
    assert!(dir.path().join("a/b.log").is_file());
}

#[test]
fn a_failing_guest_is_status_3() {
    let (_dir, panics) = iso(&[
        READY,
        Step::Print(COM1, "[ 1.0] Kernel panic - not syncing: no root\r\n"),
    ]);
    let (status, _, last) = run(&panics, "--until login:");
    assert_eq!(status, 3, "{last}");
    assert!(last.contains("FAILED after "), "{last}");
    assert!(
        last.contains("its console shows: [ 1.0] Kernel panic - not syncing: no root;"),
        "{last}"
    );
    let (status, _, last) = run(&panics, "--fail-on mini.guest");
    assert_eq!(status, 3, "{last}");
    assert!(
        last.contains("its console shows: the mini guest is ready;"),
        "{last}"
    );
    // what comes first counts
    let (status, _, last) = run(&panics, "--until is.ready");
    assert_eq!(status, 0, "{last}");
}

#[test]
fn a_power_off_is_a_success_unless_something_was_awaited() {
    let (_dir, iso) = iso(&[READY, Step::PowerOff]);
    let (status, _, last) = run(&iso, "--screenshot off.png");
    assert_eq!(status, 0, "{last}");
    assert!(
        last.contains(": the guest powered off; serial log: "),
        "{last}"
    );
    // the screen is still there
    png_size(&iso.with_file_name("off.png"));
    let (status, _, last) = run(&iso, "--until login:");
    assert_eq!(status, 3, "{last}");
    let (status, _, last) = run(&iso, "--machine pc --iso-as disk");
    assert_eq!(status, 0, "{last}");
}

#[test]
fn uefi() {
    let (_dir, iso) = iso(&[READY, Step::PowerOff]);
    let (status, _, last) = run(&iso, "--uefi --memory 256 --timeout 240");
    assert_eq!(status, 0, "{last}");
    let log = fs::read_to_string(iso.with_extension("serial.log")).unwrap();
    assert!(log.contains("the mini guest"), "{log}");
}

#[test]
fn wrong_use_is_status_1() {
    let (dir, iso) = iso(&[READY]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let (status, _, last) = run(&iso, &format!("--forward {port}:25"));
    assert_eq!(status, 1);
    assert!(
        last.starts_with(&format!("ezmail: port {port} on 127.0.0.1 is in use: ")),
        "{last}"
    );
    let (status, _, _) = run(&iso, "--no-such-option");
    assert_eq!(status, 1);
    let (status, _, last) = run(&dir.path().join("none.iso"), "");
    assert_eq!(status, 1);
    assert!(
        last.contains("none.iso cannot be read: No such file"),
        "{last}"
    );
    let (status, _, last) = run(&iso, "--memory 999999999");
    assert_eq!(status, 1);
    assert!(
        last.contains("999999999 MiB of memory is more than this host has"),
        "{last}"
    );
    assert!(
        !iso.with_extension("serial.log").exists(),
        "nothing was started"
    );
}

#[test]
fn signals() {
    let (dir, iso) = iso(&[READY]);
    let start = || {
        ezmail(&iso, "--quiet")
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    let booted = || {
        let log = iso.with_extension("serial.log");
        wait_until("the boot", || {
            fs::read(&log).is_ok_and(|text| text.ends_with(b"ready\r\n"))
        });
    };

    let mut child = start();
    let qemu = qemu_of(&child);
    booted();
    signal("USR1", child.id());
    let shot = dir.path().join("screen-1.png");
    wait_until("the screenshot", || shot.exists());
    png_size(&shot);
    signal("TERM", child.id());
    assert_eq!(child.wait().unwrap().code(), Some(143));
    assert!(!lives(qemu));

    // Ctrl-C twice: this guest does not react to the power button
    fs::remove_file(iso.with_extension("serial.log")).unwrap();
    let mut child = start();
    let qemu = qemu_of(&child);
    booted();
    signal("INT", child.id());
    std::thread::sleep(Duration::from_millis(300));
    assert!(lives(qemu));
    signal("INT", child.id());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(!lives(qemu));

    // killed without a chance to clean up
    fs::remove_file(iso.with_extension("serial.log")).unwrap();
    let mut child = start();
    let qemu = qemu_of(&child);
    booted();
    child.kill().unwrap();
    child.wait().unwrap();
    wait_until("QEMU's end", || !lives(qemu));

    // and the other way round
    fs::remove_file(iso.with_extension("serial.log")).unwrap();
    let mut child = start();
    let qemu = qemu_of(&child);
    booted();
    signal("KILL", qemu);
    assert_eq!(child.wait().unwrap().code(), Some(3));
}

#[test]
fn the_console_takes_what_is_piped_in() {
    let (_dir, iso) = iso(&[READY, Step::Echo, Step::PowerOff]);
    let mut child = ezmail(&iso, "--console")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let log = iso.with_extension("serial.log");
    wait_until("the boot", || {
        fs::read(&log).is_ok_and(|text| text.ends_with(b"ready\r\n"))
    });
    std::io::Write::write_all(child.stdin.as_mut().unwrap(), b"hello!").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stdout.ends_with(b"hello!"));
}

#[test]
fn a_machine_is_watched_typed_at_and_ends() {
    let (dir, iso) = iso(&[
        READY,
        Step::Print(COM2, "on the second port\r\n"),
        Step::Echo,
        Step::Print(COM1, "\r\nbye 42\r\n"),
        Step::PowerOff,
    ]);
    let channel = dir.path().join("channel.log");
    let mut config = config(&iso);
    config.channels = vec![channel.clone()];
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    config.network = Network::User {
        forwards: parse::forward(&format!("{}:25", free.port())).unwrap(),
        restrict: true,
    };
    let mut machine = Machine::start(&config).unwrap();
    let pid = machine.pid();
    assert_eq!(machine.accel(), "TCG: because asked for");
    machine.wait_for(&pattern("is ready"), LIMIT).unwrap();
    machine
        .wait_on(1, &pattern("second port\n"), LIMIT)
        .unwrap();
    TcpStream::connect(free).unwrap();
    assert_eq!(
        machine.qmp("query-status", serde_json::json!({})).unwrap()["status"],
        "running"
    );
    let error = machine
        .wait_for(&pattern("is ready"), Duration::from_millis(100))
        .unwrap_err();
    assert!(
        matches!(error, WaitError::Timeout { .. }),
        "a text is found once: {error}"
    );
    assert!(
        error.to_string().contains("the mini guest is ready\n"),
        "{error}"
    );
    machine.type_text("hi\n!").unwrap();
    let found = machine.wait_for(&pattern(r"bye (\d+)"), LIMIT).unwrap();
    assert_eq!(found.groups, [Some("42".to_owned())]);
    assert_eq!(machine.wait_for_end(LIMIT).unwrap(), Ending::PoweredOff);
    let error = machine.wait_for(&pattern("more"), LIMIT).unwrap_err();
    assert!(
        matches!(
            error,
            WaitError::Ended {
                ending: Ending::PoweredOff,
                ..
            }
        ),
        "{error}"
    );
    assert!(lives(pid), "stopped, but there for a screenshot");
    machine.quit().unwrap();
    assert!(!lives(pid));
    assert_eq!(fs::read(&channel).unwrap(), b"on the second port\r\n");
}

#[test]
fn a_dropped_machine_is_gone() {
    let (_dir, iso) = iso(&[READY]);
    let mut machine = Machine::start(&config(&iso)).unwrap();
    let pid = machine.pid();
    machine.wait_for(&pattern("is ready"), LIMIT).unwrap();
    drop(machine);
    assert!(!lives(pid));

    let machine = Machine::start(&config(&iso)).unwrap();
    let pid = machine.pid();
    let error = machine.shutdown(Duration::from_secs(2)).unwrap_err();
    assert!(format!("{error:#}").starts_with("the guest does not react to its power button: "));
    assert!(!lives(pid));
}

#[test]
fn reboots_are_counted_or_end_the_run() {
    let (_dir, iso) = iso(&[READY, Step::Reset]);
    let mut machine = Machine::start(&config(&iso)).unwrap();
    machine
        .wait_for(&pattern("(?s)ready.*ready.*ready"), LIMIT)
        .unwrap();
    assert!(machine.resets() >= 2);
    assert!(machine.hint().starts_with("; the guest has reset itself "));
    drop(machine);

    let mut config = config(&iso);
    config.no_reboot = true;
    let mut machine = Machine::start(&config).unwrap();
    assert_eq!(machine.wait_for_end(LIMIT).unwrap(), Ending::Rebooted);
    assert_eq!(machine.port(0).text(), "the mini guest is ready\n");
}

#[test]
fn a_blank_disk_is_passed_over_and_created() {
    let (dir, iso) = iso(&[READY]);
    let mut config = config(&iso);
    for name in ["state.qcow2", "raw.img"] {
        let text = format!("{}:64M", dir.path().join(name).display());
        config.disks.push(parse::disk(&text).unwrap());
    }
    config.boot_from = ezmail::host::qemu::BootFrom::Disk;
    config.machine = MachineType::Pc;
    let mut machine = Machine::start(&config).unwrap();
    machine.wait_for(&pattern("is ready"), LIMIT).unwrap();
    // the names that snapshot-save will be given
    let nodes = machine
        .qmp("query-named-block-nodes", serde_json::json!({}))
        .unwrap();
    let names: Vec<&str> = nodes
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|n| n["node-name"].as_str())
        .collect();
    for name in ["disk0", "disk1", "iso"] {
        assert!(names.contains(&name), "{names:?}");
    }
}

#[test]
fn a_qemu_that_refuses_to_start_is_quoted() {
    let (_dir, iso) = iso(&[READY]);
    let mut config = config(&iso);
    config.extra_args = vec!["-device".into(), "no-such-device".into()];
    let error = format!("{:#}", Machine::start(&config).unwrap_err());
    assert!(
        error.contains("'no-such-device' is not a valid device model name"),
        "{error}"
    );
    assert!(
        error.contains("command: setpriv --pdeathsig KILL -- "),
        "{error}"
    );
    config.firmware = Firmware::Uefi;
    config.iso_as = IsoAs::Disk;
    config.extra_args.clear();
    Machine::start(&config).unwrap();
}
