//! The health of the services: what `mailctl status` and the console page tell about them.

use std::process::Command;

use anyhow::{Result, bail};
use serde::Serialize;

use crate::util::run::Task;

/// A service of the mail server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// The systemd unit.
    pub unit: &'static str,
    /// What it does.
    pub purpose: &'static str,
    /// What it means for mail when it does not run.
    pub without: &'static str,
}

/// The services that make up the mail server, in the order in which mail passes them.
pub const PARTS: [Part; 7] = [
    Part {
        unit: "nftables.service",
        purpose: "firewall",
        without: "ports that should be closed may be open",
    },
    Part {
        unit: "kresd@1.service",
        purpose: "DNS resolver",
        without: "no name is found, so mail waits here and at the senders",
    },
    Part {
        unit: "smtpd.service",
        purpose: "receives and sends mail",
        without: "no mail comes in or goes out; senders try again for some days",
    },
    Part {
        unit: "rspamd.service",
        purpose: "judges and signs it",
        without: "mail waits at the senders, and what users send is put off",
    },
    Part {
        unit: "valkey.service",
        purpose: "rspamd's memory",
        without: "what users send is put off, and spam is told apart less well",
    },
    Part {
        unit: "dovecot.service",
        purpose: "stores it, IMAP",
        without: "mail cannot be read, and what arrives waits in the queue",
    },
    Part {
        unit: "nginx.service",
        purpose: "set-up of mail programs",
        without: "mail flows, but programs find no settings, and no certificate is issued",
    },
];

/// How a service is, in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It does its work.
    Runs,
    /// It will soon.
    Starts,
    /// It has given up, or ends again and again.
    Failed,
    /// Nobody wants it to run.
    Stopped,
    /// The administrator has it stopped: `mailctl service disable`.
    Held,
}

impl Health {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Runs => "runs",
            Self::Starts => "starting",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
            Self::Held => "held",
        }
    }
}

/// What systemd says about a unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnitState {
    /// `ActiveState`: active, inactive, failed, activating, ...
    pub active: String,
    /// `SubState`: running, exited, dead, ...
    pub sub: String,
    /// Whether an order for it waits to be carried out.
    #[serde(skip)]
    pub queued: bool,
    /// Whether it is masked, so that nothing starts it.
    pub masked: bool,
}

impl UnitState {
    /// The words of systemd in ours.
    pub fn health(&self) -> Health {
        match self.active.as_str() {
            "active" | "reloading" | "refreshing" => Health::Runs,
            // systemd waits before the next attempt: it ended by itself
            "activating" if self.sub.starts_with("auto-restart") => Health::Failed,
            "activating" => Health::Starts,
            // before what ended it: that was the order to stop
            _ if self.masked => Health::Held,
            _ if self.queued => Health::Starts,
            "failed" => Health::Failed,
            _ => Health::Stopped,
        }
    }
}

/// A service of the mail server and how it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Service {
    /// The systemd unit.
    pub unit: String,
    /// What it does.
    pub purpose: &'static str,
    /// What systemd says about it.
    #[serde(flatten)]
    pub state: UnitState,
    /// What it means for mail when it does not run.
    #[serde(skip)]
    pub without: &'static str,
}

impl Service {
    /// The unit's name as journalctl(1) takes it, without what nobody has to type.
    pub fn name(&self) -> &str {
        self.unit.trim_end_matches(".service")
    }
}

/// Asks systemd about the services.
///
/// # Errors
/// As [`ask`].
pub fn services() -> Result<Vec<Service>> {
    ask(&PARTS.map(|p| p.unit)).map(of_parts)
}

/// Gives the states of [`PARTS`], in their order, their meaning.
pub fn of_parts(states: Vec<UnitState>) -> Vec<Service> {
    let service = |(part, state): (&Part, UnitState)| Service {
        unit: part.unit.to_owned(),
        purpose: part.purpose,
        state,
        without: part.without,
    };
    PARTS.iter().zip(states).map(service).collect()
}

