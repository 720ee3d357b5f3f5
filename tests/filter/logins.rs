//! Logins: the real filter and the real guard, between a fake smtpd and a fake dovecot.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use ezmail::guard::{self, Overview, Reply, Request};

use crate::smtpd::Smtpd;

const SECRET: &str = "00ff00ff";
const BOB: &str = "bob@example.org";
const PATIENCE: Duration = Duration::from_secs(60);

/// A guard without a firewall, in a folder of its own.
struct Guard {
    child: Child,
    folder: PathBuf,
    port: u16,
}

impl Guard {
    fn start(folder: &Path) -> Self {
        std::fs::write(folder.join("secret"), SECRET).unwrap();
        // free a moment ago
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let guard = Self {
            child: Self::spawn(folder, port),
            folder: folder.to_path_buf(),
            port,
        };
        guard.wait();
        guard
    }

    fn spawn(folder: &Path, port: u16) -> Child {
        Command::new(env!("CARGO_BIN_EXE_ezmail-guard"))
            .arg("--socket")
            .arg(folder.join("guard.sock"))
            .arg("--secret")
            .arg(folder.join("secret"))
            .arg("--state")
            .arg(folder.join("guard.json"))
            .args(["--port", &port.to_string(), "--no-firewall"])
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    fn wait(&self) {
        let deadline = Instant::now() + PATIENCE;
        while guard::ask(&self.socket(), &Request::List, PATIENCE).is_err() {
            assert!(Instant::now() < deadline, "the guard does not answer");
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn restart(&mut self) {
        self.child = Self::spawn(&self.folder, self.port);
        self.wait();
    }

    fn socket(&self) -> PathBuf {
        self.folder.join("guard.sock")
    }

    fn ask(&self, request: &Request) -> Reply {
        guard::ask(&self.socket(), request, PATIENCE).unwrap()
    }

    fn overview(&self) -> Overview {
        match self.ask(&Request::List) {
            Reply::Overview(overview) => overview,
            other => panic!("{other:?}"),
        }
    }

    /// What dovecot would be told.
    fn policy(&self, command: &str, body: &str) -> String {
        self.http(&format!(
            "POST /?command={command} HTTP/1.1\r\nHost: x\r\nX-Guard-Secret: {SECRET}\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        ))
    }

    fn http(&self, text: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// A wrong password over IMAP.
    fn wrong_by_imap(&self, address: &str, password: &str) -> String {
        let said = format!(r#""login":"{BOB}","remote":"{address}","protocol":"imap""#);
        let asked = self.policy("allow", &format!("{{{said}}}"));
        let more = format!(r#""success":false,"fail_type":"credentials","pwhash":"{password}""#);
        self.policy("report", &format!("{{{said},{more}}}"));
        asked
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // it may have been killed
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The filter, and where messages would go.
fn filter(folder: &Path) -> Smtpd {
    let spool = folder.join("spool");
    std::fs::create_dir_all(&spool).unwrap();
    let socket = folder.join("guard.sock");
    let options = ["--guard", socket.to_str().unwrap()];
    Smtpd::start(&folder.join("rspamd.sock"), &spool, &options)
}

fn plain(user: &str, password: &str) -> String {
    let text = format!("\0{user}\0{password}");
    format!("PLAIN {}", BASE64_STANDARD.encode(text))
}

/// Everything of a login up to the filter's answer, and what smtpd reports after it.
fn login(smtpd: &mut Smtpd, number: u64, address: &str, parameter: &str, passed: bool) -> String {
    let session = format!("{number:016x}");
    let connect = format!("|client.example.net|pass|{address}:40000|192.0.2.25:25");
    smtpd.report("link-connect", &session, &connect);
    let answer = auth(smtpd, &session, parameter);
    if answer == "proceed" {
        let result = if passed { "pass" } else { "fail" };
        smtpd.report("link-auth", &session, &format!("|{result}|{BOB}"));
    }
    smtpd.report("link-disconnect", &session, "");
    answer
}

fn auth(smtpd: &mut Smtpd, session: &str, parameter: &str) -> String {
    let head = format!("filter|0.7|1.0|smtp-in|auth|{session}|1ef1c203cc576e5d");
    smtpd.send(format!("{head}|{parameter}\n").as_bytes());
    let line = String::from_utf8(smtpd.raw_line()).unwrap();
    let start = format!("filter-result|{session}|1ef1c203cc576e5d|");
    let answer = line.strip_prefix(&start);
    answer.unwrap_or_else(|| panic!("{line}")).to_owned()
}

fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "{what} did not happen");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn guessing_over_both_is_counted_together_and_refused_unseen() {
    let folder = tempfile::tempdir().unwrap();
    let guard = Guard::start(folder.path());
    let mut smtpd = filter(folder.path());
    for n in 0..5 {
        let parameter = plain(BOB, &format!("wrong{n}"));
        let answer = login(&mut smtpd, n, "198.51.100.7", &parameter, false);
        assert_eq!(answer, "proceed");
        let asked = guard.wrong_by_imap("198.51.100.7", &format!("{n}"));
        assert!(asked.ends_with(r#"{"status":0,"msg":""}"#), "{asked}");
    }
    eventually("the ban", || guard.overview().bans.len() == 1);
    let ban = &guard.overview().bans[0];
    assert_eq!(ban.network.to_string(), "198.51.100.7/32");
    assert!(
        ban.reason.starts_with("10 wrong passwords"),
        "{}",
        ban.reason
    );

    // with a password in it, smtpd would log the command that a reply of ours is for
    let right = plain(BOB, "right");
    let answer = login(&mut smtpd, 20, "198.51.100.7", &right, true);
    assert_eq!(answer, "rewrite|PLAIN !");
    for method in ["PLAIN", "LOGIN"] {
        let answer = login(&mut smtpd, 21, "198.51.100.7", method, true);
        let reply = "reject|421 4.7.0 Too many failed logins, try again later";
        assert_eq!(answer, reply);
    }
    let asked = guard.policy(
        "allow",
        &format!(r#"{{"login":"{BOB}","remote":"198.51.100.7"}}"#),
    );
    assert!(asked.contains(r#""status":-1"#), "{asked}");
    // a neighbour is another
    let answer = login(&mut smtpd, 22, "198.51.100.8", &right, true);
    assert_eq!(answer, "proceed");
    eventually("the note of a good login", || guard.overview().spared == 1);
}

#[test]
fn a_guard_that_was_killed_knows_its_bans_and_logins_go_on_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let mut guard = Guard::start(folder.path());
    let mut smtpd = filter(folder.path());
    let network = guard::parse("198.51.100.0/24").unwrap();
    let reason = "a test".to_owned();
    guard.ask(&Request::Add {
        network,
        seconds: 3600,
        reason,
    });
    let right = plain(BOB, "right");
    assert_ne!(
        login(&mut smtpd, 1, "198.51.100.7", &right, true),
        "proceed"
    );
    let file = folder.path().join("guard.json");
    eventually("keeping the ban", || file.exists());
    let before = guard.overview().bans;
    guard.kill();
    assert_eq!(
        login(&mut smtpd, 2, "198.51.100.7", &right, true),
        "proceed"
    );
    assert!(smtpd.any_log_line().contains("logins go on without it"));
    guard.restart();
    // the login meanwhile may be reported to it: that is no ban
    assert_eq!(guard.overview().bans, before);
    // the filter asks again after a while
    let mut number = 3;
    eventually("the filter asking again", || {
        number += 1;
        thread::sleep(Duration::from_millis(500));
        login(&mut smtpd, number, "198.51.100.7", &right, true) != "proceed"
    });
    let network = None;
    guard.ask(&Request::Remove { network });
    assert_eq!(
        login(&mut smtpd, 99, "198.51.100.7", &right, true),
        "proceed"
    );
}

#[test]
fn a_flood_gets_few_passwords_looked_at_with_or_without_the_guard() {
    let folder = tempfile::tempdir().unwrap();
    for with in [false, true] {
        let guard = with.then(|| Guard::start(folder.path()));
        let mut smtpd = filter(folder.path());
        let begin = Instant::now();
        let mut looked = 0;
        for n in 0..300_u64 {
            let address = format!("198.51.{}.{}", n % 100, n % 7);
            let parameter = plain(BOB, &n.to_string());
            match login(&mut smtpd, n, &address, &parameter, false).as_str() {
                "proceed" => looked += 1,
                answer => assert_eq!(answer, "rewrite|PLAIN !"),
            }
        }
        let most = 21 + 4 * (begin.elapsed().as_secs() + 1);
        assert!((20..=most).contains(&looked), "{looked} of {most}");
        drop(guard);
    }
}

#[test]
fn nobody_keeps_the_places_of_those_who_begin_without_a_password() {
    let folder = tempfile::tempdir().unwrap();
    let mut smtpd = filter(folder.path());
    let begin = |smtpd: &mut Smtpd, number: u64| {
        let session = format!("{number:016x}");
        let connect = "|x|pass|198.51.100.7:40000|192.0.2.25:25";
        smtpd.report("link-connect", &session, connect);
        auth(smtpd, &session, "LOGIN")
    };
    for number in 0..3 {
        assert_eq!(begin(&mut smtpd, number), "proceed");
    }
    let busy = "reject|421 4.7.0 Too many logins at a time, try again later";
    assert_eq!(begin(&mut smtpd, 3), busy);
    // one of them goes, another one fails
    smtpd.report("link-disconnect", "0000000000000000", "");
    assert_eq!(begin(&mut smtpd, 4), "proceed");
    smtpd.report("link-auth", "0000000000000001", "|fail|x");
    assert_eq!(begin(&mut smtpd, 5), "proceed");
}

#[test]
fn the_port_is_for_dovecot_alone() {
    let folder = tempfile::tempdir().unwrap();
    let guard = Guard::start(folder.path());
    let body = format!(
        r#"{{"login":"{BOB}","remote":"192.0.2.7","success":false,"fail_type":"credentials"}}"#
    );
    for (secret, path) in [("00ff00fe", "/?command=report"), (SECRET, "/other")] {
        for _ in 0..20 {
            let answer = guard.http(&format!(
                "POST {path} HTTP/1.1\r\nX-Guard-Secret: {secret}\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            ));
            assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
        }
    }
    let nonsense = guard.http("\x16\x03\x01\n\n");
    assert!(nonsense.starts_with("HTTP/1.1 403 "), "{nonsense}");
    assert_eq!(guard.overview(), Overview::default());
    // a lookup of the server's own has no address
    let own = guard.policy("allow", &format!(r#"{{"login":"{BOB}","remote":""}}"#));
    assert!(own.contains(r#""status":0"#), "{own}");
}

#[test]
fn what_is_said_about_malformed_lines_has_no_password_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut smtpd = filter(folder.path());
    let secret = plain(BOB, "right");
    smtpd.send(format!("filter|0.7|1.0|smtp-in|auth|x|1|{secret}\n").as_bytes());
    let line = smtpd.log_line();
    assert!(
        line.contains("malformed") && line.ends_with("|auth|..."),
        "{line}"
    );
}
