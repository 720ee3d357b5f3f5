//! The self-signed certificate that a server has until it gets one from an authority, and the request
//! for that one.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};

use super::address::DomainName;
use crate::util::{hash, secret::Secret};

/// A certificate with its key, both PEM.
#[derive(Debug, Clone)]
pub struct SelfSigned {
    /// The certificate.
    pub certificate: String,
    /// The private key, PKCS#8.
    pub key: Secret,
}

/// The names that clients may use: the server's own, and `mail.` in every domain.
pub fn names(hostname: &DomainName, domains: &[DomainName]) -> BTreeSet<String> {
    let mail = domains.iter().map(|d| format!("mail.{d}"));
    mail.chain([hostname.to_string()]).collect()
}

/// A certificate for `names`, ECDSA P-256, with `hostname` as its common name.
///
/// `key` (PEM, PKCS#8) is used again if given: whoever trusted the certificate by its key goes on
/// doing so. Valid from 2020, because a virtual machine's clock may be slow at its first boot, to
/// 2049, the last year that every reader of dates knows; it proves nothing anyway.
///
/// # Errors
/// When the key cannot be made or read, or a name is longer than a certificate can hold.
pub fn self_signed(
    hostname: &DomainName,
    names: &BTreeSet<String>,
    key: Option<&Secret>,
) -> Result<SelfSigned> {
    let key = match key {
        Some(pem) => KeyPair::from_pkcs8_pem_and_sign_algo(pem.expose(), &PKCS_ECDSA_P256_SHA256)
            .context("reading the certificate's key")?,
        None => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)
            .context("making the certificate's key")?,
    };
    let names: Vec<String> = names.iter().cloned().collect();
    let mut params = CertificateParams::new(names).context("naming the certificate")?;
    params.distinguished_name = common_name(hostname.as_str());
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2049, 12, 31);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = params
        .self_signed(&key)
        .context("signing the certificate")?;
    Ok(SelfSigned {
        certificate: certificate.pem(),
        key: Secret::new(key.serialize_pem()),
    })
}

/// RFC 5280 appendix A: a common name has at most 64 characters; the alternative names count.
fn common_name(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    if (1..=64).contains(&name.len()) {
        names.push(DnType::CommonName, name);
    }
    names
}

/// A new private key, P-256, PEM, PKCS#8.
///
/// # Errors
/// When the system gives no random numbers.
pub fn new_key() -> Result<Secret> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).context("making the key")?;
    Ok(Secret::new(key.serialize_pem()))
}

/// A request for a certificate with `names` (RFC 2986), PEM; `key` is P-256, PEM, PKCS#8. The first is
/// the common name as well if it has room there: acme.sh would ask for a single one twice.
///
/// # Errors
/// When the key is of another kind, or a name is none.
pub fn request(names: &[String], key: &Secret) -> Result<String> {
    let key = KeyPair::from_pkcs8_pem_and_sign_algo(key.expose(), &PKCS_ECDSA_P256_SHA256)
        .context("reading the certificate's key")?;
    let mut params = CertificateParams::new(names).context("naming the certificate")?;
    params.distinguished_name = common_name(names.first().map_or("", String::as_str));
    let request = params.serialize_request(&key);
    let request = request.context("signing the request for a certificate")?;
    request
        .pem()
        .context("writing the request for a certificate")
}

/// Where the certificate in place comes from: told by the mark beside it, a line with the
/// certificate's hash and then its names, or the word `answers` or `acme`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Made here, self-signed, for these names.
    Made(BTreeSet<String>),
    /// Given by the answers.
    Answers,
    /// Issued by the authority that the answers name.
    Authority,
    /// Put there by somebody else.
    Elsewhere,
}

/// What the mark says of a certificate that the answers gave. No name of a certificate is without
/// a dot.
const GIVEN: &str = "answers";
const ISSUED: &str = "acme";

