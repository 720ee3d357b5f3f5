//! What outlives the guard: bans, and where good logins came from.

use std::{io, path::Path};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::{bans::Bans, good::Good};
use crate::util::files;

/// The version of the file.
const VERSION: u32 = 1;

/// The file's content.
#[derive(Debug, Serialize, Deserialize)]
pub struct Kept {
    version: u32,
    /// The bans.
    pub bans: Bans,
    /// Where good logins came from.
    pub(super) good: Good,
}

impl Default for Kept {
    fn default() -> Self {
        Self::new(Bans::default(), Good::default())
    }
}

impl Kept {
    pub(super) fn new(bans: Bans, good: Good) -> Self {
        Self {
            version: VERSION,
            bans,
            good,
        }
    }

    /// Reads the file; nothing is kept where there is none.
    ///
    /// # Errors
    /// When it cannot be read, or is not as this version writes it.
    pub fn read(path: &Path) -> Result<Self> {
        let text = match std::fs::read_to_string(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            other => other.with_context(|| format!("reading {}", path.display()))?,
        };
        let kept: Self =
            serde_json::from_str(&text).with_context(|| format!("reading {}", path.display()))?;
        ensure!(
            kept.version == VERSION,
            "{} is of version {}, and only {VERSION} is known here",
            path.display(),
            kept.version
        );
        Ok(kept)
    }

    /// Writes the file.
    ///
    /// # Errors
    /// When it cannot be written; it is then as it was.
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string(self).context("writing down the bans")?;
        files::write(path, text, 0o600)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::network::parse;

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("guard.json");
        assert_eq!(Kept::read(&path).unwrap().bans, Bans::default());
        let mut kept = Kept::default();
        kept.bans.add(parse("192.0.2.7").unwrap(), "x", 1, 100);
        kept.good.login([192, 0, 2, 1].into(), "a@example.org", 7);
        kept.good.admin([192, 0, 2, 2].into(), 8);
        kept.write(&path).unwrap();
        let read = Kept::read(&path).unwrap();
        assert_eq!((read.bans, read.good), (kept.bans, kept.good));
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("\"version\":1", "\"version\":2")).unwrap();
        let error = Kept::read(&path).unwrap_err().to_string();
        assert!(
            error.ends_with("is of version 2, and only 1 is known here"),
            "{error}"
        );
    }
}
