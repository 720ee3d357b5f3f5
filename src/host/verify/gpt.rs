//! The GUID partition table (UEFI 2.10, section 5.3).
//!
//! With `-isohybrid-gpt-basdat`, xorriso writes one that is deliberately not valid: there is no
//! protective MBR for it, and the partition of isolinux.bin lies within that of the volume. Its
//! headers and both copies of its entries are complete all the same, with right checksums.

use flate2::Crc;

use super::{
    bytes::{self, Bytes, le32, le64},
    mbr::SECTOR,
};

/// The type of an EFI system partition, as it lies on the medium.
const EFI_TYPE: [u8; 16] = [
    0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b,
];
/// What a header begins with.
const SIGNATURE: &[u8] = b"EFI PART";
/// Most entries that are read; tables have 128, xorriso's 248.
const MAX_ENTRIES: u32 = 1024;

/// A partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partition {
    /// Whether it is an EFI system partition.
    pub efi: bool,
    /// Its first sector.
    pub start: u64,
    /// The sector after its last.
    pub end: u64,
}

/// One of the two headers with its entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gpt {
    /// Where the other header is, in sectors.
    pub other: u64,
    /// The partitions that are in use.
    pub partitions: Vec<Partition>,
    disk: [u8; 16],
}

/// The table, if there is one: its primary and its backup header, which have to agree. `end` is where
/// the image ends by what else it says: behind that, on a disk, lies what was there before.
///
/// # Errors
/// When one of the two is damaged or alone, or they say different things.
pub fn read(bytes: &dyn Bytes, end: u64) -> Result<Option<Gpt>, String> {
    let Some(primary) = header(bytes, 1).map_err(|e| format!("the GPT: {e}"))? else {
        let last = (bytes.length() / SECTOR).saturating_sub(1);
        let inside = last > 1 && last * SECTOR < end;
        return match inside && bytes::read(bytes, last * SECTOR, 8)? == SIGNATURE {
            true => Err("the GPT has only its second copy".to_owned()),
            false => Ok(None),
        };
    };
    let backup = header(bytes, primary.other)
        .and_then(|gpt| gpt.ok_or_else(|| "it is not where the first one says".to_owned()))
        .map_err(|e| format!("the second copy of the GPT: {e}"))?;
    if backup.other != 1 || backup.disk != primary.disk || backup.partitions != primary.partitions {
        return Err("the two copies of the GPT differ".to_owned());
    }
    Ok(Some(primary))
}

