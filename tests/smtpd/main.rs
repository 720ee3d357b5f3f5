//! The image's own smtpd, driven over the network: what our patches promise, of stock smtpd none.
//!
//! The root is the folder `EZMAIL_ROOT`: the unpacked root file system of the image.

// clippy.toml allows it in tests, but takes only functions marked #[test] for such
#![allow(clippy::unwrap_used)]

mod client;
mod durable;
mod server;
mod strict;
