//! An image as it was read, for the checks: what could not be read is kept as what was wrong.

use super::{
    bytes::{self, Bytes, Window},
    checks,
    fat::{self, Fat},
    gpt::{self, Gpt},
    mbr::{self, Mbr, SECTOR},
    tree::{self, Tree},
};
use crate::{
    iso9660::{
        self, BLOCK, Volume,
        el_torito::{self, BIOS, BootEntry, UEFI},
    },
    loader::grub,
};

/// Where isolinux.bin lies, and where the configuration of each loader.
pub const ISOLINUX: &str = "boot/syslinux/isolinux.bin";
/// The code for the MBR that the image was made with.
pub const ISOHDPFX: &str = "boot/syslinux/isohdpfx.bin";
/// As [`ISOLINUX`].
pub const SYSLINUX: &str = "boot/syslinux";
/// As [`ISOLINUX`].
pub const LOADER: &str = "loader";
/// As [`ISOLINUX`].
pub const GRUB: &str = "boot/grub";
/// What UEFI firmware starts on a medium (UEFI 2.10, 3.5.1.1), as archiso writes it.
pub const BOOT_X64: &str = "EFI/BOOT/BOOTx64.EFI";

/// What archiso calls the root file system, by its kind.
pub const SQUASHFS: &str = "airootfs.sfs";
/// As [`SQUASHFS`].
pub const EROFS: &str = "airootfs.erofs";

/// A part of the image, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Where it begins.
    pub start: u64,
    /// How long it is.
    pub length: u64,
}

/// An image.
pub struct Look<'a> {
    /// Its bytes.
    pub bytes: &'a dyn Bytes,
    /// Its volume identifier.
    pub label: String,
    /// Of its modification date.
    pub uuid: Option<String>,
    /// The size that the volume says it has.
    pub volume_size: u64,
    /// The files of the ISO.
    pub iso: Tree,
    /// The boot record in the first sector.
    pub mbr: Result<Mbr, String>,
    /// The partition table after it.
    pub gpt: Result<Option<Gpt>, String>,
    /// The entries of the boot catalog; none without one.
    pub catalog: Result<Vec<BootEntry>, String>,
    /// Where the EFI system partition is.
    pub efi: Option<Place>,
    /// What is in it.
    pub fat: Result<Fat, String>,
    /// Whether a BIOS is meant to boot it.
    pub bios: bool,
    /// Whether UEFI firmware is.
    pub uefi: bool,
}

impl<'a> Look<'a> {
    /// Reads all but the content of files.
    ///
    /// # Errors
    /// When the ISO's own volume cannot be read: there is nothing to look at then.
    pub fn new(bytes: &'a dyn Bytes, mut volume: Volume<Window<'a>>) -> Result<Self, String> {
        let iso = tree::of_volume(&mut volume, 0)?;
        let first = bytes::read(bytes, 0, SECTOR)?;
        let mbr = Mbr::parse(&first);
        let end = checks::needs(volume.size(), &mbr, &Ok(None));
        let gpt = gpt::read(bytes, end);
        let catalog = catalog(bytes);
        let has = |platform| {
            let entries = catalog.iter().flatten();
            entries.filter(|e| e.platform == platform).count() > 0
        };
        let efi = efi(bytes, &mbr, &gpt, &catalog);
        Ok(Self {
            label: volume.id().to_owned(),
            uuid: volume.uuid(),
            volume_size: volume.size(),
            bios: has(BIOS) || iso.get(ISOLINUX).is_some(),
            uefi: has(UEFI) || efi.is_some() || iso.has_folder("EFI/BOOT"),
            fat: match efi {
                Some(place) => fat::read(bytes, place.start, place.length),
                None => Err("there is no EFI system partition".to_owned()),
            },
            bytes,
            iso,
            mbr,
            gpt,
            catalog,
            efi,
        })
    }

