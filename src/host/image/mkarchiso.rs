//! The ISO by upstream's mkarchiso, from the same profile.

use std::{fs, path::Path};

use anyhow::{Context, Result, bail};
use xshell::{Shell, cmd};

use super::{Request, STAGE, root};
use crate::{
    host::{base::Base, pacman, rootfs::Installed},
    util::{
        files,
        run::{Task, find_program},
        size::size,
    },
};

/// Where mkarchiso takes the loader for firmware of 32 bits from, below the profile.
const IA32: &str = "airootfs/usr/lib/systemd/boot/efi/systemd-bootia32.efi";

/// Looks whether mkarchiso is there, and whether whoever started the build may run it.
///
/// # Errors
/// When it is not installed, or an ordinary user asks: what it mounts, a user namespace may not.
pub fn can_run(is_root: bool) -> Result<()> {
    if !is_root {
        bail!(
            "mkarchiso mounts what a user namespace may not: run it as root, by 'sudo ezmail build \
             --engine mkarchiso'; '--engine native' builds the same as any user"
        );
    }
    if find_program("mkarchiso").is_none() {
        bail!(
            "there is no mkarchiso on this host: on Arch Linux it is in the package 'archiso', \
             elsewhere it comes from its own sources; '--engine native' needs none"
        );
    }
    Ok(())
}

/// Runs mkarchiso in the folder `work`, and moves its ISO to `new`.
///
/// # Errors
/// When the base lacks what it asks for, or it fails.
pub fn write(request: &Request, work: &Path, new: &Path, log: &Path) -> Result<Installed> {
    if request.base == Base::Standin && !request.def.folder.join(IA32).exists() {
        bail!(
            "mkarchiso asks for systemd-boot's 32-bit loader, which Debian's package, and so the stand-in \
             base, does not have: take --base arch or --engine native, or put one at {IA32} in the checkout"
        );
    }
    let progress = &request.project.progress;
    let running = progress.start(STAGE, "mkarchiso", Some(log));
    let (inside, out) = (work.join("work"), work.join("out"));
    let profile = &request.def.folder;
    let _alone = root::downloads(request)?;
    // the profile's, with the keyring that the base was checked against, as a host that is no Arch has
    // none, and with a place for downloads that is not the host's
    let config = work.join("pacman.conf");
    files::write(&config, request.pacman.conf_for_others(), 0o644)?;
    let sh = Shell::new().context("opening the working folder")?;
    let command = cmd!(
        sh,
        "mkarchiso -v -C {config} -w {inside} -o {out} {profile}"
    )
    .env("SOURCE_DATE_EPOCH", request.project.epoch.to_string());
    Task::new("mkarchiso", command).log(log).run()?;
    let made = out.join(request.def.file_name());
    let bytes =
        fs::copy(&made, new).with_context(|| format!("mkarchiso made no {}", made.display()))?;
    running.done(size(bytes));
    root::check_root_account(&inside.join("x86_64/airootfs"))
        .with_context(|| format!("the log is {}", log.display()))?;

    let list = inside
        .join("iso")
        .join(&request.def.install_dir)
        .join("pkglist.x86_64.txt");
    let databases = work.join("databases");
    files::create_dir_all(&databases)?;
    request.pacman.refresh(&databases, log)?;
    let packages = pacman::parse_query(&files::read_to_string(&list)?);
    Installed::new(packages, request.pacman, &databases)
}
