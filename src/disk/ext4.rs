//! The name of an ext4 file system by its superblocks: also of a damaged one, which no tool names any
//! more, since blkid(8) passes over a superblock whose checksum is wrong.

use anyhow::Result;

use super::raw::Disk;

/// Where superblocks are, in bytes: the first, and its first copy with blocks of 1 and of 4 KiB (the
/// kernel's documentation of ext4, "Block and Inode Allocation Policy" and "Super Block").
const PLACES: [u64; 3] = [1024, 8193 * 1024, 32768 * 4096];
/// The length of a superblock.
const LENGTH: usize = 1024;
/// `s_magic` and `s_volume_name` in it.
const MAGIC: (usize, [u8; 2]) = (0x38, [0x53, 0xef]);
const NAME: (usize, usize) = (0x78, 16);

/// Whether a superblock on the device, or a copy of it, has this name, of at most 16 bytes. Checksums
/// are not looked at.
///
/// # Errors
/// When the device cannot be read.
pub fn has_name(disk: &Disk, name: &str) -> Result<bool> {
    let mut wanted = name.as_bytes().to_vec();
    wanted.resize(NAME.1, 0);
    for place in PLACES {
        if place + LENGTH as u64 > disk.size() {
            continue;
        }
        let block = disk.read(place, LENGTH)?;
        if block[MAGIC.0..].starts_with(&MAGIC.1) && block[NAME.0..].starts_with(&wanted) {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::util::run::Task;

    #[test]
    fn the_name_is_found_in_the_copy_too() {
        // blocks of 1 and of 4 KiB
        for (size, copy) in [(300 << 20, PLACES[1]), (600 << 20, PLACES[2])] {
            let file = tempfile::NamedTempFile::new().unwrap();
            file.as_file().set_len(size).unwrap();
            let disk = Disk::open(file.path(), true).unwrap();
            assert!(!has_name(&disk, "a-name").unwrap());
            let mut command = Command::new("mke2fs");
            command.args(["-q", "-F", "-t", "ext4", "-L", "a-name"]);
            command.arg(file.path());
            Task::new("making a file system", command).run().unwrap();
            assert!(has_name(&disk, "a-name").unwrap());
            assert!(!has_name(&disk, "a-nam").unwrap());
            disk.zero(copy..copy + 1024).unwrap();
            // the checksum is wrong
            disk.write(1024 + 0x3fc, &[0; 4]).unwrap();
            assert!(has_name(&disk, "a-name").unwrap());
            disk.write(copy, &disk.read(1024, 1024).unwrap()).unwrap();
            disk.zero(0..1 << 20).unwrap();
            assert!(has_name(&disk, "a-name").unwrap());
            disk.zero(copy..copy + 1024).unwrap();
            assert!(!has_name(&disk, "a-name").unwrap());
        }
    }
}
