//! Fetches answers by curl(1), again and again while the network may still be on its way up.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use zeroize::Zeroizing;

use super::{read_limited, web::AnswersUrl};
use crate::{
    answers::MAX_SIZE,
    util::{hash, run::Task},
};

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// All attempts together: after it, no further one begins.
    pub total: Duration,
    /// One of them.
    pub attempt: Duration,
    /// Its connection.
    pub connect: Duration,
    /// Between two of them.
    pub pause: Duration,
}

/// What to fetch, and how.
#[derive(Debug, Clone)]
pub struct Fetcher<'a> {
    url: &'a AnswersUrl,
    limits: Limits,
    authorities: Option<PathBuf>,
}

/// Why an attempt was in vain.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Failure {
    /// What kind it is: each is told once. curl's exit status, or 0 for a network that is not up.
    kind: i32,
    text: String,
    /// What to do; empty where the text says it.
    remedy: &'static str,
    /// Whether it may pass by itself.
    again: bool,
}

impl<'a> Fetcher<'a> {
    /// Servers are trusted as the system trusts them.
    pub fn new(url: &'a AnswersUrl, limits: Limits) -> Self {
        Self {
            url,
            limits,
            authorities: None,
        }
    }

    /// Trusts the certificates in this PEM file instead.
    #[must_use]
    pub fn trusting(mut self, authorities: &Path) -> Self {
        self.authorities = Some(authorities.to_owned());
        self
    }

    /// Fetches the answers and checks their sum.
    ///
    /// `missing` tells before each attempt what the network lacks; `say` is told each kind of
    /// trouble once, when it is going to be tried again.
    ///
    /// # Errors
    /// The trouble that does not pass, or the last one when the time is over.
    pub fn fetch(
        &self,
        mut missing: impl FnMut() -> Result<Option<String>>,
        mut say: impl FnMut(&str),
    ) -> Result<Zeroizing<Vec<u8>>> {
        let started = Instant::now();
        let mut said = BTreeSet::new();
        loop {
            let failure = match missing()? {
                Some(text) => waiting(text),
                None => match self.attempt()? {
                    Ok(bytes) => return self.checked(bytes),
                    Err(failure) => failure,
                },
            };
            let left = self.limits.total.saturating_sub(started.elapsed());
            if !failure.again || left <= self.limits.pause {
                let tried = match failure.again {
                    true => format!(" within {} s", self.limits.total.as_secs()),
                    false => String::new(),
                };
                bail!(
                    "the answers could not be fetched from {}{tried}: {}{}",
                    self.url.shown(),
                    failure.text,
                    failure.remedy
                );
            }
            if said.insert(failure.kind) {
                say(&failure.text);
            }
            thread::sleep(self.limits.pause);
        }
    }

    fn attempt(&self) -> Result<Result<Zeroizing<Vec<u8>>, Failure>> {
        let folder = tempfile::tempdir().context("creating a folder to fetch the answers to")?;
        let file = folder.path().join("answers");
        let mut command = Command::new("curl");
        // what to fetch comes by standard input: a process list is for everybody
        command.args(["-q", "--config", "-"]);
        let done = Task::new("fetching the answers", command)
            .input(self.config(&file))
            .outcome()?;
        let text = String::from_utf8_lossy(&done.stdout);
        let (status, message) = text.split_once(' ').unwrap_or_default();
        let message = match message.is_empty() {
            // curl did not come as far as to fetch anything
            true => &String::from_utf8_lossy(&done.stderr),
            false => message,
        };
        if !done.status.success() {
            let kind = done.status.code().unwrap_or(-1);
            return Ok(Err(judge(kind, status, message, &now())));
        }
        if !file.exists() {
            // curl creates none for nothing
            return Ok(Ok(Zeroizing::default()));
        }
        let bytes = read_limited(&file, MAX_SIZE as u64)?;
        match bytes.len() > MAX_SIZE {
            true => Ok(Err(judge(TOO_LARGE, status, "", ""))),
            false => Ok(Ok(bytes)),
        }
    }

