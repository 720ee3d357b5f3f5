//! The form on the consoles, from nothing to a server on a disk that takes mail: on the serial line with
//! every field wrong once, and on the screen for its pictures.

use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use ezmail::{
    host::qemu::{BootFrom, Config, Disk, Forward, Machine, Network},
    util::run::Task,
};
use regex::Regex;
use serde_json::json;

use crate::{BOOT, screen::Screen, world::appliance::iso};

/// Hashing and making keys, emulated.
const PATIENCE: Duration = Duration::from_secs(600);
const PASSWORD: &str = "wood stapler under rain";
const SUBMISSION: u16 = 21465;
const IMAPS: u16 = 21993;
/// A disk that the form takes.
const SIZE: u64 = 5 << 30;

/// The form on the serial line.
struct Line<'a> {
    machine: &'a mut Machine,
    log: PathBuf,
    read: usize,
    screen: Screen,
}

impl Line<'_> {
    /// Waits until a text is on the screen.
    fn shows(&mut self, text: &str) {
        let begun = Instant::now();
        let mut drawn = begun;
        loop {
            let bytes = fs::read(&self.log).unwrap();
            self.screen.feed(&bytes[self.read..]);
            self.read = bytes.len();
            let shown = self.screen.text();
            if shown.contains(text) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "no {text:?} on\n{shown}");
            if drawn.elapsed() > Duration::from_secs(30) {
                // QEMU drops what a port sends while its reader is kept waiting
                self.press("\x0c");
                drawn = Instant::now();
            }
            assert_eq!(self.machine.poll().unwrap(), None);
            thread::sleep(Duration::from_millis(200));
        }
    }

    fn press(&mut self, keys: &str) {
        self.machine.type_text(keys).unwrap();
    }
}

/// Types on the keyboard of the screen, a key at a time.
fn keyboard(machine: &mut Machine, text: &str) {
    for key in text.chars() {
        let code = match key {
            '\n' => "ret".to_owned(),
            '\t' => "tab".to_owned(),
            ' ' => "spc".to_owned(),
            '.' => "dot".to_owned(),
            '>' => "right".to_owned(),
            other => other.to_string(),
        };
        let keys = json!({ "keys": [{ "type": "qcode", "data": code }] });
        machine.qmp("send-key", keys).unwrap();
        thread::sleep(Duration::from_millis(150));
    }
}

/// Each page as the screen shows it, beside the image: for `docs/`.
fn pictures(machine: &mut Machine) {
    let folder = iso().unwrap();
    let folder = folder.parent().unwrap().to_path_buf();
    let picture = |machine: &mut Machine, name: &str| {
        thread::sleep(Duration::from_secs(4));
        let path = folder.join(format!("wizard-{name}.png"));
        machine.screenshot(&path).unwrap();
        assert!(fs::metadata(&path).unwrap().len() > 500, "{name} is empty");
    };
    picture(machine, "1-welcome");
    keyboard(machine, "\nmail\n");
    picture(machine, "2-names-wrong");
    // the domain, then round to the host name again
    keyboard(machine, "\t\t\t\t");
    keyboard(machine, ".example.org\n");
    picture(machine, "2-names");
    keyboard(machine, &format!("\n\nalice\n{PASSWORD}\n{PASSWORD}\n"));
    picture(machine, "3-user");
    keyboard(machine, "\n");
    picture(machine, "4-access");
    keyboard(machine, "\n\n\n");
    picture(machine, "5-disk");
    keyboard(machine, "\n\n");
    thread::sleep(Duration::from_secs(60));
    picture(machine, "6-review");
    for name in ["6-records", "6-answers"] {
        keyboard(machine, ">");
        picture(machine, name);
    }
    keyboard(machine, ">\n");
    picture(machine, "6-code");
}

/// A disk with something on it.
fn somebodys(folder: &Path) -> PathBuf {
    let path = folder.join("other.raw");
    fs::File::create(&path).unwrap().set_len(SIZE).unwrap();
    let mut command = Command::new("mke2fs");
    command.args(["-q", "-F", "-L", "photos"]).arg(&path);
    Task::new("making a disk", command).run().unwrap();
    path
}

fn forward(host: u16, guest: u16) -> Forward {
    Forward {
        address: Ipv4Addr::LOCALHOST,
        host,
        guest,
    }
}

/// Runs curl(1) as Alice's mail program; the password is on its standard input.
fn curl(words: &[&str]) -> anyhow::Result<String> {
    let mut command = Command::new("curl");
    command.args([
        "--silent",
        "--show-error",
        "--insecure",
        "--max-time",
        "120",
    ]);
    command.args(["--config", "-"]).args(words);
    let login = format!("user = \"alice@example.org:{PASSWORD}\"\n");
    Task::new("handing mail in, or reading it", command)
        .input(login)
        .output()
}

