//! Bytes of an image by their place, never more than there are.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::FileExt,
};

use crate::iso9660::Extent;

/// What is read at once.
const CHUNK: usize = 1 << 16;

/// An image, or what stands for one in the tests.
pub trait Bytes {
    /// How many there are.
    fn length(&self) -> u64;

    /// Fills `buffer` with what begins at `offset`.
    ///
    /// # Errors
    /// When that is beyond the end, or reading fails.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
}

/// An open file or disk with its length.
#[derive(Debug)]
pub struct Disk {
    file: File,
    length: u64,
}

impl Disk {
    /// Asks how long it is.
    ///
    /// # Errors
    /// When it cannot seek.
    pub fn new(mut file: File) -> io::Result<Self> {
        let length = file.seek(SeekFrom::End(0))?;
        Ok(Self { file, length })
    }
}

impl Bytes for Disk {
    fn length(&self) -> u64 {
        self.length
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }
}

impl Bytes for Vec<u8> {
    fn length(&self) -> u64 {
        self.len() as u64
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let part = from
            .checked_add(buffer.len())
            .and_then(|to| self.get(from..to));
        buffer.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

/// `length` bytes from `offset`: as many are allocated only if they are there.
///
/// # Errors
/// When they are not all there, or reading fails.
pub fn read(bytes: &dyn Bytes, offset: u64, length: u64) -> Result<Vec<u8>, String> {
    if offset
        .checked_add(length)
        .is_none_or(|end| end > bytes.length())
    {
        return Err("it lies beyond the end of the image".to_owned());
    }
    let length = usize::try_from(length).map_err(|e| e.to_string())?;
    let mut buffer = vec![0; length];
    bytes
        .read_exact_at(&mut buffer, offset)
        .map_err(|e| format!("it cannot be read: {e}"))?;
    Ok(buffer)
}

/// A part of an image as if it were all: for readers of file systems that begin somewhere inside.
pub struct Window<'a> {
    bytes: &'a dyn Bytes,
    start: u64,
    length: u64,
    at: u64,
}

impl<'a> Window<'a> {
    /// The bytes from `start` on, at most `length` of them.
    pub fn new(bytes: &'a dyn Bytes, start: u64, length: u64) -> Self {
        let there = bytes.length().saturating_sub(start);
        Self {
            bytes,
            start,
            length: length.min(there),
            at: 0,
        }
    }
}

impl Read for Window<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = self.length.saturating_sub(self.at);
        let count = buffer
            .len()
            .min(usize::try_from(rest).unwrap_or(usize::MAX));
        // at its end, or beyond, no place is computed
        if count == 0 {
            return Ok(0);
        }
        self.bytes
            .read_exact_at(&mut buffer[..count], self.start + self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for Window<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

/// The bytes of a file, extent after extent, given to `each` in pieces.
///
/// # Errors
/// When some of it is not there, or reading fails.
pub fn pieces(
    bytes: &dyn Bytes,
    extents: &[Extent],
    mut each: impl FnMut(&[u8]),
) -> Result<(), String> {
    for extent in extents {
        let mut done = 0;
        while done < extent.length {
            let count = (extent.length - done).min(CHUNK as u64);
            let at = extent.offset.checked_add(done);
            let at = at.ok_or("it lies beyond the end of the image")?;
            each(&read(bytes, at, count)?);
            done += count;
        }
    }
    Ok(())
}

/// A little-endian number of two bytes; zero beyond the end, where nothing valid is.
pub fn le16(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(array(bytes, at))
}

/// As [`le16`], of four bytes.
pub fn le32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array(bytes, at))
}

/// As [`le16`], of eight bytes.
pub fn le64(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array(bytes, at))
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    if let Some(part) = bytes.get(at..at + N) {
        array.copy_from_slice(part);
    }
    array
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_beyond_the_end_is_read_or_allocated() {
        let bytes: Vec<u8> = (0..100).collect();
        assert_eq!(read(&bytes, 90, 10).unwrap(), (90..100).collect::<Vec<_>>());
        for (offset, length) in [(90, 11), (0, u64::MAX), (u64::MAX, 2), (101, 0)] {
            let error = read(&bytes, offset, length).unwrap_err();
            assert_eq!(error, "it lies beyond the end of the image");
        }
        let far = Extent {
            offset: u64::MAX,
            length: 1 << 20,
        };
        assert!(pieces(&bytes, &[far], |_| panic!("nothing is there")).is_err());
    }

    #[test]
    fn a_window_ends_where_it_should() {
        let bytes: Vec<u8> = (0..100).collect();
        let mut window = Window::new(&bytes, 10, 5);
        let mut text = Vec::new();
        window.read_to_end(&mut text).unwrap();
        assert_eq!(text, [10, 11, 12, 13, 14]);
        assert_eq!(window.seek(SeekFrom::End(0)).unwrap(), 5);
        assert!(window.seek(SeekFrom::Current(-6)).is_err());
        let mut beyond = Window::new(&bytes, 200, 5);
        assert_eq!(beyond.seek(SeekFrom::End(0)).unwrap(), 0);
        let mut far = Window::new(&bytes, u64::MAX, 5);
        far.seek(SeekFrom::Start(9)).unwrap();
        assert_eq!(far.read(&mut [0; 4]).unwrap(), 0);
    }

    #[test]
    fn numbers() {
        let bytes = [1, 2, 3, 4, 5, 6, 7, 8];
        assert_eq!(le16(&bytes, 1), 0x0302);
        assert_eq!(le32(&bytes, 0), 0x0403_0201);
        assert_eq!(le64(&bytes, 0), 0x0807_0605_0403_0201);
        assert_eq!(le32(&bytes, 5), 0);
    }
}