    /// The options, as curl's configuration file has them.
    fn config(&self, file: &Path) -> String {
        let (first, redirected) = match self.url.is_secure() {
            true => ("=https", "=https"),
            // the checksum vouches for what comes
            false => ("=http,https", "=http,https"),
        };
        let mut options = vec![
            ("url", self.url.expose().to_owned()),
            ("output", file.display().to_string()),
            ("proto", first.to_owned()),
            ("proto-redir", redirected.to_owned()),
            ("max-redirs", "5".to_owned()),
            ("max-filesize", MAX_SIZE.to_string()),
            (
                "connect-timeout",
                self.limits.connect.as_secs_f64().to_string(),
            ),
            ("max-time", self.limits.attempt.as_secs_f64().to_string()),
            ("noproxy", "*".to_owned()),
            ("write-out", "%{http_code} %{errormsg}".to_owned()),
        ];
        if let Some(file) = &self.authorities {
            options.push(("cacert", file.display().to_string()));
        }
        let mut text = "fail\nlocation\ngloboff\nsilent\n".to_owned();
        for (name, value) in options {
            let value = value.replace('\\', r"\\").replace('"', "\\\"");
            text += &format!("{name} = \"{value}\"\n");
        }
        text
    }

    fn checked(&self, bytes: Zeroizing<Vec<u8>>) -> Result<Zeroizing<Vec<u8>>> {
        let Some(expected) = self.url.sha256() else {
            return Ok(bytes);
        };
        let found = hash::sha256(&bytes);
        if found != expected {
            bail!(
                "the answers from {} are not those of the kernel command line: their SHA-256 is \
                 {found}, and ezmail.answers.sha256= has {expected}; were they changed since?",
                self.url.shown()
            );
        }
        Ok(bytes)
    }
}

fn waiting(text: String) -> Failure {
    Failure {
        kind: 0,
        text,
        remedy: "; is the network card connected? Without DHCP, give the addresses with ip= and \
                 nameserver= on the kernel command line (see systemd-network-generator)",
        again: true,
    }
}

/// The time of this machine's clock, for certificates that it finds too young or too old.
fn now() -> String {
    jiff::Timestamp::now().strftime("%F %T UTC").to_string()
}

/// curl's CURLE_FILESIZE_EXCEEDED.
const TOO_LARGE: i32 = 63;

