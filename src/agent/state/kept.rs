//! The answers that are kept: those in effect, and those that came last from outside.
//!
//! Both are whole and by themselves: key files are inline, and passwords are hashes. Two files,
//! since what came from outside may lie there at every boot (a volume that stays attached, the
//! image itself) while the answers in effect have moved on, by an `apply --answers` on the server.
//! Only what differs from what came last is news.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::super::{paths::Paths, target::Target};
use crate::{
    answers::{self, Answers},
    util::secret::Secret,
};

/// The kept answers of a state.
#[derive(Debug, Default)]
pub struct Kept {
    /// Those in effect.
    pub current: Option<Secret>,
    /// Those that came last from outside.
    pub found: Option<Secret>,
}

/// The file of the answers in effect.
pub fn current_file(paths: &Paths) -> PathBuf {
    paths.state.join("answers/answers.toml")
}

/// The file of the answers that came last from outside.
pub fn found_file(paths: &Paths) -> PathBuf {
    paths.state.join("answers/found.toml")
}

impl Kept {
    /// Reads both.
    ///
    /// # Errors
    /// When a file is there and cannot be read, or is not text.
    pub fn read(target: &Target, paths: &Paths) -> Result<Self> {
        let read = |path: &Path| -> Result<Option<Secret>> {
            let bytes = target.read(path)?;
            let text = bytes.map(String::from_utf8).transpose();
            let text = text.with_context(|| format!("{} is not text", path.display()))?;
            Ok(text.map(Secret::new))
        };
        Ok(Self {
            current: read(&current_file(paths))?,
            found: read(&found_file(paths))?,
        })
    }

    /// The answers in effect, `None` if there are none.
    ///
    /// # Errors
    /// When this version of the schema refuses them.
    pub fn current(&self) -> Result<Option<Answers>> {
        self.current.as_ref().map(parse).transpose()
    }

    /// The answers that came last from outside, `None` if none did.
    ///
    /// # Errors
    /// When this version of the schema refuses them.
    pub fn found(&self) -> Result<Option<Answers>> {
        self.found.as_ref().map(parse).transpose()
    }
}

/// Answers from the text of a file that is kept.
pub(in crate::agent) fn parse(text: &Secret) -> Result<Answers> {
    match answers::parse(text.expose(), "kept answers") {
        Ok(answers) => Ok(answers),
        Err(report) => bail!(
            "the kept answers are not right for this version of ezmail; give the answers anew:\n\n\
             {report}"
        ),
    }
}

/// How `new` differs from `old`, as a diff for people; secrets are not in it.
///
/// # Errors
/// When answers cannot be written as TOML, which none can be that were checked.
pub fn difference(old: &Answers, new: &Answers) -> Result<String> {
    let (old, new) = (shown(old)?, shown(new)?);
    let diff = similar::TextDiff::from_lines(&old, &new);
    Ok(diff.unified_diff().context_radius(1).to_string())
}

fn shown(answers: &Answers) -> Result<String> {
    toml::to_string(answers).context("writing the answers as TOML")
}