/// The header in a sector with the entries that it names; none if it does not begin as one.
fn header(bytes: &dyn Bytes, sector: u64) -> Result<Option<Gpt>, String> {
    let place = sector
        .checked_mul(SECTOR)
        .ok_or("its place is impossible")?;
    let mut header = bytes::read(bytes, place, SECTOR)?;
    if !header.starts_with(SIGNATURE) {
        return Ok(None);
    }
    let size = le32(&header, 12) as usize;
    if !(92..=SECTOR as usize).contains(&size) {
        return Err(format!("its header has {size} bytes"));
    }
    let sum = le32(&header, 16);
    // the checksum is over the header with the checksum's own place zeroed
    header[16..20].fill(0);
    if sum != crc32(&header[..size]) {
        return Err("the checksum of its header is wrong".to_owned());
    }
    if le64(&header, 24) != sector {
        return Err("its header was made for another place".to_owned());
    }
    let (count, length) = (le32(&header, 80), le32(&header, 84));
    if count > MAX_ENTRIES || !(128..=1024).contains(&length) {
        return Err(format!("it has {count} entries of {length} bytes"));
    }
    let place = le64(&header, 72).checked_mul(SECTOR);
    let place = place.ok_or("the place of its entries is impossible")?;
    let entries = bytes::read(bytes, place, u64::from(count) * u64::from(length))
        .map_err(|e| format!("its entries: {e}"))?;
    if le32(&header, 88) != crc32(&entries) {
        return Err("the checksum of its entries is wrong".to_owned());
    }
    let used = entries
        .chunks_exact(length as usize)
        .filter(|e| e[..16] != [0; 16]);
    let mut disk = [0; 16];
    disk.copy_from_slice(&header[56..72]);
    Ok(Some(Gpt {
        other: le64(&header, 32),
        partitions: used
            .map(|entry| Partition {
                efi: entry[..16] == EFI_TYPE,
                start: le64(entry, 32),
                end: le64(entry, 40).saturating_add(1),
            })
            .collect(),
        disk,
    }))
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECTORS: u64 = 100;

    /// Of an image that is all of the disk.
    fn read(disk: &Vec<u8>) -> Result<Option<Gpt>, String> {
        super::read(disk, disk.length())
    }

    fn put(disk: &mut [u8], at: u64, other: u64, entries: u64) {
        let place = (entries * SECTOR) as usize;
        disk[place..place + 16].copy_from_slice(&EFI_TYPE);
        disk[place + 32] = 40;
        disk[place + 40] = 49;
        let sum = crc32(&disk[place..place + 512]);
        let header = &mut disk[(at * SECTOR) as usize..][..512];
        header[..8].copy_from_slice(b"EFI PART");
        header[12] = 92;
        header[24..32].copy_from_slice(&at.to_le_bytes());
        header[32..40].copy_from_slice(&other.to_le_bytes());
        header[72..80].copy_from_slice(&entries.to_le_bytes());
        header[80] = 4;
        header[84] = 128;
        header[88..92].copy_from_slice(&sum.to_le_bytes());
        let sum = crc32(&header[..92]);
        header[16..20].copy_from_slice(&sum.to_le_bytes());
    }

    fn disk() -> Vec<u8> {
        let mut disk = vec![0; (SECTORS * SECTOR) as usize];
        put(&mut disk, 1, 99, 2);
        put(&mut disk, 99, 1, 98);
        disk
    }

    #[test]
    fn both_copies_are_read() {
        let gpt = read(&disk()).unwrap().unwrap();
        let wanted = Partition {
            efi: true,
            start: 40,
            end: 50,
        };
        assert_eq!(gpt.partitions, [wanted]);
        assert_eq!(read(&vec![0; 2048]).unwrap(), None);
    }

    /// A disk that had a GPT before an image without one was copied to it.
    #[test]
    fn a_second_copy_behind_the_image_is_none_of_it() {
        let mut disk = disk();
        disk[512..520].fill(0);
        let error = super::read(&disk, SECTORS * SECTOR).unwrap_err();
        insta::assert_snapshot!(error, @"the GPT has only its second copy");
        assert_eq!(super::read(&disk, (SECTORS - 1) * SECTOR).unwrap(), None);
        assert_eq!(super::read(&disk, 50 * SECTOR).unwrap(), None);
    }

    #[test]
    fn damage_is_named() {
        let error = |at: u64, value: u8| {
            let mut disk = disk();
            disk[at as usize] = value;
            read(&disk).unwrap_err()
        };
        insta::assert_snapshot!(error(512 + 56, 1), @"the GPT: the checksum of its header is wrong");
        insta::assert_snapshot!(error(2 * 512 + 60, 1), @"the GPT: the checksum of its entries is wrong");
        insta::assert_snapshot!(error(512 + 13, 9), @"the GPT: its header has 2396 bytes");
        insta::assert_snapshot!(error(98 * 512 + 60, 1), @"the second copy of the GPT: the checksum of its entries is wrong");
        insta::assert_snapshot!(error(99 * 512, 0), @"the second copy of the GPT: it is not where the first one says");
        let mut short = disk();
        short.truncate(99 * 512);
        insta::assert_snapshot!(read(&short).unwrap_err(), @"the second copy of the GPT: it lies beyond the end of the image");
    }

    /// Every byte that a checksum is over: an error, and never the same table.
    #[test]
    fn no_byte_is_trusted() {
        let good = disk();
        for at in (512..604).chain(1024..1536).chain(98 * 512..99 * 512 + 92) {
            for value in [0xff, 0x80, 1] {
                let mut bad = good.clone();
                bad[at] ^= value;
                assert!(read(&bad).is_err(), "{at}");
            }
        }
    }
}
