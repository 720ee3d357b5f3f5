//! The `arch` base: Arch Linux's own mirrors, or one day of its archive, signatures required.
//!
//! [`answers`] is what `base = "auto"` asks; [`prepare`] finds a mirror and a keyring that is
//! both current and vouched for by the host's; [`resolve`] says what packages a list comes to,
//! and [`lock`](super::lock) keeps that from one build to the next.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

mod database;
mod date;
mod keyring;
mod mirrors;
mod resolve;
mod signature;

pub use date::ArchiveDate;
pub use mirrors::Answer;
pub use resolve::resolve;

use crate::{
    host::pacman::{Section, SigLevel},
    util::files,
};

/// The repositories an image is made of.
const REPOSITORIES: [&str; 2] = ["core", "extra"];

/// Where Arch's packages and the first trust in them come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `Server` lines with pacman's `$repo` and `$arch`, tried in order. Empty: those of
    /// `mirrorlist`, or else Arch's own.
    pub mirrors: Vec<String>,
    /// A day of the Arch Linux Archive instead of the mirrors.
    pub archive_date: Option<ArchiveDate>,
    /// The archive: a URL below which `repos/YYYY/MM/DD/` lies.
    pub archive: String,
    /// The host's list of mirrors (pacman.conf(5) `Server` lines); need not exist.
    pub mirrorlist: PathBuf,
    /// Folders in which the host may keep `archlinux.gpg` and `archlinux-trusted`, first found
    /// wins.
    pub keyrings: Vec<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            mirrors: Vec::new(),
            archive_date: None,
            archive: "https://archive.archlinux.org".into(),
            mirrorlist: "/etc/pacman.d/mirrorlist".into(),
            keyrings: keyring::HOST_FOLDERS.map(PathBuf::from).into(),
        }
    }
}

/// A base that pacman can install from.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// `core` and `extra`, every package signed.
    pub sections: Vec<Section>,
    /// The keyring that signatures are checked against; it has no secret key.
    pub gpg_dir: PathBuf,
    /// The `Server` line that answered.
    pub mirror: String,
    /// The day of the archive, where one was asked for.
    pub archive_date: Option<ArchiveDate>,
}

/// Asks the mirrors in turn, ten seconds in all, for the `core` database.
///
/// # Errors
/// When a configured mirror is no URL with `$repo` in it. That none answers is no error.
pub fn answers(config: &Config) -> Result<Answer> {
    Ok(mirrors::ask(&mirrors::servers(config)?))
}

/// Finds a mirror and makes the keyring: the host's one, brought up to date with the mirror's
/// `archlinux-keyring` once that is verified through the host's master keys.
///
/// `cache` keeps downloads and keyrings from one build to the next and may be deleted at any
/// time; `log` takes what pacman-key and gpg say.
///
/// # Errors
/// When the host has no keyring, no mirror answers, or the mirror's keyring cannot be verified;
/// each says what to do instead.
pub fn prepare(config: &Config, cache: &Path, log: &Path) -> Result<Prepared> {
    let servers = mirrors::servers(config)?;
    let host = keyring::Files::find(&config.keyrings)?;
    let found = mirrors::find(&servers)?;
    let package = found
        .core
        .get(keyring::PACKAGE)
        .with_context(|| format!("{} has no package '{}'", found.server, keyring::PACKAGE))?;
    let folder = cache.join("keyring");
    files::create_dir_all(&folder)?;
    let downloaded = mirrors::package(&found.order, "core", package, &folder)?;
    let gpg_dir = keyring::bring_in(&host, &downloaded, &folder, log)?;
    let sections = REPOSITORIES
        .map(|name| Section {
            name: name.into(),
            servers: found.order.clone(),
            sig_level: SigLevel::Required,
        })
        .into();
    Ok(Prepared {
        sections,
        gpg_dir,
        mirror: found.server,
        archive_date: config.archive_date,
    })
}
