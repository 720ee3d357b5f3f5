//! What is known of a policy, and how more is found out: the values.

use serde::{Deserialize, Serialize};

use crate::mail::mta_sts::Mode;

/// A policy that was fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cached {
    /// The id of the record that told of it.
    pub id: String,
    /// The lines of it that count.
    pub text: String,
    /// When, in seconds since 1970.
    pub fetched: i64,
    /// When mail was last sent by it.
    pub used: i64,
}

/// A policy as mailctl shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The domain.
    pub domain: String,
    /// The mode.
    pub mode: Mode,
    /// The names of its MXs.
    pub mx: Vec<String>,
    /// When it ends, in seconds since 1970.
    pub until: i64,
    /// The policy.
    #[serde(flatten)]
    pub cached: Cached,
}

/// Policies of a domain that could not be fetched on a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// The domain.
    pub domain: String,
    /// When the day began, in seconds since 1970.
    pub day: i64,
    /// A result type of RFC 8460 section 4.3.
    pub result: String,
    /// What was wrong.
    pub reason: String,
    /// How often.
    pub count: u64,
}

/// What came of looking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// There is no record.
    NoRecord,
    /// The DNS does not tell, or this machine is at fault: nothing is known, and why.
    NoAnswer(String),
    /// The record is that of the policy that is known.
    Unchanged,
    /// A policy.
    Policy {
        /// Its record's id.
        id: String,
        /// Its text.
        text: String,
    },
    /// There is one, and it could not be fetched or is none.
    Failed {
        /// A result type of RFC 8460 section 4.3.
        result: &'static str,
        /// What was wrong.
        reason: String,
    },
}

/// Something to find out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// The domain.
    pub domain: String,
    /// The id of the policy that is known; only another one is fetched.
    pub known: Option<String>,
    /// Whether mail waits for it, so that what fails is reported.
    pub for_mail: bool,
}
