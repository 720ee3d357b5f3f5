//! The steps of a test.

use std::process::Command;

use anyhow::{Context, Result};

use super::{Stop, Way, visitor, visitor::Visitor};
use crate::{
    agent::health::{self, Health},
    ctl::{
        log, queue,
        server::{self, Server},
    },
    mail::address::Address,
    util::{files, random, run::Task},
};

/// From this server to itself.
pub fn round(way: &mut Way, server: &Server) -> Result<()> {
    if way.step("services", |_| services())?.is_none() {
        return Ok(());
    }
    let db = server.database()?;
    let now = server::now()?;
    visitor::clean(&db, server, now, &queue::discard)?;
    let visitor = Visitor::new(&db, server, now, &queue::discard)?;
    let gone = through(way, server, &visitor);
    // whatever happened
    let left = visitor.leave();
    gone?;
    left
}

fn through(way: &mut Way, server: &Server, visitor: &Visitor<'_>) -> Result<()> {
    let hostname = server.answers()?.hostname.to_string();
    let id = message_id(&hostname)?;
    let message = message(&visitor.address, &visitor.address, &id);
    let sent = way.step("submit", |way| submit(way, &hostname, visitor, &message))?;
    if sent.is_none() {
        return Ok(());
    }
    let stored = way.step("deliver", |way| {
        let search = || {
            let found = doveadm(&[
                "search",
                "-u",
                &visitor.address,
                "HEADER",
                "Message-ID",
                &format!("<{id}>"),
            ])?;
            Ok((!found.trim().is_empty()).then_some(()))
        };
        Ok(match way.until(search)? {
            Some(()) => Ok(((), "by LMTP into the mailbox".to_owned())),
            None => Err(Stop {
                reason: format!("it is in no folder: {}", whereabouts(way, &id)?),
                advice: "see 'mailctl queue list' and 'journalctl -u dovecot'",
            }),
        })
    })?;
    if stored.is_none() {
        return Ok(());
    }
    way.step("read", |_| {
        let query = ["HEADER", "Message-ID", &format!("<{id}>")];
        let words = [
            &["fetch", "-u", &visitor.address, "hdr mailbox"][..],
            &query,
        ]
        .concat();
        let text = doveadm(&words)?;
        let count = |name: &str| {
            let is = |line: &&str| line.to_ascii_lowercase().starts_with(name);
            text.lines().filter(is).count()
        };
        let folder = text.lines().find_map(|l| l.strip_prefix("mailbox: "));
        let folder = folder.unwrap_or("a folder").to_owned();
        Ok(match count("dkim-signature:") {
            0 => Err(Stop {
                reason: format!("in {folder}, but without a DKIM signature"),
                advice: "see 'mailctl dkim list' and 'journalctl -u rspamd'",
            }),
            signatures => Ok((
                (),
                format!("in {folder}, with {signatures} DKIM signatures"),
            )),
        })
    })?;
    Ok(())
}

/// From the server to an address elsewhere: an answer of its server is the end of the way.
pub fn elsewhere(way: &mut Way, to: &Address, server: &Server) -> Result<()> {
    if way.step("services", |_| services())?.is_none() {
        return Ok(());
    }
    let answers = server.answers()?;
    // a role of a domain whose mail is signed: what comes back reaches the postmaster
    let domain = answers.domains.first().map(|d| &d.name);
    let from = format!("postmaster@{}", domain.unwrap_or(&answers.hostname));
    let id = message_id(&answers.hostname.to_string())?;
    let start = server::now()?;
    let to = to.to_string();
    let sent = way.step("submit", |_| {
        let mut command = Command::new("sendmail");
        command.args(["-f", &from, &to]);
        let done = Task::new("handing the message to smtpd", command)
            .input(message(&from, &to, &id).replace("\r\n", "\n"))
            .outcome()?;
        Ok(match done.status.success() {
            true => Ok(((), format!("from {from}"))),
            false => Err(Stop {
                reason: last_line(&done.stderr),
                advice: "see 'mailctl service list' and 'journalctl -u smtpd'",
            }),
        })
    })?;
    if sent.is_none() {
        return Ok(());
    }
    way.step("deliver", |way| {
        let mut last = "smtpd has it, and has told nothing yet".to_owned();
        let answered = way.until(|| {
            let book = log::read(start - 1)?;
            let Some(story) = book.stories().find(|s| s.is(&id)) else {
                return Ok(None);
            };
            let ended = story.events.iter().find_map(|e| match &e.what {
                log::Happened::Delivered { .. } => Some(true),
                log::Happened::Bounced { .. } | log::Happened::Waits { .. } => Some(false),
                _ => None,
            });
            last = log::outcome(story);
            Ok(ended)
        })?;
        Ok(match answered {
            Some(true) => Ok(((), last)),
            Some(false) => Err(Stop {
                reason: last,
                advice: "see 'mailctl queue list'; port 25 outward may be closed",
            }),
            None => Err(Stop {
                reason: format!("no answer in time: {last}"),
                advice: "see 'mailctl queue list'; port 25 outward may be closed",
            }),
        })
    })?;
    Ok(())
}

