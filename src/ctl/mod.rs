//! `mailctl`: what the administrator types on the appliance.

pub mod ask;
pub mod cli;
pub mod daily;
pub mod dns;
pub mod log;
pub mod output;
pub mod queue;
pub mod roundtrip;
pub mod server;
pub mod service;
pub mod spam;
pub mod status;
pub mod words;