#[test]
fn full_the_form_on_the_serial_line_makes_a_server_on_a_disk() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let log = iso().unwrap().with_file_name("wizard.serial.log");
    let disk = folder.path().join("server.raw");
    fs::File::create(&disk).unwrap().set_len(SIZE).unwrap();
    let mut config = Config::new(Some(&iso().unwrap()), &log);
    config.memory_mib = 1024;
    config.boot_from = BootFrom::Disk;
    for path in [disk, somebodys(folder.path())] {
        config.disks.push(Disk::new(&path, None));
    }
    config.network = Network::User {
        forwards: vec![forward(SUBMISSION, 465), forward(IMAPS, 993)],
        restrict: true,
    };
    let mut machine = Machine::start(&config).unwrap();
    let waits = Regex::new("ezmail: waiting for answers").unwrap();
    machine.wait_for(&waits, BOOT).unwrap();
    let read = fs::metadata(&log).unwrap().len() as usize;
    let mut line = Line {
        machine: &mut machine,
        log,
        read,
        screen: Screen::of_a_line(),
    };
    line.press("\x0c");
    line.shows("1 of 6: Welcome");
    if cfg!(feature = "by-hand") {
        pictures(line.machine);
    }

    line.press("\n");
    line.shows("2 of 6: Names");
    line.press("mail\n");
    line.shows("! `mail` cannot be the server's name");
    line.press("\x1b[A.example.org\n");
    line.shows("[example.org");
    line.press("\x15exa mple.org\n");
    line.shows("! `exa mple.org` is not a usable mail domain");
    line.press("\n");
    line.press("\x15example.org\n\n");
    line.shows("3 of 6: First user");
    line.press("al ice\n");
    line.shows("is not a usable address");
    line.press("\x1b[A\x15alice\n");
    line.press("alice2026\n");
    line.shows("at least 10 are needed");
    line.press(&format!("\x1b[A\x15{PASSWORD}\nother\n"));
    line.shows("the two passwords differ");
    line.press(&format!("\n\x15{PASSWORD}\n\n"));
    line.shows("4 of 6: Access");
    line.press("ssh-ed25519 AAAA\n");
    line.shows("key is damaged");
    line.press("\n\n\x15\n\n\n");
    line.shows("5 of 6: Disk or memory");
    line.shows("(*) /dev/vda");
    line.press("\x1b[B\t\t\n");
    line.shows("! /dev/vdb is not blank");
    line.press("\x1b[A");
    line.shows("(*) /dev/vda");
    line.press("\t\n");
    line.shows("6 of 6: Review");
    line.shows("All is ready.");
    assert!(!line.screen.text().contains(PASSWORD));
    line.press("\x1b[C");
    line.shows("DNS records>");
    line.press("\x1b[C");
    line.shows("hostname = \"mail.example.org\"");
    line.press("\t\n");
    line.shows("Set up this server as mail.example.org?");
    line.press("y\n");

    for said in [
        r"ezmail: installing to /dev/vda \(",
        "ezmail: installed; restarting from /dev/vda",
        "ezmail: mail is ready",
    ] {
        machine.wait_for(&Regex::new(said).unwrap(), BOOT).unwrap();
    }
    let console = String::from_utf8_lossy(&fs::read(&config.serial_log).unwrap()).into_owned();
    assert_eq!(console.matches("ezmail: installing to").count(), 1);

    let mail = folder.path().join("first.eml");
    fs::write(
        &mail,
        "From: alice@example.org\r\nTo: alice@example.org\r\nSubject: first\r\n\r\nIt works.\r\n",
    )
    .unwrap();
    // the console said that mail is ready: nothing is tried twice
    curl(&[
        &format!("smtps://127.0.0.1:{SUBMISSION}"),
        "--mail-from",
        "alice@example.org",
        "--mail-rcpt",
        "alice@example.org",
        "--upload-file",
        mail.to_str().unwrap(),
    ])
    .unwrap();
    let inbox = format!("imaps://127.0.0.1:{IMAPS}/INBOX;MAILINDEX=1");
    let deadline = Instant::now() + PATIENCE;
    // the mailbox is empty until then, which curl takes for a failure
    while !curl(&[&inbox]).is_ok_and(|found| found.contains("It works.")) {
        assert!(Instant::now() < deadline, "the message does not arrive");
        thread::sleep(Duration::from_secs(1));
    }
    machine.shutdown(Duration::from_secs(300)).unwrap();
}
