//! The answers as values: checked, in one spelling, defaults filled in.
//!
//! `Serialize` gives the schema's own shape with secrets redacted; [`Answers::to_toml`] gives
//! them. There is no `Deserialize`: the only way in is [`super::parse`], so that no unchecked
//! `Answers` exist.

use std::{fmt, net::IpAddr};

use ipnet::IpNet;
use serde::{Serialize, Serializer};

use super::location::Location;
pub use super::{quota::Quota, schedule::Schedule};
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
    /// Where the server's notices go, if not to the postmaster: see [`Answers::notices_to`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notify: Option<Address>,
    /// The https address that is told the same; who knows it can write there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Secret>,
    /// The IANA name of the server's time zone.
    pub timezone: String,
    /// How many messages a user may send in an hour, if that is given: see
    /// [`Answers::messages_in_an_hour`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages_per_hour: Option<u32>,
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
    /// Root's password at the console; without it, nobody logs in there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub console: Option<Console>,
    /// The certificate that is given; without it, one is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Certificate>,
    /// How to get one from an authority.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acme: Option<Acme>,
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
    /// The disk to install to, with a state volume of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub install: Option<Install>,
    /// Where backups go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup: Option<Backup>,
    /// The backup to begin with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restore: Option<Restore>,
}

impl Answers {
    /// Where the server's own notices go.
    pub fn notices_to(&self) -> &Address {
        self.notify.as_ref().unwrap_or(&self.postmaster)
    }

    /// How many messages a user may send in an hour, however many each is for.
    pub fn messages_in_an_hour(&self) -> u32 {
        self.messages_per_hour.unwrap_or(100)
    }

    /// How many in a day.
    pub fn messages_in_a_day(&self) -> u32 {
        self.messages_in_an_hour().saturating_mul(5)
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A mail domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Domain {
    /// Its name.
    pub name: DomainName,
    /// What others shall do with mail that only claims to be from it.
    pub dmarc: Dmarc,
    /// The quota of users without one of their own; [`User::quota`] has it already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota: Option<Quota>,
    /// Keys that are given; for an algorithm without one, the agent creates it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dkim: Vec<DkimKey>,
}

/// The policy of a DMARC record (RFC 7489 section 6.3).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Dmarc {
    /// Deliver it all the same, and report.
    None,
    /// Treat it as suspicious.
    #[default]
    Quarantine,
    /// Refuse it.
    Reject,
}

impl fmt::Display for Dmarc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Quarantine => "quarantine",
            Self::Reject => "reject",
        })
    }
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
    /// A hash: of a mailbox, a PHC string that passed [`crate::mail::password::check_phc`]; of
    /// the console, one that passed [`crate::mail::crypt::check`].
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

/// Root's password at the console.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Console {
    /// The password.
    #[serde(flatten)]
    pub credential: Credential,
}

/// A certificate that is given. Without its files ([`super::parse`]) both parts may be `None`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Certificate {
    /// The name of the file that the chain came from, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_file: Option<String>,
    /// The chain, PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// The name of the file that the key came from, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<String>,
    /// The private key, PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Secret>,
}

/// How to get a certificate from an authority (ACME, RFC 8555).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Acme {
    /// Whether to.
    pub enabled: bool,
    /// The address of the authority's directory; `None` is Let's Encrypt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// The name of the file that the next came from, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
    /// What the directory's own certificate is verified by, PEM; `None` is what the system trusts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
}

impl Default for Acme {
    /// Let's Encrypt is asked.
    fn default() -> Self {
        Self {
            enabled: true,
            directory: None,
            ca_file: None,
            ca: None,
        }
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

/// Installing to disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Install {
    /// The disk, under `/dev/`.
    pub device: String,
    /// Whether what else is on it may be erased.
    pub wipe: bool,
}

/// Backups. Without their files ([`super::parse`]) secrets may be `None`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Backup {
    /// Where they go.
    pub target: Location,
    /// How often.
    pub schedule: Schedule,
    /// How many stay.
    pub keep: Keep,
    /// The name of the file that the passphrase came from, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passphrase_file: Option<String>,
    /// What they are encrypted with; `None`: the server makes one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passphrase: Option<Secret>,
    /// The name of the file that the SSH key came from, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssh_key_file: Option<String>,
    /// The key for [`Scheme::Sftp`](super::location::Scheme), OpenSSH's own form; `None`: the
    /// server makes one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssh_key: Option<Secret>,
    /// The other machine's public key, `TYPE BASE64 …`; `None`: the first that it shows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_key: Option<String>,
    /// The name of the file that the secret key came from, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_key_file: Option<String>,
    /// The secret for [`Scheme::S3`](super::location::Scheme).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_key: Option<Secret>,
}

/// How many backups stay: the newest of each of so many days, weeks and months.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Keep {
    /// Days.
    pub daily: u16,
    /// Weeks.
    pub weekly: u16,
    /// Months.
    pub monthly: u16,
}

impl Default for Keep {
    fn default() -> Self {
        Self {
            daily: 7,
            weekly: 4,
            monthly: 6,
        }
    }
}

/// The backup to begin with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Restore {
    /// Where it is.
    pub source: Source,
}

/// Where a backup is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Source {
    /// A file beside the answers.
    File(String),
    /// A folder of backups, or one backup, elsewhere.
    Location(Location),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(name) => f.write_str(name),
            Self::Location(location) => location.fmt(f),
        }
    }
}
