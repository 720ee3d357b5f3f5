//! What is known about the certificate without asking anybody.

use anyhow::{Context, Result};

use crate::{
    answers::Answers,
    ctl::server::{Server, now},
    mail::{
        acme::{self, History, LETS_ENCRYPT},
        address::DomainName,
        certificate::Origin,
        chain::{Chain, Key},
    },
    util::{files, secret::Secret},
};

/// It all.
pub struct Facts {
    /// The answers, with what mailctl has changed since.
    pub answers: Answers,
    /// The names to have, the server's own first.
    pub wanted: Vec<String>,
    /// The certificate in place, where it comes from, and its key.
    pub present: Option<Present>,
    /// Whom to ask; nobody, where the answers give a certificate or want no authority.
    pub directory: Option<String>,
    /// What was asked before.
    pub history: History,
    /// Seconds since 1970.
    pub now: i64,
}

/// A certificate in place.
pub struct Present {
    /// What is in it.
    pub chain: Chain,
    /// Where it comes from.
    pub origin: Origin,
    /// Its private key, PEM, PKCS#8, if it fits.
    pub key: Option<Secret>,
}

impl Facts {
    /// Reads it.
    ///
    /// # Errors
    /// When the server is not set up yet, or a file cannot be read.
    pub fn of(server: &Server) -> Result<Self> {
        let answers = server.effective()?;
        let domains: Vec<DomainName> = answers.domains.iter().map(|d| d.name.clone()).collect();
        let directory = directory(&answers);
        let kept = server.target.read(&server.paths.acme_history)?;
        let kept = kept.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let asked = directory.as_deref().unwrap_or_default();
        let history = History::parse(kept.as_deref(), asked).with_context(|| {
            let path = server.paths.acme_history.display();
            format!("{path} is damaged; it may be removed")
        })?;
        Ok(Self {
            wanted: acme::wanted(&answers.hostname, &domains),
            present: present(server)?,
            directory,
            history,
            now: now()?,
            answers,
        })
    }

    /// The server's own name.
    pub fn host(&self) -> &str {
        self.answers.hostname.as_str()
    }

    /// Whether the certificate in place has a name.
    pub fn has(&self, name: &str) -> bool {
        let chain = self.present.as_ref().map(|present| &present.chain);
        chain.is_some_and(|chain| name.parse().is_ok_and(|name| chain.covers(&name)))
    }

    /// Keeps the history.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep_history(&self, server: &Server) -> Result<()> {
        let path = server.target.path(&server.paths.acme_history);
        files::write(&path, self.history.text()?, 0o644)
    }
}

/// The authority's directory, if one is to be asked.
fn directory(answers: &Answers) -> Option<String> {
    if answers.tls.is_some() {
        return None;
    }
    let acme = answers.acme.clone().unwrap_or_default();
    let directory = acme.directory.unwrap_or_else(|| LETS_ENCRYPT.to_owned());
    acme.enabled.then_some(directory)
}

/// One that cannot be read is as good as none: the next one takes its place.
fn present(server: &Server) -> Result<Option<Present>> {
    let (target, paths) = (&server.target, &server.paths);
    let text = |path| -> Result<String> {
        let bytes = target.read(path)?.unwrap_or_default();
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let pem = text(&paths.tls_cert)?;
    let Ok(chain) = Chain::parse(&pem) else {
        return Ok(None);
    };
    let key = Key::parse(&text(&paths.tls_key)?).ok();
    let key = key.filter(|key| chain.fits(key)).map(|key| key.pem);
    Ok(Some(Present {
        origin: Origin::read(&text(&paths.tls_mark)?, pem.as_bytes()),
        chain,
        key,
    }))
}
