//! DKIM keys: making one, reading one that somebody gives us, and what DNS has to say about it.
//!
//! RFC 6376 with RFC 8301 (RSA of 1024 bits is too weak, 2048 the least to sign with; verifiers
//! need not know more than 4096) and RFC 8463 (Ed25519).

use std::fmt;

use anyhow::{Context, Result};
use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::{SigningKey, pkcs8::KeypairBytes};
use rsa::{
    RsaPrivateKey,
    pkcs1::DecodeRsaPrivateKey,
    pkcs8::{DecodePrivateKey, EncodePrivateKey, EncodePublicKey, LineEnding},
    rand_core::OsRng,
    traits::PublicKeyParts,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::util::{random, secret::Secret};

/// Fewest bits of an RSA key.
pub const MIN_RSA_BITS: usize = 2048;
/// Most bits of an RSA key; a 4096 bit one already needs a TXT record of several strings.
pub const MAX_RSA_BITS: usize = 4096;

/// The two algorithms that mail is signed with.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    /// rsa-sha256, which every receiver verifies
    Rsa,
    /// ed25519-sha256, which not every receiver knows yet
    Ed25519,
}

impl fmt::Display for Algorithm {
    /// As the `k=` tag of the DNS record has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rsa => "rsa",
            Self::Ed25519 => "ed25519",
        })
    }
}

impl Algorithm {
    /// Both; mail is signed with each (RFC 8463 section 5: not every verifier knows Ed25519).
    pub const ALL: [Self; 2] = [Self::Rsa, Self::Ed25519];

    /// The selector of a key that we make. A rotation adds a date to it.
    pub fn selector(self) -> &'static str {
        match self {
            Self::Rsa => "ezmail-rsa",
            Self::Ed25519 => "ezmail-ed25519",
        }
    }
}

/// Why a text is no DKIM key.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum KeyError {
    /// No PEM armour, or a damaged one.
    #[error("this is not a private key in PEM form (`-----BEGIN PRIVATE KEY-----` …)")]
    NotPem,
    /// The public half.
    #[error("this is the public key; the private one is needed to sign")]
    Public,
    /// Nobody types a passphrase at boot.
    #[error("the key is encrypted with a passphrase, which nobody could type at boot")]
    Encrypted,
    /// A certificate, an EC key, an OpenSSH key.
    #[error("`{0}` is no key that DKIM knows: RSA or Ed25519 is needed")]
    Unsuitable(String),
    /// The armour is right, what is in it is not.
    #[error(
        "the key is damaged: its armour is right, its content is neither an RSA nor an Ed25519 private key"
    )]
    Damaged,
    /// Outside [`MIN_RSA_BITS`] to [`MAX_RSA_BITS`].
    #[error("the RSA key has {0} bits; {MIN_RSA_BITS} to {MAX_RSA_BITS} are allowed")]
    Bits(usize),
}

/// Why a text cannot stand before `._domainkey`.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("`{0}` cannot be a DKIM selector")]
pub struct SelectorError(String);

/// A selector, in lower case: labels of letters, digits and inner hyphens, at most 63 bytes in all.
///
/// # Errors
/// When it is not one.
pub fn selector(text: &str) -> Result<String, SelectorError> {
    let selector = text.to_ascii_lowercase();
    // RFC 6376 section 3.1: sub-domains as in RFC 5321, so letters, digits and inner hyphens
    let label = |l: &str| {
        (1..=63).contains(&l.len())
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !l.starts_with('-')
            && !l.ends_with('-')
    };
    if selector.len() > 63 || !selector.split('.').all(label) {
        return Err(SelectorError(text.to_owned()));
    }
    Ok(selector)
}

/// The name of the TXT record of a key.
pub fn record_name(selector: &str, domain: &str) -> String {
    format!("{selector}._domainkey.{domain}")
}

/// What can be said about a private key without telling it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyInfo {
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// The public key as the `p=` tag has it: base64 of SubjectPublicKeyInfo for RSA
    /// (RFC 6376 section 3.6.1), of the bare 32 bytes for Ed25519 (RFC 8463 section 4).
    pub public: String,
}

impl KeyInfo {
    /// The TXT record's text for `SELECTOR._domainkey.DOMAIN`.
    pub fn record(&self) -> String {
        format!("v=DKIM1; k={}; p={}", self.algorithm, self.public)
    }
}

/// A new private key, PKCS#8 in PEM form; RSA with [`MIN_RSA_BITS`].
///
/// # Errors
/// When the system gives no random numbers.
pub fn generate(algorithm: Algorithm) -> Result<Secret> {
    let pem = match algorithm {
        Algorithm::Rsa => RsaPrivateKey::new(&mut OsRng, MIN_RSA_BITS)
            .context("making an RSA key")?
            .to_pkcs8_pem(LineEnding::LF)
            .context("writing an RSA key")?,
        Algorithm::Ed25519 => {
            let seed: Zeroizing<[u8; 32]> = random::bytes()?;
            // without the public half: PKCS#8 version 1 is what OpenSSL reads
            let pair = KeypairBytes {
                secret_key: *seed,
                public_key: None,
            };
            ed25519_dalek::pkcs8::EncodePrivateKey::to_pkcs8_pem(&pair, LineEnding::LF)
                .context("writing an Ed25519 key")?
        }
    };
    Ok(Secret::new(pem.as_str()))
}

