//! `mailctl log`: what became of a message, told from the journal.

mod dovecot;
pub(super) mod journal;
mod rspamd;
pub(super) mod smtpd;
pub mod story;
mod text;

use std::{
    io::{self, Write},
    ops::ControlFlow,
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use clap::Args;

use super::{
    accounts, output,
    server::{self, Server},
    words,
};
use crate::{agent::console::harmless, util::run::Task};
pub use story::{Book, Happened, Story};

/// How many messages are listed when no address is given.
const NEWEST: usize = 50;

/// Tell what became of messages
///
/// Without an address: the newest messages, a line each. With one, or with
/// --message: each step of its way, through the mail server, the spam filter
/// and the mailbox. Times are UTC.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  mailctl log                            the newest messages, a line each
  mailctl log alice@example.org          all about hers, of two days
  mailctl log @example.com --since 7d    all from and to a domain
  mailctl log --message c0ffee01         one, by an ID of 'queue list'
  mailctl log alice@example.org --follow what happens from now on")]
pub struct Log {
    /// A sender or recipient, or '@domain' for all of a domain
    address: Option<String>,
    /// How far to go back: 30m, 12h, 2d, 1w
    #[arg(long, value_name = "TIME", default_value = "2d", value_parser = words::parse_duration)]
    since: i64,
    /// One message: its ID in the queue, or its Message-ID
    #[arg(long, value_name = "ID", conflicts_with = "address")]
    message: Option<String>,
    /// As JSON
    #[arg(long, conflicts_with = "follow")]
    json: bool,
    /// Go on telling what happens until interrupted
    #[arg(long)]
    follow: bool,
}

impl Log {
    fn wants(&self, story: &Story) -> bool {
        match (&self.address, &self.message) {
            (Some(address), _) => story.is_about(address),
            (_, Some(id)) => story.is(id),
            _ => true,
        }
    }
}

/// Runs `mailctl log`.
///
/// # Errors
/// When the journal cannot be read, or --message names none.
pub fn run(log: &Log, server: &Server) -> Result<ExitCode> {
    if !server.is_live() {
        bail!("the log is that of a running server: leave out --root");
    }
    if log.follow {
        return follow(log);
    }
    let book = read(server::now()? - log.since)?;
    if book.skipped > 0 {
        let text = format!(
            "entries of the journal that could not be read and were left out: {}",
            book.skipped
        );
        accounts::remark(&text);
    }
    let mut found: Vec<&Story> = book.stories().filter(|s| log.wants(s)).collect();
    let one_each = log.address.is_none() && log.message.is_none();
    if one_each {
        found.drain(..found.len().saturating_sub(NEWEST));
    }
    if log.json {
        output::json(&found)?;
        return Ok(ExitCode::SUCCESS);
    }
    if found.is_empty() {
        let since = words::duration(log.since);
        if let Some(id) = &log.message {
            bail!("there is no message {id} in the log of {since}: --since goes back further");
        }
        output::text(&format!(
            "There is no such message in the log of {since}.\n"
        ))?;
        return Ok(ExitCode::SUCCESS);
    }
    let tell = if one_each { text::line } else { text::story };
    let blocks: Vec<String> = found.into_iter().map(tell).collect();
    output::text(&blocks.join(if one_each { "" } else { "\n" }))?;
    Ok(ExitCode::SUCCESS)
}

/// All stories since a time, in seconds since 1970.
///
/// # Errors
/// When the journal cannot be read.
pub fn read(since: i64) -> Result<Book> {
    let mut book = Book::default();
    let command = journal::command(since, false);
    Task::new("reading the journal", command).lines(|line| {
        take(&mut book, line);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(book)
}

/// Takes a line of the journal; says when that was, and which story goes on with it. One that is no
/// entry is counted: the others still tell what they have to.
fn take(book: &mut Book, line: &str) -> Option<(i64, u64)> {
    match journal::parse(line) {
        Ok(entry) => book.read(&entry).map(|key| (entry.time, key)),
        Err(_) => {
            book.skipped += 1;
            None
        }
    }
}

/// Tells events as they come, each with the number of its message.
fn follow(log: &Log) -> Result<ExitCode> {
    let mut book = Book::default();
    let start = server::now()?;
    // what began before is needed to know what goes on
    let command = journal::command(start - log.since, true);
    Task::new("reading the journal", command).lines(|line| {
        let Some((time, key)) = take(&mut book, line) else {
            return Ok(ControlFlow::Continue(()));
        };
        let Some(story) = book.get(key) else {
            return Ok(ControlFlow::Continue(()));
        };
        let Some(event) = story.events.last() else {
            return Ok(ControlFlow::Continue(()));
        };
        if time / 1_000_000 < start || !log.wants(story) {
            return Ok(ControlFlow::Continue(()));
        }
        let text = text::event(event);
        match writeln!(io::stdout(), "{}  {}", story.id, harmless(&text)) {
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(ControlFlow::Break(())),
            other => {
                other.context("writing to standard output")?;
                Ok(ControlFlow::Continue(()))
            }
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

/// How a message stands, in words.
pub fn outcome(story: &Story) -> String {
    text::outcome(story)
}

#[cfg(test)]
mod tests;
