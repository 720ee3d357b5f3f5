//! The results of `ci/iso`: repository, packages, ISO and root file system are what they should
//! be, read by other programs than those that wrote them.

#![allow(clippy::unwrap_used)]

mod built;
mod disk;
mod packages;
mod profile;
mod root;
mod sbom;
mod verify;
mod volume;
