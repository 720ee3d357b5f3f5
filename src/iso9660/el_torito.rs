//! The boot record and its catalog ("El Torito" Bootable CD-ROM Format Specification, 1.0).

use std::io::{Read, Seek, SeekFrom};

use super::{BLOCK, DESCRIPTORS, Error, damaged};

/// Platforms (figures 2 and 4; UEFI 2.10, 13.3.2.1).
pub const BIOS: u8 = 0x00;
/// As [`BIOS`].
pub const UEFI: u8 = 0xef;

/// Bytes of a catalog's entry.
const ENTRY: usize = 32;
/// A section header: more follow, or this is the last.
const SECTION: u8 = 0x90;
const LAST_SECTION: u8 = 0x91;
/// The boot indicator of an entry to boot.
const BOOTABLE: u8 = 0x88;
/// An entry with more of what the last one said (figure 6).
const EXTENSION: u8 = 0x44;

/// A boot image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BootEntry {
    /// [`BIOS`], [`UEFI`] or something older.
    pub platform: u8,
    /// Whether it is to be booted, not only listed.
    pub bootable: bool,
    /// What the image emulates; 0 is nothing, as all do today.
    pub emulation: u8,
    /// The segment that the BIOS loads the image to; 0 is the usual one.
    pub segment: u16,
    /// How many sectors of 512 bytes are loaded.
    pub sectors: u16,
    /// Where the image begins, in blocks.
    pub block: u32,
}

/// The block of the boot catalog; none where the volume has no boot record.
///
/// # Errors
/// When reading fails.
pub fn catalog_block(reader: &mut (impl Read + Seek)) -> Result<Option<u32>, Error> {
    // "must reside at sector 17", says the specification, and firmware looks nowhere else
    reader.seek(SeekFrom::Start((DESCRIPTORS + 1) * BLOCK))?;
    let mut block = [0; 75];
    reader.read_exact(&mut block)?;
    let is_record = block[..7] == *b"\0CD001\x01" && block[7..].starts_with(b"EL TORITO SPECIFIC");
    let number = u32::from_le_bytes([block[71], block[72], block[73], block[74]]);
    Ok(is_record.then_some(number))
}

/// The entries of a catalog, of which `bytes` are the first block or more.
///
/// # Errors
/// When the validation entry is not one, with a wrong checksum among the reasons, or a section
/// goes on beyond `bytes`.
pub fn entries(bytes: &[u8]) -> Result<Vec<BootEntry>, Error> {
    let mut rest = bytes.chunks_exact(ENTRY);
    let mut next = || {
        rest.next()
            .ok_or_else(|| damaged("its boot catalog ends early"))
    };
    let validation = next()?;
    if validation[0] != 1 || validation[30..] != [0x55, 0xaa] {
        return Err(damaged("its boot catalog begins with no validation entry"));
    }
    let words = validation.chunks_exact(2);
    let sum = words.fold(0_u16, |sum, w| {
        sum.wrapping_add(u16::from_le_bytes([w[0], w[1]]))
    });
    if sum != 0 {
        return Err(damaged("the checksum of its boot catalog is wrong"));
    }
    let mut all = vec![entry(validation[1], next()?)];
    loop {
        let header = next()?;
        if header[0] != SECTION && header[0] != LAST_SECTION {
            return Ok(all);
        }
        for _ in 0..u16::from_le_bytes([header[2], header[3]]) {
            let mut bytes = next()?;
            while bytes[0] == EXTENSION {
                bytes = next()?;
            }
            all.push(entry(header[1], bytes));
        }
        if header[0] == LAST_SECTION {
            return Ok(all);
        }
    }
}

fn entry(platform: u8, bytes: &[u8]) -> BootEntry {
    BootEntry {
        platform,
        bootable: bytes[0] == BOOTABLE,
        emulation: bytes[1],
        segment: u16::from_le_bytes([bytes[2], bytes[3]]),
        sectors: u16::from_le_bytes([bytes[6], bytes[7]]),
        block: u32::from_le_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A catalog with an entry for each firmware.
    fn catalog() -> Vec<u8> {
        let mut bytes = vec![0; 2048];
        bytes[0] = 1;
        bytes[28..32].copy_from_slice(&[0xaa, 0x55, 0x55, 0xaa]);
        bytes[32..44].copy_from_slice(&[0x88, 0, 0, 0, 0, 0, 4, 0, 109, 0, 0, 0]);
        bytes[64..68].copy_from_slice(&[0x91, 0xef, 1, 0]);
        bytes[96..108].copy_from_slice(&[0x88, 0, 0, 0, 0, 0, 0, 0, 0, 0xb0, 1, 0]);
        bytes
    }

    #[test]
    fn the_entries_of_both_firmwares_are_read() {
        let both = entries(&catalog()).unwrap();
        let told: Vec<_> = both
            .iter()
            .map(|e| (e.platform, e.bootable, e.emulation, e.sectors, e.block))
            .collect();
        assert_eq!(told, [(BIOS, true, 0, 4, 109), (UEFI, true, 0, 0, 0x1b000)]);
    }

    #[test]
    fn damage_is_named() {
        let error = |at: usize, value: u8| {
            let mut bytes = catalog();
            bytes[at] = value;
            entries(&bytes).unwrap_err().to_string()
        };
        insta::assert_snapshot!(error(5, 1), @"the image is damaged: the checksum of its boot catalog is wrong");
        insta::assert_snapshot!(error(0, 0), @"the image is damaged: its boot catalog begins with no validation entry");
        insta::assert_snapshot!(error(67, 0xff), @"the image is damaged: its boot catalog ends early");
        assert!(entries(&[]).is_err());
    }
}
