//! Lets the state's partition take all of a disk that has become larger: a disk image that was written
//! to a real disk, or a larger plan.
//!
//! The second copy of the table is written first, at the new end; the first one, by which the disk
//! is booted, then. Whatever moment power fails at, one of the two is whole.

use anyhow::Result;

use super::{
    STATE,
    gpt::{Table, first_sector},
    layout::{self, MIB, SECTOR},
    raw::Disk,
};

/// What was grown.
#[derive(Debug, PartialEq, Eq)]
pub struct Grown {
    /// The partition's number.
    pub number: u32,
    /// Its first byte.
    pub start: u64,
    /// Its length in bytes, as it is now.
    pub length: u64,
    /// Its length before.
    pub before: u64,
}

/// Whether [`mend`] or [`grow`] has anything to do. A disk that is opened for writing and closed has its
/// partitions looked at anew by udev, beside whoever uses them.
///
/// # Errors
/// When the disk cannot be read.
pub fn is_due(disk: &Disk) -> Result<bool> {
    Ok(damaged(disk)?.is_some() || larger(disk)?.is_some())
}

/// Writes the copy of the table anew that is damaged, where the other is whole: which it was, `first`
/// or `second`.
///
/// # Errors
/// When the disk cannot be read or written.
pub fn mend(disk: &Disk) -> Result<Option<&'static str>> {
    let Some((which, table)) = damaged(disk)? else {
        return Ok(None);
    };
    if which == SECOND {
        table.write_backup(disk)?;
    }
    // in either case: it says where the other one is
    write_first(&table, disk)?;
    Ok(Some(which))
}

const FIRST: &str = "first";
const SECOND: &str = "second";

/// The copy that is damaged, and the table.
fn damaged(disk: &Disk) -> Result<Option<(&'static str, Table)>> {
    let (which, table) = match Table::copies(disk)? {
        [None, Some(table)] => (FIRST, table),
        // the end of a disk that has become larger has none yet
        [Some(table), None] if larger(disk)?.is_none() => (SECOND, table),
        _ => return Ok(None),
    };
    Ok(table.find(STATE).is_some().then_some((which, table)))
}

/// The first copy of the table, and the protective partition before it, which spans all of the disk;
/// the boot code stays.
fn write_first(table: &Table, disk: &Disk) -> Result<()> {
    table.write_primary(disk)?;
    let sector = disk.read(0, SECTOR as usize)?;
    disk.write(0, &first_sector(&sector[..440], disk.size())?)?;
    disk.sync()
}

/// Grows the partition of the state over what is free behind it; `None` if nothing is. The kernel has
/// to be told.
///
/// # Errors
/// When the disk has no table of ours, or cannot be written.
pub fn grow(disk: &Disk) -> Result<Option<Grown>> {
    let Some((table, grown)) = larger(disk)? else {
        return Ok(None);
    };
    table.write_backup(disk)?;
    write_first(&table, disk)?;
    Ok(Some(grown))
}

