//! The base: where distribution packages come from.
//!
//! Whatever the base, what comes after it sees pacman repositories: the official mirrors of
//! Arch Linux, or a local mirror of the same layout composed from Debian.

pub mod standin;

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::Serialize;

pub use self::standin::Kind;
use super::{
    config::BaseChoice,
    pacman::{Section, SigLevel},
    progress::size,
    project::Project,
};
use crate::util::{files, hash};

/// A base that was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Base {
    /// Arch Linux's official mirrors.
    Arch,
    /// The local mirror composed from Debian.
    Standin,
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

/// Decides between Arch and the stand-in, and says which in one line.
///
/// # Errors
/// When the configuration of the Arch base is wrong.
pub fn choose(project: &Project) -> Result<Base> {
    let (base, why) = match project.config.base {
        BaseChoice::Arch => (Base::Arch, "as asked for".to_owned()),
        BaseChoice::Standin | BaseChoice::Auto => (Base::Standin, "as asked for".to_owned()),
    };
    project
        .progress
        .note("base", format!("{}: {why}", base.name()));
    Ok(base)
}

/// Makes `base` ready to install from: composes the stand-in's mirror where the cache has none,
/// or reaches Arch's.
///
/// # Errors
/// When no mirror answers, or what it serves cannot be verified.
pub fn prepare(project: &Project, base: Base, kind: Kind) -> Result<Ready> {
    match base {
        Base::Arch => anyhow::bail!("arch"),
        Base::Standin => prepare_standin(project, kind),
    }
}

fn prepare_standin(project: &Project, kind: Kind) -> Result<Ready> {
    let key = standin::key(kind, &project.root)?.finish();
    let step = format!("base/{}", kind.repo());
    let (mut out, there) = project.cache.lookup(&step, &key);
    if there {
        project
            .progress
            .note("base", format!("{}: cached", kind.repo()));
    } else {
        let running = project
            .progress
            .start("base", format!("composing {} from Debian", kind.repo()));
        let log = project.cache.log(&step)?;
        files::write(&log, "", 0o644)?;
        let work = project.cache.scratch("compose")?;
        let mut made = None;
        (out, _) = project.cache.entry(&step, &key, |out| {
            made = Some(standin::compose(&standin::Request {
                kind,
                work: work.path(),
                out,
                log: &log,
                project: &project.root,
                source_date_epoch: super::makepkg::PACKAGE_EPOCH,
            })?);
            Ok(())
        })?;
        running.done(made.map_or_else(String::new, |m| {
            format!("{} packages, {}", m.packages, size(m.bytes))
        }));
    }
    let name = kind.repo();
    Ok(Ready {
        sections: vec![Section {
            name: name.into(),
            servers: vec![format!("file://{}/os/x86_64", out.display())],
            sig_level: SigLevel::Local,
        }],
        gpg_dir: None,
        // what was composed, not what it was asked for: Debian's archive moves
        key: hash::sha256_file(&out.join(format!("os/x86_64/{name}.db")))?,
        apt_sources: files::read_to_string(&apt_sources(&out))?,
    })
}

fn apt_sources(mirror: &Path) -> PathBuf {
    mirror.join(standin::SOURCES_LIST)
}
