//! The writing side: plaintext in, chunks out.

use std::{
    io::{self, Write},
    mem,
};

use super::{
    Key, LENGTH, OVERHEAD, hydro,
    secretbox::{self, FRAMES},
};

/// The most plaintext bytes that are sealed at once.
pub(super) const BATCH: usize = 1 << 20;
/// How long a chunk is at least, where there is more than one: a batch is divided among the lanes.
const PIECE: usize = 1 << 12;

/// How many chunks [`super::encrypt`] makes of `length` bytes that one read yields, at most 1 MiB.
pub fn chunks(length: usize) -> u64 {
    match length {
        0 => 0,
        _ => (length / PIECE).clamp(1, FRAMES) as u64,
    }
}

/// A `Write` that encrypts what it is given and passes the stream on.
///
/// Memory: what is sealed at once, a little more than 1 MiB, in sixteen chunks. Call
/// [`Encryptor::finish`] at the end: a stream that was only dropped has no end chunk, and
/// decryption refuses it. That is on purpose, so that an archive whose writer died is not taken for
/// a whole one.
pub struct Encryptor<W: Write> {
    inner: W,
    key: Key,
    /// Plaintext that waits.
    plain: Vec<u8>,
    /// Chunks as they go out.
    sealed: Vec<u8>,
    number: u64,
    failed: bool,
}

impl<W: Write> Encryptor<W> {
    /// Encrypts to `inner`, which needs no buffering of its own. Nothing is written yet.
    pub fn new(inner: W, key: &Key) -> Self {
        Self {
            inner,
            key: key.clone(),
            plain: Vec::with_capacity(BATCH),
            sealed: Vec::new(),
            number: 0,
            failed: false,
        }
    }

    /// Writes what is left and the end chunk, flushes, and hands `inner` back.
    ///
    /// # Errors
    /// When `inner` fails, now or in an earlier write.
    pub fn finish(mut self) -> io::Result<W> {
        self.flush_chunks()?;
        self.write_chunks(&[])?;
        self.inner.flush()?;
        Ok(self.inner)
    }

    /// As a write and a flush, without another copy of `data`.
    ///
    /// # Errors
    /// When `inner` fails, now or in an earlier write.
    pub(super) fn pass_on(&mut self, data: &[u8]) -> io::Result<()> {
        self.flush_chunks()?;
        data.chunks(BATCH)
            .try_for_each(|batch| self.write_chunks(batch))?;
        self.inner.flush()
    }

    /// Writes what has gathered, if anything has: an empty chunk would end the stream.
    fn flush_chunks(&mut self) -> io::Result<()> {
        if self.plain.is_empty() {
            return self.check();
        }
        let mut plain = mem::take(&mut self.plain);
        let written = self.write_chunks(&plain);
        plain.clear();
        self.plain = plain;
        written
    }

    fn write_chunks(&mut self, plain: &[u8]) -> io::Result<()> {
        self.check()?;
        // A chunk may be half out when writing fails: nothing can follow it.
        self.failed = true;
        // a batch of nothing is the end chunk
        let count = chunks(plain.len()).max(1);
        let size = plain
            .len()
            .max(1)
            .div_ceil(usize::try_from(count).map_err(io::Error::other)?);
        self.sealed
            .resize(plain.len() + count as usize * OVERHEAD, 0);
        let mut frames = Vec::with_capacity(FRAMES);
        let mut rest = &mut self.sealed[..];
        let mut pieces = plain.chunks(size);
        for _ in 0..count {
            let piece = pieces.next().unwrap_or_default();
            let (chunk, next) = rest.split_at_mut(OVERHEAD + piece.len());
            rest = next;
            let (length, frame) = chunk.split_at_mut(LENGTH);
            let piece_length = u32::try_from(piece.len()).map_err(io::Error::other)?;
            length.copy_from_slice(&piece_length.to_le_bytes());
            frame[hydro::HEADER..].copy_from_slice(piece);
            frames.push(frame);
        }
        secretbox::seal(&mut frames, self.number, self.key.bytes()).map_err(io::Error::other)?;
        self.inner.write_all(&self.sealed)?;
        self.number += count;
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
        if self.plain.len() == BATCH {
            self.flush_chunks()?;
        }
        let n = data.len().min(BATCH - self.plain.len());
        self.plain.extend_from_slice(&data[..n]);
        Ok(n)
    }

    /// Ends the batch early, so that all that was written can be decrypted at the other end.
    fn flush(&mut self) -> io::Result<()> {
        self.flush_chunks()?;
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
    fn a_batch_is_divided_evenly_and_the_end_is_marked_once() {
        assert_eq!(lengths(&encrypt(0)), [0]);
        assert_eq!(lengths(&encrypt(1)), [1, 0]);
        assert_eq!(lengths(&encrypt(2 * PIECE - 1)), [8191, 0]);
        assert_eq!(lengths(&encrypt(2 * PIECE + 1)), [4097, 4096, 0]);
        let all = FRAMES * PIECE;
        assert_eq!(
            lengths(&encrypt(all - 1)),
            [[4369; 15].to_vec(), vec![0]].concat()
        );
        assert_eq!(
            lengths(&encrypt(all)),
            [[4096; 16].to_vec(), vec![0]].concat()
        );
        let batch = [65_536; 16];
        assert_eq!(lengths(&encrypt(BATCH)), [&batch[..], &[0]].concat());
        assert_eq!(lengths(&encrypt(BATCH + 1)), [&batch[..], &[1, 0]].concat());
        let uneven = lengths(&encrypt(all + 1));
        assert_eq!(uneven, [[4097; 15].to_vec(), vec![4082, 0]].concat());
        assert_eq!(
            lengths(&encrypt(2 * BATCH)),
            [&batch[..], &batch, &[0]].concat()
        );
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
