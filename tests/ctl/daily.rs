//! `mailctl daily`: what has changed, by mail, by webhook, and for the console.

use std::{
    fs,
    io::{Read, Write},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Command, Output},
    thread,
};

use ezmail::ctl::{
    check::finding::{Area, Finding},
    daily::{snapshot::Change, webhook},
};

use crate::server::Server;

/// The server, with programs in place of sendmail and curl that keep what they are given, in
/// `sent` and `posted`.
struct Daily {
    server: Server,
    answers: String,
}

impl Daily {
    fn new(more: &str) -> Self {
        let server = Server::bare();
        let answers = more.to_owned() + &crate::world::text("small");
        let file = server.world.answers("daily.toml", &answers);
        let done = server.world.apply(&file);
        assert!(done.status.success(), "{}", done.text());
        let daily = Self { server, answers };
        daily.program("sendmail", "(echo \"$@\"; cat) >>\"${0%/*}\"/sent");
        daily.program(
            "curl",
            "(echo \"$@\"; cat) >>\"${0%/*}\"/posted; echo '200 '",
        );
        daily
    }

    fn path(&self, name: &str) -> PathBuf {
        self.server.world.path("programs").join(name)
    }

    fn program(&self, name: &str, script: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn run(&self) -> Output {
        let folder = self.path("");
        let others = std::env::var("PATH").unwrap();
        Command::new(env!("CARGO_BIN_EXE_mailctl"))
            .arg("--root")
            .arg(self.server.world.path(""))
            .arg("daily")
            .env("PATH", format!("{}:{others}", folder.display()))
            .output()
            .unwrap()
    }

    /// What it prints when it succeeds.
    fn good(&self) -> String {
        let output = self.run();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What was given to one of the programs, and is then forgotten; empty if nothing was.
    fn taken(&self, name: &str) -> String {
        let path = self.path(name);
        let text = fs::read_to_string(&path).unwrap_or_default();
        if !text.is_empty() {
            fs::remove_file(path).unwrap();
        }
        text
    }

    /// Opens a secret to everybody, or closes it again.
    fn secret_mode(&self, mode: u32) {
        let key = self.server.world.path("var/lib/ezmail/tls/key.pem");
        fs::set_permissions(key, fs::Permissions::from_mode(mode)).unwrap();
    }
}

#[test]
fn each_change_is_told_once() {
    let daily = Daily::new("notify = \"me@example.net\"\n");
    assert_eq!(daily.good(), "told me@example.net\n");
    insta::assert_snapshot!("daily-first", daily.taken("sent"));
    assert_eq!(daily.good(), "nothing has changed: no mail\n");
    assert_eq!(daily.taken("sent"), "");

    daily.secret_mode(0o644);
    assert_eq!(daily.good(), "told me@example.net\n");
    insta::assert_snapshot!("daily-new", daily.taken("sent"));
    let notices = daily.server.world.read("run/ezmail/notices.txt");
    insta::assert_snapshot!(notices, @"Permissions: Not as the agent has them: ('mailctl check permissions')");
    assert_eq!(daily.good(), "nothing has changed: no mail\n");

    daily.secret_mode(0o600);
    assert_eq!(daily.good(), "told me@example.net\n");
    insta::assert_snapshot!("daily-gone", daily.taken("sent"));
    assert_eq!(daily.server.world.read("run/ezmail/notices.txt"), "");
    assert_eq!(daily.taken("posted"), "");
}

#[test]
fn a_second_trouble_of_the_same_check_is_told_too() {
    let daily = Daily::new("notify = \"me@example.net\"\n");
    daily.good();
    daily.secret_mode(0o644);
    daily.good();
    daily.taken("sent");
    fs::remove_file(daily.server.world.path("etc/smtpd/smtpd.conf")).unwrap();
    assert_eq!(daily.good(), "told me@example.net\n");
    let sent = daily.taken("sent");
    assert!(
        sent.contains("/etc/smtpd/smtpd.conf: it is missing"),
        "{sent}"
    );
    // one of two is well again: that is told when all are
    daily.secret_mode(0o600);
    assert_eq!(daily.good(), "nothing has changed: no mail\n");
}

#[test]
fn the_webhook_is_told_when_mail_is_broken() {
    let daily = Daily::new("webhook = \"https://chat.example.net/hooks/4f1c\"\n");
    assert!(daily.answers.contains("webhook"));
    daily.program(
        "sendmail",
        "echo 'sendmail: command failed: 421 no'; exit 75",
    );
    let output = daily.run();
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("421 no"), "{errors}");
    let posted = daily.taken("posted");
    // the address is a secret: it is no argument
    assert!(posted.starts_with("-q --config -\n"), "{posted}");
    assert!(posted.contains("url = \"https://chat.example.net/hooks/4f1c\"\n"));
    let notices = daily.server.world.read("run/ezmail/notices.txt");
    assert!(
        notices.contains("The daily mail could not be sent"),
        "{notices}"
    );
    // told once by that way is enough
    assert_eq!(daily.good(), "nothing has changed: no mail\n");
}

#[test]
fn without_mail_and_webhook_it_is_tried_again() {
    let daily = Daily::new("");
    daily.program("sendmail", "exit 75");
    for _ in 0..2 {
        assert_eq!(daily.run().status.code(), Some(1));
    }
    daily.program("sendmail", "cat >/dev/null");
    assert_eq!(daily.good(), "told bob@example.org\n");
}

#[test]
fn what_there_is_to_tell_is_shown_without_a_mail() {
    let server = Server::small();
    let text = server.good(&["daily", "--show"]);
    assert!(
        text.starts_with("* certificate.chain (WARNING):\n"),
        "{text}"
    );
    assert!(!server.world.path("var/lib/ezmail/daily.json").exists());
}

/// A web server on loopback for one request, which it answers with `status`.
fn receiver(status: &'static str) -> (String, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let thread = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut all, mut part) = (Vec::new(), [0; 4096]);
        loop {
            let n = stream.read(&mut part).unwrap();
            all.extend(&part[..n]);
            let text = String::from_utf8_lossy(&all).into_owned();
            let complete = text
                .split_once("\r\n\r\n")
                .is_some_and(|(_, b)| b.ends_with('}'));
            if n == 0 || complete {
                let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
                stream.write_all(answer.as_bytes()).unwrap();
                return text;
            }
        }
    });
    (url, thread)
}

#[test]
fn the_webhook_gets_json() {
    let change = Change {
        new: vec![Finding::warning(
            Area::Disk,
            "space",
            "a \"b\"\nc\\d ü",
            "e",
        )],
        gone: Vec::new(),
    };
    let (url, thread) = receiver("204 No Content");
    webhook::post(&url, "mail.example.org", &change).unwrap();
    let request = thread.join().unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /hook HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("Content-Type: application/json"), "{head}");
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["new"][0]["reason"], "a \"b\"\nc\\d ü");

    for status in ["404 Not Found", "302 Found", "304 Not Modified"] {
        let (url, thread) = receiver(status);
        let error = webhook::post(&url, "mail.example.org", &change).unwrap_err();
        thread.join().unwrap();
        let text = format!("{error:#}");
        assert!(
            text.contains(&status[..3]) && !text.contains("/hook"),
            "{text}"
        );
    }
}
