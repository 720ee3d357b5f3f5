//! What is said over the socket: one line of JSON there, one back.

use std::{path::Path, time::Duration};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::known::{Entry, Failed};
use crate::util::line;

/// Where ezmail-sts listens.
pub const SOCKET: &str = "/run/ezmail-sts/sts.sock";

/// The longest request: anybody on this machine can send one.
pub(super) const REQUEST: u64 = 4 << 10;

/// What it is asked. smtpd's table asks for relays; the rest is for root.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "do")]
pub enum Request {
    /// How to send to a domain: answered by [`Reply::Relay`] or [`Reply::Later`].
    Relay {
        /// The domain.
        domain: String,
    },
    /// Look for the policy of a domain anew: answered by [`Reply::Later`].
    Refresh {
        /// The domain.
        domain: String,
    },
    /// What is known: answered by [`Reply::Known`].
    List,
}

/// What it answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// For smtpd's table.
    Relay(String),
    /// It is being looked for: ask again.
    Later,
    /// All policies, and what could not be fetched.
    Known {
        /// By domain, in order.
        policies: Vec<Entry>,
        /// The last three days'.
        failed: Vec<Failed>,
    },
    /// It was not done, and why.
    Refused(String),
}

/// Asks at `socket`, and waits at most `patience` for each step.
///
/// # Errors
/// When nobody is there, does not answer in time, or not as it should.
pub fn ask(socket: &Path, request: &Request, patience: Duration) -> Result<Reply> {
    line::ask("ezmail-sts", socket, request, patience)
}
