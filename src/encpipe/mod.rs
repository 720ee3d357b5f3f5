//! encpipe's stream format: encryption of backups, chunk by chunk, in constant memory.
//!
//! Wire-compatible with the C program encpipe by Frank Denis; keys come from the same libhydrogen,
//! chunks from a [`secretbox`] of our own that does sixteen at once. A stream is a run of chunks and
//! one end chunk:
//!
//! ```text
//! chunk:     length of the plaintext, 32 bits little endian, 1 to 1048536
//!            secretbox header, 36 bytes (initialisation vector, authenticator)
//!            ciphertext, as long as the plaintext
//! end chunk: length 0, secretbox header: 40 bytes
//! ```
//!
//! The message id of a chunk is its number from 0 and the context is `EncPipe`, so chunks can be
//! neither altered nor moved, dropped, doubled or taken from the end of another stream. Vectors
//! have random numbers in them: the same plaintext never gives the same stream twice.
//!
//! What the format does not give: the key comes from the passphrase alone, without a salt (see
//! [`Key::derive`]). Two backups under one passphrase share a key, and one table of guesses
//! serves against every encpipe user; hence a generated passphrase ([`Passphrase::generate`]).
//!
//! [`Encryptor`] is a `Write`, [`Decryptor`] a `Read`; [`encrypt`] and [`decrypt`] copy a whole
//! stream; [`cli`] is the program.

pub mod cli;
mod copy;
mod decrypt;
mod deriving;
mod encrypt;
mod ends;
mod error;
mod hydro;
mod key;
mod secretbox;

pub use copy::{decrypt, encrypt};
pub use decrypt::Decryptor;
pub use deriving::Deriving;
pub use encrypt::{Encryptor, chunks};
pub use error::StreamError;
pub use key::{Key, PASSFILE_LIMIT, Passphrase};

/// The most plaintext bytes that one chunk may hold: upstream's buffer of 1 MiB less what stands
/// before the ciphertext. Ours hold a sixteenth of that.
pub const MAX_CHUNK: usize = (1 << 20) - OVERHEAD;

/// What a chunk takes beyond its plaintext: the length and the secretbox header, in bytes.
pub const OVERHEAD: usize = LENGTH + hydro::HEADER;

/// The length field of a chunk, in bytes.
const LENGTH: usize = 4;
