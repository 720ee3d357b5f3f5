//! `mailctl guide`: what is left between a server that has just been set up and its first mail.
//!
//! [`look`] touches the system, [`steps`] judges what was found and touches nothing, [`pace`] says how
//! often it is looked. What is found is left for the page of the consoles, which has no network.

mod flow;
mod look;
mod pace;
mod steps;
#[cfg(test)]
mod tests;

use std::{fmt::Write, path::Path, process::ExitCode};

use anyhow::{Context, Result, bail};
use clap::Args;

use super::{output, server::Server};
use crate::{
    agent::{
        page::guide::{FILE, Guide, STALE, text},
        status::{self, Outcome, Status},
    },
    util::{files, time},
};

/// Exit status when something is left.
const LEFT: u8 = 3;

/// Show what is left on the way to the first mail, and how to do it
///
/// DNS records that are missing or wrong, with what to publish, the names of
/// the addresses, port 25, the certificate, and whether a message has come in
/// and one gone out. The page on the console shows the same: a timer looks
/// every few minutes as long as something changes, else every hour. This looks
/// at once; what cannot be found out is said, with the reason.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  mailctl guide           what is left; the console then shows it, too
  mailctl guide --json    for a script

Exit status: 0 nothing is left, 1 it could not be looked, 3 something is left.")]
pub struct GuideCommand {
    /// As JSON
    #[arg(long)]
    json: bool,
    /// Only if it is time to, and without a word: what the timer does
    #[arg(long, hide = true, conflicts_with = "json")]
    scheduled: bool,
}

/// Runs `mailctl guide`.
///
/// # Errors
/// When the server is not set up yet, or the result cannot be left for the page. What cannot be found
/// out is a step that is not known.
pub fn run(command: &GuideCommand, server: &Server) -> Result<ExitCode> {
    if !server.is_live() {
        bail!("the guide is for a running server: leave out --root");
    }
    let last = last(server)?;
    let now = time::now()?;
    let is_due = || last.as_ref().is_none_or(|last| pace::is_due(last, now));
    if command.scheduled && !(is_set_up()? && is_due()) {
        return Ok(ExitCode::SUCCESS);
    }
    let outside = !command.scheduled || last.as_ref().is_none_or(|l| pace::is_due_outside(l, now));
    let seen = look::look(server, last.as_ref(), outside)?;
    let tried = match (outside, &last) {
        (false, Some(last)) => last.outside,
        _ => now,
    };
    let look = pace::Look {
        now,
        outside: tried,
        read: match (&seen.mail, &last) {
            (Ok(_), _) => now,
            // what has flowed meanwhile is looked for the next time
            (Err(_), last) => last.as_ref().map_or(0, |last| last.read),
        },
        patience: if command.scheduled { STALE } else { 0 },
    };
    let guide = pace::settle(last, steps::steps(&seen), look);
    let json = serde_json::to_string_pretty(&guide).context("writing the guide as JSON")?;
    files::write_with_parents(Path::new(FILE), json + "\n", 0o644)?;
    if command.scheduled {
        return Ok(ExitCode::SUCCESS);
    }
    match command.json {
        true => output::json(&guide)?,
        false => output::text(&report(&guide))?,
    }
    Ok(match guide.is_open() {
        true => ExitCode::from(LEFT),
        false => ExitCode::SUCCESS,
    })
}

/// Whether the answers were applied. While the agent is at its first, the database is there before the
/// answers are kept.
fn is_set_up() -> Result<bool> {
    Ok(Status::load(Path::new(status::FILE))?.outcome == Outcome::Ready)
}

/// What was found the last time; none if nothing was, or it is damaged: then it is written anew.
fn last(server: &Server) -> Result<Option<Guide>> {
    let bytes = server.target.read(Path::new(FILE))?;
    Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

/// The guide for people.
fn report(guide: &Guide) -> String {
    if !guide.is_open() {
        return format!("{}\n", text::DONE);
    }
    let mut report = String::new();
    let options = textwrap::Options::new(80)
        .initial_indent("- ")
        .subsequent_indent("  ")
        .word_separator(textwrap::WordSeparator::AsciiSpace)
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
        // what is published is copied from here
        .break_words(false);
    for (_, item) in text::left(guide) {
        // writing to a string cannot fail
        let _ = writeln!(report, "{}", textwrap::fill(item, &options));
    }
    if let Some(right) = text::right(guide, None) {
        let _ = writeln!(report, "{right}");
    }
    report
}
