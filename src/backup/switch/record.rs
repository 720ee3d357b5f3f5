//! What a switch is going to do, written down before it does anything.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};

use super::layout::{FOLDER, Layout};
use crate::{backup::module::Module, util::files};

/// The name of a record: of one that is under way in [`FOLDER`], of one that is done in the folder
/// of what was there before.
pub(super) const FILE: &str = "switch.json";
/// How the name of a folder begins that holds what was there before.
pub(super) const OLD: &str = "old-";

/// What a switch is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The state that comes, as a path of the state: a folder with the same layout.
    pub from: PathBuf,
    /// The folder for the state that goes, as a path of the state.
    pub old: PathBuf,
    /// The parts that are exchanged.
    pub modules: Vec<Module>,
    /// What the new state is, for people: the backup, or "what was there before ...".
    pub what: String,
    /// When it was ordered, in seconds since 1970.
    pub time: i64,
}

/// A file or folder that gets another place. Both are paths of the state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Move {
    pub(super) from: PathBuf,
    pub(super) to: PathBuf,
}

/// An order with every single move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The order.
    pub order: Order,
    /// What goes, in order.
    pub(super) out: Vec<Move>,
    /// What comes, after that.
    pub(super) into: Vec<Move>,
}

impl Order {
    /// An order of now. Its folder for what goes is one that is not there yet.
    ///
    /// # Errors
    /// When the time cannot be told.
    pub fn new(
        layout: &Layout,
        from: PathBuf,
        modules: &[Module],
        what: String,
        now: i64,
    ) -> Result<Self> {
        for second in now.. {
            let time = Timestamp::from_second(second).context("the clock is wrong")?;
            let time = time.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ");
            let old = Path::new(FOLDER).join(format!("{OLD}{time}"));
            if layout.path(&old).symlink_metadata().is_err() {
                return Ok(Self {
                    from,
                    old,
                    modules: modules.to_vec(),
                    what,
                    time: second,
                });
            }
        }
        bail!("the clock is wrong")
    }
}

/// Reads a record; `None` if there is none.
pub(super) fn read(path: &Path) -> Result<Option<Record>> {
    if !path.exists() {
        return Ok(None);
    }
    let text = files::read_to_string(path)?;
    let record = serde_json::from_str(&text).with_context(|| {
        format!(
            "{} says what a restore was about to move, and is damaged: nothing was moved or \
             removed; see docs/restore.md",
            path.display()
        )
    })?;
    Ok(Some(record))
}

/// Writes a record whole.
pub(super) fn write(path: &Path, record: &Record) -> Result<()> {
    let text = serde_json::to_string_pretty(record).context("writing JSON")?;
    files::write(path, text + "\n", 0o600)
}
