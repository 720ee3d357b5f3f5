//! Installs: an order that a cut of power cannot harm.
//!
//! A note that it has begun comes first, on a place that nothing else uses; then what was on the disk
//! goes, its first sector first. All is written where the partitions will be, and read back, while
//! there is no partition table: nothing can boot from the disk, and nothing is found on it. The first
//! sector, which makes the table valid and the disk bootable, is written last, and is one write that a
//! disk does or does not do. So a disk either boots right, or has the note and is installed to anew.

use std::path::Path;

use anyhow::{Context, Result, bail};

use super::{
    ANSWERS, BOOT, STATE,
    boot::Boot,
    esp::Esp,
    gpt::{Kind, Table, first_sector},
    image::Image,
    layout::{Layout, MIB},
    mark::{self, INSTALLING},
    raw::Disk,
};
use crate::util::{random, size::size};

/// What is installed, and where to. Whether it may be has been decided.
#[derive(Debug)]
pub struct Install<'a> {
    /// The disk, or a file in its place.
    pub disk: &'a Path,
    /// What the disk is called in errors.
    pub name: &'a str,
    /// The image.
    pub image: &'a Image,
    /// Code for the first sector, by which BIOS boots.
    pub boot_code: &'a [u8],
    /// The answers: a container ([`crate::answers::container::Content::pack`]).
    pub answers: &'a [u8],
}

