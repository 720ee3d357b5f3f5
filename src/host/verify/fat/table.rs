//! The table of a FAT volume: which cluster follows which (Microsoft's specification, page 16 on).

use super::boot_sector::BootSector;
use crate::host::verify::bytes::{self, Bytes, le16, le32};

/// Largest table that is read, in bytes: of 64 GiB with clusters of 4 KiB.
const MAX_TABLE: u64 = 64 << 20;

/// The table, and the clusters that were found to be somebody's.
#[derive(Debug)]
pub(super) struct Table {
    bytes: Vec<u8>,
    bits: u32,
    /// The number after the last cluster.
    end: u64,
    taken: Vec<bool>,
}

/// Reads the table, all copies of which have to be the same.
pub(super) fn read(bytes: &dyn Bytes, start: u64, boot: &BootSector) -> Result<Table, String> {
    let length = boot.table_length();
    if length > MAX_TABLE {
        return Err(format!("its table has {length} bytes"));
    }
    let copy = |number| bytes::read(bytes, start + boot.table_offset(number), length);
    let first = copy(0)?;
    for number in 1..boot.tables {
        if copy(number)? != first {
            return Err("the copies of its table differ".to_owned());
        }
    }
    Ok(Table::new(first, boot.bits, boot.clusters + 2))
}

impl Table {
    fn new(bytes: Vec<u8>, bits: u32, end: u64) -> Self {
        Self {
            bytes,
            bits,
            end,
            taken: vec![false; usize::try_from(end).unwrap_or_default()],
        }
    }

    /// The clusters from `first` on. No cluster is handed out twice.
    pub fn chain(&mut self, first: u32) -> Result<Vec<u32>, String> {
        let mut chain = Vec::new();
        let mut cluster = first;
        // what marks the end, and all above it
        let last = match self.bits {
            12 => 0xff8,
            16 => 0xfff8,
            _ => 0x0fff_fff8,
        };
        loop {
            if cluster < 2 || u64::from(cluster) >= self.end {
                return Err(format!("there is no cluster {cluster}"));
            }
            match self.taken.get_mut(cluster as usize) {
                Some(taken) if !*taken => *taken = true,
                _ => return Err(format!("cluster {cluster} is in use twice")),
            }
            chain.push(cluster);
            cluster = self.next(cluster);
            if cluster >= last {
                return Ok(chain);
            }
        }
    }

    fn next(&self, cluster: u32) -> u32 {
        let at = cluster as usize;
        match self.bits {
            12 => {
                let pair = u32::from(le16(&self.bytes, at + at / 2));
                if at.is_multiple_of(2) {
                    pair & 0xfff
                } else {
                    pair >> 4
                }
            }
            16 => u32::from(le16(&self.bytes, at * 2)),
            // the highest four bits are not part of the number
            _ => le32(&self.bytes, at * 4) & 0x0fff_ffff,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tables of each kind with these entries.
    fn tables(entries: &[u32]) -> [Table; 3] {
        let mut twelve = vec![0; entries.len() * 3 / 2 + 2];
        for (n, entry) in entries.iter().enumerate() {
            let [low, high, ..] = (entry & 0xfff).to_le_bytes();
            let at = n * 3 / 2;
            if n.is_multiple_of(2) {
                twelve[at] |= low;
                twelve[at + 1] |= high;
            } else {
                twelve[at] |= low << 4;
                twelve[at + 1] |= low >> 4 | high << 4;
            }
        }
        let sixteen = entries.iter().flat_map(|e| (*e as u16).to_le_bytes());
        let all = entries.iter().flat_map(|e| e.to_le_bytes());
        let end = entries.len() as u64;
        [
            Table::new(twelve, 12, end),
            Table::new(sixteen.collect(), 16, end),
            Table::new(all.collect(), 32, end),
        ]
    }

    #[test]
    fn chains_of_all_kinds_are_followed() {
        for mut table in tables(&[0, 0, 5, 0xffff_ffff, 3, 4, 0]) {
            assert_eq!(table.chain(2).unwrap(), [2, 5, 4, 3], "{}", table.bits);
        }
    }

    #[test]
    fn chains_that_are_not_sound_are_named() {
        for (entries, error) in [
            (&[0, 0, 3, 2][..], "cluster 2 is in use twice"),
            (&[0, 0, 3, 9], "there is no cluster 9"),
            (&[0, 0, 3, 0], "there is no cluster 0"),
            // "bad"
            (&[0, 0, 0x0fff_fff7], "there is no cluster "),
        ] {
            for mut table in tables(entries) {
                let found = table.chain(2).unwrap_err();
                assert!(found.starts_with(error), "{}: {found}", table.bits);
            }
        }
        for mut table in tables(&[0, 0, 0xffff_ffff, 2]) {
            table.chain(2).unwrap();
            assert_eq!(table.chain(3).unwrap_err(), "cluster 2 is in use twice");
            assert_eq!(table.chain(1).unwrap_err(), "there is no cluster 1");
        }
    }
}
