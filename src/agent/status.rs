//! What the last apply did, kept in memory for `ezmail-agent status`.

use std::{collections::BTreeSet, fmt, path::Path};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::util::files;

/// Where it is kept: gone with the boot that it is about.
pub const FILE: &str = "/run/ezmail/status.json";

/// What is said wherever the state of an appliance without a state volume is told.
pub const MEMORY: &str = "\
no state volume: this server runs from memory. Mail, keys and settings are GONE after a reboot";

/// How an apply ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// All is as the answers say.
    Ready,
    /// There are no answers yet.
    Waiting,
    /// The server was installed to disk, and the machine restarts.
    Installed,
    /// Something went wrong: see the message.
    Failed,
}

/// The last apply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The version of this program.
    pub version: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Where the answers came from, if there were any.
    pub source: Option<String>,
    /// What went wrong, or is waited for. Without secrets.
    pub message: Option<String>,
    /// The device of the state volume; none: the appliance runs from memory.
    #[serde(default)]
    pub state: Option<String>,
    /// What each step did, in their order.
    pub steps: Vec<StepStatus>,
    /// Units whose files changed and that were not told, because something went wrong before.
    #[serde(default)]
    pub pending: BTreeSet<String>,
}

/// What a step did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepStatus {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub title: String,
    /// What it did, a line each; empty: all was as it should be.
    pub done: Vec<String>,
}

impl Status {
    /// A status without steps.
    pub fn new(outcome: Outcome, source: Option<String>, message: Option<String>) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            outcome,
            source,
            message,
            state: None,
            steps: Vec::new(),
            pending: BTreeSet::new(),
        }
    }

    /// Writes it to `path`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).context("writing the status as JSON")?;
        files::write_with_parents(path, text + "\n", 0o644)
    }

    /// Reads it back.
    ///
    /// # Errors
    /// When there is none, or another program wrote it.
    pub fn load(path: &Path) -> Result<Self> {
        let what = || format!("{}: has 'ezmail-agent apply' run yet?", path.display());
        let text = files::read_to_string(path).with_context(what)?;
        serde_json::from_str(&text).with_context(|| {
            format!(
                "{} was written by another version or is damaged: remove it and run \
                 'ezmail-agent apply'",
                path.display()
            )
        })
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = match self.outcome {
            Outcome::Ready => "ready",
            Outcome::Waiting => "waiting for answers",
            Outcome::Installed => "installed to disk, restarting",
            Outcome::Failed => "failed",
        };
        writeln!(f, "{outcome}")?;
        if let Some(source) = &self.source {
            writeln!(f, "answers: {source}")?;
        }
        match &self.state {
            Some(device) => writeln!(f, "state volume: {device}")?,
            None if self.outcome == Outcome::Ready => writeln!(f, "{MEMORY}")?,
            // what there is was not found out
            None => {}
        }
        if let Some(message) = &self.message {
            writeln!(f, "{message}")?;
        }
        for step in &self.steps {
            match step.done.len() {
                0 => writeln!(f, "{:<13} unchanged", step.name)?,
                1 => writeln!(f, "{:<13} {}", step.name, step.done[0])?,
                n => writeln!(f, "{:<13} {n} changes", step.name)?,
            }
        }
        Ok(())
    }
}
