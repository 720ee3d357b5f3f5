//! The build side: base, packages, repo, profile, image, in that order.

pub mod base;
pub mod build;
pub mod cache;
pub mod cli;
pub mod config;
pub mod copy;
pub mod dkim;
pub mod doctor;
pub mod embed;
pub mod image;
pub mod makepkg;
pub mod manifest;
pub mod package;
pub mod packages;
pub mod pacman;
pub mod pins;
pub mod profile;
pub mod programs;
pub mod progress;
pub mod project;
pub mod qemu;
pub mod repo;
pub mod rootfs;
pub mod secrets;
pub mod sources;
pub mod srcinfo;
