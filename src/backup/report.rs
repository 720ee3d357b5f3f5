//! What the last backup and the last drill gave, kept on the state volume.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::name::BackupId;
use crate::util::files;

/// The folder of backup's own things on the state volume; itself in no backup.
pub const FOLDER: &str = "backup";

/// What is known about backups of this server. Times are seconds since 1970.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The last run, however it ended.
    pub last: Option<Run>,
    /// The last run that gave a whole backup.
    pub good: Option<Run>,
    /// The last drill, however it ended.
    pub drill: Option<Drill>,
    /// The last drill that found all as it should be.
    pub good_drill: Option<Drill>,
    /// Why backups that need not stay could not be removed after the last scheduled one, if so.
    #[serde(default)]
    pub not_pruned: Option<String>,
    /// When the passphrase that this server made was shown to its administrator.
    #[serde(default)]
    pub passphrase_shown: Option<i64>,
}

/// A run of `mailctl backup create`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// When it began.
    pub begun: i64,
    /// When it ended.
    pub ended: i64,
    /// The backup that it made, if it did.
    pub id: Option<BackupId>,
    /// Where to, for people.
    pub place: String,
    /// How many files the backup lists.
    pub files: u64,
    /// How long they are together, in bytes.
    pub bytes: u64,
    /// How much was written to that place, in bytes.
    pub written: u64,
    /// What went wrong, if something did.
    pub error: Option<String>,
}

/// A restore into a scratch folder, to see that it can be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drill {
    /// When it began.
    pub begun: i64,
    /// When it ended.
    pub ended: i64,
    /// The backup that was restored.
    pub id: Option<BackupId>,
    /// How many files were compared.
    pub files: u64,
    /// How long they are together, in bytes.
    pub bytes: u64,
    /// How many mailboxes dovecot opened.
    pub mailboxes: u64,
    /// How many messages it counted in them.
    pub messages: u64,
    /// What went wrong, if something did.
    pub error: Option<String>,
}

/// The report's file, below the state volume.
pub fn file(state: &Path) -> PathBuf {
    state.join(FOLDER).join("report.json")
}

impl Report {
    /// Reads the report of the server whose state volume is at `state`; an empty one if there is
    /// none yet.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn read(state: &Path) -> Result<Self> {
        let file = file(state);
        if !file.exists() {
            return Ok(Self::default());
        }
        let text = files::read_to_string(&file)?;
        serde_json::from_str(&text).with_context(|| format!("reading {}", file.display()))
    }

    /// Reads it, lets `change` change it, and writes it.
    ///
    /// # Errors
    /// As [`Report::read`], and when it cannot be written.
    pub fn update(state: &Path, change: impl FnOnce(&mut Self)) -> Result<()> {
        let mut report = Self::read(state)?;
        change(&mut report);
        let text = serde_json::to_string_pretty(&report).context("writing JSON")?;
        files::write_with_parents(&file(state), text + "\n", 0o600)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_kept() {
        let state = tempfile::tempdir().unwrap();
        assert_eq!(Report::read(state.path()).unwrap(), Report::default());
        Report::update(state.path(), |r| r.passphrase_shown = Some(7)).unwrap();
        Report::update(state.path(), |r| assert_eq!(r.passphrase_shown, Some(7))).unwrap();
    }
}
