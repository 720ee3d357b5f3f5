//! The DNS record of a DKIM key, right for pasting.

use std::fmt;

use serde::Serialize;

use super::dkim::{Algorithm, KeyInfo, record_name};
use crate::dns::txt;

/// A TXT record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Record {
    /// The domain that the key signs for.
    pub domain: String,
    /// The key's selector.
    pub selector: String,
    /// What it signs with.
    pub algorithm: Algorithm,
    /// A word about it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// The record's full name, without a dot at its end.
    pub name: String,
    /// Its value in one piece, as web forms take it.
    pub value: String,
    /// The line of a zone file: the value in strings of at most 255 bytes.
    pub zone: String,
}

impl Record {
    /// The record of the key `info`.
    pub fn new(domain: &str, selector: &str, info: &KeyInfo) -> Self {
        let (name, value) = (record_name(selector, domain), info.record());
        Self {
            domain: domain.to_owned(),
            selector: selector.to_owned(),
            algorithm: info.algorithm,
            note: String::new(),
            zone: format!("{name}. 3600 IN TXT {}", txt(&value)),
            name,
            value,
        }
    }

    /// The same with a word about it.
    #[must_use]
    pub fn note(mut self, note: &str) -> Self {
        note.clone_into(&mut self.note);
        self
    }
}

impl fmt::Display for Record {
    /// For people. No line that is to be copied is broken, and nothing else is in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            domain, selector, ..
        } = self;
        write!(f, "; {domain}: {selector}")?;
        if !self.note.is_empty() {
            write!(f, ", {}", self.note)?;
        }
        writeln!(
            f,
            "\n; in a form that adds .{domain} itself: type TXT, name and value"
        )?;
        writeln!(f, "{selector}._domainkey\n{}", self.value)?;
        writeln!(f, "; or in a zone file")?;
        writeln!(f, "{}", self.zone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_right_for_a_form_and_for_a_zone_file() {
        let info = KeyInfo {
            algorithm: Algorithm::Rsa,
            public: "A".repeat(392),
        };
        let record = Record::new("example.org", "s", &info).note("next: publish it now");
        insta::assert_snapshot!(record.to_string());
        let joined = record.zone.replace("\" \"", "");
        assert!(joined.ends_with(&format!("TXT \"{}\"", record.value)));
    }
}
