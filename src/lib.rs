//! ezmail: from one answers file to a running personal mail server.
//!
//! The map of the house; data flows down each column, never back:
//!
//! | on the build host ([`host`]) | in the image |
//! |---|---|
//! | base: where distribution packages come from | discover the answers |
//! | packages: our PKGBUILDs, built in a clean root | validate them |
//! | repo: the pacman repository `ezmail` | render every configuration |
//! | profile: the archiso profile | apply what changed |
//! | image: the bootable ISO | |
//!
//! [`util`] holds the three things both sides share: running commands, writing files so that
//! none is ever half written, and the namespace sandbox. [`encpipe`] is the stream encryption of
//! backups, the same code for the program of that name and for `mailctl backup`.

pub mod encpipe;
pub mod host;
pub mod util;
