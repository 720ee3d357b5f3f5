//! The FAT image that UEFI firmware reads: systemd-boot, its entries, kernel and initramfs.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use xshell::{Shell, cmd};

use super::{extras, native::size_of, tree::loaders};
use crate::{
    host::{copy, profile::ProfileDef, rootfs},
    util::{files, run::Task},
};

/// Sizes from which mkarchiso asks for FAT32, in KiB.
const FAT32_FROM: u64 = 36_864;

/// Makes `efiboot.img` in the folder `work`; none when the profile does not boot by UEFI.
///
/// # Errors
/// When a tool fails or a file is missing.
pub fn write(
    def: &ProfileDef,
    root: &Path,
    iso: &Path,
    work: &Path,
    epoch: u64,
    log: &Path,
) -> Result<Option<PathBuf>> {
    if !def.bootmodes.iter().any(|m| m == "uefi.systemd-boot") {
        return Ok(None);
    }
    let stage = work.join("efiboot");
    let boot = stage.join("EFI/BOOT");
    files::create_dir_all(&boot)?;
    for (from, to) in loaders(root)? {
        fs::copy(&from, boot.join(to)).with_context(|| format!("copying {}", from.display()))?;
    }
    copy::tree(&iso.join("loader"), &stage.join("loader"))?;
    let kernels = format!("{}/boot", def.install_dir);
    copy::tree(&iso.join(&kernels), &stage.join(&kernels))?;
    extras::for_partition(iso, &stage)?;
    for entry in walkdir::WalkDir::new(&stage).contents_first(true) {
        rootfs::set_mtime(entry.context("walking the EFI tree")?.path(), epoch)?;
    }
    let image = work.join("efiboot.img");
    let kib = size_kib(&stage)?;
    let sh = Shell::new().context("opening the working folder")?;
    sh.set_var("SOURCE_DATE_EPOCH", epoch.to_string());
    sh.set_var("TZ", "UTC");
    // mtools checks geometry that an image without partitions does not have
    sh.set_var("MTOOLS_SKIP_CHECK", "1");
    let fat32: &[&str] = if kib >= FAT32_FROM {
        &["-F", "32"]
    } else {
        &[]
    };
    // the id of a volume comes from the clock unless it is given
    let id = format!("{:08x}", epoch & 0xffff_ffff);
    let mkfs = crate::util::run::find_program("mkfs.fat").unwrap_or_else(|| "mkfs.fat".into());
    let blocks = kib.to_string();
    let command = cmd!(
        sh,
        "{mkfs} --invariant -i {id} -C -n ARCHISO_EFI {fat32...} {image} {blocks}"
    );
    Task::new("making the EFI file system", command)
        .log(log)
        .run()?;
    let mut tops = Vec::new();
    for entry in fs::read_dir(&stage).context("reading the EFI tree")? {
        tops.push(entry?.path());
    }
    tops.sort();
    let command = cmd!(sh, "mcopy -s -m -Q -i {image} {tops...} ::/");
    Task::new("filling the EFI file system", command)
        .log(log)
        .run()?;
    Ok(Some(image))
}

/// mkarchiso's formula: the files, 8 MiB for the file system itself, rounded up to a MiB.
fn size_kib(folder: &Path) -> Result<u64> {
    let bytes = size_of(folder)?;
    Ok((bytes.div_ceil(1024) + 8192).div_ceil(1024) * 1024)
}
