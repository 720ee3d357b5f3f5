//! What of an image has to be on a disk: read from the image's own tree of files, mounted or unpacked.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use crate::{
    loader::{Entry, systemd_boot},
    util::files,
};

/// The loaders' folder in the tree, and that of the programs that firmware starts.
const LOADER: &str = "loader";
const FIRMWARE: &str = "EFI/BOOT";
/// The parameter that names the folder of all else.
const BASE: &str = "archisobasedir";

/// An image.
#[derive(Debug)]
pub struct Image {
    /// Where its tree is.
    pub tree: PathBuf,
    /// Its version, with its base.
    pub version: String,
    /// What its boot loader would boot.
    pub entry: Entry,
    /// The folder of kernel and root file system in the tree, such as `arch`.
    pub base: String,
    /// The root file system, in the tree.
    pub root: String,
    /// Its checksum, SHA-512 in hexadecimal digits.
    pub sum: String,
}

impl Image {
    /// Looks at the tree of an image.
    ///
    /// # Errors
    /// When it is none of ours, or something is missing in it.
    pub fn read(tree: &Path) -> Result<Self> {
        let entry = entry(&tree.join(LOADER))?;
        let base = entry.values(BASE).last().map(str::to_owned);
        let base = base.with_context(|| format!("the image's boot entry has no {BASE}="))?;
        let folder = tree.join(&base);
        let version = files::read_to_string(&folder.join("version"))?;
        let names = ["airootfs.sfs", "airootfs.erofs"];
        let root = names.iter().map(|n| format!("{base}/x86_64/{n}"));
        let mut there = root.filter(|r| tree.join(r).is_file());
        let root = there.next().with_context(|| {
            format!(
                "the image has no root file system in {base}/x86_64 ({})",
                names.join(", ")
            )
        })?;
        let sums = files::read_to_string(&folder.join("x86_64/airootfs.sha512"))?;
        let sum = sums
            .split_whitespace()
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase();
        if sum.len() != 128 || !sum.bytes().all(|b| b.is_ascii_hexdigit()) {
            bail!("{base}/x86_64/airootfs.sha512 of the image is no checksum");
        }
        let this = Self {
            tree: tree.to_path_buf(),
            version: version.trim().to_owned(),
            entry,
            base,
            root,
            sum,
        };
        for path in this.kernel_files() {
            if !path.starts_with(&format!("{}/", this.base)) {
                bail!(
                    "the image's boot entry names {path}, which is not below {}",
                    this.base
                );
            }
            if !this.tree.join(path).is_file() {
                bail!("the image's boot entry names {path}, which is not there");
            }
        }
        Ok(this)
    }

    /// Kernel and initramfs, in the tree.
    pub fn kernel_files(&self) -> impl Iterator<Item = &str> {
        let files = self.entry.files.iter();
        files.map(|f| f.path.trim_start_matches('/'))
    }

    /// The programs that UEFI firmware starts: file names in the tree's `EFI/BOOT`.
    ///
    /// # Errors
    /// When the folder cannot be read, or has none.
    pub fn firmware(&self) -> Result<Vec<String>> {
        let folder = self.tree.join(FIRMWARE);
        let mut names = names(&folder, ".efi")?;
        names.retain(|n| n.to_ascii_lowercase().starts_with("boot"));
        if names.is_empty() {
            bail!("the image has no program for UEFI in {FIRMWARE}");
        }
        Ok(names)
    }

    /// Where one of them is.
    pub fn firmware_file(&self, name: &str) -> PathBuf {
        self.tree.join(FIRMWARE).join(name)
    }

    /// Bytes of all that goes onto the disk.
    ///
    /// # Errors
    /// When a file cannot be looked at.
    pub fn size(&self) -> Result<u64> {
        let firmware = self.firmware()?;
        let firmware = firmware.iter().map(|n| self.firmware_file(n));
        let rest = self.kernel_files().chain([self.root.as_str()]);
        let mut sum = 0;
        for path in firmware.chain(rest.map(|p| self.tree.join(p))) {
            let data = fs::metadata(&path);
            sum += data
                .with_context(|| format!("reading {}", path.display()))?
                .len();
        }
        Ok(sum)
    }
}

