//! The builder as a person runs it: killed, twice at once, short of something, with its output looked
//! at. It takes what `ci/iso` built, from the cache, and needs root for its small disks.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod desk;
mod errors;
mod incremental;
mod kills;
mod output;
mod together;
mod update;
