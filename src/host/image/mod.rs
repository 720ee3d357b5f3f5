//! The ISO, with its checksum and manifest.

pub(super) mod efi;
mod extras;
pub(super) mod mkarchiso;
mod native;
mod root;
pub(super) mod tree;
pub(super) mod xorriso;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use anyhow::{Context, Result};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::{
    base::{Base, Ready, lock},
    manifest::Manifest,
    packages::Built,
    pacman::Pacman,
    profile::ProfileDef,
    project::{Project, VERSION},
    rootfs, sbom, sign,
    verify::{self, report::count},
};
use crate::util::{files, hash, hash::Key};

const STAGE: &str = "image";

/// How an ISO's name begins among the results until it is whole.
pub const SCRATCH: &str = ".ezmail-new-";

/// Who puts an ISO together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// This program, on any Linux host.
    #[default]
    Native,
    /// Upstream's mkarchiso, which must be installed. Its ISO has no place for answers.
    Mkarchiso,
}

impl Engine {
    fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Mkarchiso => "mkarchiso",
        }
    }
}

/// What an ISO is made from.
#[derive(Debug)]
pub struct Request<'a> {
    /// The build.
    pub project: &'a Project,
    /// The chosen base.
    pub base: Base,
    /// Where the base's packages are from.
    pub ready: &'a Ready,
    /// The rendered profile.
    pub def: &'a ProfileDef,
    /// pacman with our repository first.
    pub pacman: &'a Pacman,
    /// Our packages.
    pub built: &'a [Built],
    /// Who puts it together.
    pub engine: Engine,
}

/// A finished ISO.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct Image {
    /// Where it lies.
    pub path: PathBuf,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256, with the reserved extent blank.
    pub sha256: String,
    /// How many packages its root file system has.
    pub packages: usize,
    /// Hash of everything that went into it.
    key: String,
    modified: u64,
}

/// Makes the ISO with its checksum and manifest, unless the one in place has the same inputs; none
/// with `--dry-run` where it would be made.
///
/// # Errors
/// When a step fails: what is in place stays as it was.
pub fn assemble(request: &Request) -> Result<Option<Image>> {
    let Request { project, def, .. } = request;
    let name = def.file_name();
    let path = project.out.join(&name);
    let stamp = project.out.join(format!(".{name}.stamp.json"));
    let key = key(request)?;
    if let Some(image) = in_place(&stamp, &path, &key) {
        project.progress.cached(STAGE, &name);
        return Ok(Some(image));
    }
    if project.is_dry() {
        project.progress.planned(STAGE, &format!("make {name}"));
        return Ok(None);
    }
    let scratch = project.cache.scratch("image")?;
    let log = project.cache.log("image")?;
    let new = project.out.join(format!("{SCRATCH}{name}"));
    let installed = match request.engine {
        Engine::Native => native::write(request, scratch.path(), &new, &log)?,
        Engine::Mkarchiso => mkarchiso::write(request, scratch.path(), &new, &log)?,
    };
    let running = project.progress.start(STAGE, "checking the ISO", None);
    let report = verify::check_made(&new, request.engine == Engine::Native)?;
    running.done(count(report.checks.len() as u64, "check"));
    if let Some(resolved) = &request.ready.resolved {
        lock::check_installed(resolved, &installed.packages)?;
    }
    let (sha256, bytes) = finish(&new, &path)?;
    let image = Image {
        size: bytes,
        sha256,
        packages: installed.packages.len(),
        key,
        modified: modified(&path)?,
        path,
    };
    describe(request, &image, installed)?;
    let text = serde_json::to_string_pretty(&image).context("describing the image")?;
    files::write(&stamp, text, 0o644)?;
    Ok(Some(image))
}

/// Hash of everything that goes into an ISO.
fn key(request: &Request) -> Result<String> {
    // 3: the manifest beside it says what packages need
    let mut key = own_key("image", 3)?;
    key.add("version", VERSION)
        .add("base", &request.ready.key)
        .add("engine", request.engine.name())
        .add("epoch", request.project.epoch.to_le_bytes())
        .add_tree("profile", &request.def.folder)?;
    for built in request.built {
        key.add(&built.prepared.name, &built.key);
    }
    Ok(key.finish())
}

/// The key of a step that this program does by itself: another program may do it in another way. What
/// packages are built of is not one, as makepkg does that in a clean root.
///
/// # Errors
/// When this program cannot be read.
fn own_key(step: &str, format: u32) -> Result<Key> {
    static PROGRAM: OnceLock<String> = OnceLock::new();
    let sum = match PROGRAM.get() {
        Some(sum) => sum,
        None => {
            let sum = hash::sha256_file(Path::new("/proc/self/exe"))?;
            PROGRAM.get_or_init(|| sum)
        }
    };
    let mut key = Key::new(step, format);
    key.add("program", sum);
    Ok(key)
}

fn in_place(stamp: &Path, path: &Path, key: &str) -> Option<Image> {
    // a stamp that cannot be read only means that the image is made again
    let image: Image = serde_json::from_str(&fs::read_to_string(stamp).ok()?).ok()?;
    let beside = |name: PathBuf| name.exists();
    let same = image.key == key
        && image.path == path
        && beside(sign::beside(path, ".sha256"))
        && beside(path.with_extension("manifest.json"))
        && path.metadata().ok()?.len() == image.size
        && modified(path).ok()? == image.modified;
    same.then_some(image)
}

fn modified(path: &Path) -> Result<u64> {
    let time = path.metadata().and_then(|m| m.modified());
    let time = time.with_context(|| format!("reading {}", path.display()))?;
    Ok(time
        .duration_since(std::time::UNIX_EPOCH)
        .context("a file from before 1970")?
        .as_secs())
}

/// Syncs the new ISO, puts it in its place and returns its checksum and size.
fn finish(new: &Path, path: &Path) -> Result<(String, u64)> {
    let what = || format!("writing {}", path.display());
    let file = fs::File::open(new).with_context(what)?;
    let (sha256, bytes) = hash::sha256_reader(&file).with_context(what)?;
    file.sync_all().with_context(what)?;
    // what is said of the image that is replaced
    sign::forget(&sign::beside(path, ".sha256"))?;
    sbom::forget(path)?;
    fs::rename(new, path).with_context(what)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let sum = path.with_file_name(format!("{name}.sha256"));
    files::write(&sum, format!("{sha256}  {name}\n"), 0o644)?;
    Ok((sha256, bytes))
}

fn describe(request: &Request, image: &Image, installed: rootfs::Installed) -> Result<()> {
    let manifest = Manifest::new(request, image, installed);
    let text = serde_json::to_string_pretty(&manifest).context("writing the manifest")? + "\n";
    files::write(&image.path.with_extension("manifest.json"), text, 0o644)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_program_makes_another_image() {
        let sum = hash::sha256_file(&std::env::current_exe().unwrap()).unwrap();
        let mut expected = Key::new("x", 1);
        expected.add("program", sum);
        let key = || own_key("x", 1).unwrap().finish();
        assert_eq!(key(), expected.finish());
        assert_eq!(key(), key());
        assert_ne!(key(), Key::new("x", 1).finish());
    }
}
