//! The GUID partition table of an installed disk (UEFI 2.10, section 5.3), as bytes and back.

use std::ops::Range;

use anyhow::{Context, Result};
use flate2::Crc;

use super::{layout::SECTOR, raw::Disk};
use crate::util::random;

/// Entries of a table, and bytes of one.
const ENTRIES: usize = 128;
const ENTRY: usize = 128;
/// Sectors of all entries.
const ENTRY_SECTORS: u64 = (ENTRIES * ENTRY) as u64 / SECTOR;
/// Bytes of a header.
const HEADER: usize = 92;
const SIGNATURE: &[u8; 8] = b"EFI PART";
const REVISION: u32 = 0x0001_0000;
/// The attribute of the partition that boot code for BIOS starts (bit 2).
const LEGACY_BOOT: u64 = 1 << 2;
/// Bytes of boot code in a master boot record, before its own table.
const BOOT_CODE: usize = 440;

/// What a partition is for, as a type GUID in the table's order of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An EFI system partition, which is booted by BIOS, too.
    Boot,
    /// Bytes of ours: "Linux reserved".
    Reserved,
    /// A file system of Linux.
    Linux,
}

impl Kind {
    fn guid(self) -> [u8; 16] {
        match self {
            Self::Boot => *b"\x28\x73\x2a\xc1\x1f\xf8\xd2\x11\xba\x4b\x00\xa0\xc9\x3e\xc9\x3b",
            Self::Reserved => *b"\x39\x33\xa6\x8d\x07\x00\xc0\x60\xc4\x36\x08\x3a\xc8\x23\x09\x08",
            Self::Linux => *b"\xaf\x3d\xc6\x0f\x83\x84\x72\x47\x8e\x79\x3d\x69\xd8\x47\x7d\xe4",
        }
    }
}

/// A partition table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    disk: [u8; 16],
    entries: Vec<u8>,
}

impl Table {
    /// A table of these partitions, named and in bytes, with identifiers of their own.
    ///
    /// # Errors
    /// When the kernel gives no random numbers.
    pub fn new(partitions: &[(Kind, &str, Range<u64>)]) -> Result<Self> {
        let mut entries = vec![0; ENTRIES * ENTRY];
        for ((kind, name, range), entry) in partitions.iter().zip(entries.chunks_mut(ENTRY)) {
            entry[..16].copy_from_slice(&kind.guid());
            entry[16..32].copy_from_slice(&guid()?);
            put(entry, 32, range.start / SECTOR);
            put(entry, 40, range.end / SECTOR - 1);
            let attributes = if *kind == Kind::Boot { LEGACY_BOOT } else { 0 };
            put(entry, 48, attributes);
            for (unit, place) in name.encode_utf16().zip(entry[56..].chunks_mut(2)) {
                place.copy_from_slice(&unit.to_le_bytes());
            }
        }
        let disk = guid()?;
        Ok(Self { disk, entries })
    }

    /// The table on a disk: the first copy, or where that is damaged, the second at its end. `None`
    /// if there is neither.
    ///
    /// # Errors
    /// When the disk cannot be read.
    pub fn read(disk: &Disk) -> Result<Option<Self>> {
        let [first, second] = Self::copies(disk)?;
        Ok(first.or(second))
    }

    /// Both copies of the table on a disk; `None` for one that is not there, or damaged.
    ///
    /// # Errors
    /// When the disk cannot be read.
    pub fn copies(disk: &Disk) -> Result<[Option<Self>; 2]> {
        let last = (disk.size() / SECTOR).saturating_sub(1);
        Ok([Self::at(disk, 1)?, Self::at(disk, last)?])
    }

    fn at(disk: &Disk, sector: u64) -> Result<Option<Self>> {
        let mut header = disk.read(sector * SECTOR, HEADER)?;
        let sum = header[16..20].to_vec();
        header[16..20].fill(0);
        if !header.starts_with(SIGNATURE) || sum != crc(&header) {
            return Ok(None);
        }
        let place = get(&header, 72) * SECTOR;
        let shape = [(ENTRIES as u32).to_le_bytes(), (ENTRY as u32).to_le_bytes()].concat();
        if header[80..88] != shape || place + (ENTRIES * ENTRY) as u64 > disk.size() {
            return Ok(None);
        }
        let entries = disk.read(place, ENTRIES * ENTRY)?;
        if header[88..92] != crc(&entries) {
            return Ok(None);
        }
        let mut id = [0; 16];
        id.copy_from_slice(&header[56..72]);
        Ok(Some(Self { disk: id, entries }))
    }

