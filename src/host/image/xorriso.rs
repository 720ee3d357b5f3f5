//! xorriso: the tree and the EFI file system become one hybrid ISO.

use std::path::Path;

use anyhow::{Context, Result};
use xshell::{Shell, cmd};

use crate::{host::profile::ProfileDef, util::run::Task};

/// Writes the ISO to `out`.
///
/// # Errors
/// When xorriso fails; the error has what it said.
pub fn write(
    def: &ProfileDef,
    iso: &Path,
    efi: &Option<impl AsRef<Path>>,
    out: &Path,
    epoch: u64,
    log: &Path,
) -> Result<()> {
    let large = super::native::size_of(iso)? > LARGE;
    let words = arguments(def, iso, efi.as_ref().map(AsRef::as_ref), out, large);
    let sh = Shell::new().context("opening the working folder")?;
    let command = cmd!(sh, "xorriso {words...}").env("SOURCE_DATE_EPOCH", epoch.to_string());
    Task::new("writing the ISO", command).log(log).run()
}

/// From this size on an ISO is on no CD, and needs not the padding that some drives read beyond.
const LARGE: u64 = 900 << 20;

/// The command line, as mkarchiso v88 has it.
fn arguments(
    def: &ProfileDef,
    iso: &Path,
    efi: Option<&Path>,
    out: &Path,
    large: bool,
) -> Vec<String> {
    let bios = def.bootmodes.iter().any(|m| m == "bios.syslinux");
    let mut words: Vec<String> = [
        "-no_rc",
        "-report_about",
        "SORRY",
        "-as",
        "mkisofs",
        "-iso-level",
        "3",
        "-full-iso9660-filenames",
        "-joliet",
        "-joliet-long",
        "-rational-rock",
        "-volid",
        &def.iso_label,
        "-appid",
        &def.iso_application,
        "-publisher",
        &def.iso_publisher,
        "-preparer",
        "prepared by ezmail",
    ]
    .map(str::to_owned)
    .into();
    let mut add = |more: &[&str]| words.extend(more.iter().map(|w| (*w).to_owned()));
    if bios {
        let mbr = iso.join("boot/syslinux/isohdpfx.bin");
        add(&["-eltorito-boot", "boot/syslinux/isolinux.bin"]);
        add(&["-eltorito-catalog", "boot/syslinux/boot.cat"]);
        add(&["-no-emul-boot", "-boot-load-size", "4", "-boot-info-table"]);
        add(&[
            "-isohybrid-mbr",
            &mbr.to_string_lossy(),
            "--mbr-force-bootable",
        ]);
        add(&["-partition_offset", "16"]);
    }
    if let Some(efi) = efi {
        if !bios {
            add(&["-partition_offset", "16"]);
        }
        // the type is that of an EFI system partition
        let kind = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B";
        add(&["-append_partition", "2", kind, &efi.to_string_lossy()]);
        if bios {
            add(&["-isohybrid-gpt-basdat"]);
        } else {
            add(&["-appended_part_as_gpt", "-eltorito-catalog", "EFI/boot.cat"]);
        }
        add(&[
            "-eltorito-alt-boot",
            "-e",
            "--interval:appended_partition_2:all::",
        ]);
        add(&["-no-emul-boot"]);
    }
    if large {
        add(&["-no-pad"]);
    }
    add(&["-output", &out.to_string_lossy(), &iso.to_string_lossy()]);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(modes: &[&str], efi: bool) -> String {
        let def = ProfileDef {
            iso_label: "LABEL".into(),
            iso_application: "app".into(),
            iso_publisher: "pub".into(),
            bootmodes: modes.iter().map(|m| (*m).to_owned()).collect(),
            ..ProfileDef::default()
        };
        let efi = efi.then_some(Path::new("/w/efiboot.img"));
        arguments(&def, Path::new("/w/iso"), efi, Path::new("/o/x.iso"), false).join("\n")
    }

    #[test]
    fn both_firmwares() {
        insta::assert_snapshot!(line(&["bios.syslinux", "uefi.systemd-boot"], true));
    }

    #[test]
    fn one_firmware() {
        insta::assert_snapshot!("bios", line(&["bios.syslinux"], false));
        insta::assert_snapshot!("uefi", line(&["uefi.systemd-boot"], true));
    }
}
