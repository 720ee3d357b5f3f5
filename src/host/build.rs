//! The pipeline: base, packages, repo, profile, image, each from what came before it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use serde::Serialize;

use super::{
    base::{self, Base, Kind, Ready, Set},
    image::{self, Image},
    makepkg::{self, BuildRoot},
    packages::{self, Builder, Built},
    pacman::{Pacman, Section, SigLevel},
    profile::{self, ProfileDef},
    programs,
    project::Project,
    repo,
};
use crate::util::{files, hash::Key};

/// What every build root has, by Arch's definition of a package's build environment.
const BASE_DEVEL: &str = "base-devel";

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
}

/// What came out; later parts are there only as far as the goal went.
#[derive(Debug, Serialize)]
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

/// Runs the pipeline up to `goal`.
///
/// # Errors
/// When a stage fails; what earlier stages made is kept.
pub fn run(project: &Project, options: &Options, goal: Goal) -> Result<Outcome> {
    if !rustix::process::geteuid().is_root() {
        bail!(
            "building needs root: root file systems have files of many owners; run it by sudo, \
             or 'ci/iso', which does"
        );
    }
    let base = base::choose(project)?;
    let mut outcome = Outcome {
        base,
        repo: None,
        profile: None,
        image: None,
        packages: Vec::new(),
    };
    let base_devel = [BASE_DEVEL.to_owned()];
    let set = Set {
        name: "build-root",
        packages: &base_devel,
        ours: &[],
    };
    let build_base = base::prepare(project, base, Kind::Build, &set)?;
    if goal == Goal::Base && base == Base::Standin {
        base::prepare(project, base, Kind::Image, &set)?;
        return Ok(outcome);
    }

    let root = build_root(project, &build_base)?;
    let programs = programs::build(project, options.programs)?;
    let builder = Builder {
        project,
        base,
        ready: &build_base,
        root: &root,
        programs: &programs,
        source_dir: options.source_dir,
    };
    let scratch = project.cache.scratch("packages")?;
    let prepared = builder.prepare_all(scratch.path())?;
    // a new version of what a package links is a new input of it
    let base_key = match base {
        Base::Standin => build_base.key.clone(),
        Base::Arch => {
            let needs = packages::base_needs(&prepared);
            let set = Set {
                name: "build",
                packages: &needs,
                ours: &[],
            };
            base::prepare(project, base, Kind::Build, &set)?.key
        }
    };
    let built = builder.build_all(prepared, &base_key)?;
    outcome.packages = built.iter().flat_map(|b| b.files.iter().cloned()).collect();
    // on Arch, what the image takes is resolved with our packages in sight
    if goal == Goal::Packages {
        return Ok(outcome);
    }

    let folder = project.out.join("repo");
    let entries = packages::write_repo(&built, &folder)?;
    project.progress.note(
        "repo",
        format!("{}: {} packages", folder.display(), entries.len()),
    );
    outcome.repo = Some(folder.clone());
    if goal == Goal::Repo {
        return Ok(outcome);
    }

    let ours = [Section {
        name: repo::NAME.into(),
        servers: vec![format!("file://{}", folder.display())],
        sig_level: SigLevel::Local,
    }];
    let wanted = profile::packages(&project.root, &project.config.image.extra_packages)?;
    let set = Set {
        name: "image",
        packages: &wanted,
        ours: &ours,
    };
    let image_base = base::prepare(project, base, Kind::Image, &set)?;
    if goal == Goal::Base {
        return Ok(outcome);
    }
    let sections: Vec<Section> = ours.iter().chain(&image_base.sections).cloned().collect();
    let folder = project.out.join("profile");
    let request = profile::Request {
        root: &project.root,
        base,
        sections: &sections,
        compression_level: project.config.image.compression_level,
        extra_packages: &project.config.image.extra_packages,
    };
    profile::write(&request, &folder)?;
    project
        .progress
        .note("profile", folder.display().to_string());
    outcome.profile = Some(folder.clone());
    if goal == Goal::Profile {
        return Ok(outcome);
    }

    let image = assemble(project, base, &image_base, sections, &folder, &built)?;
    outcome.image = Some(image);
    Ok(outcome)
}

fn assemble(
    project: &Project,
    base: Base,
    ready: &Ready,
    sections: Vec<Section>,
    profile: &Path,
    built: &[Built],
) -> Result<Image> {
    let def = ProfileDef::read(profile)?;
    // packages of one version and name may differ from build to build: a cache of its own
    let cache_dir = project.cache.scratch("pacman")?;
    let pacman = Pacman {
        sections,
        cache_dir: cache_dir.path().to_path_buf(),
        gpg_dir: ready.gpg_dir.clone(),
    };
    image::assemble(&image::Request {
        project,
        base,
        base_key: &ready.key,
        def: &def,
        pacman: &pacman,
        built,
    })
}

/// The clean root: `base-devel` and the user that builds.
fn build_root(project: &Project, ready: &Ready) -> Result<BuildRoot> {
    let pacman = Pacman {
        sections: ready.sections.clone(),
        cache_dir: project
            .cache
            .folder(&format!("pacman/{}", &ready.key[..16]))?,
        gpg_dir: ready.gpg_dir.clone(),
    };
    let key = Key::new("build-root", 1).add("base", &ready.key).finish();
    let log = project.cache.log("build-root")?;
    let there = project.cache.lookup("build-root", &key).1;
    let running = (!there).then(|| project.progress.start("base", "installing the build root"));
    let (lower, _) = project.cache.entry("build-root", &key, |root| {
        files::write(&log, "", 0o644)?;
        pacman.install(root, &[BASE_DEVEL.to_owned()], &log)?;
        add_builder(root)
    })?;
    if let Some(running) = running {
        running.done("done");
    }
    Ok(BuildRoot { lower, pacman })
}

/// Adds the user `build` where the base has none.
fn add_builder(root: &Path) -> Result<()> {
    let id = makepkg::BUILDER;
    let add = |name: &str, line: String, mode: u32| -> Result<()> {
        let path = root.join("etc").join(name);
        let text = files::read_to_string(&path).context("the build root has no accounts")?;
        if text.lines().any(|l| l.starts_with("build:")) {
            return Ok(());
        }
        files::write(&path, format!("{}\n{line}\n", text.trim_end()), mode)
    };
    add(
        "passwd",
        format!("build:x:{id}:{id}::/build:/bin/bash"),
        0o644,
    )?;
    add("group", format!("build:x:{id}:"), 0o644)?;
    add("shadow", "build:!*:1::::::".into(), 0o600)
}
