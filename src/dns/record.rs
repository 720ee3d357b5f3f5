//! Records, as far as a mail server has to do with them.

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
};

use hickory_proto::rr::{Name, RData, RecordType};
use serde::{Serialize, Serializer};

/// Most bytes of one string of a TXT record (RFC 1035 section 3.3).
const MAX_STRING: usize = 255;

/// A record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Record {
    /// Its name.
    pub owner: String,
    /// Seconds that it may be kept.
    pub ttl: u32,
    /// Type and content.
    #[serde(flatten)]
    pub data: Data,
}

/// What a record says. It is shown as in a zone file, names with their dot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the fields have the names of their RFC")]
pub enum Data {
    /// RFC 1035 section 3.4.1.
    A(Ipv4Addr),
    /// RFC 3596.
    Aaaa(Ipv6Addr),
    /// RFC 1035 section 3.3.11.
    Ns(String),
    /// RFC 1035 section 3.3.1.
    Cname(String),
    /// RFC 1035 section 3.3.12.
    Ptr(String),
    /// RFC 1035 section 3.3.9.
    Mx { preference: u16, exchange: String },
    /// RFC 1035 section 3.3.14: the strings as they are, each of at most 255 bytes.
    Txt(Vec<Vec<u8>>),
    /// RFC 2782; the target `.` says that there is no such service.
    Srv {
        priority: u16,
        weight: u16,
        port: u16,
        target: String,
    },
    /// RFC 8659.
    Caa {
        flags: u8,
        tag: String,
        value: String,
    },
    /// RFC 6698.
    Tlsa {
        usage: u8,
        selector: u8,
        matching: u8,
        data: Vec<u8>,
    },
    /// RFC 1035 section 3.3.13: the first server and the serial number.
    Soa { mname: String, serial: u32 },
    /// Anything else: its type and its text.
    Other(RecordType, String),
}

impl Data {
    /// A TXT record of `text`, split where it has to be.
    pub fn text(text: &str) -> Self {
        let strings = text.as_bytes().chunks(MAX_STRING).map(<[u8]>::to_vec);
        let strings: Vec<_> = strings.collect();
        Self::Txt(match strings.is_empty() {
            true => vec![Vec::new()],
            false => strings,
        })
    }

    /// The type.
    pub fn kind(&self) -> RecordType {
        match self {
            Self::A(_) => RecordType::A,
            Self::Aaaa(_) => RecordType::AAAA,
            Self::Ns(_) => RecordType::NS,
            Self::Cname(_) => RecordType::CNAME,
            Self::Ptr(_) => RecordType::PTR,
            Self::Mx { .. } => RecordType::MX,
            Self::Txt(_) => RecordType::TXT,
            Self::Srv { .. } => RecordType::SRV,
            Self::Caa { .. } => RecordType::CAA,
            Self::Tlsa { .. } => RecordType::TLSA,
            Self::Soa { .. } => RecordType::SOA,
            Self::Other(kind, _) => *kind,
        }
    }

    /// The strings of a TXT record, joined as verifiers join them: with nothing between
    /// (RFC 7208 section 3.3, RFC 6376 section 3.6.2.2). Nothing for other types.
    pub fn joined(&self) -> Option<String> {
        match self {
            Self::Txt(strings) => Some(String::from_utf8_lossy(&strings.concat()).into_owned()),
            _ => None,
        }
    }

    pub(super) fn of(data: &RData) -> Self {
        match data {
            RData::A(a) => Self::A(a.0),
            RData::AAAA(a) => Self::Aaaa(a.0),
            RData::NS(name) => Self::Ns(text_of(&name.0)),
            RData::CNAME(name) => Self::Cname(text_of(&name.0)),
            RData::PTR(name) => Self::Ptr(text_of(&name.0)),
            RData::MX(mx) => Self::Mx {
                preference: mx.preference,
                exchange: text_of(&mx.exchange),
            },
            RData::TXT(txt) => Self::Txt(txt.txt_data.iter().map(|s| s.to_vec()).collect()),
            RData::SRV(srv) => Self::Srv {
                priority: srv.priority,
                weight: srv.weight,
                port: srv.port,
                target: text_of(&srv.target),
            },
            RData::CAA(caa) => Self::Caa {
                flags: caa.flags(),
                tag: caa.tag.to_ascii_lowercase(),
                value: String::from_utf8_lossy(&caa.value).into_owned(),
            },
            RData::TLSA(tlsa) => Self::Tlsa {
                usage: tlsa.cert_usage.into(),
                selector: tlsa.selector.into(),
                matching: tlsa.matching.into(),
                data: tlsa.cert_data.clone(),
            },
            RData::SOA(soa) => Self::Soa {
                mname: text_of(&soa.mname),
                serial: soa.serial,
            },
            other => Self::Other(other.record_type(), other.to_string()),
        }
    }
}

