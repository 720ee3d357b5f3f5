//! What mkarchiso adds where the packages for it are in the list: UEFI shells, memory tests, the
//! licences of microcode, and what syslinux' hardware detection looks names up in.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use flate2::{Compression, GzBuilder};

use super::tree::copy_file;
use crate::util::files;

/// A file of the image's root, its place on the ISO, and which firmware it is for.
struct Extra {
    from: &'static str,
    to: &'static str,
    uefi: bool,
}

const EXTRAS: [Extra; 4] = [
    Extra {
        from: "usr/share/edk2-shell/x64/Shell_Full.efi",
        to: "shellx64.efi",
        uefi: true,
    },
    Extra {
        from: "usr/share/edk2-shell/ia32/Shell_Full.efi",
        to: "shellia32.efi",
        uefi: true,
    },
    Extra {
        from: "boot/memtest86+/memtest.efi",
        to: "boot/memtest86+/memtest.efi",
        uefi: true,
    },
    Extra {
        from: "boot/memtest86+/memtest.bin",
        to: "boot/memtest86+/memtest",
        uefi: false,
    },
];

const LICENSE: (&str, &str) = (
    "usr/share/licenses/spdx/GPL-2.0-only.txt",
    "boot/memtest86+/LICENSE",
);

/// Copies what `root` has for this firmware into the ISO's tree.
///
/// # Errors
/// When a file cannot be copied.
pub fn for_firmware(root: &Path, iso: &Path, uefi: bool) -> Result<()> {
    let there = |from: &str| root.join(from).exists();
    for extra in EXTRAS.iter().filter(|e| e.uefi == uefi && there(e.from)) {
        copy(root, extra.from, &iso.join(extra.to))?;
        if extra.to.contains("memtest") && there(LICENSE.0) {
            copy(root, LICENSE.0, &iso.join(LICENSE.1))?;
        }
    }
    Ok(())
}

/// Copies what of that UEFI firmware has to find on its own partition.
///
/// # Errors
/// When a file cannot be copied.
pub fn for_partition(iso: &Path, stage: &Path) -> Result<()> {
    let places = EXTRAS.iter().filter(|e| e.uefi).map(|e| e.to);
    for place in places.chain([LICENSE.1]) {
        if iso.join(place).exists() {
            copy(iso, place, &stage.join(place))?;
        }
    }
    Ok(())
}

/// Copies the licences of the microcode image `name` (such as `intel-ucode.img`) into `boot`.
///
/// # Errors
/// When a file cannot be copied.
pub fn microcode_license(root: &Path, name: &str, boot: &Path) -> Result<()> {
    let name = name.trim_end_matches(".img");
    let from = root.join("usr/share/licenses").join(name);
    if !from.is_dir() {
        return Ok(());
    }
    for path in sorted(&from)? {
        if path.is_file() {
            let file = path.file_name().unwrap_or_default();
            let to = boot.join("licenses").join(name).join(file);
            files::create_dir_all(to.parent().unwrap_or(boot))?;
            copy_file(&path, &to)?;
        }
    }
    Ok(())
}

/// Names of PCI devices and of kernel modules for hdt.c32, where that is.
///
/// # Errors
/// When a file cannot be read or written.
pub fn hardware_detection(root: &Path, syslinux: &Path) -> Result<()> {
    if !syslinux.join("hdt.c32").exists() {
        return Ok(());
    }
    let names = root.join("usr/share/hwdata/pci.ids");
    if names.exists() {
        compress(&names, &syslinux.join("hdt/pciids.gz"))?;
    }
    let modules = root.join("usr/lib/modules");
    if modules.is_dir() {
        let aliases = sorted(&modules)?
            .into_iter()
            .map(|p| p.join("modules.alias"));
        if let Some(path) = aliases.into_iter().find(|p| p.exists()) {
            compress(&path, &syslinux.join("hdt/modalias.gz"))?;
        }
    }
    Ok(())
}

fn copy(root: &Path, from: &str, to: &Path) -> Result<()> {
    files::create_dir_all(to.parent().unwrap_or(root))?;
    copy_file(&root.join(from), to)
}

/// gzip(1), without name and time.
fn compress(from: &Path, to: &Path) -> Result<()> {
    let bytes = fs::read(from).with_context(|| format!("reading {}", from.display()))?;
    let mut gzip = GzBuilder::new()
        .mtime(0)
        .write(Vec::new(), Compression::best());
    let what = || format!("compressing {}", from.display());
    gzip.write_all(&bytes).with_context(what)?;
    files::write_with_parents(to, gzip.finish().with_context(what)?, 0o644)
}

fn sorted(folder: &Path) -> Result<Vec<PathBuf>> {
    let what = || format!("reading {}", folder.display());
    let entries = fs::read_dir(folder).with_context(what)?;
    let mut paths: Vec<PathBuf> = entries
        .map(|e| e.map(|e| e.path()))
        .collect::<Result<_, _>>()
        .with_context(what)?;
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            super::files::write_with_parents(&dir.path().join(file), file, 0o644).unwrap();
        }
        dir
    }

    fn all(folder: &Path) -> Vec<String> {
        let entries = walkdir::WalkDir::new(folder).sort_by_file_name();
        let files = entries.into_iter().map(|e| e.unwrap());
        files
            .filter(|e| e.file_type().is_file())
            .map(|e| e.path().strip_prefix(folder).unwrap().display().to_string())
            .collect()
    }

    #[test]
    fn each_firmware_gets_its_own_and_the_partition_what_uefi_looks_for() {
        let root = with(&[
            "usr/share/edk2-shell/x64/Shell_Full.efi",
            "boot/memtest86+/memtest.efi",
            "boot/memtest86+/memtest.bin",
            "usr/share/licenses/spdx/GPL-2.0-only.txt",
        ]);
        let (iso, stage) = (with(&[]), with(&[]));
        for_firmware(root.path(), iso.path(), false).unwrap();
        let bios = ["boot/memtest86+/LICENSE", "boot/memtest86+/memtest"];
        assert_eq!(all(iso.path()), bios);
        for_firmware(root.path(), iso.path(), true).unwrap();
        for_partition(iso.path(), stage.path()).unwrap();
        let uefi = [
            "boot/memtest86+/LICENSE",
            "boot/memtest86+/memtest.efi",
            "shellx64.efi",
        ];
        assert_eq!(all(stage.path()), uefi);
    }

    #[test]
    fn names_are_there_where_something_looks_them_up() {
        let root = with(&[
            "usr/share/hwdata/pci.ids",
            "usr/lib/modules/6.1/modules.alias",
            "usr/share/licenses/intel-ucode/LICENSE",
        ]);
        let (iso, with_hdt) = (with(&[]), with(&["hdt.c32"]));
        hardware_detection(root.path(), iso.path()).unwrap();
        assert_eq!(all(iso.path()), [""; 0]);
        hardware_detection(root.path(), with_hdt.path()).unwrap();
        let there = ["hdt/modalias.gz", "hdt/pciids.gz", "hdt.c32"];
        assert_eq!(all(with_hdt.path()), there);
        microcode_license(root.path(), "intel-ucode.img", iso.path()).unwrap();
        assert_eq!(all(iso.path()), ["licenses/intel-ucode/LICENSE"]);
    }
}