fn services() -> Result<Result<((), String), Stop>> {
    let down: Vec<String> = health::services()?
        .iter()
        .filter(|s| s.state.health() != Health::Runs)
        .map(|s| format!("{} ({}): {}", s.name(), s.purpose, s.state.health().word()))
        .collect();
    Ok(match down.is_empty() {
        true => Ok(((), "all run".to_owned())),
        false => Err(Stop {
            reason: down.join(", "),
            advice: "see 'mailctl service list'",
        }),
    })
}

/// Hands the message in as a mail program does: on port 465, with TLS and a password.
fn submit(
    way: &Way,
    hostname: &str,
    visitor: &Visitor<'_>,
    message: &str,
) -> Result<Result<((), String), Stop>> {
    let folder = tempfile::tempdir().context("creating a folder for the message")?;
    let file = folder.path().join("message");
    files::write(&file, message, 0o600)?;
    // what is secret comes by standard input: a process list is for everybody
    let config = format!(
        "url = \"smtps://{hostname}:465/{hostname}\"\nconnect-to = \"::127.0.0.1:\"\ninsecure\n\
         silent\nshow-error\nmax-time = {}\nuser = \"{}:{}\"\nmail-from = \"{}\"\n\
         mail-rcpt = \"{}\"\nupload-file = \"{}\"\n",
        way.wait.as_secs(),
        visitor.address,
        visitor.password.expose(),
        visitor.address,
        visitor.address,
        file.display()
    );
    let mut command = Command::new("curl");
    command.args(["-q", "--config", "-"]);
    let done = Task::new("handing the message in", command)
        .input(config)
        .outcome()?;
    let advice = match done.status.code() {
        Some(0) => return Ok(Ok(((), "port 465, TLS, password: accepted".to_owned()))),
        Some(7) => "nobody listens on port 465: mailctl service restart smtp",
        Some(28) => "it took too long: see 'journalctl -u smtpd -u rspamd'",
        Some(35 | 60) => "TLS failed: see 'mailctl check' about the certificate",
        Some(67) => "the login failed: see 'journalctl -u smtpd'",
        Some(8 | 55 | 56) => "it was refused: see 'journalctl -u smtpd -u rspamd'",
        _ => "see 'journalctl -u smtpd'",
    };
    Ok(Err(Stop {
        reason: last_line(&done.stderr),
        advice,
    }))
}

fn doveadm(words: &[&str]) -> Result<String> {
    let mut command = Command::new("doveadm");
    command.args(words);
    Task::new("asking dovecot for the message", command).output()
}

/// What the log knows of a message.
fn whereabouts(way: &Way, id: &str) -> Result<String> {
    let since = i64::try_from(way.wait.as_secs())? * 2 + 60;
    let book = log::read(server::now()? - since)?;
    let story = book.stories().find(|s| s.is(id));
    Ok(story.map_or("the log does not know it".to_owned(), log::outcome))
}

fn message_id(hostname: &str) -> Result<String> {
    Ok(format!(
        "mailctl-test-{}@{hostname}",
        hex::encode(*random::bytes::<12>()?)
    ))
}

/// RFC 3834: nothing answers it by itself.
fn message(from: &str, to: &str, id: &str) -> String {
    let now = jiff::Timestamp::now();
    let date = now.strftime("%a, %d %b %Y %H:%M:%S +0000");
    format!(
        "Date: {date}\r\nFrom: <{from}>\r\nTo: <{to}>\r\nMessage-ID: <{id}>\r\n\
         Subject: A test of this mail server\r\nAuto-Submitted: auto-generated\r\n\
         MIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n\
         The administrator of this server has sent this with 'mailctl test',\r\n\
         to see whether mail comes through. There is nothing to do.\r\n"
    )
}

fn last_line(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let line = text.lines().rfind(|l| !l.trim().is_empty());
    line.unwrap_or("it said nothing").trim().to_owned()
}
