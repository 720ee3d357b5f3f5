//! Why a request failed, in words that say what to do, and whether it may pass by itself.

use thiserror::Error;

use super::xml::element;

/// Why a request was in vain.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{text}")]
pub struct Trouble {
    /// The HTTP status, if the service answered.
    pub status: Option<u16>,
    /// The service's code for it, such as `NoSuchKey`; empty without.
    pub code: String,
    /// The region that the request should have been signed for.
    pub region: Option<String>,
    /// What a person is told.
    pub text: String,
    /// Whether it may pass by itself.
    pub again: bool,
}

impl Trouble {
    /// Something at our own side.
    pub fn ours(text: String) -> Self {
        Self {
            status: None,
            code: String::new(),
            region: None,
            text,
            again: false,
        }
    }

    /// Whether the service says that the file is not there.
    pub fn is_missing(&self) -> bool {
        // an answer to HEAD has no code
        self.status == Some(404) && ["", "NoSuchKey"].contains(&self.code.as_str())
    }
}

/// What an exit status of curl means; `message` is curl's own.
pub fn by_curl(exit: i32, message: &str) -> Trouble {
    let (text, again) = match exit {
        6 => (
            "its name is not resolved: is it spelled right, and does a name server answer?",
            true,
        ),
        7 => (
            "no connection: does the service run there, and is the port right?",
            true,
        ),
        18 | 52 | 55 | 56 => ("the connection was lost", true),
        28 => ("it takes too long to answer: is the line to it up?", true),
        33 => ("it cannot continue a download that was broken off", false),
        35 => ("it does not speak TLS as it should", true),
        60 => (
            "its certificate is not trusted: is it the right host, and the clock right?",
            false,
        ),
        77 => ("the file of trusted certificates cannot be read", false),
        _ => ("the request failed", true),
    };
    let message: String = message
        .trim()
        .trim_start_matches("curl: ")
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(300)
        .collect();
    let text = match message.is_empty() {
        true => format!("{text} (curl: {exit})"),
        false => format!("{text} ({message})"),
    };
    Trouble {
        again,
        ..Trouble::ours(text)
    }
}

/// What an answer means that is an error; `now` is this machine's time.
pub fn by_service(status: u16, body: &str, user: &str, bucket: &str, now: &str) -> Trouble {
    let code = element(body, "Code").unwrap_or_default();
    let message = element(body, "Message").unwrap_or_default();
    let told = match (code.is_empty(), message.is_empty()) {
        (true, _) => format!("HTTP status {status}"),
        (false, true) => code.clone(),
        (false, false) => format!("{code}: {message}"),
    };
    let clock = format!("by this machine's clock it is {now}: is that right?");
    let text = match code.as_str() {
        "AccessDenied" if message.contains("expired") => clock,
        "RequestTimeTooSkewed" | "RequestExpired" | "ExpiredToken" => clock,
        "AccessDenied" | "AllAccessDisabled" => format!(
            "the access key {user} may not do that: it has to be allowed to list, read, write and \
             delete in the bucket {bucket}"
        ),
        "InvalidAccessKeyId" => format!("the service knows no access key {user}"),
        "SignatureDoesNotMatch" => {
            format!("the secret key that we have is not the one of the access key {user}")
        }
        "NoSuchBucket" => format!("there is no bucket {bucket}: create it there first"),
        "NoSuchKey" => "there is no such file".to_owned(),
        "QuotaExceeded" | "InsufficientStorage" | "XMinioStorageFull" | "StorageFull" => {
            "the store is full: remove old backups, or order more room".to_owned()
        }
        "PermanentRedirect" | "TemporaryRedirect" | "AuthorizationHeaderMalformed" => {
            "the bucket is in another region: give the host of that region".to_owned()
        }
        _ => match status {
            401 | 403 => format!(
                "the service does not let the access key {user} do that: are access key, secret \
                 key and the rights in the bucket {bucket} right?"
            ),
            404 => "there is no such file".to_owned(),
            301 | 307 | 308 => {
                "the service sends to another host: give the host of the bucket's region".to_owned()
            }
            507 => "the store is full: remove old backups, or order more room".to_owned(),
            500.. | 429 => "the service has trouble of its own".to_owned(),
            _ => "the service refuses the request".to_owned(),
        },
    };
    let busy = [
        "RequestTimeout",
        "SlowDown",
        "InternalError",
        "ServiceUnavailable",
    ];
    Trouble {
        status: Some(status),
        region: element(body, "Region").filter(|region| !region.is_empty()),
        text: format!("{text} ({told})"),
        again: matches!(status, 429 | 500 | 502..=504) || busy.contains(&code.as_str()),
        code,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(status: u16, body: &str) -> Trouble {
        by_service(status, body, "AKIA7", "backups", "2026-11-24 03:30:00 UTC")
    }

    fn coded(status: u16, code: &str, message: &str) -> Trouble {
        let body = format!(
            "<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
        );
        judged(status, &body)
    }

    #[test]
    fn each_refusal_says_what_to_do() {
        let texts = [
            coded(403, "AccessDenied", "Access Denied"),
            coded(403, "AccessDenied", "Request has expired"),
            coded(403, "RequestTimeTooSkewed", "The difference is too large."),
            coded(403, "InvalidAccessKeyId", ""),
            coded(403, "SignatureDoesNotMatch", "Check your key."),
            coded(404, "NoSuchBucket", "The bucket does not exist"),
            coded(404, "NoSuchKey", "The key does not exist"),
            coded(301, "PermanentRedirect", "Use another endpoint."),
            coded(403, "QuotaExceeded", "Quota"),
            coded(400, "Other", "a &amp; b"),
            judged(403, ""),
            judged(502, "<html>"),
        ]
        .map(|trouble| trouble.text);
        insta::assert_snapshot!(texts.join("\n"));
    }

    #[test]
    fn only_what_passes_is_tried_again() {
        assert!(coded(503, "SlowDown", "").again && coded(400, "RequestTimeout", "").again);
        assert!(!coded(403, "AccessDenied", "").again && !judged(404, "").again);
        assert!(by_curl(56, "reset").again && !by_curl(60, "x").again);
        insta::assert_snapshot!(by_curl(56, "curl: reset\n"), @"the connection was lost (reset)");
        insta::assert_snapshot!(by_curl(99, ""), @"the request failed (curl: 99)");
    }

    #[test]
    fn a_missing_file_and_another_region_are_known() {
        assert!(judged(404, "").is_missing() && coded(404, "NoSuchKey", "").is_missing());
        assert!(!coded(404, "NoSuchBucket", "").is_missing() && !judged(403, "").is_missing());
        let body =
            "<Error><Code>AuthorizationHeaderMalformed</Code><Region>garage</Region></Error>";
        assert_eq!(judged(400, body).region.unwrap(), "garage");
    }
}
