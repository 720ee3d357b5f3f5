//! The tree of files that becomes the ISO (facts of the format: mkarchiso v88).

use std::{
    fmt::Write as _,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use super::extras;
use crate::{
    answers::reserved,
    host::{base::Base, copy, inside::inside, profile::ProfileDef, project::VERSION, rootfs},
    util::files,
};

/// The tree being made.
pub struct Tree<'a> {
    pub def: &'a ProfileDef,
    pub root: &'a Path,
    pub iso: &'a Path,
    pub epoch: u64,
}

impl Tree<'_> {
    /// Writes everything but the squashfs.
    pub fn write(&self, packages: &[(String, String)], base: Base) -> Result<()> {
        let dir = self.iso.join(&self.def.install_dir);
        files::create_dir_all(&dir)?;
        let version = format!("{VERSION}-{}\n", base.name());
        files::write_scratch(&dir.join("version"), version, 0o644)?;
        files::write_scratch(&dir.join("grubenv"), self.grubenv(false)?, 0o644)?;
        files::write_scratch(
            &dir.join("pkglist.x86_64.txt"),
            rootfs::package_list(packages),
            0o644,
        )?;
        files::create_dir_all(&self.iso.join("boot/grub"))?;
        let search = search_file(self.epoch)?;
        files::write_scratch(&self.iso.join(&search[1..]), "", 0o644)?;
        files::write_scratch(
            &self.iso.join("boot/grub/grubenv"),
            self.grubenv(true)?,
            0o644,
        )?;
        rootfs::boot_files(self.root, &dir.join("boot/x86_64"))?;
        self.microcode(&dir)?;
        let loopback = self.def.folder.join("grub/loopback.cfg");
        if loopback.exists() {
            let text = self.filled(&files::read_to_string(&loopback)?)?;
            files::write_scratch(&self.iso.join("boot/grub/loopback.cfg"), text, 0o644)?;
        }
        if self.boots("bios.syslinux") {
            self.syslinux()?;
        }
        if self.boots("uefi.systemd-boot") {
            self.systemd_boot()?;
        }
        self.reserve_answers()
    }

    /// Gives every file the time of the build, so that none comes from the clock.
    pub fn settle_times(&self) -> Result<()> {
        // contents first: writing into a folder changes its time
        for entry in walkdir::WalkDir::new(self.iso).contents_first(true) {
            rootfs::set_mtime(entry.context("walking the ISO's tree")?.path(), self.epoch)?;
        }
        Ok(())
    }

    fn boots(&self, mode: &str) -> bool {
        self.def.bootmodes.iter().any(|m| m == mode)
    }

    /// Microcode images that the distribution has beside the initramfs.
    fn microcode(&self, dir: &Path) -> Result<()> {
        for name in ["intel-ucode.img", "amd-ucode.img"] {
            let from = inside(self.root, Path::new("boot").join(name))?;
            if from.exists() {
                let boot = dir.join("boot");
                copy_file(&from, &boot.join(name))?;
                extras::microcode_license(self.root, name, &boot)?;
            }
        }
        Ok(())
    }

    fn syslinux(&self) -> Result<()> {
        let to = self.iso.join("boot/syslinux");
        files::create_dir_all(&to)?;
        self.rendered(&self.def.folder.join("syslinux"), &to, "cfg")?;
        let from = self.root.join("usr/lib/syslinux/bios");
        let mut entries: Vec<PathBuf> = fs::read_dir(&from)
            .with_context(|| {
                format!(
                    "the image has no {}: is the package syslinux in the list?",
                    from.display()
                )
            })?
            .map(|e| e.map(|e| e.path()))
            .collect::<Result<_, _>>()?;
        entries.sort();
        for path in entries {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let wanted = ["lpxelinux.0", "memdisk", "isolinux.bin", "isohdpfx.bin"];
            if name.ends_with(".c32") || wanted.contains(&name.as_str()) {
                copy_file(&path, &to.join(name))?;
            }
        }
        extras::hardware_detection(self.root, &to)?;
        extras::for_firmware(self.root, self.iso, false)?;
        for name in ["isolinux.bin", "isohdpfx.bin", "ldlinux.c32"] {
            if !to.join(name).exists() {
                bail!("the package syslinux has no usr/lib/syslinux/bios/{name}");
            }
        }
        Ok(())
    }

    /// The copy of the boot loader on the ISO's own file system, for firmware that reads it and
    /// for people who copy files to a FAT stick.
    fn systemd_boot(&self) -> Result<()> {
        let boot = self.iso.join("EFI/BOOT");
        files::create_dir_all(&boot)?;
        for (from, to) in loaders(self.root)? {
            copy_file(&from, &boot.join(to))?;
        }
        extras::for_firmware(self.root, self.iso, true)?;
        let loader = self.iso.join("loader");
        copy::tree(&self.def.folder.join("efiboot/loader"), &loader)?;
        let entries = loader.join("entries");
        self.rendered(
            &self.def.folder.join("efiboot/loader/entries"),
            &entries,
            "conf",
        )
    }

    /// Copies the `*.extension` files of a folder with archiso's identifiers filled in.
    fn rendered(&self, from: &Path, to: &Path, extension: &str) -> Result<()> {
        let mut count = 0;
        for entry in fs::read_dir(from).with_context(|| format!("reading {}", from.display()))? {
            let path = entry?.path();
            let Some(name) = path.file_name().filter(|_| path.is_file()) else {
                continue;
            };
            if path.extension().is_some_and(|e| e == extension) {
                let text = self.filled(&files::read_to_string(&path)?)?;
                files::write_scratch(&to.join(name), text, 0o644)?;
                count += 1;
            } else {
                copy_file(&path, &to.join(name))?;
            }
        }
        if count == 0 {
            bail!("the profile has no {}/*.{extension}", from.display());
        }
        Ok(())
    }

    fn filled(&self, text: &str) -> Result<String> {
        let text = text
            .replace("%ARCHISO_LABEL%", &self.def.iso_label)
            .replace("%ARCHISO_UUID%", &uuid(self.epoch)?)
            .replace("%ARCHISO_SEARCH_FILENAME%", &search_file(self.epoch)?)
            .replace("%INSTALL_DIR%", &self.def.install_dir)
            .replace("%ARCH%", "x86_64");
        Ok(text)
    }

    /// GRUB's environment block: 1024 bytes, filled with `#`.
    fn grubenv(&self, full: bool) -> Result<String> {
        let mut text = String::from("# GRUB Environment Block\n");
        let _ = writeln!(text, "NAME={}", self.def.iso_name);
        let _ = writeln!(text, "VERSION={}", self.def.iso_version);
        if full {
            let _ = writeln!(text, "ARCHISO_LABEL={}", self.def.iso_label);
            let _ = writeln!(text, "INSTALL_DIR={}", self.def.install_dir);
            let _ = writeln!(text, "ARCH=x86_64");
            let _ = writeln!(text, "ARCHISO_SEARCH_FILENAME={}", search_file(self.epoch)?);
        }
        let fill = 1024_usize
            .checked_sub(text.len())
            .context("GRUB's environment is too long")?;
        Ok(text + &"#".repeat(fill))
    }

    /// The blank file over which `ezmail embed` writes.
    fn reserve_answers(&self) -> Result<()> {
        let path = self.iso.join(reserved::FILE);
        files::write_with_parents(&path, vec![0; reserved::SIZE], 0o644)
    }
}

