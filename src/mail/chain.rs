//! A certificate chain and its key that somebody gives: is it one, do they fit, for which names,
//! until when.

use p256::pkcs8::EncodePublicKey as _;
use rsa::{
    RsaPrivateKey,
    pkcs1::DecodeRsaPrivateKey,
    pkcs8::{DecodePrivateKey, EncodePrivateKey, EncodePublicKey, LineEnding},
    traits::PublicKeyParts,
};
use thiserror::Error;
use x509_parser::{
    certificate::X509Certificate, extensions::GeneralName, pem::Pem, prelude::FromDer,
};
use zeroize::Zeroizing;

use super::address::DomainName;
use crate::util::secret::Secret;

/// Sizes of RSA keys in bits: what today's clients take, and no more than a handshake can bear.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

/// Why a text is no certificate chain.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ChainError {
    /// No PEM block of a certificate.
    #[error("there is no certificate in PEM form (`-----BEGIN CERTIFICATE-----` …) in it")]
    None,
    /// A block of another kind, such as the key.
    #[error("there is a `{0}` among the certificates")]
    Other(String),
    /// Not base64, or not a certificate inside.
    #[error("certificate {0} is damaged")]
    Damaged(usize),
    /// Out of order, or not one chain.
    #[error("certificate {0} was not issued by certificate {next}", next = .0 + 1)]
    Order(usize),
    /// The certificate of an authority.
    #[error("the first certificate is an authority's, not a server's")]
    Authority,
}

/// Why a text is no private key of a certificate.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum KeyError {
    /// Not PEM at all.
    #[error("this is not a private key in PEM form (`-----BEGIN PRIVATE KEY-----` …)")]
    NotPem,
    /// With a passphrase.
    #[error("the key is encrypted with a passphrase, which nobody types at boot")]
    Encrypted,
    /// The certificate, a public key, an SSH key.
    #[error("this is a `{0}`, not a private key")]
    Label(String),
    /// Another algorithm, or broken.
    #[error("this is not a key on P-256 or P-384 and not an RSA key, or it is damaged")]
    Unsuitable,
    /// An RSA key outside [`RSA_BITS`].
    #[error("the RSA key has {0} bits; 2048 to 4096 are allowed")]
    Bits(usize),
}

/// What is known of a chain that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// The names of the first certificate, lower case.
    pub names: Vec<String>,
    /// Its first moment, in seconds since 1970.
    pub not_before: i64,
    /// Its last moment.
    pub not_after: i64,
    /// Whether it names itself as its issuer.
    pub self_signed: bool,
    /// Its public key, SubjectPublicKeyInfo.
    public: Vec<u8>,
}

/// A private key that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The key, PEM, PKCS#8.
    pub pem: Secret,
    /// The public key, SubjectPublicKeyInfo.
    public: Vec<u8>,
}

impl Chain {
    /// Reads certificates in PEM form, the server's first, each followed by that of its issuer.
    ///
    /// # Errors
    /// When there is none, one is damaged, something else stands among them, or they are not in
    /// order. Signatures are not verified: clients do, and a wrong chain harms its owner only.
    pub fn parse(text: &str) -> Result<Self, ChainError> {
        let blocks = blocks(text)?;
        let chain = certificates(&blocks)?;
        let first = chain.first().ok_or(ChainError::None)?;
        for (n, pair) in chain.windows(2).enumerate() {
            if pair[0].issuer().as_raw() != pair[1].subject().as_raw() {
                return Err(ChainError::Order(n + 1));
            }
        }
        let names = names(first)?;
        if first.is_ca() && names.is_empty() {
            return Err(ChainError::Authority);
        }
        Ok(Self {
            names,
            not_before: first.validity().not_before.timestamp(),
            not_after: first.validity().not_after.timestamp(),
            self_signed: first.issuer().as_raw() == first.subject().as_raw(),
            public: first.public_key().raw.to_vec(),
        })
    }

    /// Whether a client that asks for `host` takes the certificate's names (RFC 9525 section 6.3:
    /// a `*` is the whole first label). The common name does not count.
    pub fn covers(&self, host: &DomainName) -> bool {
        let host = host.as_str();
        let parent = host.split_once('.').map(|(_, parent)| parent);
        self.names
            .iter()
            .any(|name| name == host || name.strip_prefix("*.").is_some_and(|n| Some(n) == parent))
    }

    /// Whether `key` is the certificate's.
    pub fn fits(&self, key: &Key) -> bool {
        self.public == key.public
    }
}

/// Reads the certificates of authorities in PEM form, in any order: how many there are.
///
/// # Errors
/// When there is none, one is damaged, or something else stands among them.
pub fn authorities(text: &str) -> Result<usize, ChainError> {
    let blocks = blocks(text)?;
    match certificates(&blocks)?.len() {
        0 => Err(ChainError::None),
        n => Ok(n),
    }
}