/// The entry that would be booted.
fn entry(loader: &Path) -> Result<Entry> {
    let config = files::read_to_string(&loader.join("loader.conf"))?;
    let folder = loader.join("entries");
    let all = names(&folder, ".conf")?;
    let name = match systemd_boot::default(&config) {
        Some(name) if all.iter().any(|n| n == name) => name,
        _ => match &all[..] {
            [only] => only,
            _ => bail!(
                "it is not clear which entry of {} is booted",
                folder.display()
            ),
        },
    };
    let text = files::read_to_string(&folder.join(name))?;
    Ok(systemd_boot::entry(name, &text))
}

/// The names in a folder that end so, whatever their case, sorted.
fn names(folder: &Path, end: &str) -> Result<Vec<String>> {
    let what = || format!("reading {}", folder.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).with_context(what)? {
        let name = entry.with_context(what)?.file_name();
        let name = name.to_string_lossy().into_owned();
        if name.to_ascii_lowercase().ends_with(end) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// The tree of a small image: what is not looked into has a few bytes.
#[cfg(test)]
pub(crate) fn test_tree() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = vec![7_u8; 100_000];
    let sum = {
        use sha2::{Digest, Sha512};
        hex::encode(Sha512::digest(&root))
    };
    let entry = "title ezmail\nlinux /arch/boot/x86_64/vmlinuz-linux\n\
                 initrd /arch/boot/x86_64/initramfs-linux.img\n\
                 options archisobasedir=arch archisosearchuuid=2023-11-14-22-13-20-00 copytoram=n \
                 console=ttyS0,115200\n";
    for (path, content) in [
        (
            "loader/loader.conf",
            b"timeout 3\ndefault ezmail.conf\n".as_slice(),
        ),
        ("loader/entries/ezmail.conf", entry.as_bytes()),
        ("EFI/BOOT/BOOTx64.EFI", b"MZ"),
        ("arch/version", b"0.1.0-standin\n"),
        ("arch/boot/x86_64/vmlinuz-linux", b"kernel"),
        ("arch/boot/x86_64/initramfs-linux.img", b"initramfs"),
        ("arch/x86_64/airootfs.sfs", &root),
        (
            "arch/x86_64/airootfs.sha512",
            format!("{sum}  airootfs.sfs\n").as_bytes(),
        ),
    ] {
        files::write_with_parents(&folder.path().join(path), content, 0o644).unwrap();
    }
    folder
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_read_by_its_boot_entry() {
        let tree = test_tree();
        let image = Image::read(tree.path()).unwrap();
        assert_eq!(
            (image.version.as_str(), image.base.as_str()),
            ("0.1.0-standin", "arch")
        );
        assert_eq!(image.root, "arch/x86_64/airootfs.sfs");
        let kernel: Vec<_> = image.kernel_files().collect();
        assert_eq!(
            kernel,
            [
                "arch/boot/x86_64/vmlinuz-linux",
                "arch/boot/x86_64/initramfs-linux.img"
            ]
        );
        assert_eq!(image.firmware().unwrap(), ["BOOTx64.EFI"]);
        assert_eq!(image.size().unwrap(), 100_000 + 2 + 6 + 9);
    }

    #[test]
    fn what_is_missing_is_named() {
        let said = |path: &str, content: Option<&str>| {
            let tree = test_tree();
            let file = tree.path().join(path);
            match content {
                Some(text) => fs::write(file, text).unwrap(),
                None => fs::remove_file(file).unwrap(),
            }
            let error = format!("{:#}", Image::read(tree.path()).unwrap_err());
            error.replace(&format!("{}/", tree.path().display()), "")
        };
        insta::assert_snapshot!(said("arch/x86_64/airootfs.sfs", None), @"the image has no root file system in arch/x86_64 (airootfs.sfs, airootfs.erofs)");
        insta::assert_snapshot!(said("arch/x86_64/airootfs.sha512", Some("x\n")), @"arch/x86_64/airootfs.sha512 of the image is no checksum");
        insta::assert_snapshot!(said("arch/boot/x86_64/vmlinuz-linux", None), @"the image's boot entry names arch/boot/x86_64/vmlinuz-linux, which is not there");
        insta::assert_snapshot!(said("loader/entries/ezmail.conf", Some("linux /x\n")), @"the image's boot entry has no archisobasedir=");
        let elsewhere = "linux /x\noptions archisobasedir=arch\n";
        insta::assert_snapshot!(said("loader/entries/ezmail.conf", Some(elsewhere)), @"the image's boot entry names x, which is not below arch");
    }
}
