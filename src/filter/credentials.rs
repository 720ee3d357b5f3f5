//! What a client sends after AUTH (RFC 4954, 4616): a name, and a password that is never kept.

use base64::{Engine, prelude::BASE64_STANDARD};
use zeroize::Zeroizing;

use super::log::printable;
use crate::util::hash;

/// As far as it is known when smtpd asks.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Credentials {
    /// Who wants to log in, in lower case.
    pub(super) login: Option<String>,
    /// A digest of the password, if it is there: equal for equal passwords of one login.
    pub(super) password: Option<String>,
    /// Whether anything stands behind the method.
    pub(super) any: bool,
}

impl Credentials {
    /// Reads the parameter of AUTH: `PLAIN`, `PLAIN BASE64`, `LOGIN` or `LOGIN BASE64`. `key` is
    /// random and this process's own, so that the digest says nothing to anybody else.
    pub(super) fn parse(parameter: &[u8], key: &[u8]) -> Self {
        let text = parameter.trim_ascii();
        let Some(space) = text.iter().position(|b| b" \t".contains(b)) else {
            return Self::default();
        };
        let something = Self {
            any: true,
            ..Self::default()
        };
        let (method, rest) = (&text[..space], text[space..].trim_ascii());
        let Ok(decoded) = BASE64_STANDARD.decode(rest).map(Zeroizing::new) else {
            return something;
        };
        if method.eq_ignore_ascii_case(b"LOGIN") {
            let login = name(&decoded);
            return Self { login, ..something };
        }
        let mut parts = decoded.splitn(3, |&b| b == 0);
        match (parts.next(), parts.next(), parts.next()) {
            (Some(_), Some(user), Some(password)) if method.eq_ignore_ascii_case(b"PLAIN") => {
                let login = name(user);
                let together = [key, user, b"\0", password].concat();
                let digest = hash::sha256(Zeroizing::new(together));
                Self {
                    login,
                    password: Some(digest[..12].to_owned()),
                    ..something
                }
            }
            _ => something,
        }
    }

    /// Whether the password is there already.
    pub(super) fn is_complete(&self) -> bool {
        self.password.is_some()
    }
}

fn name(bytes: &[u8]) -> Option<String> {
    let text = str::from_utf8(bytes).ok()?;
    (!text.is_empty() && text.len() <= 320).then(|| text.to_lowercase())
}

/// A line of smtpd's for the log: what stands behind AUTH stays out of it.
pub(super) fn shown(line: &[u8]) -> String {
    let auth = b"|auth|";
    let at = line.windows(auth.len()).position(|part| part == auth);
    match at {
        Some(at) => format!("{}...", printable(&line[..at + auth.len()])),
        None => printable(line).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Credentials {
        Credentials::parse(text.as_bytes(), b"key")
    }

    fn plain(text: &str) -> Credentials {
        parse(&format!("plain {}", BASE64_STANDARD.encode(text)))
    }

    #[test]
    fn names_and_digests() {
        let one = plain("\0Alice@Example.org\0secret");
        assert_eq!(one.login.as_deref(), Some("alice@example.org"));
        assert!(one.is_complete());
        assert_eq!(one, plain("x\0Alice@Example.org\0secret"));
        assert_ne!(one.password, plain("\0alice@example.org\0other").password);
        assert_ne!(one.password, plain("\0bob@example.org\0secret").password);
        let login = parse(&format!(
            "LOGIN {}",
            BASE64_STANDARD.encode("a@example.org")
        ));
        assert_eq!(login.login.as_deref(), Some("a@example.org"));
        assert!(!login.is_complete());
        for text in ["PLAIN", "LOGIN", ""] {
            assert_eq!(parse(text), Credentials::default(), "{text}");
        }
        for text in ["PLAIN x", "PLAIN YQ==", "LOGIN =", "XOAUTH2 YQ==", "x\ty"] {
            let parsed = parse(text);
            assert!(parsed.any && parsed.login.is_none(), "{text}: {parsed:?}");
        }
    }

    #[test]
    fn nothing_of_a_password_is_shown() {
        let line = b"filter|0.7|1.0|smtp-in|auth|1|2|PLAIN AGEAYg==";
        assert_eq!(shown(line), "filter|0.7|1.0|smtp-in|auth|...");
        assert_eq!(shown(b"report|x"), "report|x");
        let debug = format!("{:?}", plain("\0a@example.org\0secret"));
        assert!(!debug.contains("secret"));
    }
}
