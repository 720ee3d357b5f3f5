//! Names of the files of a backup.
//!
//! ```text
//! mail.example.org_20261124T033000Z.part01.tar.zst.encpipe   messages, for this backup and later ones
//! mail.example.org_20261124T033000Z.tar.zst.encpipe          everything else, and the manifest
//! mail.example.org_20261124T033000Z.manifest.zst.encpipe     the manifest once more, to look into
//! ```

use std::{fmt, str::FromStr};

use anyhow::{Context, Error, Result, bail};
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use serde::{Deserialize, Serialize};

/// How the name of an archive ends.
pub const ARCHIVE: &str = ".tar.zst.encpipe";
/// How the name of a manifest beside its archive ends.
pub const MANIFEST: &str = ".manifest.zst.encpipe";

/// RFC 3339's basic form, to the second, in UTC.
const TIME: &str = "%Y%m%dT%H%M%SZ";

/// A backup: of which server, and when it was begun.
///
/// As text `HOST_TIME`, the beginning of its files' names; these sort by time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BackupId {
    /// The server's full name.
    pub host: String,
    /// When it was begun, in seconds since 1970.
    pub time: i64,
}

impl BackupId {
    /// The name of its archive.
    pub fn archive(&self) -> String {
        format!("{self}{ARCHIVE}")
    }

    /// The name of one of its parts, counted from 1.
    pub fn part(&self, number: u32) -> String {
        format!("{self}.part{number:02}{ARCHIVE}")
    }

    /// The name of its manifest.
    pub fn manifest(&self) -> String {
        format!("{self}{MANIFEST}")
    }
}

impl fmt::Display for BackupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = Timestamp::from_second(self.time).map_err(|_| fmt::Error)?;
        write!(f, "{}_{}", self.host, time.strftime(TIME))
    }
}

impl FromStr for BackupId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (host, time) = text
            .rsplit_once('_')
            .with_context(|| format!("`{text}` is no backup: it is HOST_TIME"))?;
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
        if host.is_empty() || host.starts_with('.') || !host.chars().all(fits) {
            bail!("`{host}` in `{text}` is no name of a server");
        }
        let parsed = DateTime::strptime(TIME, time)
            .with_context(|| format!("`{time}` in `{text}` is no time such as 20261124T033000Z"))?;
        Ok(Self {
            host: host.to_owned(),
            time: parsed.to_zoned(TimeZone::UTC)?.timestamp().as_second(),
        })
    }
}

impl TryFrom<String> for BackupId {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<BackupId> for String {
    fn from(id: BackupId) -> Self {
        id.to_string()
    }
}

/// What a file in a store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// The archive that makes a backup whole.
    Archive(BackupId),
    /// A part with messages; without the archive, the run was broken off.
    Part(BackupId, u32),
    /// The manifest beside the archive.
    Manifest(BackupId),
}

impl Kind {
    /// Reads the name of a file; `None` for what is none of a backup's.
    pub fn of(name: &str) -> Option<Self> {
        if let Some(id) = name.strip_suffix(MANIFEST) {
            return id.parse().ok().map(Self::Manifest);
        }
        let name = name.strip_suffix(ARCHIVE)?;
        if let Some((id, number)) = name.rsplit_once(".part")
            && let (Ok(id), Ok(number)) = (id.parse(), number.parse())
        {
            return Some(Self::Part(id, number));
        }
        name.parse().ok().map(Self::Archive)
    }

    /// The run that it is of.
    pub fn id(&self) -> &BackupId {
        match self {
            Self::Archive(id) | Self::Part(id, _) | Self::Manifest(id) => id,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        let id: BackupId = "mail.example.org_20261124T033000Z".parse().unwrap();
        assert_eq!(
            (id.host.as_str(), id.time),
            ("mail.example.org", 1_795_491_000)
        );
        assert_eq!(id.to_string(), "mail.example.org_20261124T033000Z");
        let kind = |name: &str| Kind::of(name).unwrap();
        assert_eq!(kind(&id.archive()), Kind::Archive(id.clone()));
        assert_eq!(kind(&id.part(7)), Kind::Part(id.clone(), 7));
        assert_eq!(kind(&id.part(123)), Kind::Part(id.clone(), 123));
        assert_eq!(kind(&id.manifest()), Kind::Manifest(id));
    }

    #[test]
    fn other_files_are_none_of_ours() {
        for name in [
            "notes.txt",
            "x.tar.zst.encpipe",
            "mail.example.org_20261324T033000Z.tar.zst.encpipe",
            "../x_20261124T033000Z.tar.zst.encpipe",
            ".mail.example.org_20261124T033000Z.tar.zst.encpipe",
            "mail.example.org_20261124T033000Z.tar.zst.encpipe.tmp",
        ] {
            assert_eq!(Kind::of(name), None, "{name}");
        }
    }
}
