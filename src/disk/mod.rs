//! A disk with the server on it: the image itself, its answers, and room for its state.
//!
//! | module | its one job |
//! |---|---|
//! | [`layout`] | where the partitions lie |
//! | [`gpt`] | the partition table as bytes, and back |
//! | [`image`] | what of an image has to be on the disk |
//! | [`boot`] | what the boot loaders on the disk read |
//! | [`esp`] | the file system that firmware boots from |
//! | [`ext4`] | the name of a file system that may be damaged |
//! | [`mark`] | notes outside of all file systems: what was broken off is known by them |
//! | [`raw`] | bytes of a disk by their place |
//! | [`install`] | all of that in an order that a cut of power cannot harm |
//! | [`grow`] | the partition of the state over a disk that has become larger |
//!
//! The agent installs to the disk of a server, `ezmail disk` to a file: both are a path to write to.
//! Tools are given the disk with an offset, so that no partition has to be known to the kernel before
//! all is right.

pub mod boot;
pub mod esp;
pub mod ext4;
pub mod gpt;
pub mod grow;
pub mod image;
pub mod install;
pub mod layout;
pub mod mark;
pub mod raw;

/// The name of the partition that firmware boots from.
pub const BOOT: &str = "ezmail-boot";
/// The name of the partition of the answers: a container ([`crate::answers::container`]) and nothing
/// else, which only root can read.
pub const ANSWERS: &str = "ezmail-answers";
/// The name of the partition of the state volume.
pub const STATE: &str = "ezmail-state";