/// Asks systemd about `units`, all at once; the states come in their order.
///
/// # Errors
/// When systemctl cannot be run or does not tell about each.
pub fn ask(units: &[&str]) -> Result<Vec<UnitState>> {
    let mut command = Command::new("systemctl");
    command
        .args(["show", "--property=Id,LoadState,ActiveState,SubState,Job"])
        .args(units);
    let text = Task::new("asking systemd for the services", command).output()?;
    let states = parse(&text);
    if states.len() != units.len() {
        bail!(
            "systemctl told about {} of the units {}",
            states.len(),
            units.join(", ")
        );
    }
    Ok(states)
}

/// `systemctl show`'s blocks of `Key=Value` lines, one a unit in the order asked for. `Id` is the
/// name behind an alias, so the order says which unit a block is about; `Job` is there only while
/// there is one.
fn parse(text: &str) -> Vec<UnitState> {
    let blocks = text.split("\n\n").filter(|b| !b.trim().is_empty());
    let state = |block: &str| {
        let value = |key: &str| {
            block
                .lines()
                .find_map(|l| l.strip_prefix(key)?.strip_prefix('='))
        };
        UnitState {
            active: value("ActiveState").unwrap_or("unknown").to_owned(),
            sub: value("SubState").unwrap_or("unknown").to_owned(),
            queued: value("Job").is_some_and(|job| !job.is_empty() && job != "0"),
            masked: value("LoadState") == Some("masked"),
        }
    };
    blocks.map(state).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The services, with the states `active`, in the order of [`PARTS`].
    pub(crate) fn services_like(active: [(&str, &str); 6]) -> Vec<Service> {
        let state = |(active, sub): (&str, &str)| UnitState {
            active: active.to_owned(),
            sub: sub.to_owned(),
            queued: false,
            masked: false,
        };
        of_parts(active.map(state).into())
    }

    #[test]
    fn blocks_are_read_in_their_order() {
        let states = parse(
            "ActiveState=active\nSubState=exited\nId=nftables.service\n\n\
             ActiveState=inactive\nSubState=dead\nId=valkey-server.service\nJob=311\n\n\
             ActiveState=failed\nSubState=failed\nId=smtpd.service\n",
        );
        let shown: Vec<_> = states
            .iter()
            .map(|s| (s.active.as_str(), s.sub.as_str(), s.queued))
            .collect();
        assert_eq!(
            shown,
            [
                ("active", "exited", false),
                ("inactive", "dead", true),
                ("failed", "failed", false)
            ]
        );
        assert_eq!(parse(""), []);
    }

    #[test]
    fn states_in_words() {
        let word = |active: &str, sub: &str, queued| {
            let (active, sub) = (active.to_owned(), sub.to_owned());
            UnitState {
                active,
                sub,
                queued,
                masked: false,
            }
            .health()
            .word()
        };
        assert_eq!(word("active", "exited", false), "runs");
        assert_eq!(word("reloading", "reload", false), "runs");
        assert_eq!(word("inactive", "dead", true), "starting");
        assert_eq!(word("activating", "start-pre", false), "starting");
        assert_eq!(word("activating", "auto-restart", false), "failed");
        assert_eq!(word("failed", "failed", false), "failed");
        assert_eq!(word("failed", "failed", true), "starting");
        assert_eq!(word("inactive", "dead", false), "stopped");
    }

    #[test]
    fn what_is_masked_is_held() {
        let text =
            |active: &str| format!("LoadState=masked\nActiveState={active}\nSubState=dead\n");
        for (active, health) in [
            ("inactive", Health::Held),
            ("failed", Health::Held),
            ("active", Health::Runs),
        ] {
            assert_eq!(parse(&text(active))[0].health(), health, "{active}");
        }
    }

    #[test]
    fn a_part_is_told_about_by_its_short_name() {
        let services = services_like([("active", "running"); 6]);
        let names: Vec<_> = services.iter().map(Service::name).collect();
        let want = [
            "nftables", "kresd@1", "smtpd", "rspamd", "valkey", "dovecot",
        ];
        assert_eq!(names, want);
    }
}
