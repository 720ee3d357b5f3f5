//! The real `ezmail-filter` between a fake smtpd and a fake rspamd.

// clippy.toml allows it in tests, but takes only functions marked #[test] for such
#![allow(clippy::unwrap_used)]

mod bytes;
mod crowd;
mod logins;
mod misbehaviour;
mod rspamd;
mod smtpd;
mod transcripts;
mod verdicts;

use rspamd::{Behaviour, Rspamd};
use smtpd::Smtpd;

/// A filter with both its neighbours, and a folder that goes away with them.
struct World {
    smtpd: Smtpd,
    rspamd: Rspamd,
    dir: tempfile::TempDir,
}

impl World {
    fn new(options: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let rspamd = Rspamd::start(&dir.path().join("rspamd.sock"));
        let spool = dir.path().join("spool");
        std::fs::create_dir(&spool).unwrap();
        let smtpd = Smtpd::start(rspamd.path(), &spool, options);
        Self { smtpd, rspamd, dir }
    }

    fn json(&self, json: &str) {
        self.rspamd.set(Behaviour::Json(json.to_owned()));
    }
}

/// A verdict of rspamd; `more` begins with a comma or is empty.
fn verdict(action: &str, more: &str) -> String {
    format!(
        r#"{{"is_skipped":false,"score":7.25,"required_score":15.0,"action":"{action}","symbols":{{}},"messages":{{}},"message-id":"x@example.org","time_real":0.05{more}}}"#
    )
}

const SIGNED: &str =
    r#","dkim-signature":["v=1; a=rsa-sha256;\r\n\tb=one","v=1; a=ed25519-sha256;\r\n\tb=two"]"#;

const MESSAGE: [&[u8]; 6] = [
    b"Received: from client.example.net\tby mx.example.org",
    b"From: a@example.org",
    b"Subject: an ordinary subject",
    b"",
    b"body",
    b"..with a dot",
];

/// Asserts that the filter still does its work.
fn still_works(world: &mut World) {
    world.json(&verdict("no action", ""));
    let outcome = world.smtpd.message(&smtpd::OUTSIDE, &MESSAGE);
    assert_eq!(outcome.result, "proceed");
    assert_eq!(outcome.lines, MESSAGE);
}
