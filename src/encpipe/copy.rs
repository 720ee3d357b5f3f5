//! Whole streams, from a reader to a writer.

use std::io::{self, BufRead, Read, Write};

use super::{Decryptor, Encryptor, Key, StreamError, encrypt::BATCH};
use anyhow::{Context, Error, Result};

/// Encrypts all of `reader` to `writer`; returns how many plaintext bytes that were.
///
/// Like upstream, it passes on what every read yields, so that a slow source is not held back; a
/// buffer that takes 1 MiB at once makes the fewest chunks.
///
/// # Errors
/// When reading or writing fails; the message says which. The stream then has no end chunk.
pub fn encrypt(mut reader: impl BufRead, writer: impl Write, key: &Key) -> Result<u64> {
    const WRITING: &str = "writing the encrypted stream";
    let mut encryptor = Encryptor::new(writer, key);
    let mut total = 0;
    loop {
        let data = match reader.fill_buf() {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            other => other.context("reading the plaintext")?,
        };
        if data.is_empty() {
            break;
        }
        encryptor.pass_on(data).context(WRITING)?;
        let n = data.len();
        reader.consume(n);
        total += n as u64;
    }
    encryptor.finish().context(WRITING)?;
    Ok(total)
}

/// Decrypts all of `reader` to `writer`; returns how many plaintext bytes that were.
///
/// # Errors
/// A [`StreamError`] (to be had by `downcast_ref`) when the stream is not whole and authentic;
/// otherwise when reading or writing fails, and the message says which. What `writer` got until
/// then is authentic but only a part, and must not be used.
pub fn decrypt(reader: impl Read, mut writer: impl Write, key: &Key) -> Result<u64> {
    const WRITING: &str = "writing the plaintext";
    let mut decryptor = Decryptor::new(reader, key);
    let mut buffer = vec![0; BATCH];
    let mut total = 0;
    loop {
        let n = read_some(&mut decryptor, &mut buffer).map_err(|e| match StreamError::of(&e) {
            Some(refused) => Error::from(refused),
            None => Error::from(e).context("reading the encrypted stream"),
        })?;
        if n == 0 {
            break;
        }
        writer.write_all(&buffer[..n]).context(WRITING)?;
        total += n as u64;
    }
    writer.flush().context(WRITING)?;
    Ok(total)
}

/// One read, again if it was interrupted.
fn read_some(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(buffer) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// Reads until `buffer` is full or the input ends; how many bytes that were.
///
/// # Errors
/// Whatever reading returns, but for interruptions, which are retried.
pub(super) fn read_up_to(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match read_some(reader, &mut buffer[filled..])? {
            0 => break,
            n => filled += n,
        }
    }
    Ok(filled)
}
