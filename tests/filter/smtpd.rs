//! A fake smtpd: starts the real filter, speaks its protocol, and holds it to smtpd's rules.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

/// No wait is longer than this; a filter that is slower has hung.
const PATIENCE: Duration = Duration::from_secs(120);

/// A line from the filter, split.
#[derive(Debug)]
enum FromFilter {
    DataLine { session: String, line: Vec<u8> },
    Result { session: String, result: String },
}

pub struct Smtpd {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<Vec<u8>>,
    log: Receiver<String>,
    waiting: HashMap<String, Vec<FromFilter>>,
    next: u64,
}

/// How a message ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Lines that came back, without the final dot.
    pub lines: Vec<Vec<u8>>,
    /// `proceed` or `reject|...`.
    pub result: String,
}

/// Who sends.
#[derive(Debug, Clone)]
pub struct Sender<'a> {
    pub source: &'a str,
    pub user: Option<&'a str>,
}

pub const OUTSIDE: Sender<'static> = Sender {
    source: "192.0.2.7:40000",
    user: None,
};

pub const USER: Sender<'static> = Sender {
    source: "[2001:db8::7]:40000",
    user: Some("a@example.org"),
};

impl Smtpd {
    /// Starts the filter and does the handshake.
    pub fn start(socket: &Path, spool: &Path, more: &[&str]) -> Self {
        let mut smtpd = Self::spawn(socket, spool, more);
        smtpd.send(
            b"config|smtpd-version|7.6.0\nconfig|protocol|0.7\nconfig|smtp-session-timeout|300\n\
              config|subsystem|smtp-in\nconfig|admd|mx.example.org\nconfig|ready\n",
        );
        let mut registered = Vec::new();
        loop {
            let line = String::from_utf8(smtpd.raw_line()).unwrap();
            if line == "register|ready" {
                break;
            }
            registered.push(line);
        }
        assert!(
            registered
                .iter()
                .any(|l| l == "register|filter|smtp-in|commit")
        );
        smtpd
    }

