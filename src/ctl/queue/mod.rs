//! `mailctl queue`: the mail that waits in smtpd's queue.

mod envelope;
mod text;

use std::process::{Command, ExitCode};

use anyhow::{Result, bail};
use clap::Subcommand;
use serde::Serialize;

pub use envelope::{Envelope, State, parse};

use super::{
    ask, output,
    server::{self, Server},
};
use crate::util::run::Task;

/// The mail that waits
#[derive(Debug, Subcommand)]
pub enum Queue {
    /// List what waits, since when, and why
    #[command(after_help = "\
Examples:
  mailctl queue list          what waits, and why
  mailctl queue list --json   the same for a script")]
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one message: its envelopes and its header
    #[command(after_help = "\
Examples:
  mailctl queue show c0ffee01          a message, by the first 8 digits of an ID
  mailctl queue show c0ffee01 --text   with all of its text")]
    Show {
        /// The ID of 'queue list', or its first 8 digits: the message
        #[arg(value_parser = id)]
        id: String,
        /// Its text too, which is private
        #[arg(long)]
        text: bool,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Try delivery now instead of later
    #[command(after_help = "\
Examples:
  mailctl queue retry c0ffee01   every recipient of a message
  mailctl queue retry --all      all that waits")]
    Retry {
        /// IDs of envelopes, or their first 8 digits: of messages
        #[arg(value_parser = id, value_name = "ID", required_unless_present = "all")]
        ids: Vec<String>,
        /// All that waits
        #[arg(long, conflicts_with = "ids")]
        all: bool,
    },
    /// Remove mail from the queue for good
    ///
    /// It is not delivered, and its sender gets no bounce.
    #[command(after_help = "\
Examples:
  mailctl queue remove c0ffee01               a message; asks first
  mailctl queue remove c0ffee0112345678 --yes one recipient of it, in a script")]
    Remove {
        /// IDs of envelopes, or their first 8 digits: of messages
        #[arg(value_parser = id, value_name = "ID", required = true)]
        ids: Vec<String>,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Serialize)]
struct Shown<'a> {
    envelopes: Vec<Envelope>,
    message: &'a str,
}

