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
    boot::Boot,
    image::Image,
    layout::{Layout, SECTOR},
};
use crate::util::{
    hash,
    run::{Task, find_program},
};

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

/// What a file in it is made from.
#[derive(Debug)]
enum Source {
    File(PathBuf),
    Text(String),
}

/// All files that are copied into it, with their places in it.
fn files(image: &Image, boot: &Boot) -> Result<Vec<(Source, String)>> {
    let own = image.kernel_files().chain([image.root.as_str()]);
    let mut files: Vec<(Source, String)> = own
        .map(|path| (Source::File(image.tree.join(path)), boot.place(path)))
        .collect();
    for name in image.firmware()? {
        let file = Source::File(image.firmware_file(&name));
        files.push((file, format!("/EFI/BOOT/{name}")));
    }
    let texts = [
        ("/loader/entries/ezmail.conf".to_owned(), boot.entry()),
        (
            "/loader/loader.conf".to_owned(),
            Boot::loader_conf().to_owned(),
        ),
        ("/syslinux/syslinux.cfg".to_owned(), boot.syslinux()),
        // by which the system finds its root file system
        (format!("/{}", boot.search), String::new()),
    ];
    files.extend(texts.map(|(place, text)| (Source::Text(text), place)));
    Ok(files)
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
        let files = files(image, boot)?;
        let mut folders: Vec<&str> = vec!["/syslinux"];
        for (_, place) in &files {
            for (at, _) in place.match_indices('/').filter(|(at, _)| *at > 0) {
                if !folders.contains(&&place[..at]) {
                    folders.push(&place[..at]);
                }
            }
        }
        let mut command = self.mtool("mmd");
        command.args(folders.iter().map(|f| format!("::{f}")));
        Task::new("making folders to boot from", command).run()?;
        for (source, place) in &files {
            let mut command = self.mtool("mcopy");
            match source {
                Source::File(file) => {
                    command.arg(file).arg(format!("::{place}"));
                    Task::new(format!("copying {}", file.display()), command).run()?;
                }
                Source::Text(text) => {
                    command.arg("-").arg(format!("::{place}"));
                    let task = Task::new(format!("writing {place}"), command);
                    task.input(text.as_str()).run()?;
                }
            }
        }
        Ok(())
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

    /// Reads all of it back: the root file system against the image's checksum of it, all else against
    /// what it was copied from, and that syslinux has left its own.
    ///
    /// # Errors
    /// When anything differs, or cannot be read.
    pub fn check(&self, image: &Image, boot: &Boot) -> Result<()> {
        let root = boot.place(&image.root);
        for (source, place) in files(image, boot)? {
            let found = self.sum(&place)?;
            let wanted = match &source {
                _ if place == root => image.sum.clone(),
                Source::File(file) => hash::sha512_file(file)?,
                Source::Text(text) => hex::encode(Sha512::digest(text)),
            };
            if found != wanted {
                bail!(
                    "{place} on {} is not that of the image: its SHA-512 is {found}, and should be \
                     {wanted}. The disk or the medium of the image is damaged; the disk was not made \
                     bootable",
                    self.disk.display()
                );
            }
        }
        let nothing = hex::encode(Sha512::digest(""));
        for place in ["/syslinux/ldlinux.sys", "/syslinux/ldlinux.c32"] {
            if self.sum(place)? == nothing {
                bail!(
                    "{place} on {} is empty: the disk is damaged",
                    self.disk.display()
                );
            }
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::disk::{image::test_tree, raw::Disk};

    #[test]
    fn each_damaged_file_is_found_on_the_disk_itself() {
        let (folder, tree) = (tempfile::tempdir().unwrap(), test_tree());
        let path = folder.path().join("disk.raw");
        fs::File::create(&path).unwrap().set_len(2 << 30).unwrap();
        let image = Image::read(tree.path()).unwrap();
        let boot = Boot::new(&image, "0123456789abcdef");
        let layout = Layout::new(2 << 30, image.size().unwrap(), "the disk").unwrap();
        let esp = Esp::new(&path, &layout);
        esp.make("01234567").unwrap();
        esp.fill(&image, &boot).unwrap();
        let error = format!("{:#}", esp.check(&image, &boot).unwrap_err());
        assert!(error.contains("ldlinux.sys"), "{error}");
        esp.syslinux().unwrap();
        esp.check(&image, &boot).unwrap();

        let disk = Disk::open(&path, true).unwrap();
        let files = files(&image, &boot).unwrap();
        let mut damaged = 0;
        for (source, place) in &files {
            let bytes = match source {
                Source::File(file) => fs::read(file).unwrap(),
                Source::Text(text) => text.clone().into_bytes(),
            };
            // where its first bytes lie in the file system
            let head = &bytes[..bytes.len().min(512)];
            let start = layout.boot.start;
            let area = disk.read(start, 8 << 20).unwrap();
            let found = area.chunks(512).position(|sector| sector.starts_with(head));
            let Some(sector) = found.filter(|_| !head.is_empty()) else {
                continue;
            };
            let at = start + 512 * sector as u64;
            disk.write(at, &[head[0] ^ 1]).unwrap();
            let error = format!("{:#}", esp.check(&image, &boot).unwrap_err());
            assert!(
                error.starts_with(&format!("{place} on ")),
                "{place}: {error}"
            );
            disk.write(at, &head[..1]).unwrap();
            damaged += 1;
        }
        // all but the empty one
        assert_eq!(damaged, files.len() - 1);
        esp.check(&image, &boot).unwrap();
    }
}
