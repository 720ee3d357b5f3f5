//! The journal of the mail services, entry by entry.

use std::process::Command;

use anyhow::{Context, Result};
use serde::Deserialize;

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When, in microseconds since 1970.
    pub time: i64,
    /// The unit that wrote it.
    pub unit: String,
    /// What it says.
    pub message: String,
}

/// The units whose entries tell of messages.
pub const UNITS: [&str; 3] = ["smtpd.service", "rspamd.service", "dovecot.service"];

/// The journal's own names; a text that is no UTF-8 comes as an array of numbers.
#[derive(Deserialize)]
struct Raw {
    #[serde(rename = "__REALTIME_TIMESTAMP")]
    time: String,
    #[serde(rename = "_SYSTEMD_UNIT", default)]
    unit: String,
    #[serde(rename = "MESSAGE", default)]
    message: Message,
}

#[derive(Deserialize, Default)]
#[serde(untagged)]
enum Message {
    Text(String),
    Bytes(Vec<u8>),
    #[default]
    Missing,
}

/// An entry from a line of `journalctl --output=json`.
///
/// # Errors
/// When it is none.
pub fn parse(line: &str) -> Result<Entry> {
    let raw: Raw = serde_json::from_str(line).context("reading an entry of the journal")?;
    Ok(Entry {
        time: raw.time.parse().context("reading the time of an entry")?,
        unit: raw.unit,
        message: match raw.message {
            Message::Text(text) => text,
            Message::Bytes(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Message::Missing => String::new(),
        },
    })
}

/// The command that prints the entries since a time, in seconds since 1970. The journals of
/// earlier boots have other machine IDs, and are read too.
pub fn command(since: i64, follow: bool) -> Command {
    let mut command = Command::new("journalctl");
    // without --all, a field of 4096 bytes or more is null
    command.args(["--merge", "--quiet", "--all", "--output=json"]);
    command.arg("--output-fields=MESSAGE,_SYSTEMD_UNIT");
    command.arg(format!("--since=@{since}"));
    command.args(UNITS.map(|unit| format!("--unit={unit}")));
    if follow {
        command.args(["--follow", "--no-tail"]);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_text_or_bytes() {
        let line = r#"{"__CURSOR":"x","__REALTIME_TIMESTAMP":"17","_SYSTEMD_UNIT":"smtpd.service","MESSAGE":"a"}"#;
        let entry = parse(line).unwrap();
        assert_eq!((entry.time, entry.message.as_str()), (17, "a"));
        let bytes = r#"{"__REALTIME_TIMESTAMP":"17","MESSAGE":[98,255]}"#;
        assert_eq!(parse(bytes).unwrap().message, "b\u{fffd}");
        let none = r#"{"__REALTIME_TIMESTAMP":"17","MESSAGE":null}"#;
        assert_eq!(parse(none).unwrap().message, "");
        assert!(parse("{}").is_err());
        let long = format!(
            r#"{{"__REALTIME_TIMESTAMP":"17","MESSAGE":"{}"}}"#,
            "x".repeat(9000)
        );
        assert_eq!(parse(&long).unwrap().message.len(), 9000);
        assert!(command(17, false).get_args().any(|a| a == "--all"));
    }
}
