//! All packages of ours: prepared, ordered, built where no earlier result fits.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use super::{
    base::{Base, DOWNLOADS, PlanEnds, Ready},
    build_root::LazyRoot,
    copy,
    makepkg::{self, Build},
    pins::Pins,
    programs::{Programs, TARBALL},
    project::Project,
    sources::Fetcher,
    srcinfo::{self, SrcInfo},
};
use crate::util::{files, hash::Key};

const STAGE: &str = "package";

/// One package of ours, prepared for the chosen base.
#[derive(Debug)]
pub struct Prepared {
    /// Name of its folder.
    pub name: String,
    /// What its PKGBUILD says for Arch.
    pub arch: SrcInfo,
    /// What it says with the pins of the chosen base.
    pub info: SrcInfo,
    /// The stand-in's pins, where the base is the stand-in.
    pub pins: Option<Pins>,
    folder: PathBuf,
    tree: String,
    needs_programs: bool,
}

/// One package of ours, built.
#[derive(Debug)]
pub struct Built {
    /// As it was prepared.
    pub prepared: Prepared,
    /// The package files, in the cache.
    pub files: Vec<PathBuf>,
    /// Hash of everything that went into it.
    pub key: String,
}

/// What every package of one run is built with.
#[derive(Debug)]
pub struct Builder<'a> {
    /// The build.
    pub project: &'a Project,
    /// The chosen base.
    pub base: Base,
    /// The base, for build roots.
    pub ready: &'a Ready,
    /// The clean root, made when the first package needs it.
    pub root: &'a LazyRoot<'a>,
    /// Our own programs.
    pub programs: &'a Programs,
    /// `--source-dir`.
    pub source_dir: Option<&'a Path>,
}

impl Builder<'_> {
    /// Copies all packages below `packages/` into `scratch` and reads what they say.
    ///
    /// # Errors
    /// When one cannot be prepared; the error names it.
    pub fn prepare_all(&self, scratch: &Path) -> Result<Vec<Prepared>> {
        names(&self.project.root)?
            .into_iter()
            .map(|name| {
                self.prepare(&name, &scratch.join(&name))
                    .with_context(|| format!("package {name}"))
            })
            .collect()
    }

    /// Builds the packages, or takes them from the cache; returns them in build order. `base_key`
    /// stands for everything that they take from the base.
    ///
    /// # Errors
    /// When one cannot be fetched or built; the error names it and its log.
    pub fn build_all(&self, prepared: Vec<Prepared>, base_key: &str) -> Result<Vec<Built>> {
        self.project.progress.expect(STAGE, prepared.len());
        let infos: Vec<SrcInfo> = prepared.iter().map(|p| p.info.clone()).collect();
        let mut built: Vec<(usize, Built)> = Vec::new();
        let mut prepared: Vec<Option<Prepared>> = prepared.into_iter().map(Some).collect();
        for index in srcinfo::build_order(&infos)? {
            let needs = srcinfo::needs(&infos, index);
            let ours: Vec<&Built> = built
                .iter()
                .filter(|(i, _)| needs.contains(i))
                .map(|(_, b)| b)
                .collect();
            let Some(one) = prepared[index].take() else {
                continue;
            };
            let name = one.name.clone();
            let result = self
                .build(one, &ours, base_key)
                .with_context(|| format!("package {name}"))?;
            built.push((index, result));
        }
        Ok(built.into_iter().map(|(_, b)| b).collect())
    }

    /// Copies the folder of a package and gives it the pins of the base.
    fn prepare(&self, name: &str, folder: &Path) -> Result<Prepared> {
        let from = self.project.root.join("packages").join(name);
        copy::tree(&from, folder)?;
        let pkgbuild = folder.join("PKGBUILD");
        let needs_programs = files::read_to_string(&pkgbuild)?.contains(TARBALL);
        if needs_programs {
            fs::copy(&self.programs.path, folder.join(TARBALL)).context("copying our programs")?;
        }
        let arch = srcinfo_of(self.project, self.root, folder)?;
        let pins_file = folder.join("standin.toml");
        let mut pins = None;
        let mut info = arch.clone();
        if self.base == Base::Standin && pins_file.exists() {
            let read = Pins::parse(&files::read_to_string(&pins_file)?)
                .with_context(|| format!("in packages/{name}/standin.toml"))?;
            let text = files::read_to_string(&pkgbuild)? + &read.lines(folder)?;
            files::write(&pkgbuild, text, 0o644)?;
            info = srcinfo_of(self.project, self.root, folder)?;
            pins = Some(read);
        }
        let tree = Key::new("package-folder", 1)
            .add_tree("folder", folder)?
            .finish();
        Ok(Prepared {
            name: name.into(),
            arch,
            info,
            pins,
            folder: folder.into(),
            tree,
            needs_programs,
        })
    }

    fn key(&self, one: &Prepared, ours: &[&Built], base_key: &str) -> String {
        let mut key = Key::new("package", 1);
        key.add("base", base_key)
            .add("folder", &one.tree)
            .add("makepkg.conf", makepkg::CONFIG)
            .add("epoch", makepkg::PACKAGE_EPOCH.to_le_bytes());
        if one.needs_programs {
            key.add("programs", &self.programs.sha256);
        }
        for other in ours {
            key.add(&other.prepared.name, &other.key);
        }
        key.finish()
    }

    fn build(&self, one: Prepared, ours: &[&Built], base_key: &str) -> Result<Built> {
        let key = self.key(&one, ours, base_key);
        let cache = &self.project.cache;
        let progress = &self.project.progress;
        let title = format!("{} {}", one.name, one.info.version);
        let step = format!("packages/{}", one.name);
        let mut made = Vec::new();
        if self.project.is_dry() && !cache.lookup(&step, &key).1 {
            progress.planned(STAGE, &format!("build {title}"));
            return Ok(Built {
                prepared: one,
                files: made,
                key,
            });
        }
        let (entry, now) = cache.entry(&step, &key, |out| {
            // before the step, of which it would look like a part
            self.root.get()?;
            let log = cache.log(&step)?;
            let running = progress.start(STAGE, format!("building {title}"), Some(&log));
            self.make(&one, ours, out, &log)?;
            running.done("built");
            Ok(())
        })?;
        if !now {
            progress.cached(STAGE, &title);
        }
        for file in fs::read_dir(&entry).with_context(|| format!("reading {}", entry.display()))? {
            made.push(file?.path());
        }
        made.sort();
        Ok(Built {
            prepared: one,
            files: made,
            key,
        })
    }

    fn make(&self, one: &Prepared, ours: &[&Built], out: &Path, log: &Path) -> Result<()> {
        let scratch = self.project.cache.scratch(&one.name)?;
        let build = Build::new(self.root.get()?, scratch.path(), &one.folder, log)?;
        let fetcher = Fetcher::new(
            &self.project.cache,
            self.source_dir,
            &self.ready.apt_sources,
            log,
        );
        for source in one.pins.iter().flat_map(|p| &p.source) {
            if let Some(path) = fetcher.fetch(source)? {
                build.add_source(&path)?;
            }
        }
        if one.pins.is_none() && !one.needs_programs {
            // makepkg looks at their sums, as it does at those that it fetches itself
            for source in &one.info.sources {
                let given = self
                    .source_dir
                    .map(|d| d.join(srcinfo::source_name(source)));
                if let Some(path) = given.filter(|p| p.is_file()) {
                    build.add_source(&path)?;
                }
            }
            build.fetch()?;
        }
        let from_base = |need: &&String| {
            !ours
                .iter()
                .any(|b| b.prepared.info.offers(srcinfo::bare(need)))
        };
        let names: Vec<String> = one
            .info
            .build_needs()
            .iter()
            .filter(from_base)
            .cloned()
            .collect();
        let files: Vec<PathBuf> = ours.iter().flat_map(|b| b.files.iter().cloned()).collect();
        let downloads = match self.base {
            Base::Arch => Some(self.project.cache.lock(DOWNLOADS, "downloads of Arch")?),
            Base::Standin => None,
        };
        build.install(&names, &files)?;
        drop(downloads);
        for path in build.run()? {
            let name = path.file_name().context("a package file without a name")?;
            let bytes = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
            files::write(&out.join(name), bytes, 0o644)?;
        }
        Ok(())
    }
}

