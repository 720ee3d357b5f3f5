//! One archive: `tar | zstd | encpipe`, written and read in constant memory.
//!
//! Its first entry is the [`Mark`](super::manifest::Mark), its last the manifest or, in an earlier
//! part of a run, nothing; between them is the content of files. Compression and encryption run in
//! threads of their own.

mod pipe;
mod read;
mod tail;
mod write;

pub use read::{Entry, Reader, small as read_small, stream_error};
pub use write::{Finished, Meta, Writer, small as write_small};

#[cfg(test)]
mod tests;
