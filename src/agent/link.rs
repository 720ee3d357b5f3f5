//! A symbolic link of the image.

use std::{fs, io, path::PathBuf};

use anyhow::{Context, Result};

use super::target::Target;
use crate::util::files;

/// A symbolic link.
#[derive(Debug)]
pub struct Link {
    /// Where it is, absolute in the image.
    pub path: PathBuf,
    /// Where it leads.
    pub to: PathBuf,
    /// The units to restart when it changed.
    pub units: &'static [&'static str],
}

impl Link {
    /// What would change: `PATH leads to TARGET`, or nothing.
    ///
    /// # Errors
    /// When what is there cannot be looked at.
    pub fn preview(&self, target: &Target) -> Result<Option<String>> {
        let path = target.path(&self.path);
        let what = || format!("looking at {}", path.display());
        match fs::read_link(&path) {
            Ok(to) if to == self.to => return Ok(None),
            // no link, or nothing at all
            Err(e)
                if !matches!(
                    e.kind(),
                    io::ErrorKind::InvalidInput | io::ErrorKind::NotFound
                ) =>
            {
                return Err(e).with_context(what);
            }
            _ => {}
        }
        let (path, to) = (self.path.display(), self.to.display());
        Ok(Some(format!("{path} leads to {to}")))
    }

    /// Makes it, in place of whatever file or link is there; says what was done.
    ///
    /// # Errors
    /// As [`Link::preview`], and when it cannot be made.
    pub fn apply(&self, target: &Target) -> Result<Option<String>> {
        let done = self.preview(target)?;
        if done.is_some() {
            files::symlink(&target.path(&self.path), &self.to)?;
        }
        Ok(done)
    }
}
