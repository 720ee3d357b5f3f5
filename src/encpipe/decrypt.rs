//! The reading side: chunks in, authenticated plaintext out.

use std::io::{self, Read};

use super::{Key, LENGTH, MAX_CHUNK, OVERHEAD, StreamError, copy::read_up_to, hydro};

/// A `Read` that decrypts a stream; it yields no byte that was not authenticated first.
///
/// Memory: one chunk, 1 MiB. Only the end of file (`Ok(0)`) says that the stream is whole: what
/// was read before an error is authentic, but a part. Once it has failed, every further read
/// fails. `inner` is read to its very end, since data after the end chunk is refused.
pub struct Decryptor<R: Read> {
    inner: R,
    key: Key,
    buffer: Vec<u8>,
    /// The part of `buffer` that is plaintext not yet handed out.
    ready: std::ops::Range<usize>,
    number: u64,
    /// Bytes read from `inner`.
    offset: u64,
    state: State,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Reading,
    Ended,
    Refused(StreamError),
    /// `inner` failed: how much of a chunk it swallowed is unknown.
    Broken(io::ErrorKind),
}

impl<R: Read> Decryptor<R> {
    /// Decrypts from `inner`, which needs no buffering of its own. Nothing is read yet.
    pub fn new(inner: R, key: &Key) -> Self {
        Self {
            inner,
            key: key.clone(),
            buffer: vec![0; MAX_CHUNK + hydro::HEADER],
            ready: 0..0,
            number: 0,
            offset: 0,
            state: State::Reading,
        }
    }

    /// Reads and opens the next chunk; sets `ready`, or that the stream has ended.
    fn next_chunk(&mut self) -> io::Result<()> {
        let (chunk, offset) = (self.number, self.offset);
        let mut field = [0; LENGTH];
        let n = read_up_to(&mut self.inner, &mut field)?;
        self.received(n, LENGTH)?;
        let length = u32::from_le_bytes(field);
        let size = length as usize;
        if size > MAX_CHUNK {
            let error = StreamError::ChunkTooLarge {
                chunk,
                offset,
                length,
            };
            return Err(error.into());
        }
        let wanted = size + hydro::HEADER;
        let n = read_up_to(&mut self.inner, &mut self.buffer[..wanted])?;
        self.received(n, wanted)?;
        let frame = &mut self.buffer[..wanted];
        if !hydro::open(frame, chunk, self.key.bytes()) {
            let error = match chunk {
                0 => StreamError::WrongKey,
                _ => StreamError::Altered { chunk, offset },
            };
            return Err(error.into());
        }
        self.number += 1;
        self.ready = 0..size;
        if size == 0 {
            if read_up_to(&mut self.inner, &mut [0])? != 0 {
                let offset = offset + OVERHEAD as u64;
                return Err(StreamError::Trailing { offset }.into());
            }
            self.state = State::Ended;
        }
        Ok(())
    }

    /// Counts `n` bytes of the `wanted` ones, fewer of which mean that the stream was cut.
    fn received(&mut self, n: usize, wanted: usize) -> io::Result<()> {
        self.offset += n as u64;
        if n < wanted {
            let (chunk, end) = (self.number, self.offset);
            return Err(StreamError::Premature { chunk, end }.into());
        }
        Ok(())
    }
}

impl<R: Read> Read for Decryptor<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        if self.ready.is_empty() {
            match self.state {
                State::Reading => {}
                State::Ended => return Ok(0),
                State::Refused(error) => return Err(error.into()),
                State::Broken(kind) => {
                    return Err(io::Error::new(kind, "an earlier read failed"));
                }
            }
            if let Err(error) = self.next_chunk() {
                self.state = match StreamError::of(&error) {
                    Some(error) => State::Refused(error),
                    None => State::Broken(error.kind()),
                };
                return Err(error);
            }
        }
        let n = out.len().min(self.ready.len());
        out[..n].copy_from_slice(&self.buffer[self.ready.start..self.ready.start + n]);
        self.ready.start += n;
        Ok(n)
    }
}

impl<R: Read> std::fmt::Debug for Decryptor<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decryptor")
            .field("chunk", &self.number)
            .field("offset", &self.offset)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
