//! Backup and restore of everything on the state volume, mail included.
//!
//! An *archive* is one file, `tar | zstd | encpipe`, that opens with those three programs. A
//! *backup* is what an archive's manifest lists: every file of the state with size, owner, mode and
//! SHA-256. What an earlier archive in the same [`store`] holds already is not written again: the
//! manifest says where it lies. So mail, which never changes once it is delivered, goes out once.
//!
//! ```text
//! files ──> walk ──> archive (tar, zstd, encpipe) ──> store (a folder, SFTP, S3)
//!                    manifest: the last entry, and a file of its own beside the archive
//! ```
//!
//! | module | its one job |
//! |---|---|
//! | [`module`] | the parts of the state that can be chosen |
//! | [`name`] | names of archives |
//! | [`passphrase`] | what archives are encrypted with: where it lies, how it is told apart |
//! | [`settings`] | all that a backup is made by |
//! | [`sheet`] | the passphrase on paper |
//! | [`schedule`] | when a backup is due |
//! | [`store`] | where archives lie |
//! | [`report`] | what the last backup and the last drill gave |

pub mod module;
pub mod name;
pub mod passphrase;
pub mod report;
pub mod schedule;
pub mod settings;
pub mod sheet;
pub mod store;
