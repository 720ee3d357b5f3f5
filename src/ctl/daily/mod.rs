//! `mailctl daily`: what the administrator should know, by mail, when it has changed.

pub mod notices;
pub mod snapshot;
pub mod webhook;

use std::{fmt::Write, process::Command};

use anyhow::{Result, bail};

use super::{
    accounts,
    check::{self, area::limits, finding::Finding},
    logins, output,
    server::Server,
};
use crate::{
    answers::Answers,
    util::{run::Task, time},
};

use snapshot::{Change, Snapshot};

/// How often it looks again for who came above a limit meanwhile.
const ROUNDS: u32 = 5;

/// Said when there is nothing to say.
const NOTHING: &str = "nothing has changed: no mail\n";

/// Prints what the mail would say.
///
/// # Errors
/// When the snapshot of the last mail cannot be read.
pub fn show(server: &Server) -> Result<()> {
    let last = Snapshot::read(server)?.unwrap_or_default();
    let (change, _) = last.compare(&check::findings(server, &[], &[]));
    match change.is_empty() {
        true => output::text(NOTHING),
        false => output::text(&text(&change)),
    }
}

/// Sends the mail, if something has changed, and says what was done.
///
/// # Errors
/// When there are no answers, which say who reads it, or neither smtpd nor the webhook takes it.
pub fn run(server: &Server) -> Result<()> {
    // who comes above a limit while this runs wakes nobody: the path unit does not look meanwhile
    for _ in 0..ROUNDS {
        let before = limits::over(server, time::now()?)?;
        once(server)?;
        let now = limits::over(server, time::now()?)?;
        if now.iter().all(|over| before.contains(over)) {
            break;
        }
    }
    Ok(())
}

fn once(server: &Server) -> Result<()> {
    let answers = server.effective().or_else(|_| server.answers())?;
    // the journal is kept for a while only
    if let Err(error) = logins::note_logins(server) {
        accounts::remark(&format!("the last logins were not noted: {error:#}"));
    }
    if let Err(error) = accounts::open(server) {
        accounts::remark(&format!(
            "mail of renamed users was not looked for: {error:#}"
        ));
    }
    let findings = check::findings(server, &[], &[]);
    let last = Snapshot::read(server)?.unwrap_or_default();
    let (change, now) = last.compare(&findings);
    if change.is_empty() {
        notices::write(server, &findings, None)?;
        now.write(server)?;
        return output::text(NOTHING);
    }
    let mailed = send(&answers, &text(&change));
    let why = mailed.as_ref().err().map(|e| format!("{e:#}"));
    notices::write(server, &findings, why.as_deref())?;
    let posted = match &answers.webhook {
        Some(url) => webhook::post(url.expose(), answers.hostname.as_str(), &change),
        None => Ok(()),
    };
    match (mailed, posted) {
        (Ok(()), posted) => {
            // after the mail: rather told twice than never
            now.write(server)?;
            posted?;
            output::text(&format!("told {}\n", answers.notices_to()))
        }
        (Err(error), Ok(())) if answers.webhook.is_some() => {
            now.write(server)?;
            bail!("the webhook was told, but there was no mail: {error:#}")
        }
        (Err(error), Ok(())) => Err(error),
        (Err(error), Err(other)) => bail!("{error:#}; {other:#}"),
    }
}

/// What has changed, a paragraph each; empty if nothing has.
pub fn text(change: &Change) -> String {
    let mut text = String::new();
    for finding in &change.new {
        paragraph(&mut text, finding.state.word(), finding);
    }
    for finding in &change.gone {
        paragraph(&mut text, "well again", finding);
    }
    text
}

fn paragraph(text: &mut String, word: &str, finding: &Finding) {
    let reason = finding.reason.trim_end().replace('\n', "\n  ");
    // writing to a string cannot fail
    let _ = writeln!(text, "* {} ({word}):\n  {reason}", finding.id);
    if let Some(todo) = &finding.todo {
        let _ = writeln!(text, "  -> {}", todo.trim_end().replace('\n', "\n     "));
    }
    text.push('\n');
}

fn send(answers: &Answers, text: &str) -> Result<()> {
    let (from, to) = (sender(answers), answers.notices_to().to_string());
    let mut command = Command::new("sendmail");
    command.args(["-f", &from, &to]);
    Task::new("handing the mail to smtpd", command)
        .input(message(answers, text))
        .run()
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
         Content-Type: text/plain; charset=utf-8\n\n{text}-- \n\
         {hostname} sends this when something has changed; 'mailctl check' tells all.\n",
        sender(answers),
        answers.notices_to()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{answers, ctl::check::finding::Area};

    #[test]
    fn the_message_is_one() {
        let text_of = "hostname = \"mail.example.org\"\nnotify = \"me@example.net\"\n\
                       postmaster = \"al@example.net\"\n[[domain]]\nname = \"example.org\"\n";
        let answers = answers::parse(text_of, "a").unwrap();
        let change = Change {
            new: vec![
                Finding::error(
                    Area::Units,
                    "rspamd",
                    "judges mail: failed.",
                    "See 'journalctl'.",
                ),
                Finding::warning(Area::Disk, "space", "one line\nand another", "Buy."),
            ],
            gone: vec![Finding::ok(Area::Clock, "", "The clock is synchronised.")],
        };
        insta::assert_snapshot!(message(&answers, &text(&change)));
        assert_eq!(text(&Change::default()), "");
    }
}