/// Reads a private key in PEM form: PKCS#8 (RSA or Ed25519) or PKCS#1 (RSA).
///
/// # Errors
/// When it is not such a key, damaged, encrypted, or of a size that is not allowed. No message
/// contains any of it.
pub fn parse_pem(pem: &str) -> Result<KeyInfo, KeyError> {
    let pem = pem.trim();
    let label = pem
        .strip_prefix("-----BEGIN ")
        .and_then(|rest| rest.split_once("-----"))
        .map(|(label, _)| label)
        .ok_or(KeyError::NotPem)?;
    match label {
        "PRIVATE KEY" | "RSA PRIVATE KEY" => {}
        "ENCRYPTED PRIVATE KEY" => return Err(KeyError::Encrypted),
        "PUBLIC KEY" | "RSA PUBLIC KEY" => return Err(KeyError::Public),
        other => return Err(KeyError::Unsuitable(other.to_owned())),
    }
    if pem.contains("\nProc-Type: 4,ENCRYPTED") {
        return Err(KeyError::Encrypted);
    }
    let (label, der) = pem_rfc7468::decode_vec(pem.as_bytes()).map_err(|_| KeyError::NotPem)?;
    let der = Zeroizing::new(der);
    if label == "RSA PRIVATE KEY" {
        return rsa_info(RsaPrivateKey::from_pkcs1_der(&der).map_err(|_| KeyError::Damaged)?);
    }
    if let Ok(key) = <SigningKey as ed25519_dalek::pkcs8::DecodePrivateKey>::from_pkcs8_der(&der) {
        return Ok(KeyInfo {
            algorithm: Algorithm::Ed25519,
            public: STANDARD.encode(key.verifying_key().as_bytes()),
        });
    }
    rsa_info(RsaPrivateKey::from_pkcs8_der(&der).map_err(|_| KeyError::Damaged)?)
}

/// A private key as rspamd's signing module reads it from a file.
///
/// RSA: `pem` itself. Ed25519: base64 of the 32 bytes of the seed, without a newline, because
/// rspamd up to 3.x takes every PEM file for an RSA key (its issue 4630); later ones know both.
///
/// # Errors
/// As [`parse_pem`].
pub fn signing_form(pem: &str) -> Result<Secret, KeyError> {
    if parse_pem(pem)?.algorithm == Algorithm::Rsa {
        return Ok(Secret::new(pem));
    }
    let key = <SigningKey as ed25519_dalek::pkcs8::DecodePrivateKey>::from_pkcs8_pem(pem.trim())
        .map_err(|_| KeyError::Damaged)?;
    let seed = Zeroizing::new(key.to_bytes());
    Ok(Secret::new(STANDARD.encode(seed.as_slice())))
}

fn rsa_info(key: RsaPrivateKey) -> Result<KeyInfo, KeyError> {
    let bits = key.n().bits();
    if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) {
        return Err(KeyError::Bits(bits));
    }
    let spki = key
        .to_public_key()
        .to_public_key_der()
        .map_err(|_| KeyError::Damaged)?;
    Ok(KeyInfo {
        algorithm: Algorithm::Rsa,
        public: STANDARD.encode(spki.as_bytes()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::run::Task;

    /// OpenSSL, which had no part in making the key, finds the same public key in it.
    #[test]
    fn openssl_agrees_with_the_record() {
        for algorithm in Algorithm::ALL {
            let pem = generate(algorithm).unwrap();
            let info = parse_pem(pem.expose()).unwrap();
            assert_eq!(info.algorithm, algorithm);
            let mut command = std::process::Command::new("openssl");
            command.args(["pkey", "-pubout"]);
            let theirs = Task::new("reading the key", command)
                .input(pem.expose())
                .output()
                .unwrap();
            let (_, spki) = pem_rfc7468::decode_vec(theirs.as_bytes()).unwrap();
            // RFC 8410: the last 32 bytes of an Ed25519 SubjectPublicKeyInfo are the key
            let public = match algorithm {
                Algorithm::Rsa => &spki[..],
                Algorithm::Ed25519 => &spki[spki.len() - 32..],
            };
            assert_eq!(info.public, STANDARD.encode(public));
            assert_eq!(
                info.record(),
                format!("v=DKIM1; k={algorithm}; p={}", info.public)
            );
        }
    }

    #[test]
    fn no_two_keys_are_the_same() {
        let key = || generate(Algorithm::Ed25519).unwrap();
        assert_ne!(key(), key());
    }

    /// The example of RFC 8410, section 10.3.
    #[test]
    fn an_ed25519_key_becomes_its_seed() {
        let pem = "-----BEGIN PRIVATE KEY-----\n\
                   MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
                   -----END PRIVATE KEY-----\n";
        let form = signing_form(pem).unwrap();
        assert_eq!(
            form.expose(),
            "1O5y2/kTWErVttjx92n4rTr+fCjL8dT74Jeoj0R1WEI="
        );
        assert_eq!(signing_form("x").unwrap_err(), KeyError::NotPem);
    }
}
