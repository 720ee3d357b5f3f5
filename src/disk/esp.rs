//! The file system that an installed disk is booted from: FAT32, made and filled by mtools(1) and
//! dosfstools in its place on the disk, and syslinux(1) in it for BIOS.

use std::{
    io::{self, Read},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha512};

use super::{
    boot::{Boot, FOLDER},
    image::Image,
    layout::{Layout, SECTOR},
};
use crate::util::run::{Task, find_program};

/// The label of the file system.
pub const LABEL: &str = "EZMAIL_DISK";
/// Where distributions have syslinux's code for the first sector of a disk with a GPT.
const BOOT_CODE: &[&str] = &[
    "/usr/lib/syslinux/bios/gptmbr.bin",
    "/usr/lib/syslinux/mbr/gptmbr.bin",
    "/usr/share/syslinux/gptmbr.bin",
];

/// syslinux's code for the first sector.
///
/// # Errors
/// When syslinux is not installed.
pub fn boot_code() -> Result<PathBuf> {
    let known = BOOT_CODE.iter().map(PathBuf::from);
    known.into_iter().find(|p| p.is_file()).context(
        "there is no gptmbr.bin of syslinux, which boots the disk by BIOS: install syslinux (Debian: \
         syslinux and syslinux-common)",
    )
}

/// The file system on a disk, or on a file in its place.
#[derive(Debug)]
pub struct Esp<'a> {
    disk: &'a Path,
    start: u64,
    length: u64,
}

impl<'a> Esp<'a> {
    /// That of a disk with this layout.
    pub fn new(disk: &'a Path, layout: &Layout) -> Self {
        Self {
            disk,
            start: layout.boot.start,
            length: layout.boot.end - layout.boot.start,
        }
    }

    /// Makes it, empty. `id` is its volume id, of eight hexadecimal digits.
    ///
    /// # Errors
    /// When mkfs.fat fails.
    pub fn make(&self, id: &str) -> Result<()> {
        let sectors = (self.start / SECTOR).to_string();
        // in sbin, which is not on everybody's PATH
        let program = find_program("mkfs.fat").unwrap_or_else(|| "/usr/sbin/mkfs.fat".into());
        let mut command = Command::new(program);
        // -I: it is the disk that is named, and not a partition
        command.args(["-I", "-F", "32", "-n", LABEL, "-i", id, "-h", &sectors]);
        command.args(["--offset", &sectors]).arg(self.disk);
        command.arg((self.length / 1024).to_string());
        Task::new("making the file system to boot from", command).run()
    }

    /// Copies kernel, root file system and boot loaders into it.
    ///
    /// # Errors
    /// When a tool fails.
    pub fn fill(&self, image: &Image, boot: &Boot) -> Result<()> {
        let mut folders = vec!["/EFI".to_owned(), "/EFI/BOOT".to_owned()];
        folders.extend(["/loader", "/loader/entries", "/syslinux"].map(str::to_owned));
        folders.push(format!("/{FOLDER}"));
        let copied = image.kernel_files().chain([image.root.as_str()]);
        let copied: Vec<(PathBuf, String)> = copied
            .map(|path| (image.tree.join(path), boot.place(path)))
            .collect();
        for (_, place) in &copied {
            let parents = place
                .match_indices('/')
                .map(|(at, _)| place[..at].to_owned());
            for parent in parents.filter(|p| !p.is_empty()) {
                if !folders.contains(&parent) {
                    folders.push(parent);
                }
            }
        }
        let mut command = self.mtool("mmd");
        command.args(folders.iter().map(|f| format!("::{f}")));
        Task::new("making folders to boot from", command).run()?;
        for (file, place) in &copied {
            self.copy(file, place)?;
        }
        for name in image.firmware()? {
            self.copy(&image.firmware_file(&name), &format!("/EFI/BOOT/{name}"))?;
        }
        self.text("/loader/entries/ezmail.conf", &boot.entry())?;
        self.text("/loader/loader.conf", Boot::loader_conf())?;
        self.text("/syslinux/syslinux.cfg", &boot.syslinux())?;
        self.text(&format!("/{}", boot.search), "")
    }

    /// Makes it bootable by BIOS: its boot sector, and `ldlinux.sys` in its folder.
    ///
    /// # Errors
    /// When syslinux fails.
    pub fn syslinux(&self) -> Result<()> {
        let mut command = Command::new("syslinux");
        command.args(["--directory", "/syslinux", "--offset"]);
        command
            .arg(self.start.to_string())
            .arg("--install")
            .arg(self.disk);
        Task::new("installing syslinux", command).run()
    }

    /// Reads all of it back: the root file system against the image's checksum of it, kernel,
    /// initramfs and boot loaders against the image's files.
    ///
    /// # Errors
    /// When anything differs, or cannot be read.
    pub fn check(&self, image: &Image, boot: &Boot) -> Result<()> {
        let found = self.sum(&boot.place(&image.root))?;
        if found != image.sum {
            bail!(
                "the root file system on {} is not that of the image: its SHA-512 is {found}, and \
                 should be {}. The disk or the medium of the image is damaged; the disk was not made \
                 bootable",
                self.disk.display(),
                image.sum
            );
        }
        let kernel = image.kernel_files();
        let mut pairs: Vec<(PathBuf, String)> = kernel
            .map(|path| (image.tree.join(path), boot.place(path)))
            .collect();
        for name in image.firmware()? {
            pairs.push((image.firmware_file(&name), format!("/EFI/BOOT/{name}")));
        }
        for (file, place) in pairs {
            if crate::util::hash::sha512_file(&file)? != self.sum(&place)? {
                bail!(
                    "{place} on {} is not what was copied: the disk is damaged, and was not made \
                     bootable",
                    self.disk.display()
                );
            }
        }
        Ok(())
    }

    fn copy(&self, file: &Path, place: &str) -> Result<()> {
        let mut command = self.mtool("mcopy");
        command.arg(file).arg(format!("::{place}"));
        Task::new(format!("copying {}", file.display()), command).run()
    }

    fn text(&self, place: &str, text: &str) -> Result<()> {
        let mut command = self.mtool("mcopy");
        command.arg("-").arg(format!("::{place}"));
        let task = Task::new(format!("writing {place}"), command);
        task.input(text).run()
    }

    /// SHA-512 of a file in it, in hexadecimal digits.
    fn sum(&self, place: &str) -> Result<String> {
        let mut command = self.mtool("mcopy");
        command.arg(format!("::{place}")).arg("-");
        let what = format!("reading {place} on {}", self.disk.display());
        let mut stream = Task::new(&what, command).stream()?;
        let mut hasher = Sha512::new();
        let mut buffer = vec![0; 1 << 20];
        loop {
            match stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => hasher.update(&buffer[..n]),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e).context(what),
            }
        }
        let (status, said) = stream.end()?;
        if !status.success() {
            bail!("{what} failed: {status}: {}", said.trim());
        }
        Ok(hex::encode(hasher.finalize()))
    }

    fn mtool(&self, name: &str) -> Command {
        let mut command = Command::new(name);
        // whatever a user's own configuration says of drives does not matter, nor does geometry
        command
            .env("MTOOLSRC", "/dev/null")
            .env("MTOOLS_SKIP_CHECK", "1");
        command.arg("-i");
        command.arg(format!("{}@@{}", self.disk.display(), self.start));
        command
    }
}
