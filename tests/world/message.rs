//! Messages to send, and a look at those that arrived.

use anyhow::{Context, Result};
use jiff::{Timestamp, fmt::rfc2822, tz::TimeZone};

use super::mx::from_base64;

/// A message and its envelope.
#[derive(Debug, Clone)]
pub struct Mail {
    /// The envelope's sender; empty for `<>`.
    pub envelope_from: String,
    /// The envelope's recipients.
    pub envelope_to: Vec<String>,
    /// Its Message-ID header.
    pub id: String,
    /// The message, lines ended by CRLF.
    pub raw: Vec<u8>,
}

impl Mail {
    /// An ordinary message. `name` is a word that no other message of the test run has.
    pub fn new(from: &str, to: &str, name: &str) -> Self {
        let domain = from.rsplit_once('@').map_or("example.com", |(_, d)| d);
        let id = format!("<{name}@{domain}>");
        let raw = format!(
            "From: {from}\r\nTo: {to}\r\nSubject: {name}\r\nDate: {}\r\nMessage-ID: {id}\r\n\
             MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\
             Dear reader,\r\n\r\nthis is the message called {name}, of a few ordinary lines.\r\n\
             .\r\n.. and two that begin with dots.\r\n\r\nYours, the sender\r\n",
            now()
        );
        Self {
            envelope_from: from.to_owned(),
            envelope_to: vec![to.to_owned()],
            id,
            raw: raw.into_bytes(),
        }
    }

    /// Leaves a header out.
    #[must_use]
    pub fn without(mut self, header: &str) -> Self {
        let start = format!("{header}: ");
        let text = String::from_utf8_lossy(&self.raw).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let kept: Vec<&str> = head
            .split("\r\n")
            .filter(|l| !l.starts_with(&start))
            .collect();
        self.raw = format!("{}\r\n\r\n{body}", kept.join("\r\n")).into_bytes();
        self
    }

    /// Puts a header in front.
    #[must_use]
    pub fn with(mut self, header: &str, value: &str) -> Self {
        let mut raw = format!("{header}: {value}\r\n").into_bytes();
        raw.append(&mut self.raw);
        self.raw = raw;
        self
    }

    /// Adds a line to the end of the body.
    #[must_use]
    pub fn line(mut self, line: &str) -> Self {
        self.raw.extend_from_slice(line.as_bytes());
        self.raw.extend_from_slice(b"\r\n");
        self
    }

    /// Another sender of the envelope.
    #[must_use]
    pub fn envelope_from(mut self, from: &str) -> Self {
        self.envelope_from = from.to_owned();
        self
    }

    /// Another recipient of the envelope.
    #[must_use]
    pub fn envelope_to(mut self, to: &str) -> Self {
        self.envelope_to = vec![to.to_owned()];
        self
    }
}

/// The time as in a Date header.
fn now() -> String {
    let now = Timestamp::now().to_zoned(TimeZone::UTC);
    // every time of ours has such a form
    rfc2822::to_string(&now).unwrap_or_default()
}

/// The values of a header, unfolded, in the order of the message.
pub fn headers(raw: &[u8], name: &str) -> Vec<String> {
    let text = String::from_utf8_lossy(raw).replace("\r\n", "\n");
    let head = text.split_once("\n\n").map_or(text.as_str(), |(h, _)| h);
    let mut found: Vec<(String, String)> = Vec::new();
    for line in head.lines() {
        match (line.starts_with([' ', '\t']), found.last_mut()) {
            (true, Some((_, value))) => {
                value.push(' ');
                value.push_str(line.trim());
            }
            _ => {
                let (name, value) = line.split_once(':').unwrap_or((line, ""));
                found.push((name.to_owned(), value.trim().to_owned()));
            }
        }
    }
    found
        .into_iter()
        .filter(|(n, _)| n.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
        .collect()
}

/// The body, with lines ended by CRLF.
pub fn body(raw: &[u8]) -> String {
    let text = String::from_utf8_lossy(raw).replace("\r\n", "\n");
    let body = text.split_once("\n\n").map_or("", |(_, b)| b);
    body.replace('\n', "\r\n")
}

/// Bytes from a JSON object's base64 field `raw`.
pub(super) fn raw_of(value: serde_json::Value) -> Result<Vec<u8>> {
    #[derive(serde::Deserialize)]
    struct Raw {
        #[serde(deserialize_with = "from_base64")]
        raw: Vec<u8>,
    }
    Ok(serde_json::from_value::<Raw>(value)
        .context("reading a message from JSON")?
        .raw)
}
