//! The outside world of an appliance: a network namespace with a DNS of its own, signed from its
//! root, an MX, and clients with addresses, v4 and v6.
//!
//! Nothing of it outlives the test process, however that ends: the namespace has no name and
//! every process in it dies with ours.

// each test crate uses its part of it
#![allow(dead_code)]

pub mod acme;
pub mod addresses;
pub mod appliance;
pub mod client;
pub mod dkim;
pub mod dns;
pub mod message;
pub mod mx;
pub mod namespace;
pub mod shell;
pub mod sshd;
pub mod web;
pub mod zones;

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use ezmail::util::files;
use serde::Deserialize;
use serde_json::json;

use addresses::{Family, OUTSIDE, setup};
use client::Client;
use dkim::{Chain, Signature, SigningKey};
use message::Mail;
use namespace::Namespace;

/// The taps for the machines of a world.
pub const TAPS: [&str; 2] = ["tap0", "tap1"];

/// Everything outside.
pub struct World {
    // in this order everything ends: first who uses the namespace, then the namespace
    mx: mx::Mx,
    dns: dns::Dns,
    namespace: Namespace,
    key: SigningKey,
    folder: PathBuf,
}

impl World {
    /// Makes the world. Its files and logs lie in `name` below cargo's folder for tests, and stay
    /// there until the next world of that name.
    pub fn new(name: &str) -> Result<Self> {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        // sun_path of unix(7) has room for 107 bytes
        if folder.as_os_str().len() > 85 {
            bail!("{} is too long a path for a socket in it", folder.display());
        }
        if folder.exists() {
            files::remove_dir_all(&folder)?;
        }
        files::create_dir_all(&folder)?;
        let namespace = Namespace::new()?;
        namespace.shell("setting up the test network", &setup(&TAPS))?;
        let key = SigningKey::new(&folder)?;
        let dns = dns::Dns::start(&namespace, &folder.join("dns"), &key.record)?;
        let mx = mx::Mx::start(&namespace, &folder.join("mx"))?;
        Ok(Self {
            mx,
            dns,
            namespace,
            key,
            folder,
        })
    }

    /// Where its files and logs are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The network namespace.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// The DS record of the root's key, as `dns.trust_anchors` takes it.
    pub fn trust_anchor(&self) -> &str {
        self.dns.anchor()
    }

    /// The MX.
    pub fn mx(&self) -> &mx::Mx {
        &self.mx
    }

    /// The processes that make it up.
    pub fn pids(&self) -> Vec<u32> {
        let [resolver, authority] = self.dns.pids();
        vec![self.mx.pid(), resolver, authority, self.namespace.pid()]
    }

    /// A client with the address of that number ([`addresses::client`]).
    pub fn client(&self, number: u8, family: Family) -> Client<'_> {
        Client::new(&self.namespace, number, family)
    }

    /// Puts zone lines, as an appliance prints them, into the DNS.
    pub fn publish(&self, records: &str) -> Result<()> {
        self.dns.publish(&self.namespace, records)
    }

    /// Asks the DNS server at `server` with kdig.
    pub fn dig(&self, server: IpAddr, words: &[&str]) -> Result<String> {
        dns::dig(&self.namespace, server, words)
    }

    /// Judges the DKIM signatures of a message.
    pub fn verify_dkim(&self, raw: &[u8]) -> Result<Vec<Signature>> {
        dkim::verify(&self.namespace, raw, 0)
    }

    /// As [`World::verify_dkim`], for who signs with a clock that is ahead by that many seconds.
    pub fn verify_dkim_later(&self, raw: &[u8], later: i64) -> Result<Vec<Signature>> {
        dkim::verify(&self.namespace, raw, later)
    }

    /// Judges the ARC chain of a message.
    pub fn verify_arc(&self, raw: &[u8]) -> Result<Chain> {
        dkim::verify_arc(&self.namespace, raw)
    }

    /// Signs a message as the outside's domain does.
    pub fn sign(&self, mail: Mail) -> Result<Mail> {
        self.key.sign(&self.namespace, OUTSIDE, mail)
    }

    /// Whether a TCP connection to that port is taken.
    pub fn is_open(&self, address: IpAddr, port: u16) -> Result<bool> {
        let knocks = self.knock(None, address, port, 1)?;
        Ok(knocks == [Knock::Open])
    }

    /// Tries a TCP port `times` times, one after the other, from `source` or from any address.
    pub fn knock(
        &self,
        source: Option<IpAddr>,
        address: IpAddr,
        port: u16,
        times: usize,
    ) -> Result<Vec<Knock>> {
        let order = json!({
            "source": source,
            "host": address,
            "port": port,
            "times": times,
            "timeout": 3,
        });
        let answer = self
            .namespace
            .python("knock.py", &order, Duration::from_secs(120))?;
        serde_json::from_value(answer).context("reading what knock.py has found")
    }
}

/// What becomes of an attempt to connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Knock {
    /// The connection is taken.
    Open,
    /// Nobody listens, and no firewall is in the way.
    Refused,
    /// No answer.
    Silent,
}