impl fmt::Display for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::A(a) => a.fmt(f),
            Self::Aaaa(a) => a.fmt(f),
            Self::Ns(name) | Self::Cname(name) | Self::Ptr(name) => dotted(name).fmt(f),
            Self::Mx {
                preference,
                exchange,
            } => write!(f, "{preference} {}", dotted(exchange)),
            Self::Txt(strings) => {
                let quoted: Vec<String> = strings.iter().map(|s| quoted(s)).collect();
                // on one line: forms for pasting rarely understand parentheses
                quoted.join(" ").fmt(f)
            }
            Self::Srv {
                priority,
                weight,
                port,
                target,
            } => write!(f, "{priority} {weight} {port} {}", dotted(target)),
            Self::Caa { flags, tag, value } => {
                write!(f, "{flags} {tag} {}", quoted(value.as_bytes()))
            }
            Self::Tlsa {
                usage,
                selector,
                matching,
                data,
            } => write!(f, "{usage} {selector} {matching} {}", hex::encode(data)),
            Self::Soa { mname, serial } => write!(f, "{} {serial}", dotted(mname)),
            Self::Other(_, text) => text.fmt(f),
        }
    }
}

impl Serialize for Data {
    /// `type`, `data` as in a zone file, and the joined `text` of a TXT record.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", &self.kind().to_string())?;
        map.serialize_entry("data", &self.to_string())?;
        if let Some(text) = self.joined() {
            map.serialize_entry("text", &text)?;
        }
        map.end()
    }
}

/// The strings of a TXT record of `value`, each quoted and of at most 255 bytes.
pub fn txt(value: &str) -> String {
    Data::text(value).to_string()
}

/// A string as a zone file has it: quoted, what is not printable as `\DDD`.
fn quoted(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for byte in bytes {
        match byte {
            b'"' | b'\\' => {
                text.push('\\');
                text.push(char::from(*byte));
            }
            b' '..=b'~' => text.push(char::from(*byte)),
            other => text += &format!("\\{other:03}"),
        }
    }
    text.push('"');
    text
}

fn dotted(name: &str) -> String {
    match name {
        "." => ".".to_owned(),
        name => format!("{name}."),
    }
}

pub(super) fn text_of(name: &Name) -> String {
    let text = name.to_ascii().to_ascii_lowercase();
    match text.trim_end_matches('.') {
        "" => ".".to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_values_are_split_and_join_again() {
        for length in [0, 1, 255, 256, 410, 510, 511] {
            let value: String = ('a'..='z').cycle().take(length).collect();
            let data = Data::text(&value);
            assert_eq!(data.joined().unwrap(), value);
            let text = data.to_string();
            let strings: Vec<_> = text.trim_matches('"').split("\" \"").collect();
            assert_eq!(strings.concat(), value, "{length}");
            assert!(strings.iter().all(|s| s.len() <= 255), "{length}");
            assert_eq!(strings.len(), length.div_ceil(255).max(1));
        }
        assert_eq!(txt("a\"b\\"), "\"a\\\"b\\\\\"");
        assert_eq!(txt("ü"), "\"\\195\\188\"");
    }

    #[test]
    fn data_is_shown_as_in_a_zone() {
        let none = Data::Srv {
            priority: 0,
            weight: 0,
            port: 0,
            target: ".".into(),
        };
        assert_eq!(none.to_string(), "0 0 0 .");
        let mx = Data::Mx {
            preference: 10,
            exchange: "a.example".into(),
        };
        assert_eq!(mx.to_string(), "10 a.example.");
        assert_eq!(
            serde_json::to_string(&Data::text("x y")).unwrap(),
            r#"{"type":"TXT","data":"\"x y\"","text":"x y"}"#
        );
    }
}
