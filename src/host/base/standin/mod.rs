//! The stand-in base: a mirror in Arch's layout, composed from Debian stable.
//!
//! mmdebstrap installs Debian packages into a tar (maintainer scripts really run); the tar is
//! split, by dpkg's own lists, into pacman packages under Debian's names, and the mapping tables
//! add packages under Arch's names that depend on them. Everything after the mirror is the same
//! code as for Arch.
//!
//! | step | module |
//! |---|---|
//! | run mmdebstrap, with fixed user numbers and our initramfs | `compose`, `sources`, `sysusers` |
//! | read what it made | `index`, `dpkg`, `owners` |
//! | decide what goes where | `plan`, `names`, `table`, `contents`, `kernel`, `compat` |
//! | write packages and database | `write`, [`crate::host::repo`] |
//!
//! Left out: documentation (copyright files stay), translations, Debian's package management, and
//! all that is secret or belongs to one machine (see `contents`).

mod compat;
mod compose;
mod contents;
mod dpkg;
mod index;
mod kernel;
mod links;
mod names;
mod owners;
mod plan;
pub mod sources;
mod sysusers;
mod table;
#[cfg(test)]
mod tests;
mod write;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::{
    host::repo,
    util::{files, hash::Key},
};

/// Raised when the same inputs give other packages than before.
const FORMAT: u32 = 5;

/// File beside `os/` with the sources.list(5) lines that the mirror was composed from.
pub const SOURCES_LIST: &str = "sources.list";

/// What a composition is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The root file system of the image.
    Image,
    /// makepkg's clean root.
    Build,
}

impl Kind {
    /// The name of the repository.
    pub fn repo(self) -> &'static str {
        match self {
            Self::Image => "standin",
            Self::Build => "standin-build",
        }
    }

    fn what(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Build => "build root",
        }
    }
}

/// One mirror to make.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// What it is for.
    pub kind: Kind,
    /// Scratch folder; about 1 GB for the time it takes.
    pub work: &'a Path,
    /// The mirror's folder: packages and database come into `os/x86_64` below it.
    pub out: &'a Path,
    /// File that mmdebstrap's words are appended to.
    pub log: &'a Path,
    /// The checkout, where `airootfs/` lies.
    pub project: &'a Path,
    /// Time of all files that the composition makes, seconds since 1970.
    pub source_date_epoch: u64,
}

/// What was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// Number of packages.
    pub packages: usize,
    /// Size of all package files, bytes.
    pub bytes: u64,
}

/// Composes a mirror. What is in `out` already is replaced.
///
/// # Errors
/// When mmdebstrap fails (mirror away, key missing), or what it made cannot be split.
pub fn compose(request: &Request<'_>) -> Result<Summary> {
    let table = table::Table::of(request.kind)?;
    files::create_dir_all(request.work)?;
    let tar = request.work.join("composition.tar");
    compose::compose(request, &table, &tar)?;
    let summary = split(
        request.kind,
        &table,
        &tar,
        request.out,
        request.source_date_epoch,
    )?;
    std::fs::remove_file(&tar).with_context(|| format!("removing {}", tar.display()))?;
    Ok(summary)
}

/// Splits a composition's tar into the mirror at `out`.
fn split(kind: Kind, table: &table::Table, tar: &Path, out: &Path, time: u64) -> Result<Summary> {
    let index = index::Index::read(tar)?;
    let status = index
        .get("var/lib/dpkg/status")
        .with_context(|| format!("{} has no dpkg status file", tar.display()))?;
    let packages = dpkg::parse_status(&index.open()?.text(status)?)?;
    let owners = owners::Owners::read(&index)?;
    if let Some(list) = index.get("etc/apt/sources.list") {
        files::write_with_parents(&out.join(SOURCES_LIST), index.open()?.text(list)?, 0o644)?;
    }
    let plans = plan::plan(kind, table, &packages, &owners, &index, time)?;
    let folder = out.join("os/x86_64");
    files::remove_dir_all(&folder)?;
    files::create_dir_all(&folder)?;
    let paths = write::write(&plans, &index, &folder)?;
    let entries = repo::write(&folder, kind.repo(), &paths)?;
    Ok(Summary {
        packages: entries.len(),
        bytes: entries.iter().map(|e| e.compressed_size).sum(),
    })
}

/// Key over all that decides what [`compose`] makes, but the state of Debian's mirror: the caller
/// adds what limits a mirror's age. Reads no network.
///
/// # Errors
/// When the sysusers file of the checkout cannot be read.
pub fn key(kind: Kind, project: &Path) -> Result<Key> {
    let mut key = Key::new("standin", FORMAT);
    key.add("kind", kind.repo());
    key.add("suite", sources::SUITE);
    key.add("image table", table::IMAGE);
    key.add("build table", table::BUILD);
    for (label, text) in compose::inputs() {
        key.add(label, text);
    }
    for (path, text, mode) in compat::files(kind) {
        key.add(path, text);
        key.add("mode", mode.to_le_bytes());
    }
    key.add_file("sysusers", &sysusers_file(project))?;
    Ok(key)
}

fn sysusers_file(project: &Path) -> PathBuf {
    project.join("airootfs/usr/lib/sysusers.d/00-ezmail.conf")
}