    /// What boots it, in words.
    pub fn boots(&self) -> Vec<&'static str> {
        let grub = self.iso.get("boot/grub/grub.cfg").is_some();
        let systemd_boot = self.iso.has_folder(LOADER);
        [
            (self.bios, "BIOS (syslinux)"),
            (self.uefi && systemd_boot, "UEFI (systemd-boot)"),
            (self.uefi && grub, "UEFI (GRUB)"),
            (self.uefi && !systemd_boot && !grub, "UEFI"),
            (self.boots_as_file(), "GRUB's loopback"),
        ]
        .into_iter()
        .filter_map(|(boots, word)| boots.then_some(word))
        .collect()
    }

    /// Whether a GRUB from elsewhere boots it as a file: by a loopback.cfg that has a kernel.
    fn boots_as_file(&self) -> bool {
        let file = self.iso.get("boot/grub/loopback.cfg");
        let text = file.and_then(|file| file.read(self.bytes).ok());
        let entries = grub::parse(&String::from_utf8_lossy(&text.unwrap_or_default()));
        let mut files = entries.iter().flat_map(|e| &e.files);
        files.any(|f| f.word == "linux")
    }

    /// The folder that has the root file system: the `install_dir` of the profile.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub fn install_dir(&self) -> Result<&str, String> {
        self.root().map(|(folder, _)| folder)
    }

    /// That folder, and the name of the root file system in its `x86_64`: of a squashfs or an erofs.
    ///
    /// # Errors
    /// As [`Self::install_dir`].
    pub fn root(&self) -> Result<(&str, &'static str), String> {
        let mut found = self.iso.files.keys().filter_map(|path| {
            let mut names = [SQUASHFS, EROFS].into_iter();
            names.find_map(|name| {
                let folder = path.strip_suffix(name)?.strip_suffix("/x86_64/")?;
                Some((folder, name))
            })
        });
        match (found.next(), found.next()) {
            (Some((folder, name)), None) if !folder.contains('/') => Ok((folder, name)),
            (Some((folder, name)), other) => Err(format!(
                "'{folder}/x86_64/{name}' is {}",
                match other {
                    Some((folder, name)) =>
                        format!("not the only one: there is '{folder}/x86_64/{name}'"),
                    None => "not in a folder of the root".to_owned(),
                }
            )),
            (None, _) => Err(format!("no folder has x86_64/{SQUASHFS}, or {EROFS}")),
        }
    }

    /// The kernels or initramfs images of the image: files in `INSTALL_DIR/boot` whose names begin
    /// so.
    pub fn boot_files<'s>(
        &'s self,
        begin: &'s str,
    ) -> impl Iterator<Item = (&'s str, &'s tree::File)> {
        let folder = self.install_dir().unwrap_or_default();
        self.iso.files.iter().filter_map(move |(path, file)| {
            let inside = path.strip_prefix(folder)?.strip_prefix("/boot/")?;
            let name = inside.rsplit('/').next()?;
            name.starts_with(begin).then_some((path.as_str(), file))
        })
    }
}

fn catalog(bytes: &dyn Bytes) -> Result<Vec<BootEntry>, String> {
    let mut window = Window::new(bytes, 0, u64::MAX);
    let text = |e: iso9660::Error| match e {
        iso9660::Error::Damaged(what) => what,
        other => other.to_string(),
    };
    match el_torito::catalog_block(&mut window).map_err(text)? {
        None => Ok(Vec::new()),
        Some(block) => {
            let block = bytes::read(bytes, u64::from(block) * BLOCK, BLOCK);
            let block = block.map_err(|e| format!("the boot catalog: {e}"))?;
            el_torito::entries(&block).map_err(text)
        }
    }
}

/// Where the EFI system partition is, by the first that knows: the MBR, the GPT, the boot catalog.
fn efi(
    bytes: &dyn Bytes,
    mbr: &Result<Mbr, String>,
    gpt: &Result<Option<Gpt>, String>,
    catalog: &Result<Vec<BootEntry>, String>,
) -> Option<Place> {
    let place = |start: u64, end: u64| Place {
        start: start.saturating_mul(SECTOR),
        length: end.saturating_sub(start).saturating_mul(SECTOR),
    };
    let in_mbr = mbr.as_ref().ok().and_then(|mbr| mbr.first(mbr::EFI));
    let in_gpt = gpt.iter().flatten().flat_map(|gpt| &gpt.partitions);
    let in_gpt = in_gpt.filter(|p| p.efi).map(|p| place(p.start, p.end));
    let in_catalog = catalog.iter().flatten().filter(|e| e.platform == UEFI);
    let in_catalog = in_catalog.map(|e| {
        let start = u64::from(e.block) * BLOCK;
        Place {
            start,
            length: bytes.length().saturating_sub(start),
        }
    });
    in_mbr
        .map(|p| place(p.start, p.end()))
        .into_iter()
        .chain(in_gpt)
        .chain(in_catalog)
        .next()
}
