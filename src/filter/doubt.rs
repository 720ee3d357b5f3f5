//! Everything that keeps us from judging a message. Each is an error here and a reply to the
//! sender there: the log has the reason, the sender learns only whether to try again.

use std::io;

use thiserror::Error;

use super::{answer::MAX_LINE, headers::BadField, log::Level, message::MAX_HEADER};

/// Why a message could not be judged, or cannot be taken.
#[derive(Debug, Error)]
pub(super) enum Doubt {
    /// smtpd's reports left something out.
    #[error("smtpd has not told {0}")]
    Gap(&'static str),
    /// The spool could not be written or read.
    #[error("the spool: {0}")]
    Spool(io::Error),
    /// rspamd's socket is not there, or nobody listens on it.
    #[error("rspamd cannot be reached: {0}")]
    Away(io::Error),
    /// The time for the message is over.
    #[error("rspamd took too long: {0}")]
    Slow(&'static str),
    /// The connection broke.
    #[error("rspamd went away while {0}: {1}")]
    Broken(&'static str, io::Error),
    /// rspamd answered before it had the whole message.
    #[error("rspamd answered before it had the whole message")]
    Early,
    /// The answer was an HTTP error.
    #[error("rspamd answered with HTTP status {0}")]
    Status(u16),
    /// Larger than our own limit or rspamd's; trying again would never help.
    #[error("the message is larger than rspamd takes")]
    TooLarge,
    /// The answer was not HTTP as we know it.
    #[error("rspamd's answer is malformed: {0}")]
    Http(String),
    /// The answer's JSON is not what rspamd documents.
    #[error("rspamd's verdict is malformed: {0}")]
    Verdict(String),
    /// rspamd asks for something a filter of smtpd cannot do.
    #[error("rspamd asks for what smtpd cannot do: {0}")]
    Unsupported(String),
    /// A user's message came back with fewer signatures than it must have.
    #[error("{got} DKIM signatures instead of {want}")]
    Unsigned {
        /// Signatures that rspamd made.
        got: usize,
        /// Signatures that every message of a user must have.
        want: usize,
    },
    /// The addresses of the user could not be looked up.
    #[error("the user's addresses: {0}")]
    Senders(String),
    /// smtpd could not take this line back; trying again would never help.
    #[error("a line is longer than {MAX_LINE} bytes")]
    LongLine,
    /// smtpd reads every address of the header again, in the one process that all sessions share; trying
    /// again would never help.
    #[error("the header is larger than {MAX_HEADER} bytes")]
    LargeHeader,
    /// Too little memory or too many threads.
    #[error("no thread for the message: {0}")]
    Threads(io::Error),
    /// A bug in the filter; the message is safe with its sender.
    #[error("internal error, please report it")]
    Bug,
}

impl Doubt {
    /// The SMTP reply for the sender.
    pub(super) fn reply(&self) -> &'static str {
        match self {
            Self::LongLine => "554 5.6.0 Message has a line that is too long",
            Self::LargeHeader => "552 5.3.4 Message has a header that is too large",
            Self::TooLarge => "552 5.3.4 Message is too large",
            Self::Unsigned { .. } => "451 4.7.5 Message cannot be signed now, try again later",
            _ => "451 4.7.1 Message cannot be checked now, try again later",
        }
    }

    /// How much it matters to this server: what the sender alone can mend is none of its troubles.
    pub(super) fn level(&self) -> Level {
        if self.reply().starts_with('4') {
            Level::Warning
        } else {
            Level::Info
        }
    }
}

impl From<io::Error> for Doubt {
    fn from(error: io::Error) -> Self {
        Self::Spool(error)
    }
}

impl From<BadField> for Doubt {
    fn from(error: BadField) -> Self {
        Self::Verdict(error.to_string())
    }
}