    /// The bytes of a partition by its name, and its number, from 1 on.
    pub fn find(&self, name: &str) -> Option<(u32, Range<u64>)> {
        let named = |entry: &[u8]| {
            let units = entry[56..]
                .chunks(2)
                .map(|u| u16::from_le_bytes([u[0], u[1]]));
            let units: Vec<u16> = units.take_while(|u| *u != 0).collect();
            entry[..16] != [0; 16] && String::from_utf16_lossy(&units) == name
        };
        let number = self.entries.chunks(ENTRY).position(named)?;
        let entry = &self.entries[number * ENTRY..];
        let range = get(entry, 32) * SECTOR..(get(entry, 40) + 1) * SECTOR;
        Some((number as u32 + 1, range))
    }

    /// The first byte of the partition that comes next behind `place`, if there is one.
    pub fn next(&self, place: u64) -> Option<u64> {
        let used = self.entries.chunks(ENTRY).filter(|e| e[..16] != [0; 16]);
        let starts = used.map(|entry| get(entry, 32).saturating_mul(SECTOR));
        starts.filter(|start| *start > place).min()
    }

    /// The same table with another end of the partition `number`, in bytes.
    #[must_use]
    pub fn with_end(mut self, number: u32, end: u64) -> Self {
        let entry = (number as usize - 1) * ENTRY;
        put(&mut self.entries[entry..], 40, end / SECTOR - 1);
        self
    }

    /// Writes the second copy, at the end of the disk.
    ///
    /// # Errors
    /// When the disk cannot be written.
    pub fn write_backup(&self, disk: &Disk) -> Result<()> {
        let last = disk.size() / SECTOR - 1;
        let first = last - ENTRY_SECTORS;
        disk.write(first * SECTOR, &self.entries)?;
        disk.write(last * SECTOR, &self.header(last, 1, first, last))?;
        disk.sync()
    }

    /// Writes the first copy. Without a protective MBR before it, firmware and kernel do not see it.
    ///
    /// # Errors
    /// When the disk cannot be written.
    pub fn write_primary(&self, disk: &Disk) -> Result<()> {
        let last = disk.size() / SECTOR - 1;
        // at once, so that it is hardly ever half of one table and half of another
        let header = self.header(1, last, 2, last);
        disk.write(SECTOR, &[&header[..], &self.entries].concat())?;
        disk.sync()
    }

    fn header(&self, own: u64, other: u64, entries: u64, last: u64) -> Vec<u8> {
        let mut header = vec![0; SECTOR as usize];
        header[..8].copy_from_slice(SIGNATURE);
        header[8..12].copy_from_slice(&REVISION.to_le_bytes());
        header[12..16].copy_from_slice(&(HEADER as u32).to_le_bytes());
        put(&mut header, 24, own);
        put(&mut header, 32, other);
        put(&mut header, 40, 2 + ENTRY_SECTORS);
        put(&mut header, 48, last - ENTRY_SECTORS - 1);
        header[56..72].copy_from_slice(&self.disk);
        put(&mut header, 72, entries);
        header[80..84].copy_from_slice(&(ENTRIES as u32).to_le_bytes());
        header[84..88].copy_from_slice(&(ENTRY as u32).to_le_bytes());
        header[88..92].copy_from_slice(&crc(&self.entries));
        let sum = crc(&header[..HEADER]);
        header[16..20].copy_from_slice(&sum);
        header
    }
}

/// The first sector of a disk: boot code for BIOS, and a protective MBR, without which nobody takes
/// the table behind it for one.
///
/// # Errors
/// When the boot code does not fit.
pub fn first_sector(boot_code: &[u8], disk: u64) -> Result<Vec<u8>> {
    let mut sector = vec![0; SECTOR as usize];
    let place = sector.get_mut(..boot_code.len().min(SECTOR as usize));
    let place = place.filter(|p| p.len() <= BOOT_CODE && p.len() == boot_code.len());
    place
        .with_context(|| {
            format!(
                "boot code has {} bytes, more than {BOOT_CODE}",
                boot_code.len()
            )
        })?
        .copy_from_slice(boot_code);
    let sectors = u32::try_from(disk / SECTOR - 1).unwrap_or(u32::MAX);
    // one partition of type EE over all of the disk, its place in cylinders beyond what they can say
    sector[446..462].copy_from_slice(&[0, 0, 2, 0, 0xee, 0xff, 0xff, 0xff, 1, 0, 0, 0, 0, 0, 0, 0]);
    sector[458..462].copy_from_slice(&sectors.to_le_bytes());
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    Ok(sector)
}

