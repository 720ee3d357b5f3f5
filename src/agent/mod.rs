//! The agent: makes a booted image the mail server that its answers describe.
//!
//! [`install`] installs to disk, [`state`] puts the state volume in place, [`discover`] finds the answers and [`wanted`] decides
//! which apply, [`steps`] plan what they ask for without writing anything, [`change`] compares and
//! writes, [`services`] checks and starts the daemons, [`status`] remembers
//! what was done; [`apply`] is the way through all of them.

pub mod apply;
pub mod block;
pub mod change;
pub mod cli;
pub mod console;
pub mod context;
pub mod discover;
pub mod effective;
pub mod execute;
pub mod health;
pub mod held;
pub mod install;
pub mod link;
pub mod page;
pub mod passwords;
pub mod paths;
pub mod permissions;
pub mod release;
pub mod render;
pub mod restore;
pub mod services;
pub mod shadow;
pub mod state;
pub mod status;
pub mod steps;
pub mod target;
pub mod wanted;
