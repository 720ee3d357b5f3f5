//! The agent: makes a booted image the mail server that its answers describe.

pub mod context;
pub mod paths;
pub mod render;
