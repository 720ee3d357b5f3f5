//! Which kind of key a file has, by its content.

use std::{fs, path::Path};

use anyhow::{Context, Result, bail};
use base64::{Engine, prelude::BASE64_STANDARD};
use zeroize::Zeroizing;

/// Sizes of what minisign writes, in bytes (its documentation, "Signature format" and "Key
/// format").
const MINISIGN_PUBLIC: usize = 42;
const MINISIGN_SECRET: usize = 158;
const MINISIGN_SIGNATURE: usize = 74;

/// What OpenSSH's names of keys begin with (sshd(8), AUTHORIZED_KEYS FILE FORMAT).
const SSH_TYPES: &[&str] = &["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"];

/// A kind of key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// OpenSSH's, or what else ssh-keygen takes as a private key.
    SshPrivate,
    /// One public key.
    SshPublic,
    /// Public keys of whom to trust (ssh-keygen(1), ALLOWED SIGNERS).
    SshAllowed,
    /// minisign's, perhaps behind a password.
    MinisignSecret {
        /// Whether a password is needed.
        encrypted: bool,
    },
    /// minisign's public key, with its id.
    MinisignPublic {
        /// As minisign shows it.
        id: String,
    },
}

/// Reads a key's file.
///
/// # Errors
/// When it cannot be read, or is no key that could sign or verify: the error says what it is, if
/// that is known, and what would do.
pub fn read(path: &Path) -> Result<Kind> {
    let bytes = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let bytes = Zeroizing::new(bytes);
    match std::str::from_utf8(&bytes).map_or(Err("no text"), kind) {
        Ok(kind) => Ok(kind),
        Err(what) => bail!(
            "{} is no key for this: it is {what}; an OpenSSH key (ssh-keygen -t ed25519) or one of \
             minisign (minisign -G) is",
            path.display()
        ),
    }
}

/// The kind of a key's text, or what it is instead.
fn kind(text: &str) -> Result<Kind, &'static str> {
    let lines = text.lines().map(str::trim);
    let mut lines = lines.filter(|l| !l.is_empty() && !l.starts_with('#'));
    let first = lines.next().ok_or("an empty file")?;
    if let Some(label) = first.strip_prefix("-----BEGIN ") {
        return match label.trim_end_matches('-') {
            "OPENSSH PRIVATE KEY"
            | "PRIVATE KEY"
            | "ENCRYPTED PRIVATE KEY"
            | "RSA PRIVATE KEY"
            | "EC PRIVATE KEY" => Ok(Kind::SshPrivate),
            "SSH SIGNATURE" => Err("a signature"),
            label if label.starts_with("PGP ") => Err("of OpenPGP"),
            "CERTIFICATE" => Err("a certificate"),
            "PUBLIC KEY" => Err("a public key that ssh-keygen -i -m PKCS8 would convert"),
            _ => Err("of an unknown kind"),
        };
    }
    if first.starts_with("---- BEGIN SSH2 PUBLIC KEY") {
        return Err("a public key that ssh-keygen -i would convert");
    }
    let second = first
        .starts_with("untrusted comment:")
        .then(|| lines.next().unwrap_or_default());
    if let Some(kind) = minisign(second.unwrap_or(first)) {
        return kind;
    }
    let is_type = |word: &str| SSH_TYPES.iter().any(|t| word.starts_with(t));
    let mut words = first.split_whitespace();
    match words.next() {
        Some(word) if is_type(word) && words.next().is_some() => Ok(Kind::SshPublic),
        Some(_) if words.any(is_type) => Ok(Kind::SshAllowed),
        _ => Err("of an unknown kind"),
    }
}

