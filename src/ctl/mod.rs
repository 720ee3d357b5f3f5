//! `mailctl`: what the administrator types on the appliance.

pub mod cli;
pub mod daily;
pub mod status;