/// What an exit status of curl means here; `message` is curl's, `http` the server's status.
fn judge(kind: i32, http: &str, message: &str, now: &str) -> Failure {
    let message: String = message
        .trim()
        .trim_start_matches("curl: ")
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(300)
        .collect();
    let lasting = |text: String, remedy| Failure {
        kind,
        text,
        remedy,
        again: false,
    };
    let passing = |text: String, remedy| Failure {
        kind,
        text,
        remedy,
        again: true,
    };
    match kind {
        1 => lasting(
            format!("the server sends to a protocol that is not allowed ({message})"),
            "; https leads only to https, and http to both",
        ),
        6 => passing(
            format!("its name is not resolved ({message})"),
            "; is it spelt right, and does the name server answer?",
        ),
        7 => passing(
            format!("no connection to the server ({message})"),
            "; does it run there, and is the port right?",
        ),
        22 => {
            let text = format!("the server answers with HTTP status {http}");
            match http {
                "408" | "425" | "429" | "500" | "502" | "503" | "504" => {
                    passing(text, "; try again when it is well")
                }
                "401" | "403" => lasting(text, ": it does not give them to us"),
                _ => lasting(text, "; is the path right?"),
            }
        }
        28 => passing(
            format!("the server takes too long ({message})"),
            "; is it reached from this machine's network?",
        ),
        47 => lasting(
            "the server sends from place to place".to_owned(),
            "; give the URL where the answers are",
        ),
        // timesyncd sets the clock once the network is up
        60 if message.contains("not yet valid") || message.contains("expired") => passing(
            format!(
                "the server's certificate is not valid by this machine's clock, {now} ({message})"
            ),
            "; is the clock right?",
        ),
        60 => lasting(
            format!("the server's certificate is not trusted ({message})"),
            "; it has to be one of a public authority, or use http:// with ezmail.answers.sha256=",
        ),
        TOO_LARGE => lasting(
            "there are more than 1 MiB".to_owned(),
            ": is it an answers file?",
        ),
        _ => passing(format!("curl ended with status {kind} ({message})"), ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_has_its_words() {
        let cases = [
            (
                1,
                "000",
                "Protocol \"http\" not supported or disabled in libcurl",
            ),
            (6, "000", "Could not resolve host: example.org"),
            (7, "000", "Failed to connect to example.org port 443"),
            (22, "404", "The requested URL returned error: 404"),
            (22, "403", "The requested URL returned error: 403"),
            (22, "503", "The requested URL returned error: 503"),
            (28, "000", "Connection timed out after 10001 milliseconds"),
            (47, "302", "Maximum (5) redirects followed"),
            (
                60,
                "000",
                "SSL certificate problem: certificate is not yet valid",
            ),
            (
                60,
                "000",
                "SSL certificate problem: certificate has expired",
            ),
            (
                60,
                "000",
                "SSL certificate problem: self-signed certificate",
            ),
            (63, "200", "Maximum file size exceeded"),
            (56, "000", "curl: (56) odd\u{1b}[2J\n"),
        ];
        let lines = cases.map(|(kind, http, message)| {
            let failure = judge(kind, http, message, "2026-01-02 03:04:05 UTC");
            let again = if failure.again { "again" } else { "final" };
            format!("{again}: {}{}", failure.text, failure.remedy)
        });
        insta::assert_snapshot!(lines.join("\n"), @r#"
        final: the server sends to a protocol that is not allowed (Protocol "http" not supported or disabled in libcurl); https leads only to https, and http to both
        again: its name is not resolved (Could not resolve host: example.org); is it spelt right, and does the name server answer?
        again: no connection to the server (Failed to connect to example.org port 443); does it run there, and is the port right?
        final: the server answers with HTTP status 404; is the path right?
        final: the server answers with HTTP status 403: it does not give them to us
        again: the server answers with HTTP status 503; try again when it is well
        again: the server takes too long (Connection timed out after 10001 milliseconds); is it reached from this machine's network?
        final: the server sends from place to place; give the URL where the answers are
        again: the server's certificate is not valid by this machine's clock, 2026-01-02 03:04:05 UTC (SSL certificate problem: certificate is not yet valid); is the clock right?
        again: the server's certificate is not valid by this machine's clock, 2026-01-02 03:04:05 UTC (SSL certificate problem: certificate has expired); is the clock right?
        final: the server's certificate is not trusted (SSL certificate problem: self-signed certificate); it has to be one of a public authority, or use http:// with ezmail.answers.sha256=
        final: there are more than 1 MiB: is it an answers file?
        again: curl ended with status 56 ((56) odd [2J)
        "#);
    }

    #[test]
    fn options_stay_what_they_are() {
        let limits = Limits {
            total: Duration::from_secs(9),
            attempt: Duration::from_secs(3),
            connect: Duration::from_millis(1500),
            pause: Duration::from_secs(1),
        };
        let sum = "0".repeat(64);
        let url = AnswersUrl::new(r"http://a:b@example.org/x?[1-9]=\", Some(&sum)).unwrap();
        let config = Fetcher::new(&url, limits).config(Path::new("/tmp/a \"b"));
        insta::assert_snapshot!(config, @r#"
        fail
        location
        globoff
        silent
        url = "http://a:b@example.org/x?[1-9]=\\"
        output = "/tmp/a \"b"
        proto = "=http,https"
        proto-redir = "=http,https"
        max-redirs = "5"
        max-filesize = "1048576"
        connect-timeout = "1.5"
        max-time = "3"
        noproxy = "*"
        write-out = "%{http_code} %{errormsg}"
        "#);
        let url = AnswersUrl::new("https://example.org/x", None).unwrap();
        let config = Fetcher::new(&url, limits).config(Path::new("/tmp/a"));
        assert!(
            config.contains("proto = \"=https\"\nproto-redir = \"=https\"\n"),
            "{config}"
        );
    }
}
