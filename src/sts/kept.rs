//! What outlives ezmail-sts: policies, and what could not be fetched.

use std::{io, path::Path};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::{
    book::Book,
    known::{Cached, Failed},
};
use crate::util::files;

/// The version of the file.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Kept {
    version: u32,
    policies: Vec<(String, Cached)>,
    failed: Vec<Failed>,
}

/// The text of the file, if there is one.
///
/// # Errors
/// When it cannot be read: nothing says then that nothing is known.
pub(super) fn text(path: &Path) -> Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) if e.kind() == io::ErrorKind::InvalidData => Ok(Some(String::new())),
        other => other
            .map(Some)
            .with_context(|| format!("reading {}", path.display())),
    }
}

/// What the text says.
///
/// # Errors
/// When it is not as this version writes it.
pub(super) fn parse(text: &str) -> Result<Book> {
    let kept: Kept = serde_json::from_str(text).context("it is not as ezmail-sts writes it")?;
    ensure!(
        kept.version == VERSION,
        "it is of version {}, and only {VERSION} is known here",
        kept.version
    );
    Ok(Book::new(kept.policies, kept.failed))
}

/// Writes the file: policies, and failures.
///
/// # Errors
/// When it cannot be written.
pub(super) fn write(
    path: &Path,
    (policies, failed): (Vec<(String, Cached)>, Vec<Failed>),
) -> Result<()> {
    let kept = Kept {
        version: VERSION,
        policies,
        failed,
    };
    files::write(path, serde_json::to_vec(&kept)?, 0o600)
}
