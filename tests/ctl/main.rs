//! `mailctl` on a server that an apply made in a folder: what its commands print, change and refuse.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "../agent/world.rs"]
#[allow(dead_code, reason = "shared with the agent's tests")]
mod world;

mod accounts;
mod alias;
mod answers;
mod app_password;
mod backup;
mod backup_settings;
mod ban;
mod cert;
mod check;
mod daily;
mod dkim;
mod dns;
mod domain;
mod import;
mod operations;
mod restore;
mod restore_refused;
mod server;
mod status;
mod user;
