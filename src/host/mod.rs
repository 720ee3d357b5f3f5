//! The build side: base, packages, repo, profile, image, in that order.

pub mod base;
pub mod cache;
pub mod config;
pub mod package;
pub mod pacman;
pub mod pins;
pub mod progress;
pub mod repo;
pub mod srcinfo;
