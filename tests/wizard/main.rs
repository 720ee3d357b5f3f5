//! `ezmail answers new --wizard` on a terminal: from nothing to a file that is right.

#![allow(clippy::unwrap_used)]

mod screen;

use std::{
    fs::{self, File},
    io::{Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    process::{Pid, Signal, kill_process},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{LocalModes, Winsize, tcgetattr, tcgetwinsize, tcsetwinsize},
};
use screen::Screen;

const EZMAIL: &str = env!("CARGO_BIN_EXE_ezmail");
/// Hashes take a while in a debug build on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);
const PASSWORD: &str = "wood stapler under rain";

/// The program on a terminal of its own, which is not told its size, like a serial line.
struct Form {
    child: Child,
    keyboard: File,
    /// The end that the program has: kept open to look at its settings.
    line: File,
    screen: Arc<Mutex<Screen>>,
}

impl Form {
    fn start(folder: &Path) -> Self {
        Self::of_file(folder, "mine.toml")
    }

    /// The form that writes such a file.
    fn of_file(folder: &Path, file: &str) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
        let master = openpt(flags).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let noctty = i32::try_from(rustix::fs::OFlags::NOCTTY.bits()).unwrap();
        let mut options = File::options();
        let line = options.read(true).write(true).custom_flags(noctty);
        let line = line.open(name).unwrap();
        let child = Command::new(EZMAIL)
            .args(["answers", "new", "--wizard", "-o", file])
            .current_dir(folder)
            .env_remove("NO_COLOR")
            .env("LC_ALL", "C")
            .stdin(line.try_clone().unwrap())
            .stdout(line.try_clone().unwrap())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let keyboard = File::from(master);
        let mut output = keyboard.try_clone().unwrap();
        let screen = Arc::new(Mutex::new(Screen::new()));
        let shown = Arc::clone(&screen);
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            // the terminal is gone when all that have it are
            while let Ok(length) = output.read(&mut bytes) {
                shown.lock().unwrap().feed(&bytes[..length]);
            }
        });
        Self {
            child,
            keyboard,
            line,
            screen,
        }
    }

    /// Waits until a text is on the screen.
    fn shows(&self, text: &str) {
        let begun = Instant::now();
        while !self.text().contains(text) {
            let shown = self.text();
            assert!(begun.elapsed() < PATIENCE, "no {text:?} on\n{shown}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn text(&self) -> String {
        self.screen.lock().unwrap().text()
    }

    fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    fn ends(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            let shown = self.text();
            assert!(begun.elapsed() < PATIENCE, "it goes on:\n{shown}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// What it says when it ends without having asked anything.
    fn refuses(&mut self) -> String {
        assert!(!self.ends().success());
        let mut error = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        stderr.read_to_string(&mut error).unwrap();
        error
    }

    /// Whether the terminal echoes what is typed, as it does for a shell.
    fn echoes(&self) -> bool {
        let modes = tcgetattr(&self.line).unwrap().local_modes;
        modes.contains(LocalModes::ECHO | LocalModes::ICANON)
    }
}

impl Drop for Form {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn from_nothing_to_a_file_that_is_right() {
    let folder = tempfile::tempdir().unwrap();
    let mut form = Form::start(folder.path());
    form.shows("ezmail setup, 1 of 6: Welcome");
    assert!(!form.echoes());
    let size = tcgetwinsize(&form.line).unwrap();
    assert_eq!((size.ws_col, size.ws_row), (80, 24));
    form.press("\r");
    form.shows("2 of 6: Names");
    // wrong first
    form.press("mail\r");
    form.shows("! `mail` cannot be the server's name");
    form.press("\x1b[A.example.org\r");
    form.shows("[example.org");
    form.press("\r\r");
    form.shows("3 of 6: First user");
    form.press(&format!("alice\r{PASSWORD}\r{PASSWORD}\r"));
    form.shows("[***********************  ");
    form.press("\r");
    form.shows("4 of 6: Access");
    form.press("\r\r\r");
    form.shows("5 of 6: Disk or memory");
    form.press("\r\r\r");
    form.shows("6 of 6: Review");
    form.shows("All is ready.");
    assert!(!form.text().contains(PASSWORD));
    form.press("\x1b[C");
    form.shows("CAA   mail.example.org");
    form.press("\x1b[C");
    form.shows("hostname = \"mail.example.org\"");
    form.press("\t\r");
    form.shows("Write mine.toml?");
    let file = folder.path().join("mine.toml");
    assert!(!file.exists(), "before the last yes");
    form.press("y\r");
    assert!(form.ends().success());
    assert!(form.echoes());
    form.shows("wrote mine.toml. What next:");

    let text = fs::read_to_string(&file).unwrap();
    assert!(!text.contains(PASSWORD));
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let check = Command::new(EZMAIL)
        .args(["answers", "check", "--json"])
        .arg(&file)
        .output()
        .unwrap();
    assert!(check.status.success());
    let report: serde_json::Value = serde_json::from_slice(&check.stdout).unwrap();
    // what was chosen: no SSH key
    let rules: Vec<_> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| &f["rule"])
        .collect();
    assert_eq!(rules, ["no-ssh-key"], "{report:#}");

    // it does not go over a file that is there
    let error = Form::start(folder.path()).refuses();
    assert!(error.contains("mine.toml is there already"), "{error}");
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
}

#[test]
fn a_file_that_cannot_be_written_is_told_of_before_anything_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let error = Form::of_file(folder.path(), "conf/mine.toml").refuses();
    assert!(error.contains("make it with 'mkdir -p conf'"), "{error}");
    fs::create_dir(folder.path().join("conf")).unwrap();
    let form = Form::of_file(folder.path(), "conf/mine.toml");
    form.shows("1 of 6");
}

#[test]
fn ctrl_c_leaves_a_screen_that_is_too_small() {
    let folder = tempfile::tempdir().unwrap();
    let mut form = Form::start(folder.path());
    form.shows("1 of 6");
    let small = Winsize {
        ws_row: 20,
        ws_col: 60,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&form.line, small).unwrap();
    form.shows("or press Ctrl-C.");
    form.press("\x03");
    assert_eq!(form.ends().code(), Some(1));
    assert!(form.echoes());
}

#[test]
fn who_leaves_has_written_nothing_and_gets_the_terminal_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut form = Form::start(folder.path());
    form.shows("1 of 6");
    form.press("\rmail.example.org\r\r\r");
    form.shows("3 of 6");
    form.press("\x1b");
    form.shows("Leave this form?");
    form.press("\r");
    form.shows("3 of 6");
    form.press("\x03");
    form.shows("Leave this form?");
    form.press("\x1b[D\r");
    assert_eq!(form.ends().code(), Some(1));
    assert!(form.echoes());
    form.shows("nothing was written");

    let mut form = Form::start(folder.path());
    form.shows("1 of 6");
    let pid = Pid::from_child(&form.child);
    kill_process(pid, Signal::TERM).unwrap();
    assert_eq!(form.ends().code(), Some(1));
    assert!(form.echoes());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn without_a_terminal_it_says_so() {
    let output = Command::new(EZMAIL)
        .args(["answers", "new", "--wizard"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(!output.status.success());
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("--wizard needs a terminal"), "{error}");
}
