//! The ISO as a medium: volume, boot records, trees, checksums.

use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    process::Command,
};

use ezmail::{host::embed::checksum, util::hash};

use crate::built::{iso, manifest, run, unpacked};

fn bytes_at(offset: u64, length: usize) -> Vec<u8> {
    let mut file = File::open(iso()).unwrap();
    file.seek(SeekFrom::Start(offset)).unwrap();
    let mut bytes = vec![0; length];
    file.read_exact(&mut bytes).unwrap();
    bytes
}

#[test]
fn the_checksum_and_the_manifest_are_the_isos() {
    let iso = iso();
    let name = iso.file_name().unwrap().to_string_lossy().into_owned();
    let sum = hash::sha256_file(&iso).unwrap();
    assert_eq!(
        checksum::canonical(&iso).unwrap(),
        sum,
        "without answers, of which it has none"
    );
    let line = fs::read_to_string(iso.with_file_name(format!("{name}.sha256"))).unwrap();
    assert_eq!(line, format!("{sum}  {name}\n"));
    let manifest = manifest();
    assert_eq!(manifest["iso"]["file"], name.as_str());
    assert_eq!(manifest["iso"]["sha256"], sum.as_str());
    assert_eq!(manifest["iso"]["size"], iso.metadata().unwrap().len());
}

/// ECMA-119, section 8.4: the primary volume descriptor is at sector 16.
#[test]
fn the_volume_is_the_one_that_the_kernel_line_looks_for() {
    let descriptor = bytes_at(32_768, 2048);
    assert_eq!(&descriptor[1..6], b"CD001");
    let text = |from: usize, to: usize| String::from_utf8_lossy(&descriptor[from..to]).into_owned();
    assert_eq!(text(40, 72).trim_end(), "EZMAIL_BOOT");
    // the modification date, of which the file system's UUID is made
    let date = text(830, 846);
    let uuid = format!(
        "{}-{}-{}-{}-{}-{}-{}",
        &date[..4],
        &date[4..6],
        &date[6..8],
        &date[8..10],
        &date[10..12],
        &date[12..14],
        &date[14..16]
    );
    let tree = &unpacked().iso;
    assert!(
        tree.join(format!("boot/{uuid}.uuid")).is_file(),
        "boot/{uuid}.uuid"
    );
    for file in ["boot/syslinux/syslinux.cfg", "loader/entries/ezmail.conf"] {
        let text = fs::read_to_string(tree.join(file)).unwrap();
        assert!(
            text.contains(&format!("archisosearchuuid={uuid} ")),
            "{file}: {text}"
        );
    }
}

#[test]
fn no_placeholder_is_left_and_every_named_file_is_there() {
    let tree = &unpacked().iso;
    for file in [
        "boot/syslinux/syslinux.cfg",
        "loader/entries/ezmail.conf",
        "loader/loader.conf",
    ] {
        let text = fs::read_to_string(tree.join(file)).unwrap();
        assert!(
            !text.contains('%') && !text.contains("{{"),
            "{file}: {text}"
        );
        for line in text.lines() {
            let mut words = line.split_whitespace();
            let key = words.next().unwrap_or_default().to_ascii_lowercase();
            if key == "linux" || key == "initrd" {
                let path = words.next().unwrap();
                assert!(
                    tree.join(path.trim_start_matches('/')).is_file(),
                    "{file}: {path}"
                );
            }
        }
    }
}

#[test]
fn both_firmwares_have_a_boot_record() {
    let report = run(Command::new("xorriso").arg("-indev").arg(iso()).args([
        "-report_el_torito",
        "plain",
        "-report_system_area",
        "plain",
    ]));
    for wanted in ["BIOS  y", "UEFI  y", "protective-msdos-label", "isohybrid"] {
        let wanted = if wanted == "protective-msdos-label" {
            "MBR"
        } else {
            wanted
        };
        assert!(report.contains(wanted), "no '{wanted}' in\n{report}");
    }
    assert_eq!(bytes_at(510, 2), [0x55, 0xaa]);
}

/// Offset in bytes of the MBR's second partition, whose type is that of an EFI system partition.
fn efi_offset() -> u64 {
    let entry = bytes_at(446 + 16, 16);
    assert_eq!(entry[4], 0xef, "the second partition's type");
    u64::from(u32::from_le_bytes(entry[8..12].try_into().unwrap())) * 512
}

#[test]
fn the_efi_partition_has_the_same_kernel_and_entries() {
    let tree = &unpacked().iso;
    let dir = tempfile::tempdir().unwrap();
    let image = format!("{}@@{}", iso().display(), efi_offset());
    for file in [
        "arch/boot/x86_64/vmlinuz-linux",
        "arch/boot/x86_64/initramfs-linux.img",
        "loader/entries/ezmail.conf",
        "loader/loader.conf",
        "EFI/BOOT/BOOTx64.EFI",
    ] {
        let copy = dir.path().join("copy");
        run(Command::new("mcopy")
            .args(["-n", "-o", "-i", &image])
            .arg(format!("::/{file}"))
            .arg(&copy));
        assert_eq!(
            hash::sha256_file(&copy).unwrap(),
            hash::sha256_file(&tree.join(file)).unwrap(),
            "{file}"
        );
    }
}

#[test]
fn the_squashfs_is_whole_and_the_answers_extent_blank() {
    let tree = &unpacked().iso;
    run(Command::new("sha512sum")
        .args(["--check", "--strict", "airootfs.sha512"])
        .current_dir(tree.join("arch/x86_64")));
    let answers = fs::read(tree.join("ezmail/answers")).unwrap();
    assert_eq!(answers.len(), 1 << 20);
    assert!(answers.iter().all(|b| *b == 0));
}
