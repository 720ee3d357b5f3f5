//! `mailctl`: what the administrator types on the appliance.

mod accounts;
pub mod alias;
pub mod answering;
pub mod answers;
pub mod app_password;
pub mod ask;
pub mod backup;
mod ban;
pub mod check;
pub mod cli;
pub mod daily;
pub mod dkim;
pub mod dns;
pub mod domain;
pub mod import;
pub mod log;
pub mod logins;
pub mod output;
pub mod queue;
pub mod restore;
pub mod roundtrip;
pub mod server;
pub mod service;
pub mod spam;
pub mod status;
pub mod user;
pub mod words;
