//! `mailctl`: what the administrator types on the appliance.

pub mod ask;
pub mod cli;
pub mod daily;
pub mod dkim;
pub mod dns;
pub mod output;
pub mod server;
pub mod status;
