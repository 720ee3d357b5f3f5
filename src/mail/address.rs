//! Domain names and mail addresses, checked and in one spelling.
//!
//! A domain is kept as the DNS has it: lower case, A-labels (RFC 5890). An address of our own is
//! lower case as well, so that comparing two is comparing strings. Addresses elsewhere keep the
//! case of their local part, which is the other server's business (RFC 5321 section 2.4).

use std::{fmt, net::IpAddr, str::FromStr};

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Most octets of a local part (RFC 5321 section 4.5.3.1.1).
pub const MAX_LOCAL_PART: usize = 64;
/// Most octets of an address: a path of 256 less its `<` and `>` (section 4.5.3.1.3).
pub const MAX_ADDRESS: usize = 254;
/// Most octets of a domain name as text (RFC 1035 section 2.3.4: 255 on the wire).
pub const MAX_DOMAIN: usize = 253;
/// Most octets of a label.
pub const MAX_LABEL: usize = 63;

/// Local parts that answer in every domain without being listed (RFC 2142 sections 2 to 5,
/// RFC 5321 section 4.5.1; `root` and `mailer-daemon` because the server itself writes as them).
pub const ROLES: [&str; 8] = [
    "abuse",
    "hostmaster",
    "mailer-daemon",
    "noc",
    "postmaster",
    "root",
    "security",
    "webmaster",
];

/// Why a text is no domain name.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum DomainError {
    /// Nothing there.
    #[error("the domain name is empty")]
    Empty,
    /// An address of a machine instead of its name.
    #[error("this is an IP address, not a domain name")]
    Ip,
    /// `localhost`, `mail`.
    #[error(
        "the name has one label only; a full domain name has at least two, as in `example.org`"
    )]
    Bare,
    /// `example.org.`
    #[error("write the domain name without the dot at its end")]
    TrailingDot,
    /// `a..b` or `.a`
    #[error("there is an empty label: two dots in a row, or a dot at the start")]
    EmptyLabel,
    /// Longer than [`MAX_LABEL`].
    #[error("the label `{0}` has {n} octets; at most {MAX_LABEL} are allowed", n = .0.len())]
    LabelTooLong(String),
    /// Longer than [`MAX_DOMAIN`].
    #[error("the domain name has {0} octets; at most {MAX_DOMAIN} are allowed")]
    TooLong(usize),
    /// A letter that host names have not.
    #[error("`{0}` cannot stand in a domain name: only letters, digits, `-` and `.` can")]
    Character(char),
    /// `-a` or `a-`.
    #[error("the label `{0}` begins or ends with `-`")]
    Hyphen(String),
    /// The last label is a number.
    #[error("the last label is a number, so the name would be taken for an IP address")]
    NumericTop,
    /// Not valid under UTS 46: mixed directions, unassigned characters, broken punycode.
    #[error("the name is not a valid internationalised domain name (IDNA)")]
    Idna,
}

/// Why a text is no address.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum AddressError {
    /// No `@`.
    #[error("there is no `@` in it")]
    NoAt,
    /// Nothing before the `@`.
    #[error("there is nothing before the `@`")]
    EmptyLocalPart,
    /// `"a b"@example.org`
    #[error("quoted local parts (`\"…\"@…`) are not supported")]
    Quoted,
    /// `Alice <alice@example.org>`
    #[error("this has a name or brackets around it; only the address itself is wanted")]
    Decorated,
    /// Dots in a row, or at an end.
    #[error("the part before the `@` has a dot at its start or end, or two dots in a row")]
    Dots,
    /// Not ASCII: SMTPUTF8 is not offered.
    #[error(
        "`{0}` cannot stand before the `@`: mail with such addresses (SMTPUTF8) is not supported"
    )]
    NotAscii(char),
    /// Not an atom character.
    #[error("`{0}` cannot stand before the `@`")]
    Character(char),
    /// A `+` in an address of our own.
    #[error(
        "`+` cannot stand in an address of this server: `name+anything@…` is delivered to `name@…`"
    )]
    Plus,
    /// Longer than [`MAX_LOCAL_PART`].
    #[error("the part before the `@` has {0} octets; at most {MAX_LOCAL_PART} are allowed")]
    LocalPartTooLong(usize),
    /// Longer than [`MAX_ADDRESS`].
    #[error("the address has {0} octets; at most {MAX_ADDRESS} are allowed")]
    TooLong(usize),
    /// The part after the `@`.
    #[error("after the `@`: {0}")]
    Domain(#[from] DomainError),
}

/// A domain name of two labels or more, lower case, A-labels, without a final dot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct DomainName(String);

