//! The writing side: plaintext in, chunks out.

use std::io::{self, Write};

use super::{Key, LENGTH, MAX_CHUNK, OVERHEAD, hydro};

/// A `Write` that encrypts what it is given and passes the stream on.
///
/// Memory: one chunk, 1 MiB. Call [`Encryptor::finish`] at the end: a stream that was only
/// dropped has no end chunk, and decryption refuses it. That is on purpose, so that an archive
/// whose writer died is not taken for a whole one.
pub struct Encryptor<W: Write> {
    inner: W,
    key: Key,
    /// A chunk as it goes out; the plaintext gathers behind the length field.
    buffer: Vec<u8>,
    filled: usize,
    number: u64,
    failed: bool,
}

impl<W: Write> Encryptor<W> {
    /// Encrypts to `inner`, which needs no buffering of its own. Nothing is written yet.
    pub fn new(inner: W, key: &Key) -> Self {
        Self {
            inner,
            key: key.clone(),
            buffer: vec![0; MAX_CHUNK + OVERHEAD],
            filled: 0,
            number: 0,
            failed: false,
        }
    }

    /// Writes what is left and the end chunk, flushes, and hands `inner` back.
    ///
    /// # Errors
    /// When `inner` fails, now or in an earlier write.
    pub fn finish(mut self) -> io::Result<W> {
        self.flush_chunk()?;
        self.write_chunk()?;
        self.inner.flush()?;
        Ok(self.inner)
    }

    /// Writes what has gathered, if anything has: an empty chunk would end the stream.
    fn flush_chunk(&mut self) -> io::Result<()> {
        match self.filled {
            0 => self.check(),
            _ => self.write_chunk(),
        }
    }

    fn write_chunk(&mut self) -> io::Result<()> {
        self.check()?;
        // A chunk may be half out when writing fails: nothing can follow it.
        self.failed = true;
        let chunk = &mut self.buffer[..OVERHEAD + self.filled];
        let length = u32::try_from(self.filled).map_err(io::Error::other)?;
        chunk[..LENGTH].copy_from_slice(&length.to_le_bytes());
        hydro::seal(&mut chunk[LENGTH..], self.number, self.key.bytes())
            .map_err(io::Error::other)?;
        self.inner.write_all(chunk)?;
        self.number += 1;
        self.filled = 0;
        self.failed = false;
        Ok(())
    }

    fn check(&self) -> io::Result<()> {
        if self.failed {
            return Err(io::Error::other(
                "an earlier write failed; the stream cannot go on",
            ));
        }
        Ok(())
    }
}

impl<W: Write> Write for Encryptor<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.check()?;
        if self.filled == MAX_CHUNK {
            self.write_chunk()?;
        }
        let n = data.len().min(MAX_CHUNK - self.filled);
        let start = LENGTH + self.filled;
        self.buffer[start..start + n].copy_from_slice(&data[..n]);
        self.filled += n;
        Ok(n)
    }

    /// Ends the chunk early, so that all that was written can be decrypted at the other end.
    fn flush(&mut self) -> io::Result<()> {
        self.flush_chunk()?;
        self.inner.flush()
    }
}

impl<W: Write> std::fmt::Debug for Encryptor<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encryptor")
            .field("chunk", &self.number)
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The length fields of a stream, and what comes after the last chunk that is whole.
    fn lengths(mut stream: &[u8]) -> Vec<u32> {
        let mut found = Vec::new();
        while let Some((length, rest)) = stream.split_first_chunk::<LENGTH>() {
            let length = u32::from_le_bytes(*length);
            found.push(length);
            stream = &rest[hydro::HEADER + length as usize..];
        }
        assert!(stream.is_empty(), "{} bytes over", stream.len());
        found
    }

    fn key() -> Key {
        Key::of_bytes([7; hydro::KEY])
    }

    fn encrypt(size: usize) -> Vec<u8> {
        let mut encryptor = Encryptor::new(Vec::new(), &key());
        encryptor.write_all(&vec![1; size]).unwrap();
        encryptor.finish().unwrap()
    }

    #[test]
    fn chunks_are_full_and_the_end_is_marked_once() {
        let max = u32::try_from(MAX_CHUNK).unwrap();
        assert_eq!(max, 1_048_536);
        assert_eq!(lengths(&encrypt(0)), [0]);
        assert_eq!(lengths(&encrypt(1)), [1, 0]);
        assert_eq!(lengths(&encrypt(MAX_CHUNK - 1)), [max - 1, 0]);
        assert_eq!(lengths(&encrypt(MAX_CHUNK)), [max, 0]);
        assert_eq!(lengths(&encrypt(MAX_CHUNK + 1)), [max, 1, 0]);
        assert_eq!(lengths(&encrypt(2 * MAX_CHUNK)), [max, max, 0]);
    }

    #[test]
    fn flush_ends_a_chunk_but_never_the_stream() {
        let mut encryptor = Encryptor::new(Vec::new(), &key());
        encryptor.flush().unwrap();
        encryptor.write_all(b"abc").unwrap();
        encryptor.flush().unwrap();
        encryptor.flush().unwrap();
        encryptor.write_all(b"de").unwrap();
        assert_eq!(lengths(&encryptor.finish().unwrap()), [3, 2, 0]);
    }

    #[test]
    fn the_same_plaintext_never_gives_the_same_stream() {
        assert_ne!(encrypt(5), encrypt(5));
    }

    #[test]
    fn after_a_failed_write_nothing_more_goes_out() {
        /// Takes one write, then is full until it is emptied again.
        struct Full(u32);
        impl Write for Full {
            fn write(&mut self, data: &[u8]) -> io::Result<usize> {
                self.0 += 1;
                match self.0 {
                    1 => Ok(data.len().min(10)),
                    2 => Err(io::ErrorKind::StorageFull.into()),
                    _ => panic!("written to after it failed"),
                }
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut encryptor = Encryptor::new(Full(0), &key());
        encryptor.write_all(b"abc").unwrap();
        let error = encryptor.flush().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(encryptor.write(b"d").is_err());
        assert!(encryptor.flush().is_err());
        assert!(encryptor.finish().is_err());
    }
}
