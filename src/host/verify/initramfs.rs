//! The parts of an initramfs, one behind the other (Documentation/driver-api/early-userspace/
//! buffer-format.rst): archives of cpio as they are, such as of microcode, and packed ones.
//!
//! Archives and zstd are followed to their ends, by the lengths that they name; what is in a packed one
//! is not unpacked. Other packings are known by their first bytes alone.

use super::{bytes::Bytes, tree::File};

/// How each packing begins.
const PACKED: [(&[u8], &str); 8] = [
    (b"\x1f\x8b", "gzip"),
    (b"\xfd7zXZ\0", "xz"),
    (ZSTD, "zstd"),
    (b"\x02\x21\x4c\x18", "lz4"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"BZh", "bzip2"),
    (b"\x5d\0\0", "lzma"),
    (b"\x89LZO\0\r\n\x1a\n", "lzo"),
];
const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd";
/// Size of a header of cpio's, and how it begins: without and with a checksum.
const HEADER: u64 = 110;
const CPIO: [&[u8]; 2] = [b"070701", b"070702"];
/// The name behind which an archive has no more.
const TRAILER: &[u8] = b"TRAILER!!!";
/// What the kernel starts.
const INIT: &[u8] = b"init";
/// Longest name, and most members and blocks: far above what there is, and an end to what is damaged.
const MAX_NAME: u64 = 4096;
const MAX_STEPS: u64 = 1_000_000;
/// What is read at once where zeros are passed over.
const CHUNK: u64 = 1 << 12;

/// What an initramfs is made of, such as `cpio, zstd`.
///
/// # Errors
/// When it is nothing that a kernel unpacks, cut short, or only what lies before a system, such as
/// microcode.
pub fn read(file: &File, bytes: &dyn Bytes) -> Result<String, String> {
    if file.size == 0 {
        return Err("it is empty".to_owned());
    }
    let mut walk = Walk {
        file,
        bytes,
        at: 0,
        steps: 0,
    };
    let (mut parts, mut boots) = (Vec::new(), false);
    while let Some(head) = walk.next_part()? {
        let packed = PACKED.iter().find(|(magic, _)| head.starts_with(magic));
        match packed {
            _ if CPIO.iter().any(|magic| head.starts_with(magic)) => {
                parts.push("cpio");
                boots |= walk.cpio()?;
            }
            Some((ZSTD, name)) => {
                parts.push(name);
                boots = true;
                walk.zstd()?;
            }
            Some((_, name)) => {
                parts.push(name);
                boots = true;
                break;
            }
            None if parts.is_empty() => {
                return Err("it is neither a cpio archive nor a compressed one".to_owned());
            }
            None => {
                return Err(format!(
                    "what follows its {} is neither a cpio archive nor a compressed one",
                    parts.join(", ")
                ));
            }
        }
    }
    match boots {
        true => Ok(parts.join(", ")),
        false => Err("it has no /init: it is only what lies before a system's".to_owned()),
    }
}

/// A place in the file.
struct Walk<'a> {
    file: &'a File,
    bytes: &'a dyn Bytes,
    at: u64,
    steps: u64,
}

impl Walk<'_> {
    /// The first bytes of the next part, behind zeros; none at the end.
    fn next_part(&mut self) -> Result<Option<Vec<u8>>, String> {
        while self.at < self.file.size {
            let piece = self.file.part(self.bytes, self.at, CHUNK)?;
            if let Some(zeros) = piece.iter().position(|b| *b != 0) {
                self.at += zeros as u64;
                return Ok(Some(self.file.part(self.bytes, self.at, 16)?));
            }
            self.at += (piece.len() as u64).max(1);
        }
        Ok(None)
    }

    /// `count` bytes, which have to be there, and the place after them.
    fn take(&mut self, count: u64) -> Result<Vec<u8>, String> {
        let part = self.file.part(self.bytes, self.at, count)?;
        if (part.len() as u64) < count {
            return Err("it is cut short".to_owned());
        }
        self.at += count;
        self.steps += 1;
        match self.steps > MAX_STEPS {
            true => Err(format!("it has more than {MAX_STEPS} parts")),
            false => Ok(part),
        }
    }

    /// The place `count` bytes further on, which has to be in the file or its end.
    fn pass(&mut self, count: u64) -> Result<(), String> {
        match self
            .at
            .checked_add(count)
            .filter(|at| *at <= self.file.size)
        {
            Some(at) => self.at = at,
            None => return Err("it is cut short".to_owned()),
        }
        Ok(())
    }

    /// An archive to its end (buffer-format.rst); whether it has what the kernel starts.
    fn cpio(&mut self) -> Result<bool, String> {
        let mut boots = false;
        loop {
            let header = self.take(HEADER)?;
            if !CPIO.iter().any(|magic| header.starts_with(magic)) {
                return Err("its cpio archive is damaged".to_owned());
            }
            let (size, name) = (number(&header, 54)?, number(&header, 94)?);
            if !(1..=MAX_NAME).contains(&name) {
                return Err(format!("its cpio archive has a name of {name} bytes"));
            }
            let text = self.take(name)?;
            let text = text.strip_suffix(b"\0");
            let text = text.ok_or("its cpio archive has a name without an end")?;
            if text == TRAILER {
                return Ok(boots);
            }
            boots |= text.strip_prefix(b"./").unwrap_or(text) == INIT;
            // name and content are filled up to four bytes each
            self.pass(fill(HEADER + name))?;
            self.pass(size)?;
            self.pass(fill(size))?;
        }
    }

    /// A frame of zstd to its end, block by block (RFC 8878, section 3.1.1).
    fn zstd(&mut self) -> Result<(), String> {
        self.pass(ZSTD.len() as u64)?;
        let flags = self.take(1)?[0];
        if flags & 0x08 != 0 {
            return Err("its zstd frame is damaged".to_owned());
        }
        let single = flags & 0x20 != 0;
        let dictionary = [0, 1, 2, 4][usize::from(flags & 3)];
        let content = [u64::from(single), 2, 4, 8][usize::from(flags >> 6)];
        self.pass(u64::from(!single) + dictionary + content)?;
        loop {
            let header = self.take(3)?;
            let header = u32::from_le_bytes([header[0], header[1], header[2], 0]);
            let size = u64::from(header >> 3);
            self.pass(match header >> 1 & 3 {
                0 | 2 => size,
                // one byte, so many times
                1 => 1,
                _ => return Err("a block of its zstd frame is damaged".to_owned()),
            })?;
            if header & 1 != 0 {
                break;
            }
        }
        let checksum = if flags & 0x04 != 0 { 4 } else { 0 };
        self.pass(checksum)
    }
}

/// How many bytes are missing to a multiple of four.
fn fill(length: u64) -> u64 {
    length.next_multiple_of(4) - length
}

/// A field of a header: eight hexadecimal digits.
fn number(header: &[u8], at: usize) -> Result<u64, String> {
    let text = header
        .get(at..at + 8)
        .filter(|t| t.iter().all(u8::is_ascii_hexdigit));
    let number = text
        .and_then(|t| std::str::from_utf8(t).ok())
        .and_then(|t| u64::from_str_radix(t, 16).ok());
    number.ok_or_else(|| "its cpio archive has a number that is none".to_owned())
}

#[cfg(test)]
pub(super) mod tests;
