//! `mailctl`: what the administrator types on the appliance.

pub mod ask;
pub mod check;
pub mod cli;
pub mod daily;
pub mod dns;
pub mod output;
pub mod server;
pub mod status;