/// A random identifier (RFC 9562 version 4), in the table's order of bytes.
fn guid() -> Result<[u8; 16]> {
    let mut guid = *random::bytes::<16>()?;
    guid[7] = guid[7] & 0x0f | 0x40;
    guid[8] = guid[8] & 0x3f | 0x80;
    Ok(guid)
}

fn crc(bytes: &[u8]) -> [u8; 4] {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum().to_le_bytes()
}

fn put(bytes: &mut [u8], at: usize, number: u64) {
    bytes[at..at + 8].copy_from_slice(&number.to_le_bytes());
}

fn get(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(number)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::util::run::Task;

    const MIB: u64 = 1 << 20;

    fn disk() -> (tempfile::NamedTempFile, Disk, Table) {
        // sfdisk puts a p before the number where a name ends in a digit
        let file = tempfile::Builder::new().suffix(".img").tempfile().unwrap();
        file.as_file().set_len(64 * MIB).unwrap();
        let disk = Disk::open(file.path(), true).unwrap();
        let partitions = [
            (Kind::Boot, "ezmail-boot", MIB..8 * MIB),
            (Kind::Reserved, "ezmail-answers", 8 * MIB..9 * MIB),
            (Kind::Linux, "ezmail-state", 9 * MIB..63 * MIB),
        ];
        let table = Table::new(&partitions).unwrap();
        (file, disk, table)
    }

    #[test]
    fn sfdisk_reads_it() {
        let (file, disk, table) = disk();
        table.write_backup(&disk).unwrap();
        table.write_primary(&disk).unwrap();
        let sector = first_sector(b"code", disk.size()).unwrap();
        disk.write(0, &sector).unwrap();
        let run = |words: &[&str]| {
            let mut command = Command::new("sfdisk");
            command.args(words).arg(file.path());
            Task::new("asking sfdisk", command).output().unwrap()
        };
        assert!(run(&["--verify"]).contains("No errors detected"));
        let name = file.path().display().to_string();
        let dump = run(&["--dump"]).replace(&name, "disk");
        let lines = dump.lines().filter(|l| l.starts_with("disk"));
        let lines: Vec<String> = lines
            .map(|l| {
                regex::Regex::new("uuid=[0-9A-F-]+")
                    .unwrap()
                    .replace(l, "uuid")
                    .into_owned()
            })
            .collect();
        insta::assert_snapshot!(lines.join("\n"), @r#"
        disk1 : start=        2048, size=       14336, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, uuid, name="ezmail-boot", attrs="LegacyBIOSBootable"
        disk2 : start=       16384, size=        2048, type=8DA63339-0007-60C0-C436-083AC8230908, uuid, name="ezmail-answers"
        disk3 : start=       18432, size=      110592, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, uuid, name="ezmail-state"
        "#);
    }

    #[test]
    fn either_copy_is_enough_and_a_partition_is_made_longer() {
        let (_file, disk, table) = disk();
        assert_eq!(Table::read(&disk).unwrap(), None);
        table.write_backup(&disk).unwrap();
        assert_eq!(Table::read(&disk).unwrap().as_ref(), Some(&table));
        table.write_primary(&disk).unwrap();
        disk.write(disk.size() - SECTOR, &[0; 512]).unwrap();
        assert_eq!(Table::read(&disk).unwrap().as_ref(), Some(&table));
        let (number, range) = table.find("ezmail-state").unwrap();
        assert_eq!((number, range), (3, 9 * MIB..63 * MIB));
        assert_eq!(table.find("ezmail"), None);
        assert_eq!(table.next(MIB), Some(8 * MIB));
        assert_eq!(table.next(9 * MIB), None);
        assert_eq!(Table::copies(&disk).unwrap(), [Some(table.clone()), None]);
        let longer = table.with_end(3, 100 * MIB);
        assert_eq!(longer.find("ezmail-state").unwrap().1, 9 * MIB..100 * MIB);
    }

    #[test]
    fn boot_code_stays_before_the_partitions() {
        assert!(first_sector(&[1; 440], MIB).is_ok());
        let error = first_sector(&[1; 441], MIB).unwrap_err();
        assert_eq!(error.to_string(), "boot code has 441 bytes, more than 440");
        // larger than its field can say
        let sector = first_sector(b"", 1 << 50).unwrap();
        assert_eq!(sector[458..462], [0xff; 4]);
    }
}
