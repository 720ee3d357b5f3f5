//! `mailctl status`: the server in one look.

mod gather;
mod screen;
mod today;

use std::fmt;

use serde::Serialize;

pub use gather::report;
pub use today::Today;

use super::{
    ban,
    check::{
        area::{queue::Queue, size, span},
        finding::{Finding, State},
    },
};
use crate::{
    agent::{
        health::{Health, Service},
        release::Release,
        status::{MEMORY, Outcome, Status as Agent},
    },
    backup::{report::Report as Backed, switch::Before},
    guard::Overview,
};

/// Of what the agent said, and of a list, so many lines are shown.
const LINES: usize = 5;

/// All that `mailctl status` tells.
#[derive(Debug, Serialize)]
pub struct Report {
    /// This program's version.
    pub version: &'static str,
    /// The image it runs in.
    pub image: Release,
    /// The services; none for a server in a folder.
    pub services: Vec<Service>,
    /// What the agent's last apply did; none before the first.
    pub agent: Option<Agent>,
    /// The server's name, once there are answers.
    pub hostname: Option<String>,
    /// Seconds since the machine was started.
    pub up: Option<u64>,
    /// The space where the state lies.
    pub volume: Option<Volume>,
    /// How many of what there are.
    pub counts: Option<Counts>,
    /// What `mailctl check certificate` says.
    pub certificate: Vec<Finding>,
    /// What is known about backups; none where none is configured.
    pub backup: Option<Backups>,
    /// What is kept of what was there before restores.
    pub before: Option<Before>,
    /// What waits.
    pub queue: Option<Queue>,
    /// Who is banned, and whose password is guessed; not known where the guard does not answer.
    pub bans: Option<Overview>,
    /// The mail since midnight.
    pub today: Option<Today>,
    /// DKIM keys that wait for something, a line each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dkim: Vec<String>,
    /// The warnings and errors of the last daily check; none before the first.
    pub last_check: Option<Vec<Finding>>,
    /// What could not be found out, and why.
    pub unknown: Vec<String>,
}

/// Backups.
#[derive(Debug, Serialize)]
pub struct Backups {
    /// Where they go.
    pub target: String,
    /// What became of them, where that is known.
    #[serde(flatten)]
    pub report: Option<Backed>,
}

/// The space of a file system, in bytes.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Volume {
    /// All of it.
    pub total: u64,
    /// What is free.
    pub free: u64,
}

/// What is in the database.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Counts {
    /// Domains.
    pub domains: i64,
    /// Users.
    pub users: i64,
}

impl Report {
    /// Whether every service runs.
    pub fn is_well(&self) -> bool {
        self.services.iter().all(|s| s.state.active == "active")
    }

    fn lines(&self) -> Vec<(&'static str, String)> {
        let mut lines = Vec::new();
        self.setup(&mut lines);
        self.mail(&mut lines);
        if let Some(bans) = self.bans.as_ref().and_then(ban::summary) {
            lines.push(("Bans", bans));
        }
        if self.hostname.is_some() {
            lines.push(("Backup", self.backed()));
        }
        if let Some(before) = self.before {
            lines.push(("Restored", restored(before)));
        }
        for text in self.dkim.iter().take(LINES) {
            lines.push(("Keys", text.clone()));
        }
        lines.push(("Last check", self.last()));
        for text in self.unknown.iter().take(LINES) {
            lines.push(("Not known", text.clone()));
        }
        lines
    }

