//! The base: where distribution packages come from.
//!
//! Whatever the base, what comes after it sees pacman repositories: the official mirrors of
//! Arch Linux, or a local mirror of the same layout composed from Debian.

pub mod arch;
pub mod lock;
pub mod standin;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

pub use self::standin::Kind;
use super::{
    cache::usage,
    config::BaseChoice,
    pacman::{Pacman, Section},
    project::Project,
    repo,
};
use crate::util::{files, hash, size::size};

const STAGE: &str = "base";

/// Packages that were downloaded from Arch's mirrors, in the cache: written under its lock [`DOWNLOADS`].
pub const ARCH_DOWNLOADS: &str = "pacman/arch";

/// The lock of what is downloaded: pacman before 7 goes on with what another one has begun.
pub const DOWNLOADS: &str = "downloads";

/// `--dry-run` cannot know what follows from what is not there yet.
#[derive(Debug, thiserror::Error)]
#[error("what follows is known when that is done")]
pub struct PlanEnds;

/// A base that was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Base {
    /// Arch Linux's official mirrors.
    Arch,
    /// The local mirror composed from Debian.
    Standin,
}

/// Packages that are wanted from a base.
#[derive(Debug)]
pub struct Set<'a> {
    /// Its name in `ezmail.lock`.
    pub name: &'a str,
    /// Names of packages; what they depend on comes with them.
    pub packages: &'a [String],
    /// Repositories that stand before the base's.
    pub ours: &'a [Section],
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
    /// What was resolved: of Arch, whose mirrors may move on before it is installed.
    pub resolved: Option<lock::Resolved>,
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
    let (base, line) = match project.config.base {
        BaseChoice::Arch => (Base::Arch, "base: arch, as asked for".to_owned()),
        BaseChoice::Standin => (Base::Standin, "base: standin, as asked for".to_owned()),
        BaseChoice::Auto => {
            let answer = arch::answers(&arch_config(project)?)?;
            let base = match answer {
                arch::Answer::Mirror(_) => Base::Arch,
                arch::Answer::Nobody(_) => Base::Standin,
            };
            (base, answer.to_string())
        }
    };
    let line = line.strip_prefix("base: ").unwrap_or(&line);
    project.progress.note(STAGE, line);
    Ok(base)
}

/// Makes `base` ready to install `set` from: composes the stand-in's mirror where the cache has
/// none, or reaches Arch's and holds what it serves against `ezmail.lock`.
///
/// # Errors
/// When no mirror answers, what it serves cannot be verified, or differs from the lock file.
pub fn prepare(project: &Project, base: Base, kind: Kind, set: &Set) -> Result<Ready> {
    match base {
        Base::Arch => prepare_arch(project, set),
        Base::Standin => prepare_standin(project, kind),
    }
}

fn arch_config(project: &Project) -> Result<arch::Config> {
    let config = &project.config.arch;
    let archive_date = config.archive_date.as_deref().map(str::parse).transpose();
    Ok(arch::Config {
        mirrors: config.mirrors.clone(),
        archive_date: archive_date.context("archive_date in ezmail.toml")?,
        ..arch::Config::default()
    })
}

fn prepare_arch(project: &Project, set: &Set) -> Result<Ready> {
    let Set {
        name,
        packages,
        ours,
    } = set;
    let log = project.cache.log("base-arch")?;
    let running = project.progress.start(
        STAGE,
        format!("reaching Arch's mirrors ({name})"),
        Some(&log),
    );
    let cache = project.cache.folder("base/arch")?;
    // downloads and the keyring are one build's at a time
    let alone = project.cache.lock("base/arch", "the Arch base")?;
    let prepared = arch::prepare(&arch_config(project)?, &cache, &log)?;
    let pacman = Pacman {
        sections: ours.iter().chain(&prepared.sections).cloned().collect(),
        cache_dir: project.cache.folder(ARCH_DOWNLOADS)?,
        gpg_dir: Some(prepared.gpg_dir.clone()),
    };
    let work = project.cache.scratch("resolve")?;
    let resolved = arch::resolve(&prepared, &pacman, packages, work.path(), &log)?;
    let files = resolved.packages.iter().map(|p| &*p.file);
    usage::mark(&pacman.cache_dir, files)?;
    drop(alone);
    running.done(format!(
        "{} packages from {}",
        resolved.packages.len(),
        prepared.mirror
    ));
    hold(project, name, &resolved)?;
    let mut key = hash::Key::new("arch", 1);
    for package in &resolved.packages {
        key.add(&package.name, &package.version)
            .add("sha256", &package.sha256);
    }
    Ok(Ready {
        sections: prepared.sections,
        gpg_dir: Some(prepared.gpg_dir),
        key: key.finish(),
        resolved: Some(resolved),
        apt_sources: String::new(),
    })
}