impl DomainName {
    /// The name as DNS and SMTP have it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as its owner writes it, with U-labels.
    pub fn to_unicode(&self) -> String {
        idna::domain_to_unicode(&self.0).0
    }

    /// The last label.
    pub fn top(&self) -> &str {
        self.0.rsplit('.').next().unwrap_or(&self.0)
    }

    /// Whether `self` is `parent` or lies below it.
    pub fn is_within(&self, parent: &str) -> bool {
        self.0
            .strip_suffix(parent)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }
}

impl fmt::Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for DomainName {
    type Err = DomainError;

    fn from_str(text: &str) -> Result<Self, DomainError> {
        if text.is_empty() {
            return Err(DomainError::Empty);
        }
        let bare = text.trim_start_matches('[').trim_end_matches(']');
        if bare.parse::<IpAddr>().is_ok() {
            return Err(DomainError::Ip);
        }
        if text.ends_with('.') {
            return Err(DomainError::TrailingDot);
        }
        let denied = |c: &char| c.is_ascii() && !c.is_ascii_alphanumeric() && !"-.".contains(*c);
        if let Some(c) = text.chars().find(denied) {
            return Err(DomainError::Character(c));
        }
        let ascii = Uts46::new()
            .to_ascii(
                text.as_bytes(),
                AsciiDenyList::STD3,
                Hyphens::Allow,
                DnsLength::Ignore,
            )
            .map_err(|_| DomainError::Idna)?
            .into_owned();
        check_labels(&ascii)?;
        let name = Self(ascii);
        // in the DNS form, a hyphen at the end of a label beyond ASCII is in its middle
        match name.to_unicode().split('.').find(|l| has_outer_hyphen(l)) {
            Some(label) => Err(DomainError::Hyphen(label.to_owned())),
            None => Ok(name),
        }
    }
}

fn has_outer_hyphen(label: &str) -> bool {
    label.starts_with('-') || label.ends_with('-')
}

fn check_labels(ascii: &str) -> Result<(), DomainError> {
    for label in ascii.split('.') {
        if label.is_empty() {
            return Err(DomainError::EmptyLabel);
        }
        if label.len() > MAX_LABEL {
            return Err(DomainError::LabelTooLong(label.to_owned()));
        }
        if has_outer_hyphen(label) {
            return Err(DomainError::Hyphen(label.to_owned()));
        }
    }
    if ascii.len() > MAX_DOMAIN {
        return Err(DomainError::TooLong(ascii.len()));
    }
    let Some((_, top)) = ascii.rsplit_once('.') else {
        return Err(DomainError::Bare);
    };
    if top.bytes().all(|b| b.is_ascii_digit()) {
        return Err(DomainError::NumericTop);
    }
    Ok(())
}

/// An address, `local@domain`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// What stands before the `@`: dot-string (RFC 5321 section 4.1.2), never quoted.
    pub local: String,
    /// What stands after it.
    pub domain: DomainName,
}

impl Address {
    /// An address that this server serves: lower-cased, letters, digits, `.`, `_` and `-` only,
    /// because it also becomes the name of a folder.
    ///
    /// # Errors
    /// When the text is no address or has other characters.
    pub fn own(text: &str) -> Result<Self, AddressError> {
        let mut address: Self = text.parse()?;
        if address.local.contains('+') {
            return Err(AddressError::Plus);
        }
        let odd = |c: &char| !c.is_ascii_alphanumeric() && !"._-".contains(*c);
        if let Some(c) = address.local.chars().find(odd) {
            return Err(AddressError::Character(c));
        }
        address.local.make_ascii_lowercase();
        Ok(address)
    }

