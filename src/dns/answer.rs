//! What a server answers, or why it does not.

use std::{fmt, io};

use hickory_net::NetError;
use hickory_proto::{
    op::{Message, ResponseCode},
    rr::RecordType,
};
use serde::Serialize;
use thiserror::Error;

use super::record::{Data, Record, text_of};

/// The response code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Status {
    /// The name exists, though not necessarily with records of that type.
    #[serde(rename = "NOERROR")]
    NoError,
    /// The name does not exist.
    #[serde(rename = "NXDOMAIN")]
    NxDomain,
    /// The server cannot tell; a resolver says so too of what fails to validate.
    #[serde(rename = "SERVFAIL")]
    ServFail,
    /// Something else, such as REFUSED.
    #[serde(untagged)]
    Other(String),
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoError => "NOERROR",
            Self::NxDomain => "NXDOMAIN",
            Self::ServFail => "SERVFAIL",
            Self::Other(code) => code,
        })
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// How it went.
    pub status: Status,
    /// Whether the server is authoritative for it.
    pub authoritative: bool,
    /// Whether the resolver has validated it.
    pub authentic: bool,
    /// The answer section in its order: a chain of CNAME records comes before what it leads to.
    pub records: Vec<Record>,
    /// The authority section: a referral's name servers, or the SOA record of a negative answer.
    pub authority: Vec<Record>,
    /// The additional section: a referral's addresses.
    pub additional: Vec<Record>,
}

impl Answer {
    /// The contents of the answer's records of a type, whatever their names.
    pub fn of(&self, kind: RecordType) -> impl Iterator<Item = &Data> {
        let all = self.records.iter().map(|r| &r.data);
        all.filter(move |d| d.kind() == kind)
    }

    /// Where the name leads, if it is an alias: the end of the chain of CNAME records.
    pub fn alias(&self) -> Option<&str> {
        let targets = self.records.iter().filter_map(|r| match &r.data {
            Data::Cname(target) => Some(target.as_str()),
            _ => None,
        });
        targets.last()
    }

    /// The TXT records, each with its strings joined.
    pub fn texts(&self) -> Vec<String> {
        self.of(RecordType::TXT).filter_map(Data::joined).collect()
    }

    pub(super) fn from_message(message: &Message) -> Self {
        let records = |section: &[hickory_proto::rr::Record]| {
            section
                .iter()
                .map(|r| Record {
                    owner: text_of(&r.name),
                    ttl: r.ttl,
                    data: Data::of(&r.data),
                })
                .collect()
        };
        Self {
            status: match message.metadata.response_code {
                ResponseCode::NoError => Status::NoError,
                ResponseCode::NXDomain => Status::NxDomain,
                ResponseCode::ServFail => Status::ServFail,
                ResponseCode::Refused => Status::Other("REFUSED".to_owned()),
                other => Status::Other(other.to_string()),
            },
            authoritative: message.metadata.authoritative,
            authentic: message.metadata.authentic_data,
            records: records(&message.answers),
            authority: records(&message.authorities),
            additional: records(&message.additionals),
        }
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error, Serialize)]
pub enum NoAnswer {
    /// Nothing came in time.
    #[error("no answer in time")]
    Timeout,
    /// From here no packet can be sent there: IPv6 on a machine without.
    #[error("it cannot be reached from here")]
    Unreachable,
    /// Nobody listens there.
    #[error("nobody listens there")]
    Refused,
    /// What came is no DNS message, or the question cannot be asked.
    #[error("{0}")]
    Broken(String),
}

impl From<NetError> for NoAnswer {
    fn from(error: NetError) -> Self {
        match &error {
            NetError::Timeout => Self::Timeout,
            NetError::Io(io) => match io.kind() {
                io::ErrorKind::TimedOut => Self::Timeout,
                io::ErrorKind::ConnectionRefused => Self::Refused,
                io::ErrorKind::NetworkUnreachable
                | io::ErrorKind::HostUnreachable
                | io::ErrorKind::AddrNotAvailable
                | io::ErrorKind::PermissionDenied => Self::Unreachable,
                _ => Self::Broken(error.to_string()),
            },
            _ => Self::Broken(error.to_string()),
        }
    }
}
