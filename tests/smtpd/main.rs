//! The image's own smtpd, driven over the network: what our patches promise, of stock smtpd none.

// clippy.toml allows it in tests, but takes only functions marked #[test] for such
#![allow(clippy::unwrap_used)]

mod client;
mod durable;
mod header;
#[path = "../image_root/mod.rs"]
mod image_root;
mod memory;
mod server;
mod strict;