/// Installs; `tell` hears what is done, a line each, before it is.
///
/// # Errors
/// When the disk is too small, a tool fails, or what was written is not what is read back: the disk
/// cannot be booted from then, and installing again begins from the start.
pub fn run(install: &Install, tell: &dyn Fn(&str)) -> Result<()> {
    let (image, disk) = (install.image, Disk::open(install.disk, true)?);
    let all = image.size()?;
    let layout = Layout::new(disk.size(), all, install.name)?;
    let answers = layout.answers.clone();
    if install.answers.len() as u64 != answers.end - answers.start {
        bail!(
            "the answers are no container of {} bytes",
            answers.end - answers.start
        );
    }
    let id = hex::encode(*random::bytes::<16>()?);
    let boot = Boot::new(image, &id);
    let table = Table::new(&[
        (Kind::Boot, BOOT, layout.boot.clone()),
        (Kind::Reserved, ANSWERS, answers.clone()),
        (Kind::Linux, STATE, layout.state.clone()),
    ])?;
    let first = first_sector(install.boot_code, disk.size())?;

    tell("preparing the disk");
    INSTALLING.set(&disk)?;
    disk.zero(0..INSTALLING.place)?;
    disk.sync()?;
    disk.zero(layout.state.end..disk.size())?;
    // a table that was left of another try must not outlive the mark that its partition is empty
    disk.sync()?;
    // what lay there before must not be taken for a file system of ours, nor for somebody's
    disk.zero(layout.state.start..layout.state.start + MIB)?;
    disk.zero(layout.state.end - MIB..layout.state.end)?;
    mark::fresh(layout.state.start).set(&disk)?;
    disk.write(answers.start, install.answers)?;

    tell(&format!("copying the image, {}", size(all)));
    let esp = Esp::new(install.disk, &layout);
    esp.make(&id[..8])?;
    esp.fill(image, &boot)?;
    esp.syslinux()?;

    tell("checking what was written");
    disk.forget()?;
    esp.check(image, &boot)?;
    if disk.read(answers.start, install.answers.len())? != install.answers {
        bail!(
            "{} does not keep what is written to it: the disk is damaged",
            install.name
        );
    }

    tell("making the disk bootable");
    table.write_backup(&disk)?;
    table.write_primary(&disk)?;
    disk.forget()?;
    if Table::copies(&disk)?
        .iter()
        .any(|copy| copy.as_ref() != Some(&table))
    {
        bail!(
            "{} does not keep its partition table: the disk is damaged",
            install.name
        );
    }
    disk.write(0, &first)?;
    disk.sync().context("making the disk bootable")?;
    INSTALLING.clear(&disk)
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, fs, process::Command};

    use super::*;
    use crate::{
        answers::reserved,
        disk::{esp, image::test_tree, raw::broken},
        util::run::Task,
    };

    fn blank(folder: &Path, size: u64) -> std::path::PathBuf {
        let path = folder.join("disk.raw");
        fs::File::create(&path).unwrap().set_len(size).unwrap();
        path
    }

    fn install(disk: &Path, tree: &Path) -> Result<Vec<String>> {
        let image = Image::read(tree).unwrap();
        let told = RefCell::new(Vec::new());
        let code = fs::read(esp::boot_code().unwrap()).unwrap();
        let install = Install {
            disk,
            name: "the disk",
            image: &image,
            boot_code: &code,
            answers: &[7; reserved::SIZE],
        };
        run(&install, &|line| told.borrow_mut().push(line.to_owned()))?;
        Ok(told.into_inner())
    }

    #[test]
    fn what_is_installed_is_a_disk_for_both_firmwares() {
        let (folder, tree) = (tempfile::tempdir().unwrap(), test_tree());
        let path = blank(folder.path(), 2 << 30);
        let told = install(&path, tree.path()).unwrap();
        insta::assert_snapshot!(told.join("\n"), @r"
        preparing the disk
        copying the image, 100.0 kB
        checking what was written
        making the disk bootable
        ");
        let disk = Disk::open(&path, false).unwrap();
        let table = Table::read(&disk).unwrap().unwrap();
        let (_, state) = table.find(STATE).unwrap();
        assert!(mark::fresh(state.start).is_on(&disk).unwrap());
        assert!(!INSTALLING.is_on(&disk).unwrap());
        let (_, answers) = table.find(ANSWERS).unwrap();
        assert_eq!(disk.read(answers.start, 16).unwrap(), [7; 16]);
        // syslinux's own boot sector on a FAT32, and the files that loaders ask for
        let sector = disk.read(MIB, 512).unwrap();
        assert_eq!(
            (&sector[3..11], &sector[82..87]),
            (&b"SYSLINUX"[..], &b"FAT32"[..])
        );
        let mut command = Command::new("mdir");
        command.env("MTOOLSRC", "/dev/null");
        command.args([
            "-i",
            &format!("{}@@1M", path.display()),
            "-/",
            "-b",
            "-a",
            "::",
        ]);
        let list = Task::new("listing", command).output().unwrap();
        let search = regex::Regex::new("ezmail-[0-9a-f]{32}").unwrap();
        let mut files: Vec<&str> = list.lines().collect();
        files.sort_unstable();
        insta::assert_snapshot!(search.replace(&files.join("\n"), "ezmail-ID"), @r"
        ::/EFI/
        ::/EFI/BOOT/
        ::/EFI/BOOT/BOOTx64.EFI
        ::/ezmail-ID
        ::/image-1/
        ::/image-1/boot/
        ::/image-1/boot/x86_64/
        ::/image-1/boot/x86_64/initramfs-linux.img
        ::/image-1/boot/x86_64/vmlinuz-linux
        ::/image-1/x86_64/
        ::/image-1/x86_64/airootfs.sfs
        ::/loader/
        ::/loader/entries/
        ::/loader/entries/ezmail.conf
        ::/loader/loader.conf
        ::/syslinux/
        ::/syslinux/ldlinux.c32
        ::/syslinux/ldlinux.sys
        ::/syslinux/syslinux.cfg
        ");
        // a second time, over it
        install(&path, tree.path()).unwrap();
    }

    #[test]
    fn damage_is_seen_before_the_disk_is_bootable() {
        let (folder, tree) = (tempfile::tempdir().unwrap(), test_tree());
        let path = blank(folder.path(), 2 << 30);
        fs::write(tree.path().join("arch/x86_64/airootfs.sfs"), [8; 100_000]).unwrap();
        let error = format!("{:#}", install(&path, tree.path()).unwrap_err());
        let disk = Disk::open(&path, false).unwrap();
        assert!(
            error.starts_with("/image-1/x86_64/airootfs.sfs on "),
            "{error}"
        );
        assert!(
            error.contains("The disk or the medium of the image is damaged"),
            "{error}"
        );
        assert_eq!(disk.read(0, 512).unwrap(), [0; 512]);
        assert!(INSTALLING.is_on(&disk).unwrap());
        assert_eq!(Table::read(&disk).unwrap(), None);
    }

    #[test]
    fn broken_off_at_any_write_it_boots_or_is_installed_to_anew() {
        let (folder, tree) = (tempfile::tempdir().unwrap(), test_tree());
        let mut boots = Vec::new();
        for writes in 0.. {
            let path = blank(folder.path(), 2 << 30);
            let before = Disk::open(&path, true).unwrap();
            // somebody's, who has let it be erased
            before.write(0, &[7; 4096]).unwrap();
            let ended = broken::off_after(writes, || install(&path, tree.path()));
            let disk = Disk::open(&path, false).unwrap();
            let boot = disk.read(510, 2).unwrap() == [0x55, 0xaa];
            if boot {
                let copies = Table::copies(&disk).unwrap();
                assert!(copies[0].is_some() && copies[0] == copies[1], "{writes}");
            }
            boots.push(boot);
            if ended.is_ok() {
                assert!(!INSTALLING.is_on(&disk).unwrap());
                break;
            }
            let begun = INSTALLING.is_on(&disk).unwrap();
            let untouched = disk.read(0, 4096).unwrap() == [7; 4096];
            assert!(begun || untouched, "{writes}");
        }
        // all but the last two, which set the first sector and take the note away
        let (not, last) = boots.split_at(boots.len() - 2);
        assert!(not.len() > 8 && !not.contains(&true), "{boots:?}");
        assert_eq!(last, [true, true]);
    }

    #[test]
    fn a_small_disk_is_left_alone() {
        let (folder, tree) = (tempfile::tempdir().unwrap(), test_tree());
        let path = blank(folder.path(), 1 << 30);
        let error = install(&path, tree.path()).unwrap_err();
        insta::assert_snapshot!(error, @"the disk is too small to install to: it has 1.07 GB, 1.61 GB is the least");
        let disk = Disk::open(&path, false).unwrap();
        assert!(!INSTALLING.is_on(&disk).unwrap());
    }
}
