//! The pipeline: base, packages, repo, profile, image, each from what came before it.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::{
    base::{self, Base, Kind, PlanEnds, Ready, Set, lock},
    build_root::{BASE_DEVEL, LazyRoot},
    image::{self, Engine, Image},
    packages::{Builder, Built},
    pacman::{Pacman, Section},
    profile::{self, ProfileDef},
    programs,
    project::Project,
    repo, repo_folder, sets,
};
use crate::util::hash::Key;

/// How far to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Goal {
    /// Compose or reach the base.
    Base,
    /// Build our packages.
    Packages,
    /// Write the pacman repository over them.
    Repo,
    /// Render the archiso profile.
    Profile,
    /// Assemble the ISO.
    Image,
}

/// What one build was asked for beside its goal.
#[derive(Debug, Default)]
pub struct Options<'a> {
    /// A folder in which sources are looked for first.
    pub source_dir: Option<&'a Path>,
    /// A folder that has our own programs already; else cargo builds them.
    pub programs: Option<&'a Path>,
    /// Where the profile goes; else `profile/` among the results.
    pub profile: Option<&'a Path>,
    /// Who puts the ISO together.
    pub engine: Engine,
}

/// What came out; later parts are there only as far as the goal went.
#[derive(Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// The base that was taken.
    pub base: Base,
    /// Folder of the pacman repository.
    pub repo: Option<PathBuf>,
    /// Folder of the archiso profile.
    pub profile: Option<PathBuf>,
    /// The ISO.
    pub image: Option<Image>,
    /// Package files, in build order.
    pub packages: Vec<PathBuf>,
}

/// Runs the pipeline up to `goal`; with `--dry-run` it tells what it would do.
///
/// # Errors
/// When a stage fails; what earlier stages made is kept.
pub fn run(project: &Project, options: &Options, goal: Goal) -> Result<Outcome> {
    if !rustix::process::geteuid().is_root() {
        bail!("root file systems have files of many owners: only root of a namespace makes them");
    }
    let base = base::choose(project)?;
    let mut outcome = Outcome {
        base,
        repo: None,
        profile: None,
        image: None,
        packages: Vec::new(),
    };
    match stages(project, options, goal, &mut outcome) {
        Err(error) if error.is::<PlanEnds>() => {
            project.progress.note("plan", error.to_string());
            Ok(outcome)
        }
        result => result.map(|()| outcome),
    }
}

fn stages(project: &Project, options: &Options, goal: Goal, outcome: &mut Outcome) -> Result<()> {
    let base = outcome.base;
    let base_devel = [BASE_DEVEL.to_owned()];
    let set = Set {
        name: "build-root",
        packages: &base_devel,
        ours: &[],
    };
    let build_base = base::prepare(project, base, Kind::Build, &set)?;
    if goal == Goal::Base {
        return match base {
            Base::Standin => base::prepare(project, base, Kind::Image, &set).map(|_| ()),
            Base::Arch => sets::look_on_arch(project, &build_base),
        };
    }
    if base == Base::Arch && project.lock == lock::Mode::Locked {
        // before an hour of building has gone by
        sets::look_on_arch(project, &build_base)?;
    }

    let built = build(project, base, &build_base, options)?;
    outcome.packages = built.iter().flat_map(|b| b.files.iter().cloned()).collect();
    if goal == Goal::Packages {
        return Ok(());
    }

    let folder = project.out.join("repo");
    if !project.is_dry() {
        let entries = repo_folder::write(&outcome.packages, &folder)?;
        let what = format!("{}: {} packages", folder.display(), entries.len());
        project.progress.note("repo", what);
    }
    outcome.repo = Some(folder.clone());
    if goal == Goal::Repo {
        return Ok(());
    }

    // on Arch, what the image takes is resolved with our packages in sight
    let there = folder.join(format!("{}.db", repo::NAME)).exists();
    if project.is_dry() && base == Base::Arch && !there {
        return Err(PlanEnds.into());
    }
    let ours = [Section::local(repo::NAME, &folder)?];
    let wanted = profile::packages(&project.root, &project.config.image.extra_packages)?;
    let set = Set {
        name: "image",
        packages: &wanted,
        ours: &ours,
    };
    let image_base = base::prepare(project, base, Kind::Image, &set)?;
    let sections: Vec<Section> = ours.iter().chain(&image_base.sections).cloned().collect();
    let request = profile::Request {
        root: &project.root,
        base,
        sections: &sections,
        compression_level: project.config.image.compression_level,
        extra_packages: &project.config.image.extra_packages,
    };
    let scratch = project.cache.scratch("profile")?;
    let folder = match (project.is_dry(), options.profile) {
        (true, _) => scratch.path().join("profile"),
        (false, Some(given)) => given.to_owned(),
        (false, None) => project.out.join("profile"),
    };
    profile::write(&request, &folder, options.profile.is_some())?;
    if !project.is_dry() {
        project
            .progress
            .note("profile", folder.display().to_string());
        outcome.profile = Some(folder.clone());
    }
    if goal == Goal::Profile {
        return Ok(());
    }

    let def = ProfileDef::read(&folder)?;
    // what comes from afar is kept; a stand-in's files are here already, and of one name and version
    // differ from composition to composition
    let passing = project.cache.scratch("pacman")?;
    let cache_dir = match base {
        Base::Arch => project.cache.folder(base::ARCH_DOWNLOADS)?,
        Base::Standin => passing.path().to_path_buf(),
    };
    let pacman = Pacman {
        sections,
        cache_dir,
        gpg_dir: image_base.gpg_dir.clone(),
    };
    outcome.image = image::assemble(&image::Request {
        project,
        base,
        ready: &image_base,
        def: &def,
        pacman: &pacman,
        built: &built,
        engine: options.engine,
    })?;
    Ok(())
}

/// Builds our packages.
fn build(
    project: &Project,
    base: Base,
    build_base: &Ready,
    options: &Options,
) -> Result<Vec<Built>> {
    let root = LazyRoot::new(project, build_base);
    let programs = programs::build(project, options.programs)?;
    let builder = Builder {
        project,
        base,
        ready: build_base,
        root: &root,
        programs: &programs,
        source_dir: options.source_dir,
    };
    let scratch = project.cache.scratch("packages")?;
    let prepared = builder.prepare_all(scratch.path())?;
    let named: Vec<_> = prepared.iter().map(|p| (&*p.name, &p.info)).collect();
    base::hold(project, sets::name_of_sources(base), &sets::sources(&named))?;
    // a new version of what a package links, or of the compiler, is a new input of it
    let base_key = match base {
        Base::Standin => build_base.key.clone(),
        Base::Arch => {
            let infos: Vec<_> = prepared.iter().map(|p| &p.info).collect();
            let needs = sets::build_needs(&infos);
            let set = Set {
                name: "build",
                packages: &needs,
                ours: &[],
            };
            let needs = base::prepare(project, base, Kind::Build, &set)?;
            Key::new("arch-build", 1)
                .add("build-root", &build_base.key)
                .add("needs", &needs.key)
                .finish()
        }
    };
    builder.build_all(prepared, &base_key)
}
