//! Building one package with makepkg, as an unprivileged user in a clean root.
//!
//! The root is an overlay: below, the build root (`base-devel` and nothing else), which is
//! never written; above, what this package's PKGBUILD asks for. The build itself has no
//! network.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use super::{package::EXTENSION, pacman::Pacman};
use crate::util::{files, run::Task, sandbox::Sandbox};

/// The user that builds, inside the build root: id of the user and of its group.
pub const BUILDER: u32 = 1000;

/// The build date of every package of ours: a package is its inputs, not the day it was made.
pub const PACKAGE_EPOCH: u64 = 315_532_800;

/// makepkg's configuration: the same for every base, so that a package depends on nothing else.
pub const CONFIG: &str = include_str!("makepkg.conf");

/// A clean root to build in.
#[derive(Debug)]
pub struct BuildRoot {
    /// The folder with `base-devel` installed.
    pub lower: PathBuf,
    /// pacman with the base's repositories and ours.
    pub pacman: Pacman,
}

/// One build under way: a folder that holds the overlay and the build's own files.
#[derive(Debug)]
pub struct Build<'a> {
    root: &'a BuildRoot,
    scratch: PathBuf,
    log: PathBuf,
}

impl<'a> Build<'a> {
    /// Prepares a build in the empty folder `scratch` from the prepared copy `folder` of a
    /// package; all output is appended to `log`.
    ///
    /// # Errors
    /// When files cannot be copied.
    pub fn new(root: &'a BuildRoot, scratch: &Path, folder: &Path, log: &Path) -> Result<Self> {
        let this = Self {
            root,
            scratch: scratch.to_path_buf(),
            log: log.to_path_buf(),
        };
        for name in [
            "root",
            "upper",
            "work",
            "build/sources",
            "build/out",
            "build/tmp",
        ] {
            files::create_dir_all(&scratch.join(name))?;
        }
        files::create_dir_all(&scratch.join("upper/build"))?;
        // daemons' own tests look up localhost, and want a resolver's name if not its answers
        let etc = scratch.join("upper/etc");
        files::create_dir_all(&etc)?;
        files::write(
            &etc.join("hosts"),
            "127.0.0.1 localhost\n::1 localhost\n",
            0o644,
        )?;
        files::write(&etc.join("resolv.conf"), "nameserver 127.0.0.1\n", 0o644)?;
        super::copy::tree(folder, &scratch.join("build/package"))?;
        files::write(&scratch.join("build/makepkg.conf"), CONFIG, 0o644)?;
        this.give_to_builder()?;
        Ok(this)
    }

    /// What the PKGBUILD says of itself: the text of `.SRCINFO`.
    ///
    /// # Errors
    /// When bash or makepkg does not accept the PKGBUILD.
    pub fn srcinfo(&self) -> Result<String> {
        Task::new(
            "reading the PKGBUILD",
            self.makepkg(false, &["--printsrcinfo"]),
        )
        .log(&self.log)
        .output()
    }

    /// Puts a fetched source where makepkg looks for it.
    ///
    /// # Errors
    /// When it cannot be copied.
    pub fn add_source(&self, path: &Path) -> Result<()> {
        let name = path
            .file_name()
            .with_context(|| format!("{} is no file", path.display()))?;
        let to = self.scratch.join("build/sources").join(name);
        fs::copy(path, &to).with_context(|| format!("copying {}", path.display()))?;
        self.give_to_builder()
    }

    /// Lets makepkg itself fetch what is still missing, with the network, and check all sums.
    ///
    /// # Errors
    /// When a source cannot be had or its checksum is wrong.
    pub fn fetch(&self) -> Result<()> {
        let command = self.makepkg(true, &["--verifysource", "--skippgpcheck", "--noconfirm"]);
        Task::new("fetching the sources", command)
            .log(&self.log)
            .run()
    }

    /// Installs what the build needs into the overlay: names from the repositories, and package
    /// files of ours.
    ///
    /// # Errors
    /// When a package is not to be had.
    pub fn install(&self, names: &[String], ours: &[PathBuf]) -> Result<()> {
        let network = self.root.pacman.gpg_dir.is_some();
        let root = self.scratch.join("root");
        let sandbox = self.overlay(Sandbox::beside(&root)).network(network);
        let conf_root = self.scratch.join("upper");
        let run = |operation: &str, words: &[String]| {
            self.root
                .pacman
                .run_in(&sandbox, &conf_root, &root, |all| {
                    all.extend([operation.to_owned(), "--needed".to_owned()]);
                    all.extend(words.iter().cloned());
                })?
                .log(&self.log)
                .run()
        };
        if !names.is_empty() {
            run("-Sy", names)?;
        }
        if !ours.is_empty() {
            let paths: Vec<String> = ours.iter().map(|p| p.display().to_string()).collect();
            run("-U", &paths)?;
        }
        Ok(())
    }

    /// Builds, checks and packages; returns the package files, which still lie in the scratch
    /// folder.
    ///
    /// # Errors
    /// When makepkg fails; the error has the tail of its output and names the log.
    pub fn run(&self) -> Result<Vec<PathBuf>> {
        let command = self.makepkg(
            false,
            &["--noconfirm", "--force", "--nocolor", "--skippgpcheck"],
        );
        Task::new("makepkg", command).log(&self.log).run()?;
        let out = self.scratch.join("build/out");
        let mut made = Vec::new();
        for entry in fs::read_dir(&out).with_context(|| format!("reading {}", out.display()))? {
            let path = entry?.path();
            if path.to_string_lossy().ends_with(EXTENSION) {
                made.push(path);
            }
        }
        if made.is_empty() {
            bail!(
                "makepkg ended well but made no package; the log: {}",
                self.log.display()
            );
        }
        made.sort();
        Ok(made)
    }

    fn overlay(&self, sandbox: Sandbox) -> Sandbox {
        sandbox.over(
            &self.root.lower,
            &self.scratch.join("upper"),
            &self.scratch.join("work"),
        )
    }

    fn makepkg(&self, network: bool, words: &[&str]) -> std::process::Command {
        let jobs = std::thread::available_parallelism().map_or(1, usize::from);
        let mut sandbox = self
            .overlay(Sandbox::chroot(&self.scratch.join("root")))
            .bind(&self.scratch.join("build"), "/build")
            .network(network)
            .user(BUILDER, BUILDER)
            .workdir("/build/package")
            .env("HOME", "/build/tmp")
            .env("USER", "build")
            .env("MAKEFLAGS", format!("-j{jobs}"))
            .env("NINJAFLAGS", format!("-j{jobs}"))
            .env("CMAKE_BUILD_PARALLEL_LEVEL", jobs.to_string())
            .env("PKGDEST", "/build/out")
            .env("SRCDEST", "/build/sources")
            .env("BUILDDIR", "/build/tmp")
            .env("PKGEXT", EXTENSION)
            .env("PACKAGER", "ezmail")
            .env("SOURCE_DATE_EPOCH", PACKAGE_EPOCH.to_string());
        if network {
            sandbox = sandbox.copy_file("/etc/resolv.conf");
        }
        let words = ["--config", "/build/makepkg.conf"].iter().chain(words);
        sandbox.command("makepkg", words)
    }

    fn give_to_builder(&self) -> Result<()> {
        for entry in walkdir::WalkDir::new(self.scratch.join("build")) {
            let entry = entry.context("giving the build's files to its user")?;
            std::os::unix::fs::lchown(entry.path(), Some(BUILDER), Some(BUILDER))
                .with_context(|| format!("giving {} to the builder", entry.path().display()))?;
        }
        Ok(())
    }
}