/// The table with a partition of the state that takes all of the disk, if it does not yet.
fn larger(disk: &Disk) -> Result<Option<(Table, Grown)>> {
    let Some(table) = Table::read(disk)? else {
        return Ok(None);
    };
    let Some((number, range)) = table.find(STATE) else {
        return Ok(None);
    };
    // somebody may have made a partition in what was free
    let free = table.next(range.start).map_or(u64::MAX, |n| n / MIB * MIB);
    let end = layout::end(disk.size()).min(free);
    if end < range.end + MIB {
        return Ok(None);
    }
    let grown = Grown {
        number,
        start: range.start,
        length: end - range.start,
        before: range.end - range.start,
    };
    Ok(Some((table.with_end(number, end), grown)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{gpt::Kind, raw::broken};

    #[test]
    fn the_state_takes_what_is_new() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(64 * MIB).unwrap();
        let disk = Disk::open(file.path(), true).unwrap();
        assert_eq!(grow(&disk).unwrap(), None);
        let end = layout::end(64 * MIB);
        let table = Table::new(&[(Kind::Linux, STATE, 9 * MIB..end)]).unwrap();
        table.write_backup(&disk).unwrap();
        table.write_primary(&disk).unwrap();
        disk.write(0, &first_sector(b"code", disk.size()).unwrap())
            .unwrap();
        assert_eq!(grow(&disk).unwrap(), None);
        assert!(!is_due(&disk).unwrap());
        file.as_file().set_len(128 * MIB).unwrap();
        let disk = Disk::open(file.path(), true).unwrap();
        assert!(is_due(&disk).unwrap());
        assert_eq!(mend(&disk).unwrap(), None);
        let grown = grow(&disk).unwrap().unwrap();
        assert_eq!(
            (grown.number, grown.start, grown.length),
            (3 - 2, 9 * MIB, 118 * MIB)
        );
        assert_eq!(grown.before, 54 * MIB);
        assert_eq!(grow(&disk).unwrap(), None);
        assert_eq!(disk.read(0, 4).unwrap(), b"code");
        assert_eq!(
            disk.read(458, 4).unwrap(),
            (128 * 2048 - 1_u32).to_le_bytes()
        );
        // the first sectors are lost
        assert_eq!(mend(&disk).unwrap(), None);
        let table = Table::read(&disk).unwrap();
        disk.zero(446..34 * SECTOR).unwrap();
        assert!(is_due(&disk).unwrap());
        assert_eq!(mend(&disk).unwrap(), Some("first"));
        assert_eq!(
            Table::copies(&disk).unwrap(),
            [table.clone(), table.clone()]
        );
        // the last sector is
        disk.zero(128 * MIB - SECTOR..128 * MIB).unwrap();
        assert!(is_due(&disk).unwrap());
        assert_eq!(mend(&disk).unwrap(), Some("second"));
        assert_eq!(Table::copies(&disk).unwrap(), [table.clone(), table]);
        assert_eq!(disk.read(0, 4).unwrap(), b"code");
        assert_eq!(disk.read(510, 2).unwrap(), [0x55, 0xaa]);
    }

    #[test]
    fn broken_off_at_any_write_one_of_the_tables_is_whole() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let old = 9 * MIB..layout::end(64 * MIB);
        let new = 9 * MIB..layout::end(128 * MIB);
        let mut ends = Vec::new();
        for writes in 0.. {
            file.as_file().set_len(64 * MIB).unwrap();
            let disk = Disk::open(file.path(), true).unwrap();
            let table = Table::new(&[(Kind::Linux, STATE, old.clone())]).unwrap();
            table.write_backup(&disk).unwrap();
            table.write_primary(&disk).unwrap();
            file.as_file().set_len(128 * MIB).unwrap();
            let disk = Disk::open(file.path(), true).unwrap();
            let ended = broken::off_after(writes, || grow(&disk));
            let table = Table::read(&disk).unwrap().unwrap();
            let (_, range) = table.find(STATE).unwrap();
            assert!(range == old || range == new, "{writes}: {range:?}");
            ends.push(range.end);
            // and the next start completes it
            grow(&disk).unwrap();
            let table = Table::read(&disk).unwrap().unwrap();
            assert_eq!(table.find(STATE).unwrap().1, new);
            if ended.is_ok() {
                break;
            }
        }
        assert_eq!(ends.first(), Some(&old.end));
        assert_eq!(ends.last(), Some(&new.end));
    }

    #[test]
    fn what_stands_behind_it_is_not_grown_over() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(128 * MIB).unwrap();
        let disk = Disk::open(file.path(), true).unwrap();
        let table = |other: std::ops::Range<u64>| {
            let parts = [
                (Kind::Linux, STATE, 9 * MIB..20 * MIB),
                (Kind::Linux, "somebody's", other),
            ];
            let table = Table::new(&parts).unwrap();
            table.write_backup(&disk).unwrap();
            table.write_primary(&disk).unwrap();
        };
        table(20 * MIB..30 * MIB);
        assert_eq!(grow(&disk).unwrap(), None);
        table(40 * MIB..50 * MIB);
        assert_eq!(grow(&disk).unwrap().unwrap().length, 31 * MIB);
        // in front of it, it is in nobody's way
        table(2 * MIB..8 * MIB);
        assert_eq!(grow(&disk).unwrap().unwrap().length, 118 * MIB);
    }
}
