//! The DNS records that this server should have: what they say, and why.

mod facts;
mod format;
mod list;

pub use facts::{Facts, Offers, PublishedKey, caa_issuer, is_public, key_hash};
pub use format::{nsupdate, table, table_within, zone};
pub use list::records;
use serde::Serialize;

use crate::{dns::Data, mail::database::keys::Stage};

/// Seconds that records may be kept: long enough for caches, short enough to mend a mistake.
pub const TTL: u32 = 3600;

/// A record to publish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Record {
    /// Its name, without the dot at the end.
    pub owner: String,
    /// Seconds that it may be kept.
    pub ttl: u32,
    /// Type and content.
    #[serde(flatten)]
    pub data: Data,
    /// What it is for, in a sentence.
    pub why: String,
    /// How much depends on it.
    pub need: Need,
    /// What it is.
    #[serde(flatten)]
    pub purpose: Purpose,
    /// The mail domain it belongs to; none for those of the server itself.
    pub domain: Option<String>,
}

/// How much depends on a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Need {
    /// Without it mail does not arrive, or is not taken by others.
    Required,
    /// Without it some take the mail for spam.
    Recommended,
    /// It is for comfort, or for those who have DNSSEC.
    Optional,
}

impl Need {
    /// In a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Recommended => "recommended",
            Self::Optional => "optional",
        }
    }
}

/// What a record is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "purpose", rename_all = "kebab-case")]
pub enum Purpose {
    /// A or AAAA of the server.
    Address,
    /// The name of an address.
    Reverse,
    /// Who takes the mail of a domain.
    Mx,
    /// Who sends it (RFC 7208).
    Spf,
    /// A key that signs it (RFC 6376).
    Dkim {
        /// What stands before `._domainkey`.
        selector: String,
        /// Whether it signs yet, or still.
        stage: Stage,
    },
    /// What others do with what fails (RFC 7489).
    Dmarc,
    /// That a policy for TLS is published by HTTPS (RFC 8461).
    MtaSts,
    /// Where reports about TLS go (RFC 8460).
    TlsRpt,
    /// A name under which mail programs look for their settings.
    Autoconfig,
    /// Where a service is (RFC 6186), or that it is not offered.
    Srv,
    /// Who may issue certificates (RFC 8659).
    Caa,
    /// The certificate's key (RFC 7672).
    Tlsa,
}
