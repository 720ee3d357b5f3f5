//! Answers from the form on a console of this machine, which starts the agent once more.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use super::{Beside, Found, Source, read_limited};
use crate::answers;

/// Where the form leaves them: gone with the boot.
pub const FILE: &str = "/run/ezmail/wizard/answers.toml";

/// What this source is called; the page of the consoles looks for it.
pub const NAME: &str = "the form on the console";

/// The file [`FILE`].
#[derive(Debug, Clone)]
pub struct Wizard {
    file: PathBuf,
}

impl Wizard {
    /// That of this boot.
    pub fn standard() -> Self {
        Self { file: FILE.into() }
    }
}

impl Source for Wizard {
    fn name(&self) -> String {
        NAME.to_owned()
    }

    fn look(&self) -> Result<Option<Found>> {
        let path: &Path = &self.file;
        if !fs::exists(path).with_context(|| format!("looking at {}", path.display()))? {
            return Ok(None);
        }
        Ok(Some(Found {
            source: self.name(),
            name: "answers.toml".to_owned(),
            bytes: read_limited(path, answers::MAX_SIZE as u64)?,
            files: BTreeMap::new(),
            beside: Beside::Nothing("the form on the console has no files beside its answers"),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_form_has_left_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("answers.toml");
        let source = Wizard { file: file.clone() };
        assert!(source.look().unwrap().is_none());
        let text = answers::example::toml();
        fs::write(&file, &text).unwrap();
        fs::write(folder.path().join("left.tty1"), "").unwrap();
        let found = source.look().unwrap().unwrap();
        assert_eq!(found.source, "the form on the console");
        assert_eq!(*found.bytes, text.as_bytes());
        assert!(found.files.is_empty() && found.answers().0.is_some());
    }
}
