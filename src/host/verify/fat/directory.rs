//! Folders of a FAT volume: short names and the long ones before them (Microsoft's specification,
//! pages 22 to 32).

use crate::host::verify::bytes::{le16, le32};

/// Bytes of an entry.
const ENTRY: usize = 32;
/// Attributes.
const VOLUME_LABEL: u8 = 0x08;
const FOLDER: u8 = 0x10;
const LONG_NAME: u8 = 0x0f;
/// The sequence number of the last part of a long name, which comes first, has this bit.
const LAST: u8 = 0x40;
/// Characters of a long name in one entry, and the most of them in all.
const PART: usize = 13;
const MAX_PARTS: usize = 20;

/// A file or a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    pub name: String,
    pub folder: bool,
    pub cluster: u32,
    pub size: u32,
}

/// The items of a folder in their order, without `.` and `..`; ends after the first error.
pub(super) struct Items<'a> {
    rest: &'a [u8],
    long: Option<Long>,
}

/// A long name that is being put together, from its end.
struct Long {
    units: Vec<u16>,
    /// The sequence number of the part that was read last.
    number: u8,
    sum: u8,
}

impl<'a> Items<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            long: None,
        }
    }

    fn one(&mut self, entry: &[u8]) -> Result<Option<Item>, &'static str> {
        let attributes = entry[11];
        if entry[0] == 0xe5 {
            self.long = None;
            return Ok(None);
        }
        if attributes & 0x3f == LONG_NAME {
            return self.part(entry).map(|()| None);
        }
        let long = self.long.take();
        if attributes & VOLUME_LABEL != 0 || entry[0] == b'.' {
            return Ok(None);
        }
        let name = match long {
            Some(long) if long.number != 1 || long.sum != checksum(&entry[..11]) => {
                return Err("a long name does not belong to the short one after it");
            }
            Some(long) => {
                let ended = long.units.split(|unit| *unit == 0).next();
                String::from_utf16_lossy(ended.unwrap_or_default())
            }
            None => short(entry),
        };
        if name.is_empty() || name.contains('/') {
            return Err("a name is none");
        }
        Ok(Some(Item {
            name,
            folder: attributes & FOLDER != 0,
            cluster: u32::from(le16(entry, 20)) << 16 | u32::from(le16(entry, 26)),
            size: le32(entry, 28),
        }))
    }

    /// Takes a part of a long name, which comes before those that precede it.
    fn part(&mut self, entry: &[u8]) -> Result<(), &'static str> {
        let number = entry[0] & !LAST;
        let units = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30].map(|at| le16(entry, at));
        if entry[0] & LAST != 0 {
            if number == 0 || usize::from(number) > MAX_PARTS {
                return Err("a long name is too long");
            }
            self.long = Some(Long {
                units: units.into(),
                number,
                sum: entry[13],
            });
            return Ok(());
        }
        match &mut self.long {
            Some(long) if number > 0 && number + 1 == long.number && long.sum == entry[13] => {
                long.number = number;
                long.units.splice(0..0, units);
                Ok(())
            }
            _ => Err("the parts of a long name are not in order"),
        }
    }
}

impl Iterator for Items<'_> {
    type Item = Result<Item, &'static str>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (entry, rest) = self.rest.split_at_checked(ENTRY)?;
            // nothing after it is in use
            if entry[0] == 0 {
                return None;
            }
            self.rest = rest;
            let one = self.one(entry);
            if one.is_err() {
                self.rest = &[];
            }
            if let Some(item) = one.transpose() {
                return Some(item);
            }
        }
    }
}

/// `NAME.EXT` of an entry, in small letters where it says so (byte 12, as Windows NT has it).
fn short(entry: &[u8]) -> String {
    let part = |bytes: &[u8], small: bool| {
        // 05 stands for a first byte of E5, which would mean that the entry is free
        let text: String = bytes.iter().map(|b| char::from(*b)).collect();
        let text = text.trim_end().to_owned();
        if small {
            text.to_ascii_lowercase()
        } else {
            text
        }
    };
    let name = part(&entry[..8], entry[12] & 0x08 != 0);
    let extension = part(&entry[8..11], entry[12] & 0x10 != 0);
    match extension.is_empty() {
        true => name,
        false => format!("{name}.{extension}"),
    }
}

