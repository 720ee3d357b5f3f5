//! The beginnings of files that are on every image: kernel, EFI program, squashfs or erofs, and
//! isolinux's own table.

use super::{
    bytes::{le16, le32, le64},
    report::count,
};

/// How much of a kernel has its header.
pub const KERNEL_HEAD: u64 = 0x10_000;

/// The version of a kernel, of which `head` is the beginning and `size` the length
/// (Documentation/arch/x86/boot.rst).
///
/// # Errors
/// When it is no bzImage, or shorter than its header says.
pub fn kernel(head: &[u8], size: u64) -> Result<String, String> {
    if size == 0 {
        return Err("it is empty".to_owned());
    }
    if le16(head, 0x1fe) != 0xaa55 || head.get(0x202..0x206) != Some(b"HdrS") {
        return Err("it is no kernel: its header has no HdrS".to_owned());
    }
    // LOADED_HIGH: a bzImage
    if le16(head, 0x206) < 0x0204 || head.get(0x211).is_none_or(|flags| flags & 1 == 0) {
        return Err("it is a kernel of a kind that nobody boots any more".to_owned());
    }
    // 0 stands for 4
    let setup = match le16(head, 0x1f1) & 0xff {
        0 => 4,
        n => u64::from(n),
    };
    let needs = (setup + 1) * 512 + u64::from(le32(head, 0x1f4)) * 16;
    if size < needs {
        return Err(format!("it is cut short: it has {size} of {needs} bytes"));
    }
    let at = usize::from(le16(head, 0x20e)) + 0x200;
    let text = head.get(at..).unwrap_or_default();
    let text = text.split(|b| b.is_ascii_whitespace() || *b == 0).next();
    let text = String::from_utf8_lossy(text.unwrap_or_default()).into_owned();
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-_+~".contains(c);
    match text.is_empty() || text.len() > 100 || !text.chars().all(plain) {
        true => Err("its header names no version".to_owned()),
        false => Ok(text),
    }
}

/// Checks that a file is an EFI application for x86-64, by its beginning (Microsoft's "PE Format").
///
/// # Errors
/// What it is instead.
pub fn efi_program(head: &[u8]) -> Result<(), String> {
    let at = le32(head, 0x3c) as usize;
    let pe = head.get(at..).unwrap_or_default();
    if !head.starts_with(b"MZ") || !pe.starts_with(b"PE\0\0") {
        return Err("it is no EFI program".to_owned());
    }
    let machine = le16(pe, 4);
    if machine != 0x8664 {
        return Err(format!("it is for machine {machine:#06x}, not for x86-64"));
    }
    let (optional, subsystem) = (le16(pe, 24), le16(pe, 24 + 68));
    if optional != 0x20b || subsystem != 10 {
        return Err("it is a program of another kind than EFI applications".to_owned());
    }
    Ok(())
}

/// What a squashfs says of itself, of which `head` is the beginning and `size` the length
/// (Documentation/filesystems/squashfs.rst, and struct squashfs_super_block).
///
/// # Errors
/// When it is none, or shorter than it says.
pub fn squashfs(head: &[u8], size: u64) -> Result<String, String> {
    if head.len() < 96 || !head.starts_with(b"hsqs") {
        return Err("it is no squashfs".to_owned());
    }
    let (major, minor) = (le16(head, 28), le16(head, 30));
    if (major, minor) != (4, 0) {
        return Err(format!("it is a squashfs of version {major}.{minor}"));
    }
    let (block, log) = (le32(head, 12), u32::from(le16(head, 22)));
    if 1_u32.checked_shl(log) != Some(block) || !(4096..=1 << 20).contains(&block) {
        return Err(format!("its blocks have {block} bytes, and 2 to the {log}"));
    }
    let used = le64(head, 40);
    if used > size {
        return Err(format!("it is cut short: it has {size} of {used} bytes"));
    }
    for (at, table) in [(48, "owners"), (64, "inodes"), (72, "folders")] {
        if le64(head, at) >= used {
            return Err(format!("its table of {table} lies beyond its end"));
        }
    }
    let packed = match le16(head, 20) {
        1 => "gzip",
        2 => "lzma",
        3 => "lzo",
        4 => "xz",
        5 => "lz4",
        6 => "zstd",
        n => return Err(format!("it is compressed in the unknown way {n}")),
    };
    let inodes = count(u64::from(le32(head, 4)), "inode");
    Ok(format!("squashfs, {packed}, {inodes}"))
}

/// How much of an erofs has its superblock.
pub const EROFS_HEAD: u64 = 1024 + 128;

/// What an erofs says of itself, of which `head` is the beginning and `size` the length
/// (Documentation/filesystems/erofs.rst, and struct erofs_super_block).
///
/// # Errors
/// When it is none, or shorter than it says.
pub fn erofs(head: &[u8], size: u64) -> Result<String, String> {
    let superblock = head.get(1024..).unwrap_or_default();
    if superblock.len() < 128 || le32(superblock, 0) != 0xe0f5_e1e2 {
        return Err("it is no erofs".to_owned());
    }
    let log = u32::from(superblock[12]);
    if !(9..=16).contains(&log) {
        return Err(format!("its blocks have 2 to the {log} bytes"));
    }
    let used = u64::from(le32(superblock, 36)) << log;
    if used == 0 {
        return Err("it has no blocks".to_owned());
    }
    if used > size {
        return Err(format!("it is cut short: it has {size} of {used} bytes"));
    }
    let inodes = count(le64(superblock, 16), "inode");
    Ok(format!("erofs, {inodes}"))
}

/// Checks isolinux's boot info table (mkisofs(8), -boot-info-table) in the whole file, which
/// begins at a block.
///
/// # Errors
/// What it has of another file.
pub fn boot_info(file: &[u8], block: u64) -> Result<(), String> {
    if file.len() < 64 {
        return Err("it has no place for a boot info table".to_owned());
    }
    let wrong = |what: &str| Err(format!("the boot info table in it has a wrong {what}"));
    if le32(file, 8) != 16 {
        return wrong("volume descriptor");
    }
    if u64::from(le32(file, 12)) != block {
        return wrong("place");
    }
    if le32(file, 16) as usize != file.len() {
        return wrong("length");
    }
    let words = file[64..].chunks(4).map(|word| {
        let mut bytes = [0; 4];
        bytes[..word.len()].copy_from_slice(word);
        u32::from_le_bytes(bytes)
    });
    if le32(file, 20) != words.fold(0, u32::wrapping_add) {
        return wrong("checksum");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
