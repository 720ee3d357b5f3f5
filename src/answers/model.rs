//! The answers as values: checked, in one spelling, defaults filled in.
//!
//! `Serialize` gives the schema's own shape with secrets redacted; [`Answers::to_toml`] gives
//! them. There is no `Deserialize`: the only way in is [`super::parse`], so that no unchecked
//! `Answers` exist.

use std::{fmt, net::IpAddr, str::FromStr};

use ipnet::IpNet;
use serde::{Serialize, Serializer};

use crate::{
    mail::{
        address::{Address, DomainName},
        dkim::KeyInfo,
    },
    util::secret::Secret,
};

/// A whole answers file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answers {
    /// The server's full name.
    pub hostname: DomainName,
    /// Who gets the mail of the role addresses and of the server.
    pub postmaster: Address,
    /// The mail domains, at least one.
    #[serde(rename = "domain")]
    pub domains: Vec<Domain>,
    /// The mailboxes.
    #[serde(rename = "user", skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<User>,
    /// The forwarding addresses.
    #[serde(rename = "alias", skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<Alias>,
    /// The administrator's access.
    #[serde(skip_serializing_if = "is_default")]
    pub ssh: Ssh,
    /// The relay for outgoing mail, if not direct.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub smarthost: Option<Smarthost>,
    /// Name resolution.
    #[serde(skip_serializing_if = "is_default")]
    pub dns: Dns,
    /// The network interface.
    #[serde(skip_serializing_if = "is_default")]
    pub network: Network,
    /// The state volume; without it the server runs from memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A mail domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Domain {
    /// Its name.
    pub name: DomainName,
    /// Keys that are given; for an algorithm without one, the agent creates it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dkim: Vec<DkimKey>,
}

/// A DKIM key that is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DkimKey {
    /// The label or labels before `._domainkey`.
    pub selector: String,
    /// The name of the file it came from, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<String>,
    /// The private key, PEM; `None` only where key files were not read ([`super::parse`]).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Secret>,
    /// Algorithm and public key, wherever `key` is known.
    #[serde(skip)]
    pub info: Option<KeyInfo>,
}

/// A mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct User {
    /// Main address and login name.
    pub address: Address,
    /// The person's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What the person logs in with.
    #[serde(flatten)]
    pub credential: Credential,
    /// How much the mailbox holds.
    pub quota: Quota,
    /// Further addresses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<Address>,
}

/// A password in one of its two forms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Credential {
    /// Plain: to be hashed before it is kept anywhere.
    #[serde(rename = "password")]
    Password(Secret),
    /// A PHC string that passed [`crate::mail::password::check_phc`].
    #[serde(rename = "password_hash")]
    Hash(Secret),
}

/// A forwarding address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Alias {
    /// The address.
    pub address: AliasAddress,
    /// Where it leads; at least one.
    pub to: Vec<Address>,
}

/// One address, or all others of a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AliasAddress {
    /// `info@example.org`
    Exact(Address),
    /// `@example.org`
    CatchAll(DomainName),
}

impl fmt::Display for AliasAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(address) => address.fmt(f),
            Self::CatchAll(domain) => write!(f, "@{domain}"),
        }
    }
}

impl Serialize for AliasAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A size in bytes; written as `5G`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quota(u64);

impl Quota {
    /// 15 GiB.
    pub const DEFAULT: Self = Self(15 << 30);
    /// 100 MiB: two messages of the largest size.
    pub const MIN: Self = Self(100 << 20);

    /// The size in bytes.
    pub fn bytes(self) -> u64 {
        self.0
    }
}

const UNITS: [(char, u32); 3] = [('M', 20), ('G', 30), ('T', 40)];

impl FromStr for Quota {
    type Err = ();

    /// A whole number and `M`, `G` or `T`. `Err` for anything else and for what is smaller than
    /// [`Quota::MIN`] or larger than 1024T.
    fn from_str(text: &str) -> Result<Self, ()> {
        let unit = text.chars().last().ok_or(())?;
        let (_, shift) = UNITS.iter().find(|u| u.0 == unit).ok_or(())?;
        let digits = &text[..text.len() - 1];
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(());
        }
        let number: u64 = digits.parse().map_err(|_| ())?;
        let bytes = number.checked_mul(1 << shift).ok_or(())?;
        (Self::MIN.0..=1 << 50)
            .contains(&bytes)
            .then_some(Self(bytes))
            .ok_or(())
    }
}

impl fmt::Display for Quota {
    /// In the largest unit that keeps it whole.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = |u: &&(char, u32)| self.0.is_multiple_of(1 << u.1);
        let (unit, shift) = UNITS.iter().rev().find(whole).unwrap_or(&UNITS[0]);
        write!(f, "{}{unit}", self.0 >> shift)
    }
}

impl Serialize for Quota {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The administrator's access.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Ssh {
    /// Lines for `authorized_keys`: type, base64, and a comment if there was one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub authorized_keys: Vec<String>,
}

/// A relay for outgoing mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Smarthost {
    /// Its name.
    pub host: DomainName,
    /// Its TCP port.
    pub port: u16,
    /// How TLS begins.
    pub tls: Tls,
    /// Name to log in with; there is a password if and only if there is a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The name of the file that the password came from, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<String>,
    /// The password; `None` with a `username` only where files were not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
}

/// How TLS begins on a connection; both are required and verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// At once.
    Implicit,
    /// By the STARTTLS command.
    Starttls,
}

/// Name resolution.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Dns {
    /// Resolvers to ask; none: resolve from the root.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub forwarders: Vec<IpAddr>,
    /// Records `OWNER IN DS|DNSKEY …` with a final dot; none: the Internet's root keys.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trust_anchors: Vec<String>,
}

/// The network interface.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Network {
    /// Where addresses come from.
    pub mode: NetworkMode,
    /// The interface by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// The interface by hardware address, lower case with colons.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// Addresses with their prefix length.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub address: Vec<IpNet>,
    /// Routers, at most one for each IP version.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gateway: Vec<IpAddr>,
}

impl Network {
    /// Whether `gateway` lies in the network of an address or is link-local. If not, every
    /// address of its version is a single one and the route needs `GatewayOnLink=yes`.
    pub fn reaches(&self, gateway: IpAddr) -> bool {
        let link_local = matches!(gateway, IpAddr::V6(ip) if ip.is_unicast_link_local());
        link_local || self.address.iter().any(|net| net.contains(&gateway))
    }
}

/// Where addresses come from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NetworkMode {
    /// DHCP and router advertisements, and those listed.
    #[default]
    Auto,
    /// Only those listed.
    Static,
}

/// The state volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct State {
    /// The device, under `/dev/`.
    pub device: String,
    /// Whether what else is on it may be erased.
    pub wipe: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_are_read_and_written() {
        for text in ["100M", "1G", "15G", "1500M", "2T", "1024T"] {
            assert_eq!(text.parse::<Quota>().unwrap().to_string(), text);
        }
        assert_eq!("1024M".parse::<Quota>().unwrap().to_string(), "1G");
        for text in [
            "", "G", "5", "5g", "5K", "1.5G", "+5G", "-5G", "0G", "99M", "1025T", "5 G", "5€",
        ] {
            assert!(text.parse::<Quota>().is_err(), "{text}");
        }
        assert_eq!(Quota::DEFAULT.to_string(), "15G");
    }
}
