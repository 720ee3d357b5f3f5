//! A pipe between two threads: what is written at one end is read at the other, in pieces of
//! bounded size and number.

use std::{
    io::{self, BufRead, Read, Write},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
};

/// How long a piece is at most, in bytes: what is encrypted at once.
const PIECE: usize = 1 << 20;
/// How many pieces wait at most.
const WAITING: usize = 4;

/// The end that is written to.
pub struct Sender {
    channel: SyncSender<io::Result<Vec<u8>>>,
    /// Pieces that were read, to be filled again.
    spare: Receiver<Vec<u8>>,
    piece: Vec<u8>,
    /// How many chunks of an encrypted stream the pieces make that were sent.
    chunks: u64,
}

/// The end that is read from. The end of the file is there only when [`Sender::finish`] was called.
pub struct PieceReader {
    channel: Receiver<io::Result<Vec<u8>>>,
    spare: SyncSender<Vec<u8>>,
    piece: Vec<u8>,
    read: usize,
    ended: bool,
}

/// Both ends of a new pipe.
pub fn pipe() -> (Sender, PieceReader) {
    let (channel, other) = sync_channel(WAITING);
    let (back, spare) = sync_channel(WAITING);
    let sender = Sender {
        channel,
        spare,
        piece: Vec::with_capacity(PIECE),
        chunks: 0,
    };
    let reader = PieceReader {
        channel: other,
        spare: back,
        piece: Vec::new(),
        read: 0,
        ended: false,
    };
    (sender, reader)
}

impl Sender {
    /// Says that this was all.
    ///
    /// # Errors
    /// When nobody reads any more.
    pub fn finish(mut self) -> io::Result<()> {
        self.send()?;
        // a piece without a byte is the end
        self.channel.send(Ok(Vec::new())).map_err(|_| gone())
    }

    /// Ends the piece; how many chunks an encrypted stream has by then, if each piece is encrypted
    /// by itself.
    ///
    /// # Errors
    /// When nobody reads any more.
    pub fn boundary(&mut self) -> io::Result<u64> {
        self.send()?;
        Ok(self.chunks)
    }

    /// Has the other end fail with `error`.
    pub fn fail(self, error: io::Error) {
        // where nobody reads any more, nobody wants to know
        let _ = self.channel.send(Err(error));
    }

    fn send(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let empty = self.spare.try_recv();
        let empty = empty.unwrap_or_else(|_| Vec::with_capacity(PIECE));
        let piece = std::mem::replace(&mut self.piece, empty);
        self.chunks += crate::encpipe::chunks(piece.len());
        self.channel.send(Ok(piece)).map_err(|_| gone())
    }
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the other thread has ended")
}

impl Write for Sender {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let n = data.len().min(PIECE - self.piece.len());
        self.piece.extend_from_slice(&data[..n]);
        if self.piece.len() == PIECE {
            self.send()?;
        }
        Ok(n)
    }

    /// Nothing: pieces are full but for the last.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for PieceReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let data = self.fill_buf()?;
        let n = out.len().min(data.len());
        out[..n].copy_from_slice(&data[..n]);
        self.consume(n);
        Ok(n)
    }
}

/// What is in its buffer is the rest of a piece.
impl BufRead for PieceReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.read == self.piece.len() && !self.ended {
            let piece = self.channel.recv().map_err(|_| {
                let text = "the thread that writes has ended before its time";
                io::Error::new(io::ErrorKind::UnexpectedEof, text)
            })??;
            self.ended = piece.is_empty();
            let mut read = std::mem::replace(&mut self.piece, piece);
            self.read = 0;
            read.clear();
            // where there are enough, or none is wanted any more, it is let go
            let _ = self.spare.try_send(read);
        }
        Ok(&self.piece[self.read..])
    }

    fn consume(&mut self, n: usize) {
        self.read += n;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out() {
        let data: Vec<u8> = (0..3 * PIECE + 5).map(|i| (i % 251) as u8).collect();
        let (mut sender, mut reader) = pipe();
        let expected = data.clone();
        let writing = std::thread::spawn(move || {
            sender.write_all(&data)?;
            sender.finish()
        });
        let mut read = Vec::new();
        reader.read_to_end(&mut read).unwrap();
        assert!(read == expected);
        writing.join().unwrap().unwrap();
    }

    #[test]
    fn an_end_that_was_not_said_is_none() {
        let (mut sender, mut reader) = pipe();
        sender.write_all(b"abc").unwrap();
        drop(sender);
        let error = reader.read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        let (sender, mut reader) = pipe();
        sender.fail(io::ErrorKind::StorageFull.into());
        let error = reader.read(&mut [0]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        let (mut sender, reader) = pipe();
        drop(reader);
        sender.write_all(b"abc").unwrap();
        assert!(sender.finish().is_err());
    }
}
