//! Whether mail has come from outside, and gone there, by what smtpd has written into the journal.

use std::{collections::BTreeSet, net::IpAddr, path::Path, process::Command};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::{
    ctl::log::smtpd::{self, Line},
    util::{files, run::Task},
};

/// More lines than these are not read: on a small machine that has to do.
const LINES: usize = 50_000;

/// What has flowed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Flow {
    /// A message was taken from a server outside.
    pub(super) came: bool,
    /// A server outside has taken one.
    pub(super) went: bool,
}

impl Flow {
    /// What was kept; nothing, if nothing was, or if it is damaged: the journal is read then.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub(super) fn load(file: &Path) -> Result<Self> {
        match file.exists() {
            true => Ok(serde_json::from_str(&files::read_to_string(file)?).unwrap_or_default()),
            false => Ok(Self::default()),
        }
    }

    /// Keeps it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn save(&self, file: &Path) -> Result<()> {
        let json = serde_json::to_string(self).context("writing down that mail has flowed")?;
        files::write(file, json + "\n", 0o644)
    }
}

/// Reads the journal since a time, in seconds since 1970.
///
/// # Errors
/// When journalctl cannot be run.
pub(super) fn ask(since: i64) -> Result<Flow> {
    let mut command = Command::new("journalctl");
    command.args(["--unit=smtpd", "--output=cat", "--no-pager", "--quiet"]);
    command.arg(format!("--since=@{since}"));
    command.arg(format!("--lines={LINES}"));
    let text = Task::new("reading what smtpd has done", command).bytes()?;
    Ok(flow(&String::from_utf8_lossy(&text)))
}

/// What the lines of smtpd tell. Who has logged in is a user, wherever that is.
fn flow(text: &str) -> Flow {
    let mut flow = Flow::default();
    let mut strangers = BTreeSet::new();
    for line in text.lines().filter_map(smtpd::parse) {
        match line {
            Line::Connected {
                session, address, ..
            } if address.parse().is_ok_and(|a: IpAddr| !a.is_loopback()) => {
                strangers.insert(session);
            }
            Line::Auth { session, .. } | Line::Disconnected { session } => {
                strangers.remove(&session);
            }
            Line::Message { session, .. } => flow.came |= strangers.contains(&session),
            Line::Delivery {
                session: Some(_),
                result,
                ..
            } => flow.went |= result == "Ok",
            _ => {}
        }
    }
    flow
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRANGER: &str = "\
7641df97a0b1c2d3 smtp connected address=203.0.113.7 host=mx.example.com
7641df97a0b1c2d3 smtp message msgid=1e7f0c3d size=812 nrcpt=1 proto=ESMTP
";
    const SENT: &str = r#"7641df97a0b1c2d5 mta delivery evpid=1e7f0c3d5a8b9c02 from=<al@example.org> to=<x@example.com> rcpt=<-> source="203.0.113.5" relay="203.0.113.7 (mx.example.com)" delay=1s result="Ok" stat="250 2.0.0 ok"
"#;

    #[test]
    fn what_has_flowed_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("first-mail.json");
        assert_eq!(Flow::load(&file).unwrap(), Flow::default());
        let came = Flow {
            came: true,
            went: false,
        };
        came.save(&file).unwrap();
        assert_eq!(Flow::load(&file).unwrap(), came);
        std::fs::write(&file, "{").unwrap();
        assert_eq!(Flow::load(&file).unwrap(), Flow::default());
    }

    #[test]
    fn a_message_from_outside_is_told_from_that_of_a_user() {
        let of = |text: &str| {
            let flow = flow(text);
            (flow.came, flow.went)
        };
        assert_eq!(of(""), (false, false));
        assert_eq!(of(STRANGER), (true, false));
        assert_eq!(of(SENT), (false, true));
        assert_eq!(of(&SENT.replace("\"Ok\"", "\"TempFail\"")), (false, false));
        // here itself, as `mailctl test` does and sendmail
        for inside in ["127.0.0.1", "::1", "local"] {
            let text = STRANGER.replace("203.0.113.7", inside);
            assert_eq!(of(&text), (false, false), "{inside}");
        }
        let mut lines: Vec<&str> = STRANGER.lines().collect();
        lines.insert(
            1,
            "7641df97a0b1c2d3 smtp authentication user=al@example.org result=ok",
        );
        assert_eq!(of(&lines.join("\n")), (false, false));
        // a delivery to a mailbox here goes nowhere
        let here = "0000000000000000 mda delivery evpid=1e7f0c3d5a8b9c01 from=<x@example.com> \
                    to=<al@example.org> rcpt=<al@example.org> user=vmail delay=0s result=Ok \
                    stat=Delivered";
        assert_eq!(of(here), (false, false));
    }
}