/// What all packages below `packages/` say for Arch, each by the name of its folder. They are copied into
/// `scratch`.
///
/// # Errors
/// When one cannot be read; the error names it. [`PlanEnds`] where a plan would have to make the root.
pub fn read_all(
    project: &Project,
    root: &LazyRoot,
    scratch: &Path,
) -> Result<Vec<(String, SrcInfo)>> {
    let one = |name: String| {
        let folder = scratch.join(&name);
        let info = copy::tree(&project.root.join("packages").join(&name), &folder)
            .and_then(|()| srcinfo_of(project, root, &folder))
            .with_context(|| format!("package {name}"))?;
        Ok((name, info))
    };
    names(&project.root)?.into_iter().map(one).collect()
}

/// `.SRCINFO` of a prepared folder, kept by its PKGBUILD's hash: makepkg takes a while.
fn srcinfo_of(project: &Project, root: &LazyRoot, folder: &Path) -> Result<SrcInfo> {
    let text = files::read_to_string(&folder.join("PKGBUILD"))?;
    let key = Key::new("srcinfo", 1).add("PKGBUILD", &text).finish();
    // a plan may look into a root that is there, and makes none
    let known = project.cache.lookup("srcinfo", &key).1 || root.is_there();
    if project.is_dry() && !known {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let what = format!("read the PKGBUILD of {name}");
        project.progress.planned(STAGE, &what);
        return Err(PlanEnds.into());
    }
    let (entry, _) = project.cache.entry("srcinfo", &key, |out| {
        let scratch = project.cache.scratch("srcinfo")?;
        let log = project.cache.log("srcinfo")?;
        let build = Build::new(root.get()?, scratch.path(), folder, &log)?;
        files::write(&out.join("SRCINFO"), build.srcinfo()?, 0o644)
    })?;
    SrcInfo::parse(&files::read_to_string(&entry.join("SRCINFO"))?)
}

/// The names of all folders below `packages/`, sorted.
///
/// # Errors
/// When a folder has no PKGBUILD.
pub fn names(root: &Path) -> Result<Vec<String>> {
    let folder = root.join("packages");
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
        let entry = entry?;
        if !entry.file_type()?.is_dir() {
            continue;
        }
        let name = entry.file_name().to_string_lossy().into_owned();
        if !entry.path().join("PKGBUILD").is_file() {
            bail!("packages/{name} has no PKGBUILD; write one, or remove the folder");
        }
        names.push(name);
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_pkgbuild_is_named() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("packages/x")).unwrap();
        let error = names(dir.path()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "packages/x has no PKGBUILD; write one, or remove the folder"
        );
    }
}
