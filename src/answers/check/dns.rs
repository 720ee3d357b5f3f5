//! `[dns]`: forwarders and trust anchors.

use std::net::IpAddr;

use base64::{Engine, engine::general_purpose::STANDARD};

use super::Context;
use crate::answers::{model::Dns, node::Node, rules::Rule};

/// DNSSEC algorithms that resolvers validate (RFC 8624 section 3.1).
const ALGORITHMS: [u8; 5] = [8, 13, 14, 15, 16];
/// Digest types with the bytes of their digest: SHA-256 and SHA-384 (RFC 8624 section 3.3).
const DIGESTS: [(u8, usize); 2] = [(2, 32), (4, 48)];

/// Reads `[dns]`.
pub(super) fn check(root: &Node<'_>, cx: &mut Context<'_>) -> Dns {
    let mut dns = Dns::default();
    let Some(node) = root.table("dns") else {
        return dns;
    };
    for value in node.texts("forwarders") {
        match value.text.parse::<IpAddr>() {
            Ok(ip) if !(ip.is_unspecified() || ip.is_multicast() || ip.is_loopback()) => {
                dns.forwarders.push(ip);
            }
            Ok(_) => {
                let message = format!("no resolver can be asked at `{}`", value.text);
                let help = "write the address of a resolver that the server can reach; it has \
                            its own on the loopback addresses, which would ask itself";
                cx.about(Rule::Forwarder, &value, message, help);
            }
            Err(_) => {
                let message = format!("`{}` is not an IP address", value.text);
                let help = "write an address such as `192.0.2.53` or `2001:db8::53`, without port";
                cx.about(Rule::Forwarder, &value, message, help);
            }
        }
    }
    for value in node.texts("trust_anchors") {
        match anchor(value.text) {
            Ok(record) => dns.trust_anchors.push(record),
            Err(message) => {
                let help = "write a record such as `. IN DS 20326 8 2 E06D44B8…` or \
                            `. IN DNSKEY 257 3 13 mdsswUyr…`";
                cx.about(Rule::TrustAnchor, &value, message, help);
            }
        }
    }
    dns
}

/// `OWNER [TTL] [IN] DS|DNSKEY DATA` in one spelling, without TTL (RFC 4034 sections 2.2, 5.3).
fn anchor(text: &str) -> Result<String, String> {
    let mut fields = text.split_ascii_whitespace().peekable();
    let owner = owner(fields.next().unwrap_or(""))?;
    let skip = |f: &&str| f.eq_ignore_ascii_case("IN") || f.bytes().all(|b| b.is_ascii_digit());
    while fields.next_if(skip).is_some() {}
    let kind = fields.next().unwrap_or("").to_ascii_uppercase();
    let mut number = |what: &str, max: u16| {
        let field = fields.next().unwrap_or("");
        let number = field.parse::<u16>().ok().filter(|n| *n <= max);
        number.ok_or_else(|| format!("the record's {what} has to be a number up to {max}"))
    };
    let known = |algorithm: u16| match ALGORITHMS.iter().any(|a| u16::from(*a) == algorithm) {
        true => Ok(algorithm),
        false => Err(format!(
            "algorithm {algorithm} is not one of {ALGORITHMS:?}"
        )),
    };
    match kind.as_str() {
        "DS" => {
            let tag = number("key tag", u16::MAX)?;
            let algorithm = known(number("algorithm", 255)?)?;
            let digest_type = number("digest type", 255)?;
            let digest: String = fields.collect();
            let size = DIGESTS.iter().find(|(t, _)| u16::from(*t) == digest_type);
            let (_, size) = size.ok_or("the digest type has to be 2 (SHA-256) or 4 (SHA-384)")?;
            if hex::decode(&digest).map(|d| d.len()) != Ok(*size) {
                return Err(format!(
                    "the digest has to be {} hexadecimal digits",
                    size * 2
                ));
            }
            let digest = digest.to_ascii_uppercase();
            Ok(format!(
                "{owner} IN DS {tag} {algorithm} {digest_type} {digest}"
            ))
        }
        "DNSKEY" => {
            let flags = number("flags", u16::MAX)?;
            if flags & 0x0101 != 0x0101 || flags & 0x0080 != 0 {
                return Err("the flags have to be 257: a key-signing key, not revoked".to_owned());
            }
            if number("protocol", 255)? != 3 {
                return Err("the record's protocol has to be 3".to_owned());
            }
            let algorithm = known(number("algorithm", 255)?)?;
            let key: String = fields.collect();
            match STANDARD.decode(&key) {
                Ok(bytes) if bytes.len() >= 32 => {
                    Ok(format!("{owner} IN DNSKEY {flags} 3 {algorithm} {key}"))
                }
                _ => Err("the key is damaged: it has to be base64 of 32 bytes or more".to_owned()),
            }
        }
        _ => Err("this is neither a DS nor a DNSKEY record".to_owned()),
    }
}

/// A zone's name with its final dot.
fn owner(text: &str) -> Result<String, String> {
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let label = |l: &str| {
        (1..=63).contains(&l.len())
            && l.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    if text == "." {
        return Ok(text.to_owned());
    }
    match name.len() <= 253 && name.split('.').all(label) {
        true => Ok(name + "."),
        false => {
            Err("the record does not begin with the name of a zone (`.` is the root)".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "e06d44b80b8f1d39a95c0b0d7c65d08458e880409bbc683457104237c7f8ec8d";

    #[test]
    fn records_come_out_in_one_spelling() {
        let (a, b) = DIGEST.split_at(20);
        assert_eq!(
            anchor(&format!(".\t3600 in ds 20326 8 2 {a} {b}")).unwrap(),
            format!(". IN DS 20326 8 2 {}", DIGEST.to_ascii_uppercase())
        );
        let key = STANDARD.encode([7; 64]);
        assert_eq!(
            anchor(&format!("Example DNSKEY 257 3 13 {key}")).unwrap(),
            format!("example. IN DNSKEY 257 3 13 {key}")
        );
    }

    #[test]
    fn each_field_has_its_error() {
        for (record, want) in [
            ("", "name of a zone"),
            (". IN A 192.0.2.1", "neither"),
            (". DS x 8 2 ab", "key tag"),
            (". DS 1 5 2 ab", "algorithm 5"),
            (". DS 1 8 1 ab", "digest type"),
            (". DS 1 8 2 ab", "64 hexadecimal"),
            (". DNSKEY 256 3 13 ab", "257"),
            (". DNSKEY 385 3 13 ab", "257"),
            (". DNSKEY 257 2 13 ab", "protocol"),
            (". DNSKEY 257 3 13 ab", "damaged"),
        ] {
            let error = anchor(record).unwrap_err();
            assert!(error.contains(want), "{record}: {error}");
        }
    }
}
