//! The DKIM keys of archmailbox: RSA as PEM, Ed25519 as the seed in base64.

use anyhow::Result;
use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use crate::{
    mail::dkim::{self, KeyInfo},
    util::secret::Secret,
};

/// A key for a domain.
#[derive(Debug)]
pub struct FoundKey {
    /// The domain.
    pub domain: String,
    /// Its selector.
    pub selector: String,
    /// The private key, PEM.
    pub pem: Secret,
    /// What it is.
    pub info: KeyInfo,
}

/// The key of a file, whose name is `DOMAIN.SELECTOR`.
///
/// # Errors
/// Why it is of no use, as a sentence.
pub fn key(name: &str, text: &Secret, domains: &[String]) -> Result<FoundKey, String> {
    let of = |domain: &&String| {
        name.strip_prefix(domain.as_str())
            .is_some_and(|rest| rest.starts_with('.'))
    };
    let Some(domain) = domains.iter().filter(of).max_by_key(|domain| domain.len()) else {
        return Err(format!(
            "the DKIM key {name} is left out: it is of no domain that is taken over"
        ));
    };
    let selector = &name[domain.len() + 1..];
    let left_out = |why: &dyn std::fmt::Display| {
        format!("the DKIM key {selector} of {domain} is left out: {why}")
    };
    let selector = dkim::selector(selector).map_err(|e| left_out(&e))?;
    let text = text.expose().trim();
    let pem = match text.starts_with("-----BEGIN ") {
        true => Secret::new(format!("{text}\n")),
        false => {
            of_seed(text).ok_or_else(|| left_out(&"it is neither PEM nor a seed in base64"))?
        }
    };
    let info = dkim::parse_pem(pem.expose()).map_err(|e| left_out(&e))?;
    Ok(FoundKey {
        domain: domain.clone(),
        selector,
        pem,
        info,
    })
}

/// An Ed25519 key from its 32 bytes, PKCS#8 in PEM form (RFC 8410).
fn of_seed(text: &str) -> Option<Secret> {
    /// Version 0, algorithm 1.3.101.112, and the head of the 32 bytes.
    const HEAD: [u8; 16] = [
        0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04,
        0x20,
    ];
    let seed = Zeroizing::new(STANDARD.decode(text).ok()?);
    if seed.len() != 32 {
        return None;
    }
    let der = Zeroizing::new([HEAD.as_slice(), &seed].concat());
    let body = Zeroizing::new(STANDARD.encode(der.as_slice()));
    Some(Secret::new(format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        body.as_str()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::dkim::Algorithm;

    /// The example of RFC 8410, section 10.3, whose seed is also in the tests of [`dkim`].
    #[test]
    fn a_seed_becomes_a_key() {
        let seed = Secret::new("1O5y2/kTWErVttjx92n4rTr+fCjL8dT74Jeoj0R1WEI=\n");
        let domains = ["example.org".to_owned(), "sub.example.org".to_owned()];
        let found = key("sub.example.org.mail-ed", &seed, &domains).unwrap();
        assert_eq!(
            (found.domain.as_str(), found.selector.as_str()),
            ("sub.example.org", "mail-ed")
        );
        assert_eq!(found.info.algorithm, Algorithm::Ed25519);
        assert!(
            found
                .pem
                .expose()
                .contains("MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC")
        );
        let why = |name: &str, text: &str| key(name, &Secret::new(text), &domains).unwrap_err();
        insta::assert_snapshot!(why("example.com.x", "x"), @"the DKIM key example.com.x is left out: it is of no domain that is taken over");
        insta::assert_snapshot!(why("example.org.x", "eA=="), @"the DKIM key x of example.org is left out: it is neither PEM nor a seed in base64");
        insta::assert_snapshot!(why("example.org._", "x"), @"the DKIM key _ of example.org is left out: `_` cannot be a DKIM selector");
    }
}
