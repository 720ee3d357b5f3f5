//! What the agent and mailctl share about mail: addresses, passwords, DKIM keys.
//!
//! Everything here is pure: it takes text and gives values, and never touches the disk.

pub mod address;
pub mod dkim;
pub mod password;
