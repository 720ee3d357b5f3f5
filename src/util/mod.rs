//! Small helpers, each with one job: nothing here knows what a mail server or an ISO is.

pub mod files;
pub mod guard;
pub mod hash;
pub mod keyboard;
pub mod line;
pub mod listen;
pub mod lock;
pub mod random;
pub mod run;
pub mod sandbox;
pub mod secret;
pub mod size;
pub mod time;
