//! What the records are made from.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use anyhow::{Context, Result};

use crate::{
    answers::model::{Acme, Dmarc},
    mail::{address::DomainName, database::keys::Stage, dkim::KeyInfo},
    util::hash,
};

/// The public half of a DKIM key and where it is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedKey {
    /// The domain that it signs for.
    pub domain: DomainName,
    /// What stands before `._domainkey`.
    pub selector: String,
    /// Algorithm and key.
    pub info: KeyInfo,
    /// Whether it signs yet, or still.
    pub stage: Stage,
}

/// What the server offers beside mail. Records that lead to what does not run would do harm, so
/// they are not in the list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offers {
    /// The id of the MTA-STS policy, and the domains for which it is to be had by HTTPS.
    pub mta_sts: Option<(String, BTreeSet<DomainName>)>,
    /// The domains whose mail programs get their settings by HTTPS.
    pub autoconfig: BTreeSet<DomainName>,
}

impl Offers {
    /// The id of the policy of `domain`, if that has one.
    pub fn policy(&self, domain: &str) -> Option<&str> {
        let (id, domains) = self.mta_sts.as_ref()?;
        let mut domains = domains.iter();
        domains.any(|d| d.as_str() == domain).then_some(id.as_str())
    }
}

/// What is known about the server.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Its name.
    pub hostname: DomainName,
    /// The mail domains, and what their DMARC records ask for.
    pub domains: Vec<(DomainName, Dmarc)>,
    /// Its addresses, as far as they are known; only public ones are published.
    pub addresses: Vec<IpAddr>,
    /// The keys of all domains.
    pub keys: Vec<PublishedKey>,
    /// Whether mail leaves through somebody else's relay.
    pub smarthost: Option<DomainName>,
    /// The hash of the certificate's key ([`key_hash`]), where there is a certificate.
    pub certificate: Option<String>,
    /// Who issues the certificates ([`caa_issuer`]), where that is known.
    pub issuer: Option<String>,
    /// The account there, as its address.
    pub account: Option<String>,
    /// What else it offers.
    pub offers: Offers,
}

impl Facts {
    /// The addresses that can stand in public DNS.
    pub fn public(&self) -> Vec<IpAddr> {
        self.addresses.iter().copied().filter(is_public).collect()
    }
}

/// SHA-256 of the SubjectPublicKeyInfo of the first certificate in `pem`, in hexadecimal digits:
/// what a TLSA record `3 1 1` has (RFC 6698 section 2.1).
///
/// # Errors
/// When it is no certificate.
pub fn key_hash(pem: &str) -> Result<String> {
    let what = "reading the certificate";
    let (_, pem) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).context(what)?;
    let certificate = pem.parse_x509().context(what)?;
    Ok(hash::sha256(certificate.tbs_certificate.subject_pki.raw))
}

/// How the authority with that directory calls itself in CAA records (RFC 8659 section 4.2); none
/// for one that is not known here.
pub fn caa_issuer(acme: &Acme) -> Option<&'static str> {
    let directory = acme.directory.as_deref();
    let host = directory.map(|url| {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        rest.split(['/', ':']).next().unwrap_or(rest)
    });
    match host.filter(|_| acme.enabled) {
        None => acme.enabled.then_some("letsencrypt.org"),
        Some(host) if host.ends_with(".letsencrypt.org") => Some("letsencrypt.org"),
        Some("acme.zerossl.com") => Some("sectigo.com"),
        Some("api.buypass.com") => Some("buypass.com"),
        Some("dv.acme-v02.api.pki.goog") => Some("pki.goog"),
        Some(_) => None,
    }
}

/// Whether an address can stand in public DNS.
pub fn is_public(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            // RFC 6598: carrier-grade NAT
            let shared = a == 100 && (64..128).contains(&b);
            !(ip.is_private() || ip.is_loopback() || ip.is_link_local() || shared)
                && *ip != Ipv4Addr::UNSPECIFIED
        }
        IpAddr::V6(ip) => {
            !(ip.is_loopback() || ip.is_unicast_link_local() || ip.is_unique_local())
                && *ip != Ipv6Addr::UNSPECIFIED
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities_are_known_by_their_directories() {
        let issuer = |enabled, directory: Option<&str>| {
            let directory = directory.map(str::to_owned);
            caa_issuer(&Acme {
                enabled,
                directory,
                ..Acme::default()
            })
        };
        assert_eq!(issuer(true, None), Some("letsencrypt.org"));
        assert_eq!(issuer(false, None), None);
        let staging = "https://acme-staging-v02.api.letsencrypt.org/directory";
        assert_eq!(issuer(true, Some(staging)), Some("letsencrypt.org"));
        assert_eq!(issuer(true, Some("https://acme.example:1/dir")), None);
    }
}
