//! What says that a server was restored at its first boot.

use std::fmt;

use anyhow::{Context, Result};
use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};

use crate::{
    backup::{
        name::BackupId,
        switch::{Layout, MARK},
    },
    util::{files, size::size},
};

/// A restore that was done at the first boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// Where the backup came from, as the answers named it.
    pub source: String,
    /// The backup.
    pub backup: BackupId,
    /// When, in seconds since 1970.
    pub time: i64,
    /// How many files.
    pub files: u64,
    /// How long they are together, in bytes.
    pub bytes: u64,
}

impl Done {
    /// Reads the mark; `None` if there is none.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn read(layout: &Layout) -> Result<Option<Self>> {
        let file = layout.folder().join(MARK);
        if !file.exists() {
            return Ok(None);
        }
        let text = files::read_to_string(&file)?;
        let done = serde_json::from_str(&text);
        done.map(Some)
            .with_context(|| format!("reading {}", file.display()))
    }

    /// Puts the mark into the new state: it counts once that is in place.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put(&self, layout: &Layout) -> Result<()> {
        let text = serde_json::to_string_pretty(self).context("writing JSON")?;
        files::write(&layout.staged().join(MARK), text + "\n", 0o600)
    }
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = Timestamp::from_second(self.time).map_err(|_| fmt::Error)?;
        let day = time.to_zoned(TimeZone::UTC).strftime("%F").to_string();
        write!(
            f,
            "{} was restored on {day} from {}: {} files, {}",
            self.backup,
            self.source,
            self.files,
            size(self.bytes)
        )
    }
}
