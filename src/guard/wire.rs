//! What is said over the guard's socket: one line of JSON there, one back.

use std::{net::IpAddr, path::Path, time::Duration};

use anyhow::Result;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{
    bans::Ban,
    book::{Answer, Guessed},
};
use crate::util::line;

/// Where the guard listens.
pub const SOCKET: &str = "/run/ezmail-guard/guard.sock";

/// The longest request: anybody on this machine can send one.
pub(super) const REQUEST: u64 = 64 << 10;

/// What the guard is asked or told. smtpd's filter asks and reports; the rest is for root.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "do")]
pub enum Request {
    /// Somebody wants to log in: answered by [`Reply::Answer`].
    Ask {
        /// From where.
        address: IpAddr,
        /// As whom, if that is known yet.
        login: Option<String>,
    },
    /// A login has passed or failed.
    Report {
        /// From where.
        address: IpAddr,
        /// As whom.
        login: String,
        /// Whether it passed.
        passed: bool,
        /// Whether there is such a login, if that is known.
        exists: Option<bool>,
        /// A keyed digest of what was tried, if that is known.
        password: Option<String>,
    },
    /// What is banned: answered by [`Reply::Overview`].
    List,
    /// Ban a network: answered by [`Reply::Bans`].
    Add {
        /// The network.
        network: IpNet,
        /// For how many seconds.
        seconds: i64,
        /// Why.
        reason: String,
    },
    /// Let a network in again, or all: answered by [`Reply::Bans`], those that ended.
    Remove {
        /// The network.
        network: Option<IpNet>,
    },
}

/// What the guard answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// To [`Request::Ask`].
    Answer(Answer),
    /// It is noted.
    Done,
    /// The bans that were changed.
    Bans(Vec<Ban>),
    /// To [`Request::List`].
    Overview(Overview),
    /// It was not done, and why.
    Refused(String),
}

/// What the guard knows that people want to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overview {
    /// The bans that last, the latest first.
    pub bans: Vec<Ban>,
    /// Logins that are guessed from many networks.
    pub guessed: Vec<Guessed>,
    /// How many networks are spared.
    pub spared: usize,
}

/// Asks the guard at `socket`, and waits at most `patience` for each step.
///
/// # Errors
/// When it is not there, does not answer in time, or not as it should.
pub fn ask(socket: &Path, request: &Request, patience: Duration) -> Result<Reply> {
    line::ask("ezmail-guard", socket, request, patience)
}