    /// Starts the filter and says nothing yet.
    pub fn spawn(socket: &Path, spool: &Path, more: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_ezmail-filter"))
            .arg("--socket")
            .arg(socket)
            .arg("--spool")
            .arg(spool)
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        let lines = receive(child.stdout.take().unwrap());
        let log = receive(child.stderr.take().unwrap());
        let (send, log_text) = mpsc::channel();
        thread::spawn(move || {
            for line in log {
                let line = String::from_utf8_lossy(&line).into_owned();
                if send.send(line).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            input,
            lines,
            log: log_text,
            waiting: HashMap::new(),
            next: 1,
        }
    }

    pub fn send(&mut self, bytes: &[u8]) {
        let input = self.input.as_mut().unwrap();
        input.write_all(bytes).expect("the filter has stopped");
    }

    pub fn raw_line(&mut self) -> Vec<u8> {
        self.lines
            .recv_timeout(PATIENCE)
            .expect("the filter says nothing")
    }

    /// The next line of the filter's log, but for those that say that there is no guard.
    pub fn log_line(&mut self) -> String {
        loop {
            let line = self.any_log_line();
            if !line.contains("ezmail-guard") {
                return line;
            }
        }
    }

    /// The next line of the filter's log.
    pub fn any_log_line(&mut self) -> String {
        self.log
            .recv_timeout(PATIENCE)
            .expect("the filter logs nothing")
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The folder of the filter's process in /proc.
    pub fn proc(&self, name: &str) -> PathBuf {
        format!("/proc/{}/{name}", self.pid()).into()
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Opens a session with an envelope, ready for data.
    pub fn open(&mut self, sender: &Sender<'_>) -> String {
        let session = format!("{:016x}", 0x7641_df97_0000_0000_u64 + self.next);
        let id = format!("{:08x}", self.next);
        self.next += 1;
        let mut text = Vec::new();
        let mut report = |event: &str, rest: &str| {
            let line = format!("report|0.7|1576146008.006099|smtp-in|{event}|{session}{rest}\n");
            text.extend_from_slice(line.as_bytes());
        };
        let source = sender.source;
        report(
            "link-connect",
            &format!("|client.example.net|pass|{source}|192.0.2.25:25"),
        );
        report("link-greeting", "|mx.example.org");
        report("link-identify", "|EHLO|client.example.net");
        if let Some(user) = sender.user {
            report("link-tls", "|TLSv1.3:TLS_AES_256_GCM_SHA384:256");
            report("link-identify", "|EHLO|client.example.net");
            report("link-auth", &format!("|pass|{user}"));
        }
        report("tx-begin", &format!("|{id}"));
        report("tx-mail", &format!("|{id}|ok|a@example.org"));
        report("tx-rcpt", &format!("|{id}|ok|b@example.net"));
        report("tx-rcpt", &format!("|{id}|permfail|nobody@example.net"));
        report("tx-data", &format!("|{id}|ok"));
        self.send(&text);
        session
    }

    pub fn data_line(&mut self, session: &str, line: &[u8]) {
        let mut text = query("data-line", session).into_bytes();
        text.push(b'|');
        text.extend_from_slice(line);
        text.push(b'\n');
        self.send(&text);
    }

    pub fn send_query(&mut self, phase: &str, session: &str) {
        self.send(format!("{}|\n", query(phase, session)).as_bytes());
    }

    /// Whether lines have come for a session that nobody has asked for.
    pub fn has_lines_for(&self, session: &str) -> bool {
        self.waiting.contains_key(session)
    }

    pub fn report(&mut self, event: &str, session: &str, rest: &str) {
        self.send(format!("report|0.7|1.0|smtp-in|{event}|{session}{rest}\n").as_bytes());
    }

    /// Waits for the message to come back, asks to commit, and closes the session.
    pub fn finish(&mut self, session: &str) -> Outcome {
        let outcome = self.commit(session);
        self.report("link-disconnect", session, "");
        outcome
    }

    /// Waits for the message to come back and asks to commit.
    pub fn commit(&mut self, session: &str) -> Outcome {
        let mut lines = Vec::new();
        loop {
            match self.next_for(session) {
                FromFilter::DataLine { line, .. } if line == b"." => break,
                FromFilter::DataLine { line, .. } => lines.push(line),
                FromFilter::Result { result, .. } => panic!("{result} while smtpd wants lines"),
            }
        }
        self.send_query("commit", session);
        let FromFilter::Result { result, .. } = self.next_for(session) else {
            panic!("a line after the last one: smtpd dies of that");
        };
        self.report("tx-reset", session, "|00000001");
        Outcome { lines, result }
    }

    /// A whole message through a session of its own.
    pub fn message(&mut self, sender: &Sender<'_>, lines: &[&[u8]]) -> Outcome {
        let session = self.open(sender);
        for line in lines {
            self.data_line(&session, line);
        }
        self.data_line(&session, b".");
        self.finish(&session)
    }

    fn next_for(&mut self, session: &str) -> FromFilter {
        if let Some(queue) = self.waiting.get_mut(session)
            && !queue.is_empty()
        {
            return queue.remove(0);
        }
        loop {
            let line = self.raw_line();
            let parsed = split(&line);
            let (FromFilter::DataLine { session: of, .. } | FromFilter::Result { session: of, .. }) =
                &parsed;
            if of == session {
                return parsed;
            }
            self.waiting.entry(of.clone()).or_default().push(parsed);
        }
    }

    /// Closes the filter's input and waits for it to end by itself; its exit status.
    pub fn close(mut self) -> std::process::ExitStatus {
        drop(self.input.take());
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("the filter does not end with its input");
    }
}

impl Drop for Smtpd {
    fn drop(&mut self) {
        // it may have ended by itself
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn query(phase: &str, session: &str) -> String {
    format!("filter|0.7|1576146008.006099|smtp-in|{phase}|{session}|1ef1c203cc576e5d")
}

fn receive(from: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (send, receiver) = mpsc::sync_channel(10_000);
    thread::spawn(move || {
        let mut reader = BufReader::new(from);
        loop {
            let mut line = Vec::new();
            if reader.read_until(b'\n', &mut line).unwrap() == 0
                || send.send(without_end(line)).is_err()
            {
                return;
            }
        }
    });
    receiver
}

fn without_end(mut line: Vec<u8>) -> Vec<u8> {
    assert_eq!(line.pop(), Some(b'\n'), "a line without its end");
    line
}

/// Splits as smtpd does, and is as unforgiving.
fn split(line: &[u8]) -> FromFilter {
    // smtpd could not even read it
    assert!(
        line.len() < 65_536,
        "a line of {} bytes hangs smtpd",
        line.len()
    );
    let mut fields = line.splitn(4, |&b| b == b'|');
    let mut next = || fields.next().expect("too few fields").to_vec();
    let kind = next();
    let session = String::from_utf8(next()).unwrap();
    let token = next();
    assert_eq!(token, b"1ef1c203cc576e5d", "a wrong token");
    let rest = next();
    match kind.as_slice() {
        b"filter-dataline" => FromFilter::DataLine {
            session,
            line: rest,
        },
        b"filter-result" => FromFilter::Result {
            session,
            result: String::from_utf8(rest).unwrap(),
        },
        other => panic!("not a kind of answer: {}", other.escape_ascii()),
    }
}
