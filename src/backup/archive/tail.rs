//! The last section of an archive that has all in it: what is no message, and the manifest.
//!
//! It is a zstd frame of its own, at the beginning of a chunk of the encryption. The last chunk says
//! which one that is, in a frame that zstd skips (RFC 8878 section 3.1.2). So the manifest can be
//! read without the gigabytes before it, and for standard tools nothing is different.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::FileExt,
};

use anyhow::{Context, Result};

use crate::encpipe::{Decryptor, Key, MAX_CHUNK, OVERHEAD};

/// Begins a frame that is skipped, and says how long it is: the name and a number.
const FRAME: [u8; 8] = [0x5e, 0x2a, 0x4d, 0x18, 16, 0, 0, 0];
/// What is in it first.
const NAME: &[u8; 8] = b"ezmailta";

/// The last bytes of an archive whose last section begins with the chunk `number`.
pub fn locator(number: u64) -> Vec<u8> {
    [&FRAME[..], NAME, &number.to_le_bytes()].concat()
}

fn parse(bytes: &[u8]) -> Option<u64> {
    let number = bytes.strip_prefix(&FRAME)?.strip_prefix(NAME)?;
    Some(u64::from_le_bytes(number.try_into().ok()?))
}

/// Finds the last section of the archive in `file`, as a stream that ends as the archive does.
///
/// `None` if the archive does not say where it is: an older one, a part, or one that is not whole and
/// authentic at its end, which is for those to say who read all of it.
///
/// # Errors
/// When the file cannot be read.
pub fn find(file: File, key: &Key) -> Result<Option<Decryptor<File>>> {
    const READING: &str = "looking for the last section of the archive";
    let Some((last, offset)) = walk(&file, None).context(READING)? else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    let stream = within(&file, key, last, offset).context(READING)?;
    // what cannot be decrypted is none
    if stream.take(64).read_to_end(&mut bytes).is_err() {
        return Ok(None);
    }
    let Some(number) = parse(&bytes).filter(|number| *number < last) else {
        return Ok(None);
    };
    match walk(&file, Some(number)).context(READING)? {
        Some((number, offset)) => Ok(Some(within(&file, key, number, offset).context(READING)?)),
        None => Ok(None),
    }
}

fn within(file: &File, key: &Key, number: u64, offset: u64) -> io::Result<Decryptor<File>> {
    let mut file = file.try_clone()?;
    file.seek(SeekFrom::Start(offset))?;
    Ok(Decryptor::within(file, key, number, offset))
}

/// The number and the offset of the last chunk before the end chunk, or of the chunk `wanted`.
fn walk(file: &File, wanted: Option<u64>) -> io::Result<Option<(u64, u64)>> {
    let (mut number, mut offset, mut before) = (0, 0, None);
    loop {
        if wanted == Some(number) {
            return Ok(Some((number, offset)));
        }
        let mut field = [0; 4];
        match file.read_exact_at(&mut field, offset) {
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            result => result?,
        }
        let length = u32::from_le_bytes(field) as usize;
        match length {
            0 => return Ok(before),
            1..=MAX_CHUNK => {}
            _ => return Ok(None),
        }
        before = Some((number, offset));
        number += 1;
        offset += (OVERHEAD + length) as u64;
    }
}
