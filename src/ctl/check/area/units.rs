//! The mail services, and whatever else systemd has given up on.

use std::process::Command;

use anyhow::Result;

use crate::{
    agent::health::{self, Health, PARTS, Service},
    ctl::check::finding::{Area, Finding},
    util::run::Task,
};

const AREA: Area = Area::Units;

pub(super) fn check() -> Result<Vec<Finding>> {
    let mut findings: Vec<Finding> = health::services()?.iter().map(judge).collect();
    let mut command = Command::new("systemctl");
    command.args([
        "list-units",
        "--failed",
        "--plain",
        "--no-legend",
        "--no-pager",
    ]);
    let text = Task::new("asking systemd for failed units", command).output()?;
    findings.push(judge_failed(&text));
    Ok(findings)
}

fn judge(service: &Service) -> Finding {
    let health = service.state.health();
    let text = format!("{}: {}", service.purpose, health.word());
    match health {
        Health::Runs => Finding::ok(AREA, service.name(), format!("{text}.")),
        Health::Held => Finding::warning(
            AREA,
            service.name(),
            format!("{text} by the administrator; {}.", service.without),
            format!(
                "'mailctl service enable {}' lets it run again.",
                service.name()
            ),
        ),
        Health::Starts => Finding::unknown(AREA, service.name(), format!("{text}.")),
        Health::Failed | Health::Stopped => Finding::error(
            AREA,
            service.name(),
            format!("{text}; {}.", service.without),
            format!(
                "See 'journalctl -u {0}', then 'systemctl restart {0}'.",
                service.name()
            ),
        ),
    }
}

/// `text` has the failed units, a line each, the name first.
fn judge_failed(text: &str) -> Finding {
    let names = text.lines().filter_map(|l| l.split_whitespace().next());
    let others: Vec<&str> = names
        .filter(|name| PARTS.iter().all(|p| p.unit != *name))
        .collect();
    match others.is_empty() {
        true => Finding::ok(AREA, "failed", "No other unit has failed."),
        false => Finding::warning(
            AREA,
            "failed",
            format!("Failed: {}.", others.join(", ")),
            format!("See 'journalctl -u {}'.", others.join(" -u ")),
        )
        .about(others),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{agent::health::tests::services_like, ctl::check::finding::State};

    #[test]
    fn a_service_that_does_not_run_says_what_that_means() {
        let running = ("active", "running");
        let services = services_like([
            running,
            running,
            running,
            ("failed", "failed"),
            running,
            ("activating", "start"),
        ]);
        let findings: Vec<Finding> = services.iter().map(judge).collect();
        let states: Vec<State> = findings.iter().map(|f| f.state).collect();
        use State::{Error, Ok, Unknown};
        assert_eq!(states, [Ok, Ok, Ok, Error, Ok, Unknown]);
        assert_eq!(findings[3].id, "units.rspamd");
        insta::assert_snapshot!(findings[3].reason, @"judges and signs it: failed; mail waits at the senders, and what users send is put off.");
    }

    #[test]
    fn other_failed_units_are_named() {
        let text = "acme.service loaded failed failed Certificate\nrspamd.service loaded failed failed x\n";
        assert_eq!(judge_failed(text).reason, "Failed: acme.service.");
        assert_eq!(judge_failed(text).about, ["acme.service"]);
        assert_eq!(judge_failed("").state, State::Ok);
    }
}
