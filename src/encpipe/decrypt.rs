//! The reading side: chunks in, authenticated plaintext out.

use std::{
    collections::VecDeque,
    io::{self, Read},
    mem,
    ops::Range,
};

use super::{
    Key, LENGTH, MAX_CHUNK, OVERHEAD, StreamError,
    copy::read_up_to,
    hydro,
    secretbox::{self, FRAMES},
};

/// A chunk shorter than this is opened at once; it takes sixteen longer ones to begin.
///
/// What a slow source flushes is short: the other end must not wait for what comes later.
const SHORT: usize = 1 << 12;

/// A `Read` that decrypts a stream; it yields no byte that was not authenticated first.
///
/// Memory: what is opened at once, which is sixteen chunks: of a stream of [`super::Encryptor`]
/// a little more than 1 MiB, of one with the longest chunks 16 MiB. Only the end of file (`Ok(0)`) says
/// that the stream is whole: what was read before an error is authentic, but a part. Once it has
/// failed, every further read fails. `inner` is read to its very end, since data after the end chunk
/// is refused.
pub struct Decryptor<R: Read> {
    inner: R,
    key: Key,
    /// Frames as they came in, one behind the other; opened in place.
    buffer: Vec<u8>,
    /// The parts of `buffer` that are plaintext not yet handed out.
    ready: VecDeque<Range<usize>>,
    number: u64,
    /// Bytes read from `inner`.
    offset: u64,
    state: State,
}

/// What comes when all that is ready has been handed out.
#[derive(Debug)]
enum State {
    Reading,
    Ended,
    Refused(StreamError),
    /// `inner` failed, and nobody was told yet.
    Failed(io::Error),
    /// `inner` failed: how much of a chunk it swallowed is unknown.
    Broken(io::ErrorKind),
}

impl State {
    fn failed(error: io::Error) -> Self {
        match StreamError::of(&error) {
            Some(error) => Self::Refused(error),
            None => Self::Failed(error),
        }
    }
}

/// A chunk that was read.
struct Chunk {
    /// Where its frame is in the buffer.
    frame: Range<usize>,
    /// Where it began in the stream.
    offset: u64,
}

impl<R: Read> Decryptor<R> {
    /// Decrypts from `inner`, which needs no buffering of its own. Nothing is read yet.
    pub fn new(inner: R, key: &Key) -> Self {
        Self::within(inner, key, 0, 0)
    }

    /// Decrypts the rest of a stream: `inner` begins with the chunk `number`, which begins at the
    /// byte `offset` of the stream.
    pub fn within(inner: R, key: &Key, number: u64, offset: u64) -> Self {
        Self {
            inner,
            key: key.clone(),
            buffer: Vec::new(),
            ready: VecDeque::with_capacity(FRAMES),
            number,
            offset,
            state: State::Reading,
        }
    }

    /// Reads and opens the next chunks, as many as come before the end, an error or the limit.
    ///
    /// Fills `ready`; what comes behind that, if not more chunks, is said by `state`.
    fn next_chunks(&mut self) {
        self.buffer.clear();
        let mut chunks = Vec::with_capacity(FRAMES);
        let mut after = State::Reading;
        while chunks.len() < FRAMES {
            let offset = self.offset;
            let number = self.number + chunks.len() as u64;
            match self.read_chunk(number) {
                Ok(frame) => {
                    let size = frame.len() - hydro::HEADER;
                    chunks.push(Chunk { frame, offset });
                    if size < SHORT {
                        break;
                    }
                }
                Err(error) => {
                    after = State::failed(error);
                    break;
                }
            }
        }
        let mut rest = &mut self.buffer[..];
        let mut frames = Vec::with_capacity(chunks.len());
        for chunk in &chunks {
            let (frame, next) = rest.split_at_mut(chunk.frame.len());
            rest = next;
            frames.push(frame);
        }
        let authentic = secretbox::open(&mut frames, self.number, self.key.bytes());
        self.number += authentic as u64;
        if let Some(Chunk { offset, .. }) = chunks.get(authentic) {
            let (chunk, offset) = (self.number, *offset);
            after = State::Refused(match chunk {
                0 => StreamError::WrongKey,
                _ => StreamError::Altered { chunk, offset },
            });
        }
        for Chunk { frame, offset } in chunks.into_iter().take(authentic) {
            let plain = frame.start + hydro::HEADER..frame.end;
            match plain.is_empty() {
                false => self.ready.push_back(plain),
                true => after = self.end(offset),
            }
        }
        self.state = after;
    }

    /// What the end chunk at `offset` means: that nothing may follow.
    fn end(&mut self, offset: u64) -> State {
        let offset = offset + OVERHEAD as u64;
        match read_up_to(&mut self.inner, &mut [0]) {
            Ok(0) => State::Ended,
            Ok(_) => State::Refused(StreamError::Trailing { offset }),
            Err(error) => State::failed(error),
        }
    }

    /// Reads a chunk to the end of the buffer; returns where its frame stands there.
    fn read_chunk(&mut self, chunk: u64) -> io::Result<Range<usize>> {
        let offset = self.offset;
        let mut field = [0; LENGTH];
        let n = read_up_to(&mut self.inner, &mut field)?;
        self.received(n, LENGTH, chunk)?;
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
        let start = self.buffer.len();
        let frame = start..start + hydro::HEADER + size;
        self.buffer.resize(frame.end, 0);
        let n = read_up_to(&mut self.inner, &mut self.buffer[frame.clone()])?;
        self.received(n, frame.len(), chunk)?;
        Ok(frame)
    }

    /// Counts `n` bytes of the `wanted` ones, fewer of which mean that the stream was cut.
    fn received(&mut self, n: usize, wanted: usize, chunk: u64) -> io::Result<()> {
        self.offset += n as u64;
        if n < wanted {
            let end = self.offset;
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
        loop {
            if let Some(plain) = self.ready.front_mut() {
                let n = out.len().min(plain.len());
                out[..n].copy_from_slice(&self.buffer[plain.start..plain.start + n]);
                plain.start += n;
                if plain.start == plain.end {
                    self.ready.pop_front();
                }
                return Ok(n);
            }
            match &self.state {
                State::Reading => self.next_chunks(),
                State::Ended => return Ok(0),
                State::Refused(error) => return Err((*error).into()),
                State::Broken(kind) => {
                    return Err(io::Error::new(*kind, "an earlier read failed"));
                }
                State::Failed(error) => {
                    let told = State::Broken(error.kind());
                    if let State::Failed(error) = mem::replace(&mut self.state, told) {
                        return Err(error);
                    }
                }
            }
        }
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