fn minisign(line: &str) -> Option<Result<Kind, &'static str>> {
    let bytes = Zeroizing::new(BASE64_STANDARD.decode(line).ok()?);
    // Ed: the algorithm; ED: of a signature over a hash
    match (bytes.len(), bytes.get(..2)?) {
        (MINISIGN_PUBLIC, b"Ed") => Some(Ok(Kind::MinisignPublic { id: id(&bytes) })),
        (MINISIGN_SECRET, b"Ed") => Some(Ok(Kind::MinisignSecret {
            encrypted: bytes[2..4] != [0, 0],
        })),
        (MINISIGN_SIGNATURE, b"Ed" | b"ED") => Some(Err("a signature")),
        _ => None,
    }
}

/// The id of the key that made one of minisign's signatures.
pub fn signed_by(signature: &str) -> Option<String> {
    let line = signature.lines().nth(1)?;
    let bytes = BASE64_STANDARD.decode(line.trim()).ok()?;
    (bytes.len() == MINISIGN_SIGNATURE).then(|| id(&bytes))
}

/// Bytes 2 to 10 as minisign shows them: a little-endian number.
fn id(bytes: &[u8]) -> String {
    let mut id: Vec<u8> = bytes[2..10].to_vec();
    id.reverse();
    hex::encode_upper(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLIC: &str = "RWSJLZr+LLcZyVvKBhBCvTYtI7BuDFIwIEOHLW3wmI/lzF0CH3vRK3w5";

    fn secret(kdf: &[u8; 2]) -> String {
        let mut bytes = vec![0; MINISIGN_SECRET];
        bytes[..2].copy_from_slice(b"Ed");
        bytes[2..4].copy_from_slice(kdf);
        format!("untrusted comment: x\n{}\n", BASE64_STANDARD.encode(bytes))
    }

    #[test]
    fn keys_are_told_apart_by_content() {
        let id = "C919B72CFE9A2D89".to_owned();
        let public = Kind::MinisignPublic { id };
        for (text, expected) in [
            ("-----BEGIN OPENSSH PRIVATE KEY-----\nx\n", Kind::SshPrivate),
            ("-----BEGIN EC PRIVATE KEY-----\n", Kind::SshPrivate),
            ("ssh-ed25519 AAAA me@x\n", Kind::SshPublic),
            ("sk-ssh-ed25519@openssh.com AAAA\n", Kind::SshPublic),
            (
                "# mine\n\nme@x,you@x ecdsa-sha2-nistp256 AAAA\n",
                Kind::SshAllowed,
            ),
            ("me namespaces=\"ezmail\" ssh-rsa AAAA\n", Kind::SshAllowed),
            (PUBLIC, public.clone()),
            (&format!("untrusted comment: y\n{PUBLIC}\n"), public),
            (&secret(b"Sc"), Kind::MinisignSecret { encrypted: true }),
            (&secret(b"\0\0"), Kind::MinisignSecret { encrypted: false }),
        ] {
            assert_eq!(kind(text), Ok(expected), "{text}");
        }
        for (text, expected) in [
            ("\n# nothing\n", "an empty file"),
            ("-----BEGIN PGP PRIVATE KEY BLOCK-----\n", "of OpenPGP"),
            ("-----BEGIN CERTIFICATE-----\n", "a certificate"),
            ("-----BEGIN SSH SIGNATURE-----\n", "a signature"),
            ("ssh-ed25519\n", "of an unknown kind"),
            ("hostname = \"mail.example.org\"\n", "of an unknown kind"),
            ("untrusted comment: cut off", "of an unknown kind"),
        ] {
            assert_eq!(kind(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn a_signature_names_its_key() {
        let signature = "untrusted comment: signature from minisign secret key\n\
            RUSJLZr+LLcZybD9DGOMLlq4xwSfX9uMNLsp577RMbRel8ow19zknTGcpiq0RQjKKeSaCAIrLKbOr9B75Mjv/\
            qPdnny37wP7NAU=\n";
        assert_eq!(signed_by(signature).as_deref(), Some("C919B72CFE9A2D89"));
        assert_eq!(kind(signature), Err("a signature"));
        assert_eq!(signed_by("untrusted comment: x\nRUSJ\n"), None);
    }
}
