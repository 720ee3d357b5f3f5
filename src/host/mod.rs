//! The build side: base, packages, repo, profile, image, in that order.

pub mod base;
pub mod package;
pub mod pacman;
pub mod repo;