/// Holds a set against `ezmail.lock`, and tells of what differs.
///
/// # Errors
/// With `--locked`, when something does.
pub fn hold(project: &Project, set: &str, resolved: &lock::Resolved) -> Result<()> {
    let path = project.root.join(lock::FILE);
    // builds of one checkout into two folders read, change and write it
    let name = format!(
        "checkouts/{}",
        &hash::sha256(path.to_string_lossy().as_bytes())[..32]
    );
    let _alone = project.cache.lock(&name, lock::FILE)?;
    let differences = lock::hold(&path, set, resolved, project.lock)?;
    for line in lock::told(&differences) {
        project.progress.note("lock", format!("{set}: {line}"));
    }
    Ok(())
}

fn prepare_standin(project: &Project, kind: Kind) -> Result<Ready> {
    let name = kind.repo();
    let key = standin::key(kind, &project.root)?.finish();
    let step = format!("base/{name}");
    let there = project.cache.lookup(&step, &key).1;
    if there && !project.update {
        project.progress.cached(STAGE, name);
    } else if project.is_dry() && !project.update {
        let what = format!("compose {name} from Debian");
        project.progress.planned(STAGE, &what);
        return Err(PlanEnds.into());
    }
    let compose = |out: &Path| -> Result<()> {
        let log = project.cache.log(&step)?;
        let running =
            project
                .progress
                .start(STAGE, format!("composing {name} from Debian"), Some(&log));
        let work = project.cache.scratch("compose")?;
        running.watch(&work.path().join("composition.tar"), None);
        let made = standin::compose(&standin::Request {
            kind,
            work: work.path(),
            out,
            log: &log,
            project: &project.root,
            source_date_epoch: super::makepkg::PACKAGE_EPOCH,
        })?;
        running.done(format!("{} packages, {}", made.packages, size(made.bytes)));
        Ok(())
    };
    // 'update --dry-run' has to know what there is now, and throws it away
    let scratch = project.cache.scratch("update")?;
    let out = if project.is_dry() && project.update {
        compose(scratch.path())?;
        scratch.path().to_owned()
    } else if there && project.update {
        project.cache.replace(&step, &key, compose)?
    } else {
        project.cache.entry(&step, &key, compose)?.0
    };
    let database = out.join(format!("os/x86_64/{name}.db"));
    hold(project, name, &composed(&database, name)?)?;
    Ok(Ready {
        sections: vec![Section::local(name, &out.join("os/x86_64"))?],
        gpg_dir: None,
        // what was composed, not what it was asked for: Debian's archive moves
        key: hash::sha256_file(&database)?,
        resolved: None,
        apt_sources: files::read_to_string(&apt_sources(&out))?,
    })
}

/// What a stand-in is made of, for `ezmail.lock`.
fn composed(database: &Path, repository: &str) -> Result<lock::Resolved> {
    let records = repo::read_database(database, repository)?;
    let mut packages: Vec<lock::Package> = records
        .into_iter()
        .map(|record| lock::Package {
            name: record.name,
            version: record.version,
            repository: record.repository,
            file: record.file,
            sha256: record.sha256,
        })
        .collect();
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(lock::Resolved {
        date: arch::ArchiveDate::today(),
        mirror: format!("Debian {}", standin::sources::SUITE),
        packages,
    })
}

fn apt_sources(mirror: &Path) -> PathBuf {
    mirror.join(standin::SOURCES_LIST)
}
