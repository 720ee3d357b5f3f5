//! The base: where distribution packages come from.
//!
//! Whatever the base, what comes after it sees pacman repositories: the official mirrors of
//! Arch Linux, or a local mirror of the same layout composed from Debian.

use std::path::PathBuf;

use serde::Serialize;

use super::pacman::Section;

/// A base that was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Base {
    /// Arch Linux's official mirrors.
    Arch,
    /// The local mirror composed from Debian.
    Standin,
}

/// What is to be installed from a base.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The root file system of the image.
    Image,
    /// The root in which packages are built.
    Build,
}

/// A base ready to install from.
#[derive(Debug, Clone)]
pub struct Ready {
    /// Its repositories.
    pub sections: Vec<Section>,
    /// Keyring for their signatures.
    pub gpg_dir: Option<PathBuf>,
    /// Changes whenever the packages may have changed: part of every later cache key.
    pub key: String,
    /// `deb` lines of the mirror that the stand-in was composed from; empty for Arch.
    pub apt_sources: String,
}

impl Base {
    /// The name as used in file names and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Arch => "arch",
            Self::Standin => "standin",
        }
    }
}