/// systemd-boot's programs in the image's root, with their names on the medium.
pub fn loaders(root: &Path) -> Result<Vec<(PathBuf, &'static str)>> {
    let folder = root.join("usr/lib/systemd/boot/efi");
    let x64 = folder.join("systemd-bootx64.efi");
    if !x64.exists() {
        bail!("the image has no usr/lib/systemd/boot/efi/systemd-bootx64.efi");
    }
    let ia32 = folder.join("systemd-bootia32.efi");
    let mut all = vec![(x64, "BOOTx64.EFI")];
    if ia32.exists() {
        all.push((ia32, "BOOTIA32.EFI"));
    }
    Ok(all)
}

/// `epoch` as archiso's volume UUID: `YYYY-MM-DD-HH-MM-SS-00`, UTC.
pub fn uuid(epoch: u64) -> Result<String> {
    let seconds = i64::try_from(epoch).context("SOURCE_DATE_EPOCH is too large")?;
    let time = jiff::Timestamp::from_second(seconds).context("SOURCE_DATE_EPOCH is too large")?;
    Ok(time.strftime("%Y-%m-%d-%H-%M-%S-00").to_string())
}

/// The file by which the medium is found, where its UUID is not.
fn search_file(epoch: u64) -> Result<String> {
    Ok(format!("/boot/{}.uuid", uuid(epoch)?))
}

/// Copies a file, which is then readable by all.
pub fn copy_file(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to)
        .and_then(|_| fs::set_permissions(to, fs::Permissions::from_mode(0o644)))
        .with_context(|| format!("copying {} to {}", from.display(), to.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_uuid_is_the_time_in_utc() {
        assert_eq!(uuid(0).unwrap(), "1970-01-01-00-00-00-00");
        assert_eq!(uuid(1_700_000_000).unwrap(), "2023-11-14-22-13-20-00");
    }

    #[test]
    fn grubs_environment_has_its_size() {
        let def = ProfileDef {
            iso_name: "ezmail".into(),
            ..ProfileDef::default()
        };
        let tree = Tree {
            def: &def,
            root: Path::new("/"),
            iso: Path::new("/"),
            epoch: 0,
        };
        assert_eq!(tree.grubenv(true).unwrap().len(), 1024);
        assert!(
            tree.grubenv(false)
                .unwrap()
                .starts_with("# GRUB Environment Block\nNAME=ezmail\n")
        );
    }
}
