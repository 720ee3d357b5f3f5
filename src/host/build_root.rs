//! The clean root that packages are built in: `base-devel` and the user that builds.

use std::{cell::OnceCell, path::Path};

use anyhow::{Context, Result};

use super::{
    base::{Ready, lock},
    makepkg::{self, BuildRoot},
    pacman::{self, Pacman},
    project::Project,
};
use crate::util::{files, hash::Key};

/// What every build root has, by Arch's definition of a package's build environment.
pub const BASE_DEVEL: &str = "base-devel";

const STEP: &str = "build-root";

/// The root, made when it is asked for first: a build whose packages are all there needs none.
#[derive(Debug)]
pub struct LazyRoot<'a> {
    project: &'a Project,
    ready: &'a Ready,
    root: OnceCell<BuildRoot>,
}

impl<'a> LazyRoot<'a> {
    /// A root from the packages of `ready`.
    pub fn new(project: &'a Project, ready: &'a Ready) -> Self {
        Self {
            project,
            ready,
            root: OnceCell::new(),
        }
    }

    /// Whether the root is there already.
    pub fn is_there(&self) -> bool {
        self.root.get().is_some() || self.project.cache.lookup(STEP, &key(self.ready)).1
    }

    /// The root.
    ///
    /// # Errors
    /// When it cannot be installed.
    pub fn get(&self) -> Result<&BuildRoot> {
        if let Some(root) = self.root.get() {
            return Ok(root);
        }
        let made = install(self.project, self.ready)?;
        Ok(self.root.get_or_init(|| made))
    }
}

fn key(ready: &Ready) -> String {
    // 2: whatever the umask
    Key::new(STEP, 2).add("base", &ready.key).finish()
}

fn install(project: &Project, ready: &Ready) -> Result<BuildRoot> {
    let cache = &project.cache;
    let pacman = Pacman {
        sections: ready.sections.clone(),
        cache_dir: cache.folder(&format!("pacman/{}", &ready.key[..16]))?,
        gpg_dir: ready.gpg_dir.clone(),
    };
    let (lower, _) = cache.entry(STEP, &key(ready), |root| {
        let log = cache.log("build-root")?;
        let running = project
            .progress
            .start("base", "installing the build root", Some(&log));
        pacman.install(root, &[BASE_DEVEL.to_owned()], &log)?;
        if let Some(resolved) = &ready.resolved {
            lock::check_installed(resolved, &pacman::query(root)?)?;
        }
        add_builder(root)?;
        running.done("done");
        Ok(())
    })?;
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