/// By which a long name knows its short one (page 28).
fn checksum(name: &[u8]) -> u8 {
    name.iter()
        .fold(0_u8, |sum, b| sum.rotate_right(1).wrapping_add(*b))
}

// a part has as many characters as `units` lists places of
const _: () = assert!(PART * MAX_PARTS >= 255);

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &[u8; 11], attributes: u8) -> Vec<u8> {
        let mut entry = vec![0; ENTRY];
        entry[..11].copy_from_slice(name);
        entry[11] = attributes;
        entry[20] = 1;
        entry[26] = 2;
        entry[28] = 9;
        entry
    }

    /// The entries of a long name and of its short one.
    fn long(text: &str, name: &[u8; 11]) -> Vec<u8> {
        let mut units: Vec<u16> = text.encode_utf16().collect();
        if !units.len().is_multiple_of(PART) {
            units.push(0);
            units.resize(units.len().next_multiple_of(PART), 0xffff);
        }
        let parts: Vec<&[u16]> = units.chunks(PART).collect();
        let mut all = Vec::new();
        for (n, part) in parts.iter().enumerate().rev() {
            let mut entry = vec![0; ENTRY];
            entry[0] = n as u8 + 1;
            if n + 1 == parts.len() {
                entry[0] |= LAST;
            }
            entry[11] = LONG_NAME;
            entry[13] = checksum(name);
            let places = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30];
            for (at, unit) in places.into_iter().zip(*part) {
                entry[at..at + 2].copy_from_slice(&unit.to_le_bytes());
            }
            all.extend(entry);
        }
        all.extend(entry(name, 0x20));
        all
    }

    fn names(bytes: &[u8]) -> Result<Vec<String>, &'static str> {
        Items::new(bytes).map(|item| item.map(|i| i.name)).collect()
    }

    #[test]
    fn short_and_long_names_are_read() {
        let mut small = entry(b"LOADER  CON", 0);
        small[12] = 0x18;
        let bytes = [
            entry(b"ARCHISO_EFI", VOLUME_LABEL),
            entry(b".          ", FOLDER),
            entry(b"..         ", FOLDER),
            entry(b"\xe5ELETED    ", 0),
            entry(b"EFI        ", FOLDER),
            small,
            long("initramfs-linux.img", b"INITRA~1IMG"),
            long("thirteen.text", b"THIRTE~1TEX"),
            vec![0; ENTRY],
            entry(b"BEYOND     ", 0),
        ]
        .concat();
        let items: Vec<Item> = Items::new(&bytes).collect::<Result<_, _>>().unwrap();
        let told: Vec<_> = items.iter().map(|i| (i.name.as_str(), i.folder)).collect();
        assert_eq!(
            told,
            [
                ("EFI", true),
                ("loader.con", false),
                ("initramfs-linux.img", false),
                ("thirteen.text", false)
            ]
        );
        assert_eq!((items[0].cluster, items[0].size), (0x1_0002, 9));
    }

    #[test]
    fn long_names_that_are_not_whole_are_named() {
        let whole = long("initramfs-linux.img", b"INITRA~1IMG");
        let error = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = whole.clone();
            change(&mut bytes);
            names(&bytes).unwrap_err()
        };
        let order = "the parts of a long name are not in order";
        assert_eq!(error(&|b| drop(b.drain(..32))), order);
        assert_eq!(error(&|b| b[32] = 2), order);
        let other = "a long name does not belong to the short one after it";
        assert_eq!(error(&|b| drop(b.drain(32..64))), other);
        assert_eq!(error(&|b| b[64] = b'X'), other);
        assert_eq!(error(&|b| b[0] = 0x7f), "a long name is too long");
        assert_eq!(error(&|b| b[33] = b'/'), "a name is none");
        // a part of an entry is none
        assert_eq!(names(&whole[..95]), Ok(Vec::new()));
    }
}
