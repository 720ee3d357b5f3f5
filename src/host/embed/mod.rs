//! `ezmail embed` and `ezmail checksum`: answers into an image, and the image without them.
//!
//! | module | its one job |
//! |---|---|
//! | [`args`] | the command lines, and what they print |
//! | [`image`] | an image as a file: its reserved place, read and written |
//! | [`put`] | the answers into it, in place or in a copy; and out of it |
//! | [`show`] | what is in it, without secrets |
//! | [`checksum`] | the checksum of its canonical form, that place zeroed |

pub mod args;
pub mod checksum;
pub mod image;
pub mod put;
pub mod show;

pub use args::{ChecksumArgs, EmbedArgs};
