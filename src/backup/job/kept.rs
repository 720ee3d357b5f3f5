//! The files of a job: what is to be done, and how the last one ended.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    backup::switch::{self, Layout, Order},
    util::files,
};

/// The file of what is to be done, in the folder of restores.
pub(super) const JOB: &str = "job.json";
/// The file of how the last one ended.
pub(super) const OUTCOME: &str = "outcome.json";

/// A switch that is to be carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// What is switched.
    pub order: Order,
    /// Why it is a way back, if it is one.
    pub back: Option<String>,
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// What was to be done.
    pub order: Order,
    /// What went wrong: the server is as it was before.
    pub error: Option<String>,
    /// What went wrong on the way back as well.
    pub worse: Option<String>,
}

pub(super) fn file(layout: &Layout, name: &str) -> PathBuf {
    layout.folder().join(name)
}

pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    if !path.exists() {
        return Ok(None);
    }
    let text = files::read_to_string(path)?;
    let value = serde_json::from_str(&text);
    value
        .map(Some)
        .with_context(|| format!("{} is damaged", path.display()))
}

pub(super) fn write(path: &Path, value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value).context("writing JSON")?;
    files::write(path, text + "\n", 0o600)
}

pub(super) fn remove(path: &Path) -> Result<()> {
    if path.exists() {
        fs::remove_file(path).with_context(|| format!("removing {}", path.display()))?;
        files::sync_folder(path.parent().unwrap_or(Path::new("/")))?;
    }
    Ok(())
}

/// Whether there is something to do.
pub fn is_pending(layout: &Layout) -> bool {
    file(layout, JOB).exists()
}

/// Writes down that `order` is to be carried out.
///
/// # Errors
/// When it cannot be written.
pub fn ask_for(layout: &Layout, order: Order) -> Result<()> {
    switch::create_folder(layout)?;
    remove(&file(layout, OUTCOME))?;
    write(&file(layout, JOB), &Job { order, back: None })
}

/// How the last job ended; `None` while it has not.
///
/// # Errors
/// When that cannot be read.
pub fn outcome(layout: &Layout) -> Result<Option<Outcome>> {
    match is_pending(layout) {
        true => Ok(None),
        false => read(&file(layout, OUTCOME)),
    }
}
