//! Finding out: the record in the DNS, and the policy by HTTPS.

use std::process::Command;

use anyhow::{Result, bail};

use super::known::{Job, Outcome};
use crate::{
    dns::{Client, RecordType, Status},
    mail::mta_sts::record_id,
    util::run::Task,
};

/// The largest policy (RFC 8461 section 3.3).
const LARGEST: &str = "65536";

/// curl's exit status for a certificate that cannot be trusted, or is for another name.
const UNTRUSTED: i32 = 60;

/// Those that are nobody else's fault: it could not begin, had no memory, or could not read what it is
/// to trust.
const OURS: [i32; 3] = [2, 27, 77];

/// Does a job. The answers of the DNS are `client`'s.
pub(super) fn look(client: &Client, job: &Job) -> Outcome {
    let name = format!("_mta-sts.{}", job.domain);
    let answer = match client.query(&name, RecordType::TXT) {
        Ok(answer) if matches!(answer.status, Status::NoError | Status::NxDomain) => answer,
        Ok(answer) => return Outcome::NoAnswer(format!("{name}: {}", answer.status)),
        Err(error) => return Outcome::NoAnswer(format!("{error:#}")),
    };
    let Some(id) = record_id(&answer.texts()) else {
        return Outcome::NoRecord;
    };
    if job.known.as_ref() == Some(&id) {
        return Outcome::Unchanged;
    }
    match fetch(&job.domain) {
        Ok(Fetched::Text(text)) => Outcome::Policy { id, text },
        Ok(Fetched::Failed(result, reason)) => Outcome::Failed { result, reason },
        // a fault of this machine
        Err(error) => Outcome::NoAnswer(format!("{error:#}")),
    }
}

enum Fetched {
    Text(String),
    Failed(&'static str, String),
}

/// A redirection is not followed, and nothing but 200 is an answer (RFC 8461 section 3.3).
fn fetch(domain: &str) -> Result<Fetched> {
    let mut command = Command::new("curl");
    command.args(["-q", "--silent", "--show-error", "--globoff"]);
    command.args(["--proto", "=https", "--noproxy", "*"]);
    command.args(["--connect-timeout", "8", "--max-time", "15"]);
    command.args(["--max-filesize", LARGEST]);
    command.args(["--write-out", "%{stderr}\n%{http_code} %{content_type}"]);
    command.arg(format!("https://mta-sts.{domain}/.well-known/mta-sts.txt"));
    let done = Task::new(format!("fetching the policy of {domain}"), command).outcome()?;
    let said = String::from_utf8_lossy(&done.stderr);
    judge(done.status.code(), &said, &done.stdout)
}

/// What came of curl: its exit status, what it said (the last line is status and type of the answer),
/// and the body.
///
/// # Errors
/// When it was this machine that failed.
fn judge(code: Option<i32>, said: &str, body: &[u8]) -> Result<Fetched> {
    let failed = |result, reason: &str| {
        let reason = reason.chars().take(200).collect();
        Ok(Fetched::Failed(result, reason))
    };
    let failed_to_fetch = |reason: &str| failed("sts-policy-fetch-error", reason);
    let (said, last) = said.rsplit_once('\n').unwrap_or(("", said));
    // further lines say where to read more
    let why = said.trim().lines().next().unwrap_or_default();
    let why = why.trim_start_matches("curl: ");
    match code {
        Some(0) => {}
        Some(UNTRUSTED) => return failed("sts-webpki-invalid", why),
        code if code.is_none_or(|c| OURS.contains(&c)) => bail!("curl failed: {why}"),
        _ => return failed_to_fetch(why),
    }
    let (status, kind) = last.split_once(' ').unwrap_or((last, ""));
    if status != "200" {
        return failed_to_fetch(&format!("the server says {status}"));
    }
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("text/plain") {
        return failed_to_fetch(&format!("it is no text/plain, but '{kind}'"));
    }
    match std::str::from_utf8(body) {
        Ok(text) => Ok(Fetched::Text(text.to_owned())),
        Err(_) => failed("sts-policy-invalid", "it is not UTF-8"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(code: i32, said: &str, body: &[u8]) -> String {
        match judge(Some(code), said, body).unwrap() {
            Fetched::Text(text) => text,
            Fetched::Failed(result, reason) => format!("{result}: {reason}"),
        }
    }

    #[test]
    fn what_curl_says() {
        let text = b"version: STSv1\n";
        for kind in ["text/plain", "Text/Plain; charset=utf-8"] {
            assert_eq!(told(0, &format!("\n200 {kind}"), text), "version: STSv1\n");
        }
        for (code, said, wanted) in [
            (
                0,
                "\n301 text/plain",
                "sts-policy-fetch-error: the server says 301",
            ),
            (
                0,
                "\n200 text/html",
                "sts-policy-fetch-error: it is no text/plain, but 'text/html'",
            ),
            (
                0,
                "\n200 ",
                "sts-policy-fetch-error: it is no text/plain, but ''",
            ),
            (
                60,
                "curl: (60) SSL certificate problem\nMore details here: https\n\n000 ",
                "sts-webpki-invalid: (60) SSL certificate problem",
            ),
            (
                28,
                "curl: (28) timed out\n000 ",
                "sts-policy-fetch-error: (28) timed out",
            ),
        ] {
            assert_eq!(told(code, said, text), wanted);
        }
        assert_eq!(
            told(0, "\n200 text/plain", b"\xff"),
            "sts-policy-invalid: it is not UTF-8"
        );
        for code in [None, Some(27), Some(77)] {
            assert!(judge(code, "curl: (27) Out of memory\n000 ", text).is_err());
        }
    }
}