    /// How the server came to be what it is.
    fn setup(&self, lines: &mut Vec<(&'static str, String)>) {
        match &self.agent {
            None => lines.push((
                "Answers",
                "the agent has not run since this boot".to_owned(),
            )),
            Some(agent) => {
                let source = agent.source.as_deref().unwrap_or("none");
                let said = match agent.outcome {
                    Outcome::Ready => format!("applied: {source}"),
                    Outcome::Waiting => "there are none yet".to_owned(),
                    Outcome::Installed => "installed to disk, restarting".to_owned(),
                    Outcome::Failed => "NOT APPLIED".to_owned(),
                };
                lines.push(("Answers", said));
                let message = agent.message.as_deref().unwrap_or("");
                let said: Vec<&str> = message.lines().collect();
                for line in said.iter().take(LINES) {
                    lines.push(("", (*line).to_owned()));
                }
                if said.len() > LINES {
                    let left = said.len() - LINES;
                    let more = format!("... {left} more lines: 'journalctl -u ezmail-agent'");
                    lines.push(("", more));
                }
            }
        }
        let device = self.agent.as_ref().and_then(|a| a.state.clone());
        let ready = |agent: &Agent| agent.outcome == Outcome::Ready;
        let memory = device.is_none() && self.agent.as_ref().is_some_and(ready);
        let mut place = device.map_or_else(String::new, |d| format!("state volume: {d}, "));
        if memory && !self.services.is_empty() {
            place = format!("{MEMORY}; ");
        }
        if let Some(volume) = self.volume {
            let (free, total) = (size(volume.free), size(volume.total));
            lines.push(("State", format!("{place}{free} of {total} are free")));
        } else if !place.is_empty() {
            let place = place.trim_end_matches([' ', ',', ';']);
            lines.push(("State", place.to_owned()));
        }
        let certificate = self.certificate.iter().filter(|f| {
            f.state.is_trouble() || f.id.ends_with(".expiry") || f.id.ends_with(".names")
        });
        let certificate: Vec<&str> = certificate.map(|f| f.reason.as_str()).collect();
        if !certificate.is_empty() {
            lines.push(("Certificate", certificate.join(" ")));
        }
    }

    fn mail(&self, lines: &mut Vec<(&'static str, String)>) {
        if let Some(counts) = self.counts {
            let of = |n: i64, word: &str| match n {
                1 => format!("1 {word}"),
                n => format!("{n} {word}s"),
            };
            let text = format!(
                "{}, {}",
                of(counts.users, "user"),
                of(counts.domains, "domain")
            );
            lines.push(("Mailboxes", text));
        }
        if let Some(today) = self.today {
            let text = format!(
                "{} accepted, {} refused, {} delivered here, {} sent",
                today.accepted, today.refused, today.delivered, today.sent
            );
            lines.push(("Mail today", text));
        }
        if let Some(queue) = &self.queue {
            let now = super::server::now().unwrap_or(0);
            let text = match queue.oldest {
                Some(oldest) => {
                    let age = span((now - oldest).max(0).unsigned_abs());
                    format!("{} waiting, the oldest for {age}", queue.count)
                }
                None => "empty".to_owned(),
            };
            lines.push(("Queue", text));
        }
    }

    /// The newest backup, and whether one was drilled.
    fn backed(&self) -> String {
        let Some(backup) = &self.backup else {
            return "NONE is configured".to_owned();
        };
        let now = super::server::now().unwrap_or(0);
        let ago = |time: i64| span((now - time).max(0).unsigned_abs());
        let Some(report) = &backup.report else {
            return "not known".to_owned();
        };
        let failed = report.last.as_ref().is_some_and(|run| run.error.is_some());
        let failed = match failed {
            true => "; LAST ONE FAILED",
            false => "",
        };
        let Some(good) = &report.good else {
            return format!("NONE YET{failed}");
        };
        let drill = match &report.drill {
            None => "NEVER DRILLED".to_owned(),
            Some(drill) if drill.error.is_some() => "DRILL FAILED".to_owned(),
            Some(drill) => format!("drilled {} ago", ago(drill.begun)),
        };
        let (age, bytes) = (ago(good.begun), size(good.bytes));
        format!("newest {age} old, {bytes}; {drill}{failed}")
    }

    /// The names of what the last daily check found.
    fn last(&self) -> String {
        let Some(found) = &self.last_check else {
            return "none yet; publish the DNS records ('mailctl dns show'), then 'mailctl check'"
                .to_owned();
        };
        let names = |state| -> Vec<&str> {
            let found = found.iter().filter(|f| f.state == state);
            found.map(|f| f.id.as_str()).collect()
        };
        let (errors, warnings) = (names(State::Error), names(State::Warning));
        let mut parts = Vec::new();
        if !errors.is_empty() {
            parts.push(format!("ERRORS: {}", errors.join(", ")));
        }
        if !warnings.is_empty() {
            parts.push(format!("warnings: {}", warnings.join(", ")));
        }
        match parts.is_empty() {
            true => "nothing was found; 'mailctl check' looks again".to_owned(),
            false => format!("{}; see 'mailctl check'", parts.join("; ")),
        }
    }
}

/// Since when there was a restore, and what is kept of before.
fn restored(before: Before) -> String {
    let now = super::server::now().unwrap_or(0);
    let age = span((now - before.since).max(0).unsigned_abs());
    let kept = size(before.bytes);
    format!("{age} ago; {kept} kept of before: mailctl restore --drop-old")
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let image = self.image.to_string();
        let name = self.hostname.as_deref().unwrap_or("");
        let up = self
            .up
            .map_or_else(String::new, |up| format!(", up {}", span(up)));
        let left = format!("{image}{up}");
        let gap = screen::WIDTH.saturating_sub(left.len() + name.len()).max(1);
        writeln!(
            f,
            "{}",
            format!("{left}{}{name}", " ".repeat(gap)).trim_end()
        )?;
        for service in &self.services {
            let health = service.state.health();
            let word = match health {
                Health::Failed | Health::Stopped => health.word().to_uppercase(),
                _ => health.word().to_owned(),
            };
            // an instance's number says nothing to a person
            let name = service.name().split('@').next().unwrap_or_default();
            writeln!(f, "  {name:<9}  {word:<9}  {}", service.purpose)?;
        }
        for row in screen::rows(&self.lines(), self.services.len() + 1) {
            writeln!(f, "{row}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        agent::health::tests::services_like,
        backup::report::{Drill, Run},
        ctl::check::finding::Area,
    };

    fn report(services: Vec<Service>, state: Option<&str>) -> Report {
        let mut agent = Agent::new(Outcome::Ready, Some("the volume EZMAIL".into()), None);
        agent.state = state.map(str::to_owned);
        Report {
            version: "0",
            image: Release::parse("IMAGE_ID=ezmail-arch\nIMAGE_VERSION=0.1.0\n"),
            services,
            agent: Some(agent),
            hostname: Some("mail.example.org".to_owned()),
            up: Some(300_000),
            volume: Some(Volume {
                total: 20 << 30,
                free: 13 << 30,
            }),
            counts: Some(Counts {
                domains: 1,
                users: 2,
            }),
            certificate: vec![Finding::ok(
                Area::Certificate,
                "expiry",
                "It is valid until 2027-01-31.",
            )],
            backup: None,
            before: None,
            queue: Some(Queue::default()),
            bans: Some(Overview::default()),
            today: Some(Today {
                accepted: 12,
                refused: 3,
                delivered: 9,
                sent: 2,
            }),
            dkim: Vec::new(),
            last_check: Some(Vec::new()),
            unknown: Vec::new(),
        }
    }

    /// The report, which must fit a terminal.
    fn screen(report: &Report) -> String {
        let text = report.to_string();
        assert!(text.lines().count() < 24, "{text}");
        assert!(text.lines().all(|l| l.chars().count() <= 80), "{text}");
        text
    }

    #[test]
    fn the_report_names_every_service() {
        let services = services_like([
            ("active", "exited"),
            ("active", "running"),
            ("failed", "failed"),
            ("active", "running"),
            ("active", "running"),
            ("inactive", "dead"),
        ]);
        let mut report = report(services, None);
        report.last_check = Some(vec![
            Finding::error(Area::Port25, "ipv4", "x", "y"),
            Finding::warning(Area::Backup, "", "x", "y"),
        ]);
        assert!(!report.is_well());
        insta::assert_snapshot!(screen(&report));
    }

    #[test]
    fn all_running_is_well() {
        let report = report(services_like([("active", "running"); 6]), Some("/dev/vda"));
        assert!(report.is_well());
        let text = screen(&report);
        assert!(text.contains("state volume: /dev/vda"), "{text}");
        insta::assert_snapshot!("all_is_well", text);
    }

    #[test]
    fn however_much_there_is_to_tell_it_fits() {
        let mut report = report(services_like([("failed", "failed"); 6]), Some("/dev/vda"));
        let said = "error: this line of what the agent said is a long one, with much to tell, \
                    and goes on and on\n";
        report.agent = Some(Agent::new(Outcome::Failed, None, Some(said.repeat(9))));
        let key = |n: i32| {
            format!(
                "DKIM example{n}.org: next key s2026{n} waits until every name server of the \
                 domain shows its record, which ns1.example.net does not yet"
            )
        };
        report.dkim = (0..3).map(key).collect();
        let trouble = |n: i32| Finding::error(Area::Permissions, &format!("number{n}"), "x", "y");
        report.last_check = Some((0..40).map(trouble).collect());
        report.unknown = vec![format!("no answer of {}", "x".repeat(200)); 4];
        insta::assert_snapshot!("much_to_tell", screen(&report));
    }

    #[test]
    fn refused_answers_are_told_in_short() {
        let mut report = report(services_like([("inactive", "dead"); 6]), None);
        let said: Vec<String> = (0..20).map(|n| format!("line {n}")).collect();
        report.agent = Some(Agent::new(Outcome::Failed, None, Some(said.join("\n"))));
        report.hostname = None;
        report.counts = None;
        report.certificate = Vec::new();
        insta::assert_snapshot!(screen(&report));
    }

    #[test]
    fn backups_have_a_line() {
        let services = services_like([("active", "running"); 6]);
        let mut report = report(services, Some("/dev/vda"));
        let line = |report: &Report| {
            let text = screen(report);
            let line = text.lines().find(|line| line.starts_with("Backup "));
            line.unwrap().to_owned()
        };
        insta::assert_snapshot!(line(&report), @"Backup       NONE is configured");
        report.backup = Some(Backups {
            target: "sftp://backup@backup.example.net/srv".to_owned(),
            report: Some(Backed::default()),
        });
        insta::assert_snapshot!(line(&report), @"Backup       NONE YET");
        let now = crate::ctl::server::now().unwrap();
        let run = Run {
            begun: now - 7 * 3600,
            ended: now,
            id: None,
            place: String::new(),
            files: 1,
            bytes: 3 << 30,
            written: 1,
            error: None,
        };
        let of = |report: &mut Report, change: &dyn Fn(&mut Backed)| {
            let backup = report.backup.as_mut().unwrap();
            change(backup.report.as_mut().unwrap());
            line(report)
        };
        let good = of(&mut report, &|backed| {
            backed.good = Some(run.clone());
            backed.last = Some(run.clone());
        });
        insta::assert_snapshot!(good, @"Backup       newest 7 hours old, 3.0 GiB; NEVER DRILLED");
        let drill = Drill {
            begun: now - 3 * 86_400,
            ended: now,
            id: None,
            files: 1,
            bytes: 1,
            mailboxes: 1,
            messages: 1,
            error: None,
        };
        let drilled = of(&mut report, &|backed| backed.drill = Some(drill.clone()));
        insta::assert_snapshot!(drilled, @"Backup       newest 7 hours old, 3.0 GiB; drilled 3 days ago");
        let failed = of(&mut report, &|backed| {
            let error = Some("no answer".to_owned());
            backed.drill.as_mut().unwrap().error = error.clone();
            backed.last.as_mut().unwrap().error = error;
        });
        let (since, bytes) = (now - 9 * 86_400, 5 << 30);
        report.before = Some(Before { since, bytes });
        let text = screen(&report);
        let before = text.lines().find(|line| line.starts_with("Restored "));
        insta::assert_snapshot!(before.unwrap(), @"Restored     9 days ago; 5.0 GiB kept of before: mailctl restore --drop-old");
        insta::assert_snapshot!(failed, @"Backup       newest 7 hours old, 3.0 GiB; DRILL FAILED; LAST ONE FAILED");
    }
}
