//! Answers at a URL that the kernel command line names.

use std::time::Duration;

use anyhow::{Result, bail};
use url::Url;

use super::{Beside, Found, Source, fetch, net_up, note, volume::FILE};
use crate::util::secret::Secret;

/// Limits at boot: the network may take its time, the console is not to stand still for ever.
const LIMITS: fetch::Limits = fetch::Limits {
    total: Duration::from_secs(120),
    attempt: Duration::from_secs(30),
    connect: Duration::from_secs(10),
    pause: Duration::from_secs(2),
};

/// A URL that answers may be fetched from: https, or anything that a checksum vouches for.
#[derive(Debug, Clone)]
pub struct AnswersUrl {
    /// As it was given: it may have a secret in it.
    url: Secret,
    /// Without user, password, query and fragment.
    shown: String,
    /// What has to be resolved, if it is not an address.
    domain: Option<String>,
    secure: bool,
    sha256: Option<String>,
}

impl AnswersUrl {
    /// From `ezmail.answers=` and `ezmail.answers.sha256=`.
    ///
    /// # Errors
    /// When it is no URL, neither https nor http, or http without a checksum; when the checksum
    /// is not 64 hexadecimal digits. The text has no part of the URL that may be secret.
    pub fn new(text: &str, sha256: Option<&str>) -> Result<Self> {
        let mut url = match Url::parse(text) {
            Ok(url) => url,
            Err(error) => bail!(
                "ezmail.answers= on the kernel command line is not a URL: {error}; \
                 as in ezmail.answers=https://example.org/{FILE}"
            ),
        };
        let scheme = url.scheme().to_owned();
        if !["http", "https"].contains(&scheme.as_str()) {
            bail!(
                "ezmail.answers={scheme}://... on the kernel command line: answers are fetched by \
                 https://, or by http:// with ezmail.answers.sha256="
            );
        }
        let given = Secret::new(url.as_str());
        if url.set_username("").is_err() || url.set_password(None).is_err() {
            bail!("ezmail.answers= on the kernel command line is a URL without a host");
        }
        url.set_query(None);
        url.set_fragment(None);
        let shown = url.to_string();
        let sha256 = sha256.map(str::to_ascii_lowercase);
        match &sha256 {
            None if scheme == "http" => bail!(
                "ezmail.answers={shown} on the kernel command line: on the way anybody can change \
                 what comes by http://; use https://, or add ezmail.answers.sha256=HEX, which \
                 sha256sum prints"
            ),
            Some(sum) if sum.len() != 64 || !sum.chars().all(|c| c.is_ascii_hexdigit()) => bail!(
                "ezmail.answers.sha256= on the kernel command line is not a SHA-256: 64 \
                 hexadecimal digits were expected, as sha256sum prints them"
            ),
            _ => {}
        }
        Ok(Self {
            url: given,
            shown,
            domain: url.domain().map(str::to_owned),
            secure: scheme == "https",
            sha256,
        })
    }

    /// All of it. Every call is a place to look at in a review.
    pub fn expose(&self) -> &str {
        self.url.expose()
    }

    /// Without the parts that may be secret.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// The name of its host, if that is not an address.
    pub fn domain(&self) -> Option<&str> {
        self.domain.as_deref()
    }

    /// Whether it is https.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// What the content has to be, in lower case.
    pub fn sha256(&self) -> Option<&str> {
        self.sha256.as_deref()
    }

    /// What reports call the file.
    fn file_name(&self) -> &str {
        match self.shown.rsplit_once('/') {
            Some((_, name)) if !name.is_empty() => name,
            _ => FILE,
        }
    }
}

/// The source: it brings the network up for as long as it takes.
#[derive(Debug, Clone)]
pub struct Web {
    url: AnswersUrl,
    cmdline: String,
}

impl Web {
    /// `cmdline` is the kernel's, which may have `ip=` and `nameserver=` for the network.
    pub fn new(url: AnswersUrl, cmdline: &str) -> Self {
        Self {
            url,
            cmdline: cmdline.to_owned(),
        }
    }
}

impl Source for Web {
    fn name(&self) -> String {
        format!("{} (kernel command line)", self.url.shown())
    }

    fn look(&self) -> Result<Option<Found>> {
        note(&format!("fetching {}", self.name()));
        let mut network = net_up::Network::up(&self.cmdline)?;
        let fetcher = fetch::Fetcher::new(&self.url, LIMITS);
        let ready = || network.missing(self.url.domain());
        let fetched = fetcher.fetch(ready, |why| note(&format!("{why}; trying again")));
        let down = network.down();
        // what the fetch says is the cause
        let bytes = fetched?;
        down?;
        Ok(Some(Found {
            source: self.name(),
            name: self.url.file_name().to_owned(),
            bytes,
            files: Default::default(),
            beside: Beside::Nothing(
                "answers that were fetched have no files beside them: give the address of the \
                 backup, sftp:// or s3://",
            ),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUM: &str = "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855";

    #[test]
    fn what_may_be_secret_is_not_shown() {
        let text = "https://me:hunter2@example.org:8443/a/mine.toml?token=hunter2#hunter2";
        let url = AnswersUrl::new(text, Some(SUM)).unwrap();
        assert_eq!(url.expose(), text);
        assert_eq!(url.shown(), "https://example.org:8443/a/mine.toml");
        assert_eq!(url.domain(), Some("example.org"));
        assert_eq!(url.sha256(), Some(SUM.to_lowercase().as_str()));
        assert_eq!(url.file_name(), "mine.toml");
        assert!(!format!("{url:?}").contains("hunter2"));
        let bare = AnswersUrl::new("http://[2001:db8::1]", Some(SUM)).unwrap();
        assert_eq!((bare.domain(), bare.file_name()), (None, "answers.toml"));
        assert!(!bare.is_secure());
    }

    #[test]
    fn what_is_refused() {
        let cases = [
            ("http://me:hunter2@example.org/a?hunter2", None),
            ("ftp://me:hunter2@example.org/a", Some(SUM)),
            ("file:///etc/shadow", Some(SUM)),
            ("https://", None),
            ("://hunter2", None),
            ("https://exa mple.org/hunter2", None),
            ("https://example.org/a", Some("abc")),
            ("https://example.org/a", Some(&SUM.replace('E', "G"))),
        ];
        let texts = cases.map(|(text, sum)| {
            let error = AnswersUrl::new(text, sum).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
            error
        });
        insta::assert_snapshot!(texts.join("\n"), @r"
        ezmail.answers=http://example.org/a on the kernel command line: on the way anybody can change what comes by http://; use https://, or add ezmail.answers.sha256=HEX, which sha256sum prints
        ezmail.answers=ftp://... on the kernel command line: answers are fetched by https://, or by http:// with ezmail.answers.sha256=
        ezmail.answers=file://... on the kernel command line: answers are fetched by https://, or by http:// with ezmail.answers.sha256=
        ezmail.answers= on the kernel command line is not a URL: empty host; as in ezmail.answers=https://example.org/answers.toml
        ezmail.answers= on the kernel command line is not a URL: relative URL without a base; as in ezmail.answers=https://example.org/answers.toml
        ezmail.answers= on the kernel command line is not a URL: invalid international domain name; as in ezmail.answers=https://example.org/answers.toml
        ezmail.answers.sha256= on the kernel command line is not a SHA-256: 64 hexadecimal digits were expected, as sha256sum prints them
        ezmail.answers.sha256= on the kernel command line is not a SHA-256: 64 hexadecimal digits were expected, as sha256sum prints them
        ");
    }
}
