//! What can be wrong with an encrypted stream.

use std::io;

use super::MAX_CHUNK;

/// Why a stream was refused. Chunks count from 0; offsets are bytes from the stream's beginning,
/// of the chunk's length field unless said otherwise.
///
/// [`super::Decryptor`] returns it inside an [`io::Error`] of kind `InvalidData`;
/// [`StreamError::of`] finds it there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// The first chunk is not authentic, which is what a wrong passphrase looks like.
    #[error(
        "Unable to decrypt chunk 0: wrong passphrase? (or the stream was altered in its first \
         chunk, or is no encpipe stream)"
    )]
    WrongKey,

    /// A later chunk is not authentic; the passphrase is right, since chunks before it were.
    #[error(
        "Unable to decrypt chunk {chunk} at byte {offset}: the stream was altered there, or has \
         chunks missing or out of order; use another copy"
    )]
    Altered {
        /// Number of the chunk.
        chunk: u64,
        /// Where it begins.
        offset: u64,
    },

    /// A length field says more than any encoder writes.
    #[error(
        "Chunk {chunk} at byte {offset} says it is {length} bytes long, where at most \
         {MAX_CHUNK} are possible: {}",
        if *chunk == 0 { "no encpipe stream, or altered" } else { "the stream was altered there" }
    )]
    ChunkTooLarge {
        /// Number of the chunk.
        chunk: u64,
        /// Where it begins.
        offset: u64,
        /// What its length field says.
        length: u32,
    },

    /// The stream ends before its end chunk.
    #[error(
        "Premature end of file: the stream ends at byte {end}, in chunk {chunk}, before its end \
         chunk; it was cut short, or the length of that chunk altered"
    )]
    Premature {
        /// Number of the chunk that is not there whole.
        chunk: u64,
        /// How many bytes the stream has.
        end: u64,
    },

    /// Something follows the end chunk.
    #[error("Data after the end chunk, from byte {offset} on: something was added to the stream")]
    Trailing {
        /// Where the surplus begins.
        offset: u64,
    },
}

impl StreamError {
    /// The stream error that `error` carries, if it is one and no failure of the device.
    pub fn of(error: &io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref().copied()
    }
}

impl From<StreamError> for io::Error {
    fn from(error: StreamError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}
