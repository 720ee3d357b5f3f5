//! The build side: base, packages, repo, profile, image, in that order.

pub mod qemu;
