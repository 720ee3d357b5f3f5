//! `mailctl status`: the services and what the agent did, in one look.

use std::{fmt, process::Command};

use anyhow::Result;
use serde::Serialize;

use crate::{agent::status::Status as Agent, util::run::Task};

/// The services that make up the mail server, in the order in which mail passes them.
pub const UNITS: [(&str, &str); 6] = [
    ("nftables.service", "firewall"),
    ("kresd@1.service", "DNS resolver"),
    ("smtpd.service", "receives and sends mail"),
    ("rspamd.service", "judges and signs it"),
    ("valkey.service", "rspamd's memory"),
    ("dovecot.service", "stores it, IMAP"),
];

/// The state of one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Service {
    /// The systemd unit.
    pub unit: String,
    /// What it does.
    pub purpose: &'static str,
    /// systemd's `ActiveState`: active, inactive, failed, activating, ...
    pub active: String,
    /// systemd's `SubState`: running, exited, dead, ...
    pub sub: String,
}

/// All that `mailctl status` tells.
#[derive(Debug, Serialize)]
pub struct Report {
    /// This program's version.
    pub version: &'static str,
    /// The services.
    pub services: Vec<Service>,
    /// What the agent's last apply did; none before the first.
    pub agent: Option<Agent>,
}

impl Report {
    /// Whether every service runs.
    pub fn is_well(&self) -> bool {
        self.services.iter().all(|s| s.active == "active")
    }
}

/// Asks systemd about the services.
///
/// # Errors
/// When systemctl cannot be run.
pub fn services() -> Result<Vec<Service>> {
    let mut command = Command::new("systemctl");
    command
        .args(["show", "--property=Id,ActiveState,SubState"])
        .args(UNITS.map(|(unit, _)| unit));
    let text = Task::new("asking systemd for the services", command).output()?;
    Ok(parse(&text))
}

/// `systemctl show`'s blocks of `Key=Value` lines, one a unit in the order asked for. `Id` is the
/// name behind an alias, so the order says which unit a block is about.
fn parse(text: &str) -> Vec<Service> {
    let blocks = text.split("\n\n").filter(|b| !b.trim().is_empty());
    UNITS
        .iter()
        .zip(blocks)
        .map(|((unit, purpose), block)| {
            let value = |key: &str| {
                let line = block
                    .lines()
                    .find_map(|l| l.strip_prefix(key)?.strip_prefix('='));
                line.unwrap_or("unknown").to_owned()
            };
            Service {
                unit: (*unit).to_owned(),
                purpose,
                active: value("ActiveState"),
                sub: value("SubState"),
            }
        })
        .collect()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for service in &self.services {
            let state = format!("{} ({})", service.active, service.sub);
            writeln!(f, "  {:<18} {state:<20} {}", service.unit, service.purpose)?;
        }
        match &self.agent {
            Some(agent) => write!(f, "agent: {agent}"),
            None => writeln!(f, "agent: has not run since this boot"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::status::Outcome;

    const SHOWN: &str = "ActiveState=active\nSubState=exited\nId=nftables.service\n\n\
        ActiveState=active\nSubState=running\nId=kresd@1.service\n\n\
        ActiveState=failed\nSubState=failed\nId=smtpd.service\n\n\
        ActiveState=active\nSubState=running\nId=rspamd.service\n\n\
        ActiveState=active\nSubState=running\nId=valkey-server.service\n\n\
        ActiveState=inactive\nSubState=dead\nId=dovecot.service\n";

    #[test]
    fn the_report_names_every_service() {
        let report = Report {
            version: "0",
            services: parse(SHOWN),
            agent: Some(Agent::new(
                Outcome::Ready,
                Some("the volume EZMAIL".into()),
                None,
            )),
        };
        assert!(!report.is_well());
        insta::assert_snapshot!(report.to_string());
    }

    #[test]
    fn all_running_is_well() {
        let services = parse(
            &SHOWN
                .replace("failed", "active")
                .replace("inactive", "active"),
        );
        assert!(
            Report {
                version: "0",
                services,
                agent: None
            }
            .is_well()
        );
    }
}