    /// The address without `+detail` (RFC 5233), lower-cased: where it is delivered to if its
    /// domain is ours.
    pub fn base(&self) -> Self {
        let local = self.local.split('+').next().unwrap_or(&self.local);
        Self {
            local: local.to_ascii_lowercase(),
            domain: self.domain.clone(),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local, self.domain)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Address {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.contains(['<', '>', '(', ')', ',', ';']) {
            return Err(AddressError::Decorated);
        }
        if text.starts_with('"') {
            return Err(AddressError::Quoted);
        }
        let (local, domain) = text.rsplit_once('@').ok_or(AddressError::NoAt)?;
        if local.is_empty() {
            return Err(AddressError::EmptyLocalPart);
        }
        let atext = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c);
        match local.chars().find(|c| !atext(*c)) {
            Some(c) if !c.is_ascii() => return Err(AddressError::NotAscii(c)),
            Some(c) => return Err(AddressError::Character(c)),
            None => {}
        }
        if local.split('.').any(str::is_empty) {
            return Err(AddressError::Dots);
        }
        if local.len() > MAX_LOCAL_PART {
            return Err(AddressError::LocalPartTooLong(local.len()));
        }
        let domain: DomainName = domain.parse()?;
        let address = Self {
            local: local.to_owned(),
            domain,
        };
        let length = local.len() + 1 + address.domain.as_str().len();
        if length > MAX_ADDRESS {
            return Err(AddressError::TooLong(length));
        }
        Ok(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domain(text: &str) -> Result<String, DomainError> {
        text.parse().map(|d: DomainName| d.to_string())
    }

    #[test]
    fn domains_come_out_in_one_spelling() {
        assert_eq!(domain("Mail.Example.ORG").unwrap(), "mail.example.org");
        assert_eq!(domain("Bücher.example").unwrap(), "xn--bcher-kva.example");
        assert_eq!(domain("XN--BCHER-KVA.example"), domain("bücher.example"));
        assert_eq!(domain("straße.de").unwrap(), "xn--strae-oqa.de");
        let name: DomainName = "bücher.example".parse().unwrap();
        assert_eq!(name.to_unicode(), "bücher.example");
        assert!(name.is_within("example") && !name.is_within("ample"));
    }

    #[test]
    fn each_broken_domain_has_its_error() {
        let long = |n: usize| "a".repeat(n);
        for (text, want) in [
            ("", DomainError::Empty),
            ("192.0.2.1", DomainError::Ip),
            ("2001:db8::1", DomainError::Ip),
            ("[192.0.2.1]", DomainError::Ip),
            ("localhost", DomainError::Bare),
            ("example.org.", DomainError::TrailingDot),
            ("a..org", DomainError::EmptyLabel),
            (".org", DomainError::EmptyLabel),
            ("a_b.org", DomainError::Character('_')),
            ("a b.org", DomainError::Character(' ')),
            ("*.example.org", DomainError::Character('*')),
            ("-a.org", DomainError::Hyphen("-a".into())),
            ("a-.org", DomainError::Hyphen("a-".into())),
            ("-ä.org", DomainError::Hyphen("-ä".into())),
            ("Ä-.org", DomainError::Hyphen("ä-".into())),
            ("example.123", DomainError::NumericTop),
            ("xn--\u{e4}.org", DomainError::Idna),
            ("xn--999999999.org", DomainError::Idna),
        ] {
            assert_eq!(domain(text), Err(want), "{text}");
        }
        assert!(matches!(
            domain(&format!("{}.org", long(64))),
            Err(DomainError::LabelTooLong(_))
        ));
        let many = [long(63), long(63), long(63), long(62)].join(".");
        assert_eq!(domain(&many), Err(DomainError::TooLong(254)));
        assert!(domain(&many[1..]).is_ok());
    }

    #[test]
    fn own_addresses_are_folded_and_narrow() {
        let a = Address::own("Alice.B_c-d@Example.org").unwrap();
        assert_eq!(a.to_string(), "alice.b_c-d@example.org");
        assert_eq!(Address::own("a+b@example.org"), Err(AddressError::Plus));
        assert_eq!(
            Address::own("a/b@example.org"),
            Err(AddressError::Character('/'))
        );
        let other: Address = "Some'One+x@Example.net".parse().unwrap();
        assert_eq!(other.to_string(), "Some'One+x@example.net");
        assert_eq!(other.base().to_string(), "some'one@example.net");
    }

    #[test]
    fn each_broken_address_has_its_error() {
        let parse = |text: &str| text.parse::<Address>().unwrap_err();
        assert_eq!(parse("alice"), AddressError::NoAt);
        assert_eq!(parse("@example.org"), AddressError::EmptyLocalPart);
        assert_eq!(parse("\"a b\"@example.org"), AddressError::Quoted);
        assert_eq!(parse("Alice <a@example.org>"), AddressError::Decorated);
        assert_eq!(parse("a..b@example.org"), AddressError::Dots);
        assert_eq!(parse(".a@example.org"), AddressError::Dots);
        assert_eq!(parse("a b@example.org"), AddressError::Character(' '));
        assert_eq!(parse("ä@example.org"), AddressError::NotAscii('ä'));
        assert_eq!(parse("a@b@example.org"), AddressError::Character('@'));
        assert_eq!(parse("a@mail"), AddressError::Domain(DomainError::Bare));
        let long = format!("{}@example.org", "a".repeat(65));
        assert_eq!(parse(&long), AddressError::LocalPartTooLong(65));
        let label = "b".repeat(63);
        let long = format!("{}@{label}.{label}.{label}.org", "a".repeat(64));
        assert_eq!(parse(&long), AddressError::TooLong(260));
    }
}
