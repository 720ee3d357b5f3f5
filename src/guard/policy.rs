//! dovecot's auth policy: what its auth process asks and tells over HTTP.
//!
//! `POST /?command=allow` before a password is looked at, answered by `{"status": N}`: -1 refuses, 0
//! goes on, more are seconds to wait. `POST /?command=report` after it.

use std::net::IpAddr;

use serde::Deserialize;
use thiserror::Error;

use super::book::Verdict;
use crate::util::hash;

/// Most bytes of a request's head, and of its body.
const HEAD: usize = 16 * 1024;
const BODY: usize = 64 * 1024;

/// The header that dovecot shows the secret in.
pub const HEADER: &str = "X-Guard-Secret";

/// Why a request is not answered; its text goes into the journal, not to who asked.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum Wrong {
    #[error("it is not HTTP")]
    Http,
    #[error("it is too large")]
    Large,
    #[error("it does not show the secret")]
    Secret,
    #[error("it is not what dovecot's auth policy sends")]
    Content,
}

/// What dovecot says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    Allow,
    Report,
}

/// A request's head.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) command: Command,
    /// Bytes of the head, and of the body behind it.
    pub(super) size: usize,
    pub(super) body: usize,
}

/// The fields of the body that we asked for in `auth_policy_request_attributes`, and those of a
/// report.
#[derive(Debug, Deserialize)]
pub(super) struct Said {
    pub(super) login: String,
    remote: String,
    #[serde(default)]
    pub(super) protocol: String,
    #[serde(default)]
    pwhash: String,
    #[serde(default)]
    pub(super) success: bool,
    #[serde(default)]
    policy_reject: bool,
    #[serde(default)]
    fail_type: String,
}

impl Said {
    pub(super) fn parse(body: &[u8]) -> Result<Self, Wrong> {
        serde_json::from_slice(body).map_err(|_| Wrong::Content)
    }

    /// Where the client is; none for a lookup of the server's own.
    pub(super) fn address(&self) -> Option<IpAddr> {
        self.remote.parse().ok()
    }

    /// Whether a password was wrong: not that we refused it, or that something broke.
    pub(super) fn is_wrong_password(&self) -> bool {
        !self.success && !self.policy_reject && self.exists().is_some()
    }

    /// Whether there is such a login.
    pub(super) fn exists(&self) -> Option<bool> {
        match self.fail_type.as_str() {
            "credentials" | "expired" | "disabled" => Some(true),
            "account" => Some(false),
            _ => None,
        }
    }

    pub(super) fn password(&self) -> Option<&str> {
        (!self.pwhash.is_empty()).then_some(self.pwhash.as_str())
    }
}

/// Reads a head; `None` as long as it is not complete.
pub(super) fn head(bytes: &[u8], secret: &str) -> Result<Option<Head>, Wrong> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut request = httparse::Request::new(&mut headers);
    let size = match request.parse(bytes) {
        Ok(httparse::Status::Complete(size)) => size,
        Ok(httparse::Status::Partial) if bytes.len() > HEAD => return Err(Wrong::Large),
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(Wrong::Http),
    };
    let value = |name: &str| {
        let mut headers = request.headers.iter();
        let header = headers.find(|h| h.name.eq_ignore_ascii_case(name))?;
        str::from_utf8(header.value).ok().map(str::trim)
    };
    // of equal length and not chosen by who asks: comparing takes the same time always
    let shown = value(HEADER).ok_or(Wrong::Secret)?;
    if hash::sha256(shown) != hash::sha256(secret) {
        return Err(Wrong::Secret);
    }
    let command = match (request.method, request.path) {
        (Some("POST"), Some(path)) if path.ends_with("?command=allow") => Command::Allow,
        (Some("POST"), Some(path)) if path.ends_with("?command=report") => Command::Report,
        _ => return Err(Wrong::Content),
    };
    let body = value("Content-Length").and_then(|text| text.parse().ok());
    match body.ok_or(Wrong::Http)? {
        body if body > BODY => Err(Wrong::Large),
        body => Ok(Some(Head {
            command,
            size,
            body,
        })),
    }
}

/// The answer to dovecot.
pub(super) fn answer(verdict: Verdict) -> String {
    let (status, msg) = match verdict {
        Verdict::Allow => (0, ""),
        Verdict::Delay(seconds) => (i64::from(seconds), ""),
        Verdict::Refuse => (-1, "too many wrong passwords; try again later"),
    };
    let body = format!(r#"{{"status":{status},"msg":"{msg}"}}"#);
    response("200 OK", "application/json", &body)
}

/// The answer to a request that is none of dovecot's.
pub(super) fn refusal() -> String {
    response("403 Forbidden", "text/plain", "")
}

fn response(status: &str, kind: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "00ff";

    #[test]
    fn heads() {
        let text = "POST /?command=report HTTP/1.1\r\nHost: 127.0.0.1\r\n\
                    x-guard-secret: 00ff\r\nContent-Length: 12\r\n\r\n";
        let head = |text: &str| head(text.as_bytes(), SECRET);
        let good = Head {
            command: Command::Report,
            size: text.len(),
            body: 12,
        };
        assert_eq!(head(text), Ok(Some(good)));
        assert_eq!(head(&text[..40]), Ok(None));
        for (from, to, wrong) in [
            ("00ff", "00fe", Wrong::Secret),
            ("x-guard-secret", "x-other", Wrong::Secret),
            ("report", "other", Wrong::Content),
            ("POST", "GET", Wrong::Content),
            ("12", "99999999", Wrong::Large),
            ("12", "-1", Wrong::Http),
            ("HTTP/1.1", "x", Wrong::Http),
        ] {
            assert_eq!(head(&text.replace(from, to)), Err(wrong), "{to}");
        }
        let long = format!("{}X: {}", &text[..40], "x".repeat(HEAD));
        assert!(head(&long.replace(&text[..40], "POST / HTTP/1.1\r\n")).is_err());
    }

    #[test]
    fn only_wrong_passwords_count() {
        let said = |more: &str| {
            let text = format!(r#"{{"login":"a@example.org","remote":"192.0.2.7"{more}}}"#);
            Said::parse(text.as_bytes()).unwrap()
        };
        let wrong = said(r#","success":false,"policy_reject":false,"fail_type":"credentials""#);
        assert!(wrong.is_wrong_password() && wrong.exists() == Some(true));
        assert_eq!(wrong.address(), Some([192, 0, 2, 7].into()));
        let unknown = said(r#","success":false,"fail_type":"account","pwhash":"0a1""#);
        assert!(unknown.is_wrong_password() && unknown.exists() == Some(false));
        assert_eq!(unknown.password(), Some("0a1"));
        for more in [
            r#","success":true"#,
            r#","success":false,"fail_type":"internal""#,
            r#","success":false,"policy_reject":true,"fail_type":"credentials""#,
        ] {
            assert!(!said(more).is_wrong_password(), "{more}");
        }
        assert_eq!(Said::parse(b"{}").unwrap_err(), Wrong::Content);
    }

    #[test]
    fn answers() {
        let body = |v| answer(v).rsplit_once("\r\n").unwrap().1.to_owned();
        assert_eq!(body(Verdict::Allow), r#"{"status":0,"msg":""}"#);
        assert_eq!(body(Verdict::Delay(4)), r#"{"status":4,"msg":""}"#);
        assert!(body(Verdict::Refuse).starts_with(r#"{"status":-1,"#));
    }
}
