//! DKIM seen from outside, by a verifier of its own (`dkim_tool.py`).

use std::{path::Path, process::Command, time::Duration};

use anyhow::{Context, Result};
use base64::{Engine, engine::general_purpose::STANDARD};
use ezmail::util::{files, run::Task};
use serde::Deserialize;
use serde_json::json;

use super::{
    addresses::{Family, resolver},
    message::{Mail, raw_of},
    namespace::{Namespace, program},
    zones::SELECTOR,
};

const LIMIT: Duration = Duration::from_secs(60);

/// One DKIM-Signature header, judged.
#[derive(Debug, Clone, Deserialize, PartialEq, Eq)]
pub struct Signature {
    /// Its `d=`.
    pub domain: String,
    /// Its `s=`.
    pub selector: String,
    /// Its `a=`, such as `rsa-sha256`.
    pub algorithm: String,
    /// Its `h=`, in lower case.
    pub headers: Vec<String>,
    /// Whether the message and the key in the DNS agree.
    pub pass: bool,
    /// What went wrong, where that is known.
    pub reason: Option<String>,
}

/// The ARC chain of a message, judged.
#[derive(Debug, Clone, Deserialize, PartialEq, Eq)]
pub struct Chain {
    /// `pass`, `fail` or `none` (RFC 8617, section 4.4).
    pub verdict: String,
    /// Who sealed, the last first.
    pub domains: Vec<String>,
    /// In words.
    pub reason: String,
}

/// The outside's signing key.
pub struct SigningKey {
    pem: String,
    /// What stands in the DNS.
    pub record: String,
}

impl SigningKey {
    /// A new RSA key; `folder` is for the moment of its making.
    pub fn new(folder: &Path) -> Result<Self> {
        let path = folder.join("dkim.pem");
        let mut command = Command::new(program("openssl")?);
        command.args(["genrsa", "-traditional", "-out"]).arg(&path);
        command.arg("2048");
        Task::new("making the outside's DKIM key", command).run()?;
        let mut command = Command::new(program("openssl")?);
        command.args(["rsa", "-pubout", "-in"]).arg(&path);
        let public = Task::new("reading the outside's DKIM key", command).output()?;
        let public: String = public.lines().filter(|l| !l.starts_with('-')).collect();
        Ok(Self {
            pem: files::read_to_string(&path)?,
            record: format!("v=DKIM1; k=rsa; p={public}"),
        })
    }

    /// Signs a message for `domain`.
    pub fn sign(&self, namespace: &Namespace, domain: &str, mut mail: Mail) -> Result<Mail> {
        let order = json!({
            "sign": { "selector": SELECTOR, "domain": domain, "key": self.pem },
            "raw": STANDARD.encode(&mail.raw),
        });
        mail.raw = raw_of(namespace.python("dkim_tool.py", &order, LIMIT)?)?;
        Ok(mail)
    }
}

/// Judges every signature of a message by what the world's DNS has.
/// `later` is by how many seconds the signer's clock is ahead.
pub fn verify(namespace: &Namespace, raw: &[u8], later: i64) -> Result<Vec<Signature>> {
    #[derive(Deserialize)]
    struct Verdict {
        signatures: Vec<Signature>,
    }
    let order = json!({
        "verify": [resolver(Family::V4)],
        "raw": STANDARD.encode(raw),
        "later": later,
    });
    let verdict: Verdict =
        serde_json::from_value(namespace.python("dkim_tool.py", &order, LIMIT)?)
            .context("reading what dkim_tool.py has found")?;
    Ok(verdict.signatures)
}

/// Judges the ARC chain of a message by what the world's DNS has.
pub fn verify_arc(namespace: &Namespace, raw: &[u8]) -> Result<Chain> {
    let order = json!({
        "arc": [resolver(Family::V4)],
        "raw": STANDARD.encode(raw),
    });
    serde_json::from_value(namespace.python("dkim_tool.py", &order, LIMIT)?)
        .context("reading what dkim_tool.py has found")
}
