//! Backup and restore of everything on the state volume, mail included.
//!
//! An *archive* is one file, `tar | zstd | encpipe`, that opens with those three programs. A
//! *backup* is what an archive's manifest lists: every file of the state with size, owner, mode and
//! SHA-256. Messages are in archives of their own, *parts*, and what an earlier part in the same
//! [`store`] holds is not written again: the manifest says where it lies. So mail, which never changes
//! once it is delivered, goes out once. A backup into a single file has everything in one archive.
//!
//! ```text
//! files ──> walk ──> archive (tar, zstd, encpipe) ──> store (a folder, SFTP, S3)
//!                    manifest: the last entry, and a file of its own beside the archive
//! ```
//!
//! | module | its one job |
//! |---|---|
//! | [`module`] | the parts of the state that can be chosen |
//! | [`settings`] | all that a backup is made by |
//! | [`passphrase`] | what archives are encrypted with: where it lies, how it is told apart |
//! | [`sheet`] | the passphrase on paper |
//! | [`schedule`] | when a backup is due |
//! | [`scratch`] | backup's own folder: one process at a time |
//! | [`walk`] | what there is on the disk, while the server runs |
//! | [`catalog`] | the items of one backup |
//! | [`index`] | what archives hold already |
//! | [`archive`] | one archive, written and read |
//! | [`manifest`] | what a backup says of itself |
//! | [`name`] | names of archives |
//! | [`store`] | where archives lie |
//! | [`create`] | makes a backup |
//! | [`live`] | the services of the running server meanwhile |
//! | [`open`] | finds a backup and its manifest |
//! | [`extract`] | reads it whole, into a folder or only to see |
//! | [`drill`] | restores a backup to see whether it can be |
//! | [`retention`], [`prune`] | which backups stay; removes the others |
//! | [`report`] | what the last backup and the last drill gave |
//! | [`incoming`] | a new state, made ready before the switch |
//! | [`job`] | the switch, with what stops and starts around it |
//! | [`meter`] | tells how far it is |
//! | [`space`] | whether a new state fits beside the one that is there |
//! | [`switch`] | from one state to another in one step, and back |

pub mod archive;
pub mod catalog;
pub mod create;
pub mod drill;
pub mod extract;
pub mod incoming;
pub mod index;
pub mod job;
pub mod live;
pub mod manifest;
pub mod meter;
pub mod module;
pub mod name;
pub mod open;
pub mod passphrase;
pub mod prune;
pub mod report;
pub mod retention;
pub mod schedule;
pub mod scratch;
pub mod settings;
pub mod sheet;
pub mod space;
pub mod store;
pub mod switch;
pub mod walk;
