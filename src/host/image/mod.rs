//! The ISO, assembled natively: the same steps, layout and options as mkarchiso v88.

mod efi;
mod tree;
mod xorriso;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use xshell::{Shell, cmd};

use super::{
    base::Base,
    manifest::Manifest,
    packages::Built,
    pacman::Pacman,
    profile::ProfileDef,
    project::{Project, VERSION},
    rootfs, secrets,
};
use crate::util::{files, hash, hash::Key, run::Task, size::size};

/// What an ISO is made from.
#[derive(Debug)]
pub struct Request<'a> {
    /// The build.
    pub project: &'a Project,
    /// The chosen base.
    pub base: Base,
    /// Hash of everything the base's packages came from.
    pub base_key: &'a str,
    /// The rendered profile.
    pub def: &'a ProfileDef,
    /// pacman with our repository first.
    pub pacman: &'a Pacman,
    /// Our packages.
    pub built: &'a [Built],
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

/// Makes the ISO with its checksum and manifest, unless the one in place has the same inputs.
///
/// # Errors
/// When a step fails: what is in place stays as it was.
pub fn assemble(request: &Request) -> Result<Image> {
    let project = request.project;
    let path = project.out.join(request.def.file_name());
    let stamp = project
        .out
        .join(format!(".{}.stamp.json", request.def.file_name()));
    let key = key(request)?;
    if let Some(image) = in_place(&stamp, &path, &key) {
        project
            .progress
            .note("image", format!("{}: up to date", request.def.file_name()));
        return Ok(image);
    }
    let scratch = project.cache.scratch("image")?;
    let work = scratch.path();
    let log = project.cache.log("image")?;
    files::write(&log, "", 0o644)?;

    let root = work.join("airootfs");
    files::create_dir_all(&root)?;
    let running = project
        .progress
        .start("image", "installing the root file system");
    let installed = rootfs::install(request.def, request.pacman, &root, request.base, &log)?;
    running.done(format!("{} packages", installed.packages.len()));

    let running = project
        .progress
        .start("image", "cleaning and scanning for secrets");
    let iso = work.join("iso");
    let tree = tree::Tree {
        def: request.def,
        root: &root,
        iso: &iso,
        epoch: project.epoch,
    };
    tree.write(&installed.packages, request.base)?;
    rootfs::clean(&root, project.epoch)?;
    secrets::scan(&root)?;
    running.done("none found");

    let running = project
        .progress
        .start("image", "compressing the root file system");
    let squashfs = squashfs(request.def, &root, &iso, project.epoch, &log)?;
    running.done(size(squashfs));

    let running = project.progress.start("image", "writing the ISO");
    tree.settle_times()?;
    let efi = efi::write(request.def, &root, &iso, work, project.epoch, &log)?;
    let new = project
        .out
        .join(format!(".{}.new", request.def.file_name()));
    xorriso::write(request.def, &iso, &efi, &new, project.epoch, &log)?;
    let (sha256, bytes) = finish(&new, &path)?;
    running.done(size(bytes));

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
    Ok(image)
}

/// Hash of everything that goes into an ISO.
fn key(request: &Request) -> Result<String> {
    let mut key = Key::new("image", 1);
    key.add("version", VERSION)
        .add("base", request.base_key)
        .add("epoch", request.project.epoch.to_le_bytes())
        .add_tree("profile", &request.def.folder)?;
    for built in request.built {
        key.add(&built.prepared.name, &built.key);
    }
    Ok(key.finish())
}

fn in_place(stamp: &Path, path: &Path, key: &str) -> Option<Image> {
    // a stamp that cannot be read only means that the image is made again
    let image: Image = serde_json::from_str(&fs::read_to_string(stamp).ok()?).ok()?;
    let same = image.key == key
        && image.path == path
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

fn squashfs(def: &ProfileDef, root: &Path, iso: &Path, epoch: u64, log: &Path) -> Result<u64> {
    let folder = iso.join(&def.install_dir).join("x86_64");
    files::create_dir_all(&folder)?;
    let target = folder.join("airootfs.sfs");
    let sh = Shell::new().context("opening the working folder")?;
    let options = &def.squashfs_options;
    let command = cmd!(
        sh,
        "mksquashfs {root} {target} -noappend {options...} -no-progress -quiet"
    )
    .env("SOURCE_DATE_EPOCH", epoch.to_string());
    Task::new("compressing the root file system", command)
        .log(log)
        .run()?;
    files::write(
        &folder.join("airootfs.sha512"),
        rootfs::sha512_line(&target)?,
        0o644,
    )?;
    Ok(target.metadata().context("reading the squashfs")?.len())
}

/// Syncs the new ISO, puts it in its place and returns its checksum and size.
fn finish(new: &Path, path: &Path) -> Result<(String, u64)> {
    let what = || format!("writing {}", path.display());
    let file = fs::File::open(new).with_context(what)?;
    let (sha256, bytes) = hash::sha256_reader(&file).with_context(what)?;
    file.sync_all().with_context(what)?;
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