/// What is in the blocks of certificates, DER.
fn blocks(text: &str) -> Result<Vec<Vec<u8>>, ChainError> {
    let mut blocks = Vec::new();
    for (n, block) in Pem::iter_from_buffer(text.as_bytes()).enumerate() {
        let block = block.map_err(|_| ChainError::Damaged(n + 1))?;
        if block.label != "CERTIFICATE" {
            return Err(ChainError::Other(block.label));
        }
        blocks.push(block.contents);
    }
    Ok(blocks)
}

fn certificates(blocks: &[Vec<u8>]) -> Result<Vec<X509Certificate<'_>>, ChainError> {
    let mut certificates = Vec::new();
    for (n, der) in blocks.iter().enumerate() {
        match X509Certificate::from_der(der) {
            Ok((&[], certificate)) => certificates.push(certificate),
            _ => return Err(ChainError::Damaged(n + 1)),
        }
    }
    Ok(certificates)
}

/// The alternative names of a certificate, as far as they are names in the DNS.
fn names(certificate: &X509Certificate<'_>) -> Result<Vec<String>, ChainError> {
    let names = certificate.subject_alternative_name();
    let names = names.map_err(|_| ChainError::Damaged(1))?;
    let names = names.iter().flat_map(|n| &n.value.general_names);
    Ok(names
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
            _ => None,
        })
        .collect())
}

impl Key {
    /// Reads a private key in PEM form: PKCS#8, SEC 1 (`EC PRIVATE KEY`) or PKCS#1
    /// (`RSA PRIVATE KEY`). What OpenSSL writes before a SEC 1 key, its `EC PARAMETERS`, is
    /// passed over.
    ///
    /// # Errors
    /// When it is not such a key, encrypted, or of a kind or size that is not allowed. No message
    /// has any of it.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let text = skip_parameters(text.trim());
        let label = text
            .strip_prefix("-----BEGIN ")
            .and_then(|rest| rest.split_once("-----"))
            .map(|(label, _)| label)
            .ok_or(KeyError::NotPem)?;
        if label == "ENCRYPTED PRIVATE KEY" || text.contains("\nProc-Type: 4,ENCRYPTED") {
            return Err(KeyError::Encrypted);
        }
        if !["PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY"].contains(&label) {
            return Err(KeyError::Label(label.to_owned()));
        }
        let (_, der) = pem_rfc7468::decode_vec(text.as_bytes()).map_err(|_| KeyError::NotPem)?;
        let der = Zeroizing::new(der);
        match label {
            "EC PRIVATE KEY" => p256::SecretKey::from_sec1_der(&der)
                .ok()
                .and_then(|key| p256_key(&key))
                .or_else(|| p384_key(&p384::SecretKey::from_sec1_der(&der).ok()?))
                .ok_or(KeyError::Unsuitable),
            "RSA PRIVATE KEY" => {
                rsa_key(&RsaPrivateKey::from_pkcs1_der(&der).map_err(|_| KeyError::Unsuitable)?)
            }
            _ => pkcs8(&der),
        }
    }
}

fn skip_parameters(text: &str) -> &str {
    const END: &str = "-----END EC PARAMETERS-----";
    match text.strip_prefix("-----BEGIN EC PARAMETERS-----") {
        Some(rest) => rest
            .split_once(END)
            .map_or(text, |(_, key)| key.trim_start()),
        None => text,
    }
}

fn pkcs8(der: &[u8]) -> Result<Key, KeyError> {
    use p256::pkcs8::DecodePrivateKey as _;
    if let Some(key) = p256::SecretKey::from_pkcs8_der(der)
        .ok()
        .and_then(|k| p256_key(&k))
    {
        return Ok(key);
    }
    if let Some(key) = p384::SecretKey::from_pkcs8_der(der)
        .ok()
        .and_then(|k| p384_key(&k))
    {
        return Ok(key);
    }
    let key = <RsaPrivateKey as DecodePrivateKey>::from_pkcs8_der(der);
    rsa_key(&key.map_err(|_| KeyError::Unsuitable)?)
}

fn p256_key(key: &p256::SecretKey) -> Option<Key> {
    use p256::pkcs8::EncodePrivateKey as _;
    let pem = key.to_pkcs8_pem(p256::pkcs8::LineEnding::LF).ok()?;
    Some(Key {
        pem: Secret::new(pem.as_str()),
        public: key.public_key().to_public_key_der().ok()?.into_vec(),
    })
}

fn p384_key(key: &p384::SecretKey) -> Option<Key> {
    use p384::pkcs8::EncodePrivateKey as _;
    let pem = key.to_pkcs8_pem(p384::pkcs8::LineEnding::LF).ok()?;
    Some(Key {
        pem: Secret::new(pem.as_str()),
        public: key.public_key().to_public_key_der().ok()?.into_vec(),
    })
}

