//! Volumes of mkfs.fat and mtools, whole and damaged.

use std::{fs, process::Command};

use super::*;
use crate::util::run::find_program;

/// A volume of so many KiB with some files, the initramfs in several pieces.
fn volume(kib: u64, more: &[&str]) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("fat");
    run(Command::new(find_program("mkfs.fat").unwrap())
        .args(["--invariant", "-C", "-n", "ARCHISO_EFI"])
        .args(more)
        .arg(&image)
        .arg(kib.to_string()));
    let mtools = |words: &[&str]| {
        let mut command = Command::new(words[0]);
        command.env("MTOOLS_SKIP_CHECK", "1").arg("-i").arg(&image);
        run(command.args(&words[1..]).current_dir(dir.path()));
    };
    for (name, byte, size) in [("a", b'a', 3000), ("b", b'b', 9), ("long", b'c', 70_000)] {
        fs::write(dir.path().join(name), vec![byte; size]).unwrap();
    }
    mtools(&["mmd", "::/EFI", "::/EFI/BOOT", "::/loader"]);
    mtools(&["mcopy", "a", "::/EFI/BOOT/BOOTx64.EFI"]);
    mtools(&["mcopy", "b", "::/loader/loader.conf"]);
    mtools(&["mdel", "::/EFI/BOOT/BOOTx64.EFI"]);
    mtools(&["mcopy", "long", "::/initramfs-linux.img"]);
    mtools(&["mcopy", "a", "::/EFI/BOOT/BOOTx64.EFI"]);
    fs::read(image).unwrap()
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?} {output:?}");
}

fn all(bytes: &Vec<u8>) -> Result<Fat, String> {
    read(bytes, 0, bytes.length())
}

#[test]
fn volumes_of_every_kind_are_read() {
    for (kib, more, bits) in [
        (1440, &[][..], 12),
        (16_384, &[], 16),
        (65_536, &["-F", "32"], 32),
    ] {
        // not at the beginning of the image
        let mut bytes = vec![0; 512];
        bytes.extend(volume(kib, more));
        let fat = read(&bytes, 512, kib * 1024).unwrap();
        assert_eq!((fat.bits, fat.size), (bits, kib * 1024));
        let told: Vec<_> = fat
            .tree
            .files
            .iter()
            .map(|(p, f)| (p.as_str(), f.size))
            .collect();
        assert_eq!(
            told,
            [
                ("EFI/BOOT/BOOTx64.EFI", 3000),
                ("initramfs-linux.img", 70_000),
                ("loader/loader.conf", 9)
            ]
        );
        for (path, byte) in [
            ("/efi/boot/bootx64.efi", b'a'),
            ("initramfs-linux.img", b'c'),
        ] {
            let text = fat.tree.get(path).unwrap().read(&bytes).unwrap();
            assert!(text.iter().all(|b| *b == byte), "{path} of FAT{bits}");
        }
    }
}

#[test]
fn what_is_no_volume_is_named() {
    let good = volume(1440, &[]);
    let error = |at: usize, value: u8| {
        let mut bad = good.clone();
        bad[at] = value;
        all(&bad).unwrap_err()
    };
    insta::assert_snapshot!(error(510, 0), @"this is no FAT file system: its first sector does not end with 55 AA");
    insta::assert_snapshot!(error(12, 3), @"this is no FAT file system: its sectors have 768 bytes");
    insta::assert_snapshot!(error(13, 3), @"this is no FAT file system: its clusters have 3 sectors");
    insta::assert_snapshot!(error(16, 0), @"this is no FAT file system: it has no table");
    insta::assert_snapshot!(error(17, 0), @"this is no FAT file system: it has 2861 clusters and the parts of another kind");
    insta::assert_snapshot!(error(22, 1), @"this is no FAT file system: its table is too small for its clusters");
    insta::assert_snapshot!(error(20, 0), @"the clusters of 'initramfs-linux.img': there is no cluster 33");
    insta::assert_snapshot!(error(20, 0xff), @"this is no FAT file system: its table is too small for its clusters");
    insta::assert_snapshot!(error(513, 1), @"the copies of its table differ");
}

/// Every byte of the parts, the table and the folders set to other values: an error or another
/// tree, never a panic or a search without end.
#[test]
fn damage_ends_in_an_error() {
    let mut good = volume(1440, &[]);
    let root = (1 + 2 * 9) * 512;
    let (mut refused, mut tried) = (0, 0);
    for at in (0..64).chain(512..700).chain(root..root + 256) {
        let old = good[at];
        for value in [0, 1, 0x0f, 0xff, old] {
            good[at] = value;
            // in both copies, so that they agree
            if (512..800).contains(&at) {
                good[at + 9 * 512] = value;
            }
            tried += 1;
            refused += usize::from(all(&good).is_err());
        }
    }
    assert!(refused > 200, "{refused} of {tried}");
}
