//! The assembler of our own: the same steps, layout and options as mkarchiso v88.

use std::path::Path;

use anyhow::{Context, Result};
use xshell::{Shell, cmd};

use super::{Request, STAGE, efi, root::Root, tree, xorriso};
use crate::{
    host::{
        clean,
        profile::ProfileDef,
        rootfs::{self, Installed},
        secrets,
    },
    util::{files, run::Task, size::size},
};

/// Writes the ISO to `new`, with the folder `work` for what comes between.
///
/// # Errors
/// When a step fails.
pub fn write(request: &Request, work: &Path, new: &Path, log: &Path) -> Result<Installed> {
    let epoch = request.project.epoch;
    let progress = &request.project.progress;
    progress.expect(STAGE, 5);
    let (layered, installed) = Root::new(request, work, log)?;
    let root = layered.path();

    let running = progress.start(STAGE, "cleaning and scanning for secrets", None);
    let iso = work.join("iso");
    let tree = tree::Tree {
        def: request.def,
        root,
        iso: &iso,
        epoch,
    };
    tree.write(&installed.packages, request.base)?;
    clean::clean(root, epoch)?;
    secrets::scan(root)?;
    running.done("none found");

    let folder = iso.join(&request.def.install_dir).join("x86_64");
    files::create_dir_all(&folder)?;
    let target = folder.join("airootfs.sfs");
    let running = progress.start(STAGE, "compressing the root file system", None);
    running.watch(&target, None);
    let bytes = squashfs(request.def, root, &target, epoch, log)?;
    running.done(size(bytes));

    let running = progress.start(STAGE, "writing the ISO", None);
    running.watch(new, Some(size_of(&iso)?));
    tree.settle_times()?;
    let efi = efi::write(request.def, root, &iso, work, epoch, log)?;
    xorriso::write(request.def, &iso, &efi, new, epoch, log)?;
    running.done(size(new.metadata().context("reading the ISO")?.len()));
    Ok(installed)
}

fn squashfs(def: &ProfileDef, root: &Path, target: &Path, epoch: u64, log: &Path) -> Result<u64> {
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
    files::write_scratch(
        &target.with_extension("sha512"),
        rootfs::sha512_line(target)?,
        0o644,
    )?;
    Ok(target.metadata().context("reading the squashfs")?.len())
}

/// The bytes of all files in a folder: about what an ISO of them has.
///
/// # Errors
/// When it cannot be read.
pub(super) fn size_of(folder: &Path) -> Result<u64> {
    let mut sum = 0;
    for entry in walkdir::WalkDir::new(folder) {
        let entry = entry.with_context(|| format!("walking {}", folder.display()))?;
        if entry.file_type().is_file() {
            sum += entry.metadata()?.len();
        }
    }
    Ok(sum)
}
