//! `ezmail-agent console --follow` on a terminal of its own, which script(1) makes.

use std::{
    io::{Read, Write},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

const AGENT: &str = env!("CARGO_BIN_EXE_ezmail-agent");

/// What is written before each page.
const CLEAR: &str = "\x1b[0m\x1b[H\x1b[2J\x1b[3J";

/// For each thing to happen; asking systemd may take its time on a host that has none.
const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn without_a_terminal_following_is_refused() {
    let mut command = Command::new(AGENT);
    command.args(["console", "--follow"]).stdin(Stdio::null());
    let output = command.output().unwrap();
    assert!(!output.status.success());
    insta::assert_snapshot!(
        String::from_utf8(output.stderr).unwrap(),
        @"ezmail-agent: --follow needs a terminal; without it the page is printed once"
    );
}

/// Whatever this host is, there is a page: its own, or why there is none.
#[test]
fn enter_draws_the_page_again_and_ctrl_c_ends_it() {
    let mut child = Command::new("script")
        .env("SHELL", "/bin/sh")
        .args([
            "-qec",
            &format!("exec {AGENT} console --follow"),
            "/dev/null",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut keys = child.stdin.take().unwrap();
    let mut screen = child.stdout.take().unwrap();
    let (sender, receiver) = mpsc::channel();
    let reader = thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = screen.read(&mut buffer) {
            if sender.send(buffer[..length].to_vec()).is_err() {
                break;
            }
        }
    });
    let mut shown = Vec::new();
    let mut pages = |wanted: usize| {
        let deadline = Instant::now() + LIMIT;
        loop {
            let text = String::from_utf8_lossy(&shown).into_owned();
            // the last words of a page
            if text.matches(CLEAR).count() >= wanted && text.trim_end().ends_with('.') {
                return text;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match receiver.recv_timeout(left) {
                Ok(bytes) => shown.extend(bytes),
                Err(_) => panic!("page {wanted} did not come: {text}"),
            }
        }
    };
    pages(1);
    keys.write_all(b"typed\r").unwrap();
    let text = pages(2);
    assert!(!text.contains("typed"), "keys show: {text}");
    keys.write_all(b"\x03").unwrap();
    let deadline = Instant::now() + LIMIT;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        assert!(Instant::now() < deadline, "Ctrl-C does not end it");
        thread::sleep(Duration::from_millis(50));
    };
    assert!(status.success(), "{status}");
    drop(keys);
    reader.join().unwrap();
}
