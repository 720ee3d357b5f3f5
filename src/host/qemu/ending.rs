//! How a run ends, and why a wait does not end well.

use std::fmt;

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The guest powered itself off.
    PoweredOff,
    /// The guest asked for a reboot, and [`Config::no_reboot`] was set.
    Rebooted,
    /// The console showed one of [`Config::fail_on`]; this is its line.
    Failed(String),
    /// QEMU ended by itself or was killed: how, and what it said.
    Died(String),
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PoweredOff => f.write_str("the guest powered off"),
            Self::Rebooted => f.write_str("the guest asked for a reboot"),
            Self::Failed(line) => write!(f, "the guest failed, its console shows: {line}"),
            Self::Died(how) => write!(f, "QEMU ended by itself: {how}"),
        }
    }
}

/// Why a wait did not end well.
#[derive(Debug, thiserror::Error)]
pub enum WaitError {
    /// The limit passed first.
    #[error("{what} did not come within {seconds} s{hint}\n{tail}\nthe whole log: {log}")]
    Timeout {
        /// What was waited for.
        what: String,
        /// The limit.
        seconds: u64,
        /// What may explain it, such as a guest that keeps resetting; or empty.
        hint: String,
        /// The console's last lines.
        tail: String,
        /// The serial log's path.
        log: String,
    },
    /// The run ended first.
    #[error("{what} did not come: {ending}\n{tail}\nthe whole log: {log}")]
    Ended {
        /// What was waited for.
        what: String,
        /// How the run ended.
        ending: Ending,
        /// The console's last lines.
        tail: String,
        /// The serial log's path.
        log: String,
    },
    /// Something on the host went wrong.
    #[error("watching the machine: {0:#}")]
    Host(#[from] anyhow::Error),
}
