//! Notes on a disk, outside of all file systems: what was begun and broken off is known by them.

use anyhow::Result;

use super::raw::Disk;

/// What a note takes: a block, zero behind the text.
pub const BLOCK: usize = 4096;

/// A note.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    /// What it says.
    pub text: &'static str,
    /// Where it is.
    pub place: u64,
}

/// The place of the note that the disk is being installed to: before the first partition, where no
/// file system and no partition table has anything.
const BEGUN: u64 = (1 << 20) - BLOCK as u64;

/// That an installation to a disk has begun.
pub const INSTALLING: Mark = Mark {
    text: "ezmail: the server is being installed to this disk\n",
    place: BEGUN,
};

/// That no state volume was made yet on the partition for it, which begins at `place`.
pub fn fresh(place: u64) -> Mark {
    Mark {
        text: "ezmail: the state volume is made here at the first start\n",
        place,
    }
}

impl Mark {
    /// Whether it is there.
    ///
    /// # Errors
    /// When the disk cannot be read.
    pub fn is_on(&self, disk: &Disk) -> Result<bool> {
        Ok(disk.read(self.place, BLOCK)? == self.block())
    }

    /// Writes it; it is on the disk then.
    ///
    /// # Errors
    /// When the disk cannot be written.
    pub fn set(&self, disk: &Disk) -> Result<()> {
        disk.write(self.place, &self.block())?;
        disk.sync()
    }

    /// Takes it away again.
    ///
    /// # Errors
    /// When the disk cannot be written.
    pub fn clear(&self, disk: &Disk) -> Result<()> {
        disk.write(self.place, &[0; BLOCK])?;
        disk.sync()
    }

    fn block(&self) -> Vec<u8> {
        let mut block = self.text.as_bytes().to_vec();
        block.resize(BLOCK, 0);
        block
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_read_as_it_was_written() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(4 << 20).unwrap();
        let disk = Disk::open(file.path(), true).unwrap();
        assert!(!INSTALLING.is_on(&disk).unwrap());
        INSTALLING.set(&disk).unwrap();
        assert!(INSTALLING.is_on(&disk).unwrap());
        let fresh = fresh(2 << 20);
        assert!(!fresh.is_on(&disk).unwrap());
        fresh.set(&disk).unwrap();
        // somebody has written behind it since
        disk.write((2 << 20) + 2048, b"x").unwrap();
        assert!(!fresh.is_on(&disk).unwrap());
        INSTALLING.clear(&disk).unwrap();
        assert!(!INSTALLING.is_on(&disk).unwrap());
    }
}