fn rsa_key(key: &RsaPrivateKey) -> Result<Key, KeyError> {
    let bits = key.n().bits();
    if !RSA_BITS.contains(&bits) {
        return Err(KeyError::Bits(bits));
    }
    let pem = key
        .to_pkcs8_pem(LineEnding::LF)
        .map_err(|_| KeyError::Unsuitable)?;
    let public = key.to_public_key().to_public_key_der();
    Ok(Key {
        pem: Secret::new(pem.as_str()),
        public: public.map_err(|_| KeyError::Unsuitable)?.into_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const P256: [&str; 3] = [
        include_str!("../../tests/vectors/tls/p256.pem"),
        include_str!("../../tests/vectors/tls/p256-pkcs8.key"),
        include_str!("../../tests/vectors/tls/p256-sec1.key"),
    ];
    const P384: [&str; 3] = [
        include_str!("../../tests/vectors/tls/p384.pem"),
        include_str!("../../tests/vectors/tls/p384-pkcs8.key"),
        include_str!("../../tests/vectors/tls/p384-sec1.key"),
    ];
    const RSA: [&str; 3] = [
        include_str!("../../tests/vectors/tls/rsa.pem"),
        include_str!("../../tests/vectors/tls/rsa-pkcs8.key"),
        include_str!("../../tests/vectors/tls/rsa-pkcs1.key"),
    ];
    const AUTHORITY: &str = include_str!("../../tests/vectors/tls/authority.pem");

    fn host(text: &str) -> DomainName {
        text.parse().unwrap()
    }

    #[test]
    fn each_form_of_a_key_is_the_same_key() {
        for [chain, pkcs8, old] in [P256, P384, RSA] {
            let chain = Chain::parse(chain).unwrap();
            let keys = [pkcs8, old].map(|text| Key::parse(text).unwrap());
            assert_eq!(keys[0], keys[1]);
            assert!(chain.fits(&keys[0]));
            let text = keys[0].pem.expose();
            assert_eq!(Key::parse(text).unwrap(), keys[0]);
            assert!(text.starts_with("-----BEGIN PRIVATE KEY-----\n"));
        }
        let stranger = Key::parse(P384[1]).unwrap();
        assert!(!Chain::parse(P256[0]).unwrap().fits(&stranger));
        // as `openssl ecparam -genkey` writes it
        let parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n\
                          -----END EC PARAMETERS-----\n";
        let long = parameters.to_owned() + P256[2];
        assert_eq!(Key::parse(&long), Key::parse(P256[1]));
    }

    #[test]
    fn names_are_matched_by_whole_labels() {
        let chain = Chain::parse(P256[0]).unwrap();
        assert_eq!(chain.names, ["mx1.example.net", "mail.example.org"]);
        assert!(chain.covers(&host("MX1.example.net")));
        assert!(!chain.covers(&host("example.net")));
        let wild = Chain::parse(P384[0]).unwrap();
        assert!(wild.covers(&host("mail.example.org")) && wild.covers(&host("example.org")));
        assert!(!wild.covers(&host("a.mail.example.org")));
        assert!(!wild.covers(&host("mail.example.com")));
    }

    #[test]
    fn each_broken_chain_has_its_error() {
        let end = "-----END CERTIFICATE-----\n";
        let (first, second) = P256[0].split_once(end).unwrap();
        let parse = |text: &str| Chain::parse(text).unwrap_err();
        assert_eq!(parse("rubbish"), ChainError::None);
        assert_eq!(parse(P256[1]), ChainError::Other("PRIVATE KEY".into()));
        assert_eq!(parse(AUTHORITY), ChainError::Authority);
        assert_eq!(authorities(AUTHORITY), Ok(1));
        assert_eq!(authorities("rubbish"), Err(ChainError::None));
        let swapped = format!("{second}{first}{end}");
        assert_eq!(parse(&swapped), ChainError::Order(1));
        let twice = format!("{0}{0}", P256[0]);
        assert_eq!(parse(&twice), ChainError::Order(2));
        let cut = format!("{}\n{end}", &first[..first.len() - 65]);
        assert_eq!(parse(&cut), ChainError::Damaged(1));
        assert_eq!(parse(&first[..200]), ChainError::Damaged(1));
    }

    #[test]
    fn each_broken_key_has_its_error() {
        let parse = |text: &str| Key::parse(text).unwrap_err();
        assert_eq!(parse("secret text"), KeyError::NotPem);
        assert_eq!(parse(P256[0]), KeyError::Label("CERTIFICATE".into()));
        assert_eq!(parse(&P256[1][..90]), KeyError::NotPem);
        let encrypted = P256[1].replace("PRIVATE", "ENCRYPTED PRIVATE");
        assert_eq!(parse(&encrypted), KeyError::Encrypted);
        let other = P256[2].replace("EC PRIVATE", "PRIVATE");
        assert_eq!(parse(&other), KeyError::Unsuitable);
    }
}
