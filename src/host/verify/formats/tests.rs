//! Made-up beginnings.

use super::*;

fn put(bytes: &mut [u8], at: usize, part: &[u8]) {
    bytes[at..at + part.len()].copy_from_slice(part);
}

/// A changed copy.
fn with(good: &[u8], at: usize, part: &[u8]) -> Vec<u8> {
    let mut bytes = good.to_vec();
    put(&mut bytes, at, part);
    bytes
}

#[test]
fn kernels() {
    let mut good = vec![0; 4096];
    put(&mut good, 0x1f1, &[3]);
    put(&mut good, 0x1f4, &[128, 0, 0, 0]);
    put(&mut good, 0x1fe, &[0x55, 0xaa]);
    put(&mut good, 0x202, b"HdrS\x0f\x02");
    put(&mut good, 0x20e, &[0x20, 1]);
    put(&mut good, 0x211, &[1]);
    put(&mut good, 0x320, b"6.12.1-arch (x@y) #1\0");
    assert_eq!(kernel(&good, 4096).unwrap(), "6.12.1-arch");
    let error = |at, part: &[u8]| kernel(&with(&good, at, part), 4096).unwrap_err();
    insta::assert_snapshot!(error(0x202, b"HdrX"), @"it is no kernel: its header has no HdrS");
    insta::assert_snapshot!(error(0x1fe, &[0]), @"it is no kernel: its header has no HdrS");
    insta::assert_snapshot!(error(0x211, &[0]), @"it is a kernel of a kind that nobody boots any more");
    insta::assert_snapshot!(error(0x1f4, &[129]), @"it is cut short: it has 4096 of 4112 bytes");
    insta::assert_snapshot!(error(0x320, b"\x1b[0m"), @"its header names no version");
    insta::assert_snapshot!(error(0x20e, &[0xff, 0xff]), @"its header names no version");
    insta::assert_snapshot!(kernel(&[], 0).unwrap_err(), @"it is empty");
    // a head that ends within the header
    for length in 0..0x220 {
        assert!(kernel(&good[..length], 4096).is_err(), "{length}");
    }
}

#[test]
fn efi_programs() {
    let mut good = vec![0; 512];
    put(&mut good, 0, b"MZ");
    put(&mut good, 0x3c, &[0x80]);
    put(&mut good, 0x80, b"PE\0\0\x64\x86");
    put(&mut good, 0x98, &[0x0b, 0x02]);
    put(&mut good, 0x98 + 68, &[10]);
    assert_eq!(efi_program(&good), Ok(()));
    let error = |at, part: &[u8]| efi_program(&with(&good, at, part)).unwrap_err();
    insta::assert_snapshot!(error(0, b"ZM"), @"it is no EFI program");
    insta::assert_snapshot!(error(0x3c, &[255, 255, 255, 255]), @"it is no EFI program");
    insta::assert_snapshot!(error(0x84, &[0x4c, 1]), @"it is for machine 0x014c, not for x86-64");
    insta::assert_snapshot!(error(0x98 + 68, &[3]), @"it is a program of another kind than EFI applications");
    assert!(efi_program(b"MZ").is_err());
}

#[test]
fn squashfs_images() {
    let mut good = vec![0; 96];
    put(&mut good, 0, b"hsqs\x07");
    put(&mut good, 12, &[0, 0, 16, 0]);
    put(&mut good, 20, &[6, 0, 20, 0]);
    put(&mut good, 28, &[4]);
    put(&mut good, 40, &[0, 16]);
    assert_eq!(squashfs(&good, 4096).unwrap(), "squashfs, zstd, 7 inodes");
    let error = |at, part: &[u8]| squashfs(&with(&good, at, part), 4096).unwrap_err();
    insta::assert_snapshot!(error(0, b"x"), @"it is no squashfs");
    insta::assert_snapshot!(error(28, &[3]), @"it is a squashfs of version 3.0");
    insta::assert_snapshot!(error(22, &[40]), @"its blocks have 1048576 bytes, and 2 to the 40");
    insta::assert_snapshot!(error(40, &[1, 16]), @"it is cut short: it has 4096 of 4097 bytes");
    insta::assert_snapshot!(error(72, &[0, 16]), @"its table of folders lies beyond its end");
    insta::assert_snapshot!(error(20, &[9]), @"it is compressed in the unknown way 9");
    assert!(squashfs(&good[..95], 4096).is_err());
}

#[test]
fn erofs_images() {
    let mut good = vec![0; EROFS_HEAD as usize];
    put(&mut good, 1024, &[0xe2, 0xe1, 0xf5, 0xe0]);
    put(&mut good, 1024 + 12, &[12]);
    put(&mut good, 1024 + 16, &[7]);
    put(&mut good, 1024 + 36, &[2]);
    assert_eq!(erofs(&good, 8192).unwrap(), "erofs, 7 inodes");
    let error = |at, part: &[u8]| erofs(&with(&good, at, part), 8192).unwrap_err();
    insta::assert_snapshot!(error(1024, &[0]), @"it is no erofs");
    insta::assert_snapshot!(error(1024 + 12, &[40]), @"its blocks have 2 to the 40 bytes");
    insta::assert_snapshot!(error(1024 + 36, &[0]), @"it has no blocks");
    insta::assert_snapshot!(error(1024 + 36, &[3]), @"it is cut short: it has 8192 of 12288 bytes");
    for length in 0..good.len() {
        assert!(erofs(&good[..length], 8192).is_err(), "{length}");
    }
}

#[test]
fn boot_info_tables() {
    let mut good = vec![0; 71];
    put(&mut good, 8, &[16, 0, 0, 0, 109, 0, 0, 0, 71]);
    // the last word is filled up with zeros
    put(&mut good, 64, &[1, 0, 0, 0x80, 2, 0, 1]);
    put(&mut good, 20, &[3, 0, 1, 0x80]);
    assert_eq!(boot_info(&good, 109), Ok(()));
    let error = |at, part: &[u8]| boot_info(&with(&good, at, part), 109).unwrap_err();
    insta::assert_snapshot!(error(8, &[32]), @"the boot info table in it has a wrong volume descriptor");
    insta::assert_snapshot!(error(12, &[1]), @"the boot info table in it has a wrong place");
    insta::assert_snapshot!(error(16, &[1]), @"the boot info table in it has a wrong length");
    insta::assert_snapshot!(error(70, &[0]), @"the boot info table in it has a wrong checksum");
    insta::assert_snapshot!(boot_info(&good[..63], 109).unwrap_err(), @"it has no place for a boot info table");
}
