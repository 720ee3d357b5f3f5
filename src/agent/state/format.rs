//! Which version of ezmail a state was written by: `state.json`.
//!
//! State goes forwards only. The database has a version of its own
//! ([`crate::mail::database::VERSION`]); this one is about everything else.

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::agent::{paths::Paths, target::Target};

/// The file, in the folder of the state.
pub const FILE: &str = "state.json";
/// The format that this program writes.
pub const FORMAT: u32 = 1;

/// What the file says.
#[derive(Debug, Serialize, Deserialize)]
struct Stamp {
    /// Raised when an older version could not make sense of the state any more.
    format: u32,
    /// The version of the program that wrote it last, for people.
    version: String,
}

/// The file's content for this program.
///
/// # Errors
/// Never, in practice: when it cannot be written as JSON.
pub fn text() -> Result<String> {
    let stamp = Stamp {
        format: FORMAT,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    Ok(serde_json::to_string(&stamp).context("writing the format of the state")? + "\n")
}

/// Whether this program may work on the state below `target`.
///
/// # Errors
/// As [`check`], and when the file cannot be read.
pub fn check_in(target: &Target, paths: &Paths) -> Result<()> {
    let bytes = target.read(&paths.state.join(FILE))?;
    let text = bytes.map(|b| String::from_utf8_lossy(&b).into_owned());
    check(text.as_deref())
}

/// Whether this program may work on a state with that file; a new state has none.
///
/// # Errors
/// When a newer version wrote it, or the file is damaged.
pub fn check(text: Option<&str>) -> Result<()> {
    let Some(text) = text else { return Ok(()) };
    let stamp: Stamp = serde_json::from_str(text).with_context(|| {
        format!(
            "{FILE} of the state is damaged, so that it is not known which version wrote it; if \
             the state is of this version ({}), remove the file and apply again",
            env!("CARGO_PKG_VERSION")
        )
    })?;
    if stamp.format > FORMAT {
        bail!(
            "the state was written by ezmail {} (format {}), which is newer than this image \
             ({}, format {FORMAT}); nothing was changed: boot that image, or a later one",
            stamp.version,
            stamp.format,
            env!("CARGO_PKG_VERSION")
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_and_damaged_states_are_refused() {
        check(None).unwrap();
        check(Some(&text().unwrap())).unwrap();
        let newer = check(Some(r#"{"format": 2, "version": "9.0.0", "more": 1}"#));
        insta::assert_snapshot!(newer.unwrap_err(), @"the state was written by ezmail 9.0.0 (format 2), which is newer than this image (0.1.0, format 1); nothing was changed: boot that image, or a later one");
        let damaged = format!("{:#}", check(Some("{")).unwrap_err());
        insta::assert_snapshot!(damaged, @"state.json of the state is damaged, so that it is not known which version wrote it; if the state is of this version (0.1.0), remove the file and apply again: EOF while parsing an object at line 1 column 1");
    }
}