/// Runs a command about the queue.
///
/// # Errors
/// When smtpctl fails, or there is no such message.
pub fn run(command: Queue, server: &Server) -> Result<ExitCode> {
    if !server.is_live() {
        bail!("the queue is that of a running server: leave out --root");
    }
    match command {
        Queue::List { json } => list(json)?,
        Queue::Show { id, text, json } => show(&id, text, json)?,
        Queue::Retry { all: true, .. } => {
            smtpctl(&["schedule", "all"], "scheduling delivery")?;
            output::text("all that waits is being tried now\n")?;
        }
        Queue::Retry { ids, .. } => {
            let found = known(&queue()?, &ids)?;
            for id in &ids {
                smtpctl(&["schedule", id], "scheduling delivery")?;
            }
            output::text(&format!("being tried now: {found} envelopes\n"))?;
        }
        Queue::Remove { ids, yes } => remove(&ids, yes)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// All that is in the queue of this machine, oldest first.
///
/// # Errors
/// When smtpctl fails, or its list is not as we know it.
pub fn queue() -> Result<Vec<Envelope>> {
    let mut found = parse(&smtpctl(&["show", "queue"], "reading the queue")?)?;
    found.sort_by_key(|e| e.created);
    Ok(found)
}

/// Removes from the queue what `is_meant`, and returns it. smtpd ends no delivery for that: what is
/// on its way may still arrive.
///
/// # Errors
/// When smtpctl fails, or one is still there afterwards: that it was delivered meanwhile is none.
pub fn discard(is_meant: &dyn Fn(&Envelope) -> bool) -> Result<Vec<Envelope>> {
    let remove = |id: &str| smtpctl(&["remove", id], "removing from the queue").map(drop);
    discard_by(queue, remove, is_meant)
}

fn discard_by(
    queue: impl Fn() -> Result<Vec<Envelope>>,
    remove: impl Fn(&str) -> Result<()>,
    is_meant: &dyn Fn(&Envelope) -> bool,
) -> Result<Vec<Envelope>> {
    let mut found = queue()?;
    found.retain(is_meant);
    let mut failed = None;
    for envelope in &found {
        if let Err(error) = remove(&envelope.id) {
            failed = Some(error);
        }
    }
    match failed {
        Some(error) if queue()?.iter().any(is_meant) => Err(error),
        _ => Ok(found),
    }
}

fn list(json: bool) -> Result<()> {
    let queue = queue()?;
    match json {
        true => output::json(&queue),
        false => output::text(&text::list(&queue, server::now()?)),
    }
}

fn show(id: &str, whole: bool, json: bool) -> Result<()> {
    let mut envelopes = queue()?;
    known(&envelopes, &[id.to_owned()])?;
    envelopes.retain(|e| e.is(id));
    let mut command = Command::new("smtpctl");
    command.args(["show", "message", id]);
    let bytes = Task::new("reading the message", command).bytes()?;
    let message = String::from_utf8_lossy(&bytes).replace("\r\n", "\n");
    let message = match whole {
        true => message,
        false => text::header(&message),
    };
    match json {
        true => output::json(&Shown {
            envelopes,
            message: &message,
        }),
        false => output::text(&text::show(&envelopes, &message, server::now()?)),
    }
}

fn remove(ids: &[String], yes: bool) -> Result<()> {
    let count = known(&queue()?, ids)?;
    let what = match count {
        1 => "1 envelope".to_owned(),
        many => format!("{many} envelopes"),
    };
    ask::sure(
        &format!("Remove {what}? It is not delivered, and its sender gets no bounce."),
        yes,
    )?;
    for id in ids {
        smtpctl(&["remove", id], "removing from the queue")?;
    }
    output::text(&format!("removed {what}\n"))
}

/// How many envelopes `ids` mean; nothing is done when one of them means none.
fn known(queue: &[Envelope], ids: &[String]) -> Result<usize> {
    for id in ids {
        if !queue.iter().any(|e| e.is(id)) {
            bail!(
                "there is no {id} in the queue: it may have been delivered by now; \
                 'mailctl queue list' has what waits, 'mailctl log --message {id}' what became \
                 of it"
            );
        }
    }
    let meant = |e: &&Envelope| ids.iter().any(|id| e.is(id));
    Ok(queue.iter().filter(meant).count())
}

fn smtpctl(words: &[&str], what: &str) -> Result<String> {
    let mut command = Command::new("smtpctl");
    command.args(words);
    Task::new(what, command).output()
}

/// An ID on the command line.
fn id(text: &str) -> Result<String, String> {
    let text = text.to_ascii_lowercase();
    if matches!(text.len(), 8 | 16) && text.chars().all(|c| c.is_ascii_hexdigit()) {
        return Ok(text);
    }
    Err("an ID has 8 or 16 hexadecimal digits".into())
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn what_is_meant_is_removed() {
        let other = envelope::tests::WAITING.replace("c0ffee01", "c0ffee02");
        let text = format!(
            "{}\n{}",
            envelope::tests::WAITING,
            other.replace("alice", "al")
        );
        let left = RefCell::new(parse(&text).unwrap());
        let queue = || Ok(left.borrow().clone());
        let meant = |e: &Envelope| e.sender == "alice@example.org";
        let refuse = |_: &str| bail!("no such envelope");
        assert!(discard_by(queue, refuse, &meant).is_err());
        assert_eq!(left.borrow().len(), 2);
        let remove = |id: &str| {
            left.borrow_mut().retain(|e| !e.is(id));
            Ok(())
        };
        let gone = discard_by(queue, remove, &meant).unwrap();
        assert_eq!(gone[0].message, "c0ffee01");
        assert_eq!(left.borrow()[0].message, "c0ffee02");
        // delivered between the list and the removal
        left.borrow_mut().extend(gone);
        let late = |id: &str| {
            left.borrow_mut().retain(|e| !e.is(id));
            bail!("no such envelope")
        };
        assert_eq!(discard_by(queue, late, &meant).unwrap().len(), 1);
    }

    #[test]
    fn ids_are_checked() {
        assert_eq!(id("C0FFEE01").unwrap(), "c0ffee01");
        assert!(id("c0ffee0").is_err() && id("c0ffee0g").is_err() && id("--").is_err());
        let queue = parse(envelope::tests::WAITING).unwrap();
        assert_eq!(known(&queue, &["c0ffee01".into()]).unwrap(), 1);
        let error = known(&queue, &["c0ffee02".into()]).unwrap_err().to_string();
        assert!(error.contains("there is no c0ffee02"), "{error}");
    }
}
