//! smtpd built from our PKGBUILD, but for `durable-queue.patch`; brought into a machine on a volume.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use ezmail::{
    host::{
        base::lock::Mode,
        build::{self, Goal, Options},
        copy,
        progress::Progress,
        project::Project,
    },
    util::{files, run::Task},
};

use crate::world::appliance::Appliance;

/// The label of the volume.
const LABEL: &str = "bench-smtpd";
/// What the package is built from, and what that needs of ours.
const PACKAGES: [&str; 2] = ["libressl-static", "opensmtpd"];
const SMTPD: &str = "usr/bin/smtpd";

/// Builds it, in a checkout of its own in `folder`, and returns a volume that holds it. What the ISO
/// was built from is in the cache; building smtpd alone takes a minute or two.
///
/// # Errors
/// When the PKGBUILD does not name the patch, or the build fails.
pub fn volume(folder: &Path) -> Result<PathBuf> {
    let checkout = folder.join("stock");
    without_the_patch(&checkout)?;
    let project = Project::open(Some(&checkout), None, Progress::detect(), Mode::Renew)?;
    let programs = Path::new(env!("CARGO_BIN_EXE_ezmail"))
        .parent()
        .context("cargo's folder")?;
    let options = Options {
        source_dir: None,
        programs: Some(programs),
        ..Options::default()
    };
    let outcome = build::run(&project, &options, Goal::Packages)?;
    let package = outcome
        .packages
        .iter()
        .find(|path| {
            path.file_name()
                .is_some_and(|n| n.to_string_lossy().starts_with("opensmtpd-"))
        })
        .context("the build made no package of smtpd")?;
    let tree = checkout.join("tree");
    files::create_dir_all(&tree)?;
    let mut unpack = Command::new("bsdtar");
    unpack
        .arg("-xf")
        .arg(package)
        .arg("-C")
        .arg(&tree)
        .arg(SMTPD);
    Task::new("taking smtpd out of its package", unpack).run()?;
    let volume = checkout.join("smtpd.img");
    let mut make = Command::new("mke2fs");
    make.args(["-q", "-F", "-t", "ext4", "-L", LABEL, "-d"]);
    make.arg(&tree).arg(&volume).arg("32M");
    Task::new("making a volume with smtpd on it", make).run()?;
    Ok(volume)
}

/// Puts what decides about the package into `checkout`, the patch left out.
fn without_the_patch(checkout: &Path) -> Result<()> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    for name in PACKAGES {
        let package = format!("packages/{name}");
        copy::tree(&project.join(&package), &checkout.join(&package))?;
    }
    // the users that the build root has
    copy::tree(&project.join("airootfs"), &checkout.join("airootfs"))?;
    for name in ["profile/profiledef.sh.tera", "ezmail.toml", "ezmail.lock"] {
        let from = project.join(name);
        if from.exists() {
            let text = files::read_to_string(&from)?;
            files::write_with_parents(&checkout.join(name), text, 0o644)?;
        }
    }
    let path = checkout.join("packages/opensmtpd/PKGBUILD");
    let text = files::read_to_string(&path)?;
    let applied = "without-db durable-queue strict-eol";
    let (before, after) = text
        .split_once(applied)
        .with_context(|| format!("no patches \"{applied}\" in {}", path.display()))?;
    files::write(
        &path,
        format!("{before}without-db strict-eol{after}"),
        0o644,
    )
}

/// Lays it over the image's own in a running machine, and starts smtpd anew.
///
/// # Errors
/// When smtpd does not run from it.
pub fn put_in_place(machine: &Appliance) -> Result<()> {
    machine
        .run(&format!(
            "mkdir /run/{LABEL} && mount -o ro LABEL={LABEL} /run/{LABEL} && \
             if cmp -s /run/{LABEL}/{SMTPD} /{SMTPD}; then echo 'it is the same smtpd'; exit 1; fi && \
             mount --bind /run/{LABEL}/{SMTPD} /{SMTPD} && systemctl restart smtpd.service && \
             cmp /proc/$(systemctl show -P MainPID smtpd.service)/exe /run/{LABEL}/{SMTPD}"
        ))
        .map(drop)
}
