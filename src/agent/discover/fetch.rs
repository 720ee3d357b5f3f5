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

use super::{
    read_limited,
    trouble::{Failure, TOO_LARGE, judge, now, waiting},
    web::AnswersUrl,
};
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

#[cfg(test)]
mod tests {
    use super::*;

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
