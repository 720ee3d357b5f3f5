//! Where the partitions of an installed disk lie.

use std::ops::Range;

use anyhow::{Result, bail};

use crate::{answers::reserved, util::size::size};

/// Bytes of a sector, as the partition table counts them.
pub const SECTOR: u64 = 512;
/// Partitions begin and end at multiples of this.
pub const MIB: u64 = 1 << 20;
/// The partition that is booted from has at least this many bytes.
const BOOT: u64 = 1 << 30;
/// What its file system, boot loaders and configuration take beside two images.
const OVERHEAD: u64 = 64 * MIB;
/// Least bytes for the state volume.
const STATE: u64 = 512 * MIB;

/// The three partitions, in bytes from the beginning of the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The one that firmware boots from.
    pub boot: Range<u64>,
    /// The one of the answers.
    pub answers: Range<u64>,
    /// The one of the state volume: the rest of the disk.
    pub state: Range<u64>,
}

impl Layout {
    /// The layout of a disk of `disk` bytes for an image whose files have `image` bytes. The boot
    /// partition has room for a second image, so that an update never replaces the one that runs.
    ///
    /// # Errors
    /// When the disk is too small; `name` is what the error calls it.
    pub fn new(disk: u64, image: u64, name: &str) -> Result<Self> {
        let boot = (2 * image + OVERHEAD).next_multiple_of(MIB).max(BOOT);
        let answers = MIB + boot;
        let state = answers + reserved::SIZE as u64;
        let least = state + STATE + MIB;
        if disk < least {
            bail!(
                "{name} is too small to install to: it has {}, {} is the least",
                size(disk),
                size(least)
            );
        }
        Ok(Self {
            boot: MIB..answers,
            answers: answers..state,
            state: state..end(disk),
        })
    }

    /// The smallest disk for an image whose files have `image` bytes.
    pub fn least(image: u64) -> u64 {
        let boot = (2 * image + OVERHEAD).next_multiple_of(MIB).max(BOOT);
        MIB + boot + reserved::SIZE as u64 + STATE + MIB
    }
}

/// Where the last partition of a disk of `disk` bytes ends: before the second copy of the table.
pub fn end(disk: u64) -> u64 {
    (disk - MIB) / MIB * MIB
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_follow_each_other_and_leave_room_at_both_ends() {
        let layout = Layout::new(10_000_000_000, 300 * MIB, "/dev/vda").unwrap();
        assert_eq!(layout.boot, MIB..1025 * MIB);
        assert_eq!(layout.answers, 1025 * MIB..1026 * MIB);
        assert_eq!(layout.state.start, 1026 * MIB);
        assert!(layout.state.end.is_multiple_of(MIB));
        let room = 10_000_000_000 - layout.state.end;
        assert!((MIB..2 * MIB).contains(&room));
        // two images and a little
        let layout = Layout::new(10_000_000_000, 600 * MIB, "/dev/vda").unwrap();
        assert_eq!(layout.boot.end, (1 + 1200 + 64) * MIB);
    }

    #[test]
    fn a_small_disk_is_refused_with_what_it_takes() {
        let least = Layout::least(300 * MIB);
        assert!(Layout::new(least, 300 * MIB, "/dev/vda").is_ok());
        let error = Layout::new(least - 1, 300 * MIB, "/dev/vda").unwrap_err();
        insta::assert_snapshot!(error, @"/dev/vda is too small to install to: it has 1.61 GB, 1.61 GB is the least");
    }
}
