//! `ezmail disk`: the disk of an installed server, made on the host.

pub mod args;
mod make;
mod unpack;
