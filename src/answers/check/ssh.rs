//! `[ssh]`: public keys in the form of OpenSSH's `authorized_keys` (sshd(8)).

use std::collections::BTreeSet;

use base64::{Engine, engine::general_purpose::STANDARD};

use super::Context;
use crate::answers::{model::Ssh, node::Node, rules::Rule};

/// Key types, with the bytes of their public key where the type fixes them (RFC 8709, RFC 5656:
/// an uncompressed point).
const TYPES: [(&str, Option<usize>); 7] = [
    ("ssh-ed25519", Some(32)),
    ("ecdsa-sha2-nistp256", Some(65)),
    ("ecdsa-sha2-nistp384", Some(97)),
    ("ecdsa-sha2-nistp521", Some(133)),
    ("sk-ssh-ed25519@openssh.com", Some(32)),
    ("sk-ecdsa-sha2-nistp256@openssh.com", Some(65)),
    ("ssh-rsa", None),
];
const MIN_RSA_BITS: usize = 2048;

/// Reads `ssh.authorized_keys`.
pub(super) fn check(root: &Node<'_>, cx: &mut Context<'_>) -> Ssh {
    let node = root.table("ssh");
    let values = node.iter().flat_map(|n| n.texts("authorized_keys"));
    let mut blobs = BTreeSet::new();
    let mut ssh = Ssh::default();
    for value in values {
        match parse(value.text) {
            Ok((blob, line)) => {
                if blobs.insert(blob) {
                    ssh.authorized_keys.push(line);
                } else {
                    let message = "this key is there already";
                    cx.about(
                        Rule::DuplicateSshKey,
                        &value,
                        message,
                        "remove one of the two",
                    );
                }
            }
            Err(message) => {
                let help = "write the line of a `.pub` file, such as `ssh-ed25519 AAAA… name`; \
                            `ssh-keygen -t ed25519` makes one";
                cx.about(Rule::SshKey, &value, message, help);
            }
        }
    }
    let absent = match &node {
        Some(node) => !node.has("authorized_keys") || node.array_is_empty("authorized_keys"),
        None => !root.has("ssh"),
    };
    if absent {
        let span = node.map_or(0..0, |n| n.span);
        let message = match root.has("console") {
            true => "there is no SSH key: nobody can log in but at the console",
            false => "there is no SSH key: nobody can log in to look after the server",
        };
        cx.report.add(
            Rule::NoSshKey,
            "ssh.authorized_keys",
            span,
            message,
            "add `[ssh]` with `authorized_keys = [\"ssh-ed25519 AAAA… name\"]`",
        );
    }
    ssh
}

/// The key's base64, and its line in one spelling.
pub(super) fn parse(text: &str) -> Result<(String, String), String> {
    if text.contains("PRIVATE KEY") {
        return Err("this is a private key, which has to stay where it was made".to_owned());
    }
    let line = text.trim();
    if line.chars().any(char::is_control) {
        return Err("there is a line break or another control character in the key".to_owned());
    }
    let mut fields = line.split_ascii_whitespace();
    let name = fields.next().unwrap_or("");
    if ["ssh-dss", "ssh-dsa"].contains(&name) {
        return Err("DSA keys are too weak, and sshd no longer knows them".to_owned());
    }
    let Some((name, size)) = TYPES.iter().find(|(known, _)| *known == name) else {
        if fields.any(|f| TYPES.iter().any(|(known, _)| *known == f)) {
            return Err("options before the key are not supported".to_owned());
        }
        return Err("this is not an SSH public key: it does not begin with a key type".to_owned());
    };
    let base64 = fields.next().unwrap_or("");
    let blob = STANDARD
        .decode(base64)
        .map_err(|_| "the key is damaged: after its type, base64 was expected".to_owned())?;
    let damaged = || "the key is damaged: it is cut off, or has parts that do not fit".to_owned();
    let (inner, rest) = string(&blob).ok_or_else(damaged)?;
    if inner != name.as_bytes() {
        let inner = String::from_utf8_lossy(inner).into_owned();
        return Err(format!(
            "the key says that it is `{name}`, but inside is `{inner}`"
        ));
    }
    match size {
        Some(size) => fixed(name, *size, rest).ok_or_else(damaged)?,
        None => {
            let bits = rsa_bits(rest).ok_or_else(damaged)?;
            if bits < MIN_RSA_BITS {
                return Err(format!(
                    "the RSA key has {bits} bits; {MIN_RSA_BITS} are the least"
                ));
            }
        }
    }
    let comment: Vec<_> = fields.collect();
    let line = [vec![*name, base64], comment].concat().join(" ");
    Ok((base64.to_owned(), line))
}

/// Checks what follows the type: for ECDSA the curve, the point, for `sk-` the application.
fn fixed(name: &str, size: usize, mut rest: &[u8]) -> Option<()> {
    if name.contains("ecdsa") {
        let (curve, after) = string(rest)?;
        let curve = std::str::from_utf8(curve).ok()?;
        name.contains(curve).then_some(())?;
        rest = after;
    }
    let (point, after) = string(rest)?;
    (point.len() == size).then_some(())?;
    let end = match name.starts_with("sk-") {
        true => string(after)?.1,
        false => after,
    };
    end.is_empty().then_some(())
}

/// The modulus' length in bits; first comes the exponent (RFC 4253 section 6.6).
fn rsa_bits(rest: &[u8]) -> Option<usize> {
    let (_, rest) = string(rest)?;
    let (modulus, rest) = string(rest)?;
    let zeros = modulus.iter().take_while(|b| **b == 0).count();
    let first = modulus.get(zeros)?;
    rest.is_empty()
        .then_some((modulus.len() - zeros) * 8 - first.leading_zeros() as usize)
}

/// A string of RFC 4251 section 5: four bytes of length, then as many bytes.
fn string(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = data.split_first_chunk::<4>()?;
    rest.split_at_checked(u32::from_be_bytes(*length) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED25519: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";

    #[test]
    fn a_line_is_folded_to_single_spaces() {
        let (_, line) = parse(&format!(
            "  {}  one   two ",
            ED25519.replace(' ', "\u{20}\u{20}")
        ))
        .unwrap();
        assert_eq!(line, format!("{ED25519} one two"));
    }

    #[test]
    fn damage_is_told_apart() {
        let error = |text: &str| parse(text).unwrap_err();
        assert!(error("").contains("does not begin"));
        assert!(
            error(&ED25519.replace("ssh-ed25519 ", "ssh-rsa ")).contains("inside is `ssh-ed25519`")
        );
        assert!(error(&format!("command=\"x\" {ED25519}")).contains("options"));
        assert!(error(&ED25519[..60]).contains("damaged"));
        assert!(error("ssh-ed25519").contains("damaged"));
        assert!(error("ssh-dss AAAA").contains("DSA"));
    }
}
