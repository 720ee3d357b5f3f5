//! How much mail there was, by what smtpd has written into the journal.

use std::process::Command;

use anyhow::Result;
use serde::Serialize;

use crate::util::run::Task;

/// More lines than these are not read: on a small machine that has to do.
const LINES: usize = 50_000;

/// The mail of a day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Today {
    /// Messages that were taken in, from other servers and from users.
    pub accepted: usize,
    /// Commands that were refused for good: recipients, senders, messages.
    pub refused: usize,
    /// Deliveries to mailboxes here.
    pub delivered: usize,
    /// Deliveries to other servers.
    pub sent: usize,
}

/// Reads the journal since midnight.
///
/// # Errors
/// When journalctl cannot be run.
pub fn ask() -> Result<Today> {
    let mut command = Command::new("journalctl");
    command.args([
        "--unit=smtpd",
        "--since=today",
        "--output=cat",
        "--no-pager",
    ]);
    command.arg(format!("--lines={LINES}"));
    let text = Task::new("reading what smtpd has done today", command).bytes()?;
    Ok(count(&String::from_utf8_lossy(&text)))
}

/// Lines such as `SESSION mda delivery evpid=... result=Ok stat=Delivered`.
fn count(text: &str) -> Today {
    let mut today = Today::default();
    for line in text.lines() {
        let mut words = line.split_whitespace().skip(1);
        let result = || {
            let (_, after) = line.split_once(" result=")?;
            Some(after.trim_start_matches('"'))
        };
        let is = |begin: &str| result().is_some_and(|r| r.starts_with(begin));
        match (words.next(), words.next()) {
            (Some("smtp"), Some("message")) => today.accepted += 1,
            (Some("smtp"), Some("failed-command")) if is("5") => today.refused += 1,
            (Some("mda"), Some("delivery")) if is("Ok") => today.delivered += 1,
            (Some("mta"), Some("delivery")) if is("Ok") => today.sent += 1,
            _ => {}
        }
    }
    today
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_counted() {
        let text = r#"
7641df97a0b1c2d3 smtp connected address=203.0.113.7 host=mx.example.com
7641df97a0b1c2d3 smtp message msgid=1e7f0c3d size=812 nrcpt=1 proto=ESMTP
7641df97a0b1c2d4 smtp failed-command command="RCPT TO:<no@example.org>" result="550 Invalid recipient"
7641df97a0b1c2d4 smtp failed-command command="DATA" result="421 Temporary failure"
0000000000000000 mda delivery evpid=1e7f0c3d5a8b9c01 from=<x@example.com> to=<al@example.org> rcpt=<al@example.org> user=vmail delay=0s result=Ok stat=Delivered
7641df97a0b1c2d5 mta delivery evpid=1e7f0c3d5a8b9c02 from=<al@example.org> to=<x@example.com> rcpt=<-> source="203.0.113.5" relay="203.0.113.7 (mx.example.com)" delay=1s result="Ok" stat="250 2.0.0 ok"
7641df97a0b1c2d5 mta delivery evpid=1e7f0c3d5a8b9c03 from=<al@example.org> to=<y@example.com> rcpt=<-> source="-" relay="x" delay=1s result="TempFail" stat="451 later"
"#;
        let want = Today {
            accepted: 1,
            refused: 1,
            delivered: 1,
            sent: 1,
        };
        assert_eq!(count(text), want);
    }
}
