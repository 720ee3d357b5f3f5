//! QEMU's control protocol (QMP, "docs/interop/qmp-spec"): JSON lines on a Unix socket.
//!
//! Own code: it is these few lines, where the `qapi` crate brings generated types for every
//! command of every QEMU, of which we use five.

use std::{
    collections::VecDeque,
    io::{ErrorKind, Read, Write},
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// How long QEMU may take to answer; `snapshot-save` and its like answer at once and report
/// their end by an event.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// An open control connection.
#[derive(Debug)]
pub struct Qmp {
    stream: UnixStream,
    buffer: Vec<u8>,
    events: VecDeque<Event>,
    next_id: u64,
    closed: bool,
}

/// Something QEMU reports unasked, such as `SHUTDOWN` or `RESET`.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its name in capitals.
    pub name: String,
    /// Its details; an empty object if it has none.
    pub data: Value,
}

impl Qmp {
    /// Takes over a fresh connection: reads the greeting and leaves negotiation mode.
    ///
    /// # Errors
    /// When the other side is not QEMU, or does not answer within a minute.
    pub fn new(stream: UnixStream) -> Result<Self> {
        let mut qmp = Self {
            stream,
            buffer: Vec::new(),
            events: VecDeque::new(),
            next_id: 0,
            closed: false,
        };
        let greeting = qmp
            .next_message(Instant::now() + ANSWER_LIMIT)?
            .context("QEMU closed its control socket instead of greeting")?;
        if greeting.get("QMP").is_none() {
            bail!("not QEMU's greeting on its control socket: {greeting}");
        }
        qmp.execute("qmp_capabilities", json!({}))?;
        Ok(qmp)
    }

    /// Runs `command` with `arguments` (an object) and gives what it returns.
    ///
    /// # Errors
    /// When QEMU refuses the command, goes away, or does not answer within a minute.
    pub fn execute(&mut self, command: &str, arguments: Value) -> Result<Value> {
        let what = || format!("QEMU's control command {command}");
        self.next_id += 1;
        let id = self.next_id;
        let mut line = json!({"execute": command, "arguments": arguments, "id": id}).to_string();
        line.push('\n');
        self.stream
            .set_nonblocking(false)
            .and_then(|()| self.stream.write_all(line.as_bytes()))
            .with_context(what)?;
        let deadline = Instant::now() + ANSWER_LIMIT;
        loop {
            let Some(mut message) = self.next_message(deadline).with_context(what)? else {
                bail!("{}: QEMU closed its control socket", what());
            };
            if message.get("id") != Some(&json!(id)) {
                continue;
            }
            if let Some(error) = message.get("error") {
                let text = error["desc"]
                    .as_str()
                    .map_or_else(|| error.to_string(), str::to_owned);
                bail!("{} failed: {text}", what());
            }
            return Ok(message["return"].take());
        }
    }

    /// The next event that has arrived, without waiting for one.
    ///
    /// # Errors
    /// When the connection breaks or what arrives is not JSON.
    pub fn poll_event(&mut self) -> Result<Option<Event>> {
        while !self.closed && self.next_message(Instant::now())?.is_some() {}
        Ok(self.events.pop_front())
    }

    /// Whether QEMU has closed the connection, which it does when it ends.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// The next message of any kind; events are queued as they pass. `None` when the deadline
    /// is over and it had passed from the start, or when the connection is closed.
    fn next_message(&mut self, deadline: Instant) -> Result<Option<Value>> {
        let only_look = deadline <= Instant::now();
        loop {
            if let Some(end) = self.buffer.iter().position(|&b| b == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                let message: Value = serde_json::from_slice(&line).with_context(|| {
                    format!(
                        "not JSON on QEMU's control socket: {}",
                        String::from_utf8_lossy(&line)
                    )
                })?;
                if let Some(name) = message["event"].as_str() {
                    self.events.push_back(Event {
                        name: name.to_owned(),
                        data: message.get("data").cloned().unwrap_or_else(|| json!({})),
                    });
                }
                return Ok(Some(message));
            }
            if self.closed {
                return Ok(None);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if only_look {
                self.stream.set_nonblocking(true)?;
            } else if left.is_zero() {
                bail!("no answer within {} s", ANSWER_LIMIT.as_secs());
            } else {
                self.stream.set_nonblocking(false)?;
                self.stream.set_read_timeout(Some(left))?;
            }
            let mut chunk = [0; 4096];
            match self.stream.read(&mut chunk) {
                Ok(0) => self.closed = true,
                Ok(n) => self.buffer.extend_from_slice(&chunk[..n]),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::ConnectionReset => self.closed = true,
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    if only_look {
                        return Ok(None);
                    }
                }
                Err(e) => return Err(e).context("reading QEMU's control socket"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::{BufRead, BufReader},
        thread,
    };

    /// A QEMU that answers every line with what `answer` makes of it, and then hangs up.
    fn fake(lines: usize, answer: fn(&Value) -> String) -> Result<Qmp> {
        let (ours, theirs) = UnixStream::pair().unwrap();
        thread::spawn(move || {
            let mut out = theirs.try_clone().unwrap();
            out.write_all(b"{\"QMP\": {}}\n").unwrap();
            for line in BufReader::new(theirs).lines().take(lines) {
                let request: Value = serde_json::from_str(&line.unwrap()).unwrap();
                out.write_all(answer(&request).as_bytes()).unwrap();
            }
        });
        Qmp::new(ours)
    }

    fn ok(request: &Value) -> String {
        format!(
            "{}\n",
            json!({"return": {"was": request["execute"]}, "id": request["id"]})
        )
    }

    #[test]
    fn answers_and_events_are_told_apart() {
        let mut qmp = fake(2, |request| {
            format!("{{\"event\": \"STOP\"}}\n{}", ok(request))
        })
        .unwrap();
        let answer = qmp.execute("query-status", json!({})).unwrap();
        assert_eq!(answer["was"], "query-status");
        let names: Vec<String> =
            std::iter::from_fn(|| qmp.poll_event().unwrap().map(|e| e.name)).collect();
        assert_eq!(names, ["STOP", "STOP"]);
    }

    #[test]
    fn a_refusal_and_a_hang_up_are_errors() {
        let mut qmp = fake(2, |request| match request["execute"].as_str() {
            Some("eject") => format!(
                "{}\n",
                json!({"error": {"class": "GenericError", "desc": "no such device"}, "id": request["id"]})
            ),
            _ => ok(request),
        })
        .unwrap();
        let refused = qmp.execute("eject", json!({})).unwrap_err();
        let gone = qmp.execute("stop", json!({})).unwrap_err();
        insta::assert_snapshot!(format!("{refused:#}"), @"QEMU's control command eject failed: no such device");
        // the write or the read may be the one to notice
        assert!(format!("{gone:#}").starts_with("QEMU's control command stop"));
    }

    #[test]
    fn something_else_is_refused() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(b"{\"hello\": 1}\n").unwrap();
        let error = Qmp::new(ours).unwrap_err();
        insta::assert_snapshot!(format!("{error:#}"), @r#"not QEMU's greeting on its control socket: {"hello":1}"#);
    }
}