impl Origin {
    /// The mark of `certificate`; nothing marks one from elsewhere.
    pub fn mark(&self, certificate: &[u8]) -> Option<String> {
        let sum = hash::sha256(certificate);
        match self {
            Self::Made(names) => {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                Some(format!("{sum} {}\n", names.join(" ")))
            }
            Self::Answers => Some(format!("{sum} {GIVEN}\n")),
            Self::Authority => Some(format!("{sum} {ISSUED}\n")),
            Self::Elsewhere => None,
        }
    }

    /// What `mark` says about `certificate`.
    pub fn read(mark: &str, certificate: &[u8]) -> Self {
        let mut words = mark.split_whitespace();
        if words.next() != Some(&hash::sha256(certificate)) {
            return Self::Elsewhere;
        }
        let rest: BTreeSet<String> = words.map(str::to_owned).collect();
        match rest {
            rest if rest.contains(GIVEN) => Self::Answers,
            rest if rest.contains(ISSUED) => Self::Authority,
            rest => Self::Made(rest),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::util::run::Task;

    fn domain(text: &str) -> DomainName {
        text.parse().unwrap()
    }

    /// What OpenSSL says about a certificate.
    fn shown(pem: &str) -> String {
        let mut command = Command::new("openssl");
        command.args(["x509", "-noout", "-text", "-pubkey"]);
        Task::new("reading the certificate", command)
            .input(pem)
            .output()
            .unwrap()
    }

    #[test]
    fn openssl_reads_names_and_key() {
        let host = domain("mx.example.net");
        let names = names(&host, &[domain("example.org"), domain("bücher.example")]);
        let made = self_signed(&host, &names, None).unwrap();
        let text = shown(&made.certificate);
        assert!(text.contains("CN = mx.example.net"), "{text}");
        assert!(text.contains("prime256v1"), "{text}");
        let want = "DNS:mail.example.org, DNS:mail.xn--bcher-kva.example, DNS:mx.example.net";
        assert!(text.contains(want), "{text}");

        // with a further name, the key stays
        let more = self_signed(&host, &names, Some(&made.key)).unwrap();
        let key = |text: &str| text[text.find("-----BEGIN PUBLIC").unwrap()..].to_owned();
        assert_eq!(key(&shown(&more.certificate)), key(&text));
        assert_eq!(more.key, made.key);
    }

    #[test]
    fn openssl_reads_a_request() {
        let key = new_key().unwrap();
        let names = ["mx.example.net".to_owned(), "mail.example.org".to_owned()];
        let pem = request(&names, &key).unwrap();
        let mut command = Command::new("openssl");
        command.args(["req", "-noout", "-text", "-verify"]);
        let text = Task::new("reading the request", command)
            .input(pem)
            .output()
            .unwrap();
        let want = "DNS:mx.example.net, DNS:mail.example.org";
        assert!(text.contains(want) && text.contains("prime256v1"), "{text}");
    }

    #[test]
    fn a_long_name_is_no_obstacle() {
        let host = domain(&format!(
            "{}.{}.example.org",
            "a".repeat(60),
            "b".repeat(60)
        ));
        let made = self_signed(&host, &names(&host, &[]), None).unwrap();
        assert!(shown(&made.certificate).contains(host.as_str()));
    }

    #[test]
    fn the_mark_tells_where_a_certificate_is_from() {
        let names: BTreeSet<String> = ["a.example".to_owned(), "b.example".to_owned()].into();
        for origin in [Origin::Made(names), Origin::Answers, Origin::Authority] {
            let mark = origin.mark(b"one").unwrap();
            assert_eq!(Origin::read(&mark, b"one"), origin);
            assert_eq!(Origin::read(&mark, b"two"), Origin::Elsewhere);
        }
        assert_eq!(Origin::read("", b"one"), Origin::Elsewhere);
        assert_eq!(Origin::Elsewhere.mark(b"one"), None);
    }
}
