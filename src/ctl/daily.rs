//! `mailctl daily`: what the administrator should know, by mail, when it has changed.

use std::{fmt::Write, process::Command};

use anyhow::Result;

use super::{server::Server, status::Report};
use crate::{
    agent::{
        health::Health,
        status::{MEMORY, Outcome},
    },
    answers::Answers,
    util::{files, run::Task},
};

/// What the last mail said: in memory, that of this boot.
const LAST: &str = "daily.txt";
/// Said when there was something before and is nothing now.
const WELL: &str = "All is well again.\n";

/// What is to be told about a server, a paragraph each; empty if nothing is.
pub fn text(report: &Report) -> String {
    let mut text = String::new();
    let mut add = |paragraph: &str| {
        // writing to a string cannot fail
        let _ = writeln!(text, "* {}\n", paragraph.trim_end().replace('\n', "\n  "));
    };
    match &report.agent {
        None => add("The agent has not run since this boot: see 'journalctl -u ezmail-agent'."),
        Some(agent) => {
            if agent.outcome == Outcome::Failed {
                let said = agent.message.as_deref().unwrap_or("nothing");
                add(&format!(
                    "The answers were not applied. The agent said:\n{said}"
                ));
            } else if agent.state.is_none() {
                add(&format!(
                    "There is {MEMORY}. Name a disk for them in the answers: [state] device."
                ));
            }
        }
    }
    for service in &report.services {
        let health = service.state.health();
        if matches!(health, Health::Failed | Health::Stopped | Health::Held) {
            add(&format!(
                "{} ({}): {}; {}. See 'journalctl -u {}'.",
                service.unit,
                service.purpose,
                health.word(),
                service.without,
                service.unit
            ));
        }
    }
    text
}

/// Sends the mail, if what it says is not what the last one said; returns what was done, in a line.
///
/// # Errors
/// When there are no answers, which say who reads it, or smtpd does not take it.
pub fn send(report: &Report, server: &Server) -> Result<String> {
    let answers = server.answers()?;
    let file = server.target.path(&server.paths.state.join(LAST));
    let last = match file.exists() {
        true => files::read_to_string(&file)?,
        false => String::new(),
    };
    let mut now = text(report);
    if now.is_empty() && !matches!(&*last, "" | WELL) {
        now = WELL.to_owned();
    }
    if now == last || now.is_empty() {
        return Ok("nothing has changed: no mail".to_owned());
    }
    let (from, to) = (sender(&answers), answers.postmaster.to_string());
    let mut command = Command::new("sendmail");
    command.args(["-f", &from, &to]);
    Task::new("handing the mail to smtpd", command)
        .input(message(&answers, &now))
        .run()?;
    // after the mail: rather told twice than never
    files::write(&file, &now, 0o600)?;
    Ok(format!("told {to}"))
}

/// A role address of a domain whose mail is signed.
fn sender(answers: &Answers) -> String {
    let domain = answers.domains.first().map(|d| &d.name);
    format!("root@{}", domain.unwrap_or(&answers.hostname))
}

/// smtpd adds Date and Message-ID. RFC 3834: no vacation notice answers it.
fn message(answers: &Answers, text: &str) -> String {
    let hostname = &answers.hostname;
    format!(
        "From: {hostname} <{}>\nTo: {}\nSubject: {hostname}: what has changed\n\
         Auto-Submitted: auto-generated\nMIME-Version: 1.0\n\
         Content-Type: text/plain; charset=utf-8\n\n{text}\n-- \n\
         {hostname} sends this when something has changed; 'mailctl status' has more.\n",
        sender(answers),
        answers.postmaster
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        agent::{health::tests::services_like, release::Release, status::Status},
        answers,
    };

    fn report(outcome: Outcome, state: Option<&str>, rspamd: &'static str) -> Report {
        let mut agent = Status::new(outcome, None, Some("line 3:\nno such key".to_owned()));
        agent.state = state.map(str::to_owned);
        let running = ("active", "running");
        Report {
            version: "0",
            image: Release::parse("IMAGE_ID=ezmail-arch\nIMAGE_VERSION=0.1.0\n"),
            services: services_like([
                running,
                running,
                running,
                (rspamd, rspamd),
                running,
                running,
            ]),
            agent: Some(agent),
        }
    }

    #[test]
    fn what_is_not_well_is_told() {
        assert_eq!(
            text(&report(Outcome::Ready, Some("/dev/vda"), "active")),
            ""
        );
        insta::assert_snapshot!(text(&report(Outcome::Ready, None, "failed")), @r"
        * There is no state volume: this server runs from memory. Mail, keys and settings are GONE after a reboot. Name a disk for them in the answers: [state] device.

        * rspamd.service (judges and signs it): failed; mail waits at the senders, and what users send is put off. See 'journalctl -u rspamd.service'.
        ");
        insta::assert_snapshot!(text(&report(Outcome::Failed, None, "active")), @r"
        * The answers were not applied. The agent said:
          line 3:
          no such key
        ");
    }

    #[test]
    fn the_message_is_one() {
        let text = "hostname = \"mail.example.org\"\npostmaster = \"me@example.net\"\n\
                    [[domain]]\nname = \"example.org\"\n";
        let answers = answers::parse(text, "a").unwrap();
        insta::assert_snapshot!(message(&answers, WELL), @r"
        From: mail.example.org <root@example.org>
        To: me@example.net
        Subject: mail.example.org: what has changed
        Auto-Submitted: auto-generated
        MIME-Version: 1.0
        Content-Type: text/plain; charset=utf-8

        All is well again.

        -- 
        mail.example.org sends this when something has changed; 'mailctl status' has more.
        ");
    }
}
