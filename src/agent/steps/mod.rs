//! The steps, in their order: from the answers and what is there already to what has to be done.
//!
//! Planning reads and computes and writes nothing, so that a mistake in any step leaves all of
//! them undone; [`super::change`] then applies what was planned.

mod answers;
mod backup;
mod configuration;
mod console;
mod database;
mod dkim;
mod hostname;
pub(crate) mod network;
pub(crate) mod records;
mod ssh;
mod state;
mod timezone;
mod tls;
mod web;

use std::path::Path;

use anyhow::{Context, Result};

use super::{change::Change, paths::Paths, target::Target, wanted::Wanted};
use crate::answers::Answers;

/// A step with what it will do.
#[derive(Debug)]
pub struct Step {
    /// One word.
    pub name: &'static str,
    /// What it is for.
    pub title: &'static str,
    /// What it brings about, in order.
    pub changes: Vec<Change>,
    /// Text for the console, such as the DNS records.
    pub notes: Vec<String>,
}

/// What the steps are planned from.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The answers.
    pub answers: &'a Answers,
    /// Where they came from, and what is kept of them.
    pub wanted: &'a Wanted,
    /// What is there already.
    pub target: &'a Target,
    /// Where things lie.
    pub paths: &'a Paths,
    /// The folder of the templates.
    pub templates: &'a Path,
    /// The machine's memory in MiB.
    pub memory_mib: u64,
    /// Seconds since 1970.
    pub now: i64,
}

/// All steps.
///
/// # Errors
/// When something that is there already cannot be read, or a key cannot be made.
pub fn plan(input: &Input<'_>) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    let mut add = |name, title, planned: Result<Vec<Change>>| -> Result<()> {
        let changes = planned.with_context(|| format!("step '{name}' ({title})"))?;
        steps.push(Step {
            name,
            title,
            changes,
            notes: Vec::new(),
        });
        Ok(())
    };
    add("state", "folders of the state", state::plan(input))?;
    add("hostname", "the server's name", Ok(hostname::plan(input)))?;
    add(
        "network",
        "addresses and name servers",
        Ok(network::plan(input)),
    )?;
    add("timezone", "the server's time", timezone::plan(input))?;
    add("ssh", "the administrator's access", ssh::plan(input))?;
    add("console", "root's password", console::plan(input))?;
    let (pair, changes) = tls::plan(input).context("step 'tls' (certificate)")?;
    let mut lines = said(&changes);
    add("tls", "certificate", Ok(changes))?;
    let changes = backup::plan(input).context("step 'backup' (keys and times of backups)")?;
    lines.extend(said(&changes));
    add("backup", "keys and times of backups", Ok(changes))?;
    let title = "domains, users and aliases";
    let (planned, changes) =
        database::plan(input).with_context(|| format!("step 'database' ({title})"))?;
    add("database", title, Ok(changes))?;
    // from here on, what mailctl changed counts too
    let input = &Input {
        answers: &planned.effective,
        ..*input
    };
    let (keys, changes) =
        dkim::plan(input, &planned.keys).context("step 'dkim' (keys that sign mail)")?;
    lines.extend(said(&changes));
    add("dkim", "keys that sign mail", Ok(changes))?;
    let mail = configuration::plan(input, &keys);
    add("configuration", "files of the mail services", mail)?;
    let changes = web::plan(input, &pair).context("step 'web' (set-up of mail programs)")?;
    add("web", "set-up of mail programs", Ok(changes))?;
    let title = "DNS records to publish";
    let (text, changes) = records::plan(input, &keys, &pair.certificate);
    add("records", title, Ok(changes))?;
    if let Some(step) = steps.last_mut() {
        step.notes.push(text);
        // last, where it is not scrolled away
        step.notes.extend(lines);
    }
    let kept = answers::plan(input).context("step 'answers' (kept for the next boot)")?;
    steps.push(Step {
        name: "answers",
        title: "kept for the next boot",
        changes: kept,
        notes: Vec::new(),
    });
    Ok(steps)
}

/// The lines that have to be read.
fn said(changes: &[Change]) -> Vec<String> {
    let lines = changes.iter().filter_map(|change| match change {
        Change::Say(line) => Some(line.clone()),
        _ => None,
    });
    lines.collect()
}
