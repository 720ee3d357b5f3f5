//! The certificate: that of the answers; else a self-signed one, made once, and left alone when
//! somebody put another in its place.

use anyhow::{Context, Result};

use super::Input;
use crate::{
    agent::change::{Change, File},
    answers::model::Certificate,
    mail::{
        address::DomainName,
        certificate::{self, Origin, SelfSigned},
        chain::Key,
    },
    util::secret::Secret,
};

const UNITS: &[&str] = &["smtpd.service", "dovecot.service"];

/// The certificate, PEM, and what there is to write.
pub(super) fn plan(input: &Input<'_>) -> Result<(String, Vec<Change>)> {
    let paths = input.paths;
    // says which certificate was put there by an apply, and for which names, or whence
    let mark = paths.tls_mark.clone();
    let made = input.target.read(&mark)?.unwrap_or_default();
    let wanted = match &input.answers.tls {
        Some(given) => from_answers(given)?,
        None => without_answers(input, &String::from_utf8_lossy(&made))?,
    };
    // smtpd and dovecot read the key as root, before they give that up
    let key = File::secret(paths.tls_key.clone(), wanted.key.expose()).restarts(UNITS);
    let text = String::from_utf8(wanted.certificate.clone())
        .with_context(|| format!("{} is not PEM", paths.tls_cert.display()))?;
    let certificate = File::open(paths.tls_cert.clone(), wanted.certificate).restarts(UNITS);
    let mut changes = vec![Change::File(key), Change::File(certificate)];
    let marked = wanted.mark.map_or(made, String::into_bytes);
    if !marked.is_empty() {
        changes.push(Change::File(File::open(mark, marked)));
    }
    Ok((text, changes))
}

/// A certificate with its key, and the mark if it is another one than before.
struct Wanted {
    certificate: Vec<u8>,
    key: Secret,
    mark: Option<String>,
}

fn from_answers(given: &Certificate) -> Result<Wanted> {
    let not_read = |what: &str, file: &Option<String>| {
        let file = file.as_deref().unwrap_or("its file");
        format!("the {what} of `[tls]` was not read from {file}")
    };
    let certificate = given.certificate.as_ref();
    let certificate =
        certificate.with_context(|| not_read("certificate", &given.certificate_file))?;
    let key = given
        .key
        .as_ref()
        .with_context(|| not_read("key", &given.key_file))?;
    Ok(Wanted {
        certificate: certificate.clone().into_bytes(),
        key: Key::parse(key.expose()).context("the key of `[tls]`")?.pem,
        mark: Origin::Answers.mark(certificate.as_bytes()),
    })
}

/// What is there, if it is as it should be or not ours to replace; else a self-signed one.
fn without_answers(input: &Input<'_>, mark: &str) -> Result<Wanted> {
    let paths = input.paths;
    let domains = input.answers.domains.iter().map(|d| d.name.clone());
    let domains: Vec<DomainName> = domains.collect();
    let hostname = &input.answers.hostname;
    let names = certificate::names(hostname, &domains);
    let key = match (input.target.read(&paths.tls_cert)?, read_key(input)?) {
        (Some(certificate), Some(key)) => match Origin::read(mark, &certificate) {
            Origin::Made(old) if !names.is_subset(&old) => Some(key),
            // its key goes with it: it is not ours to use for anything else
            Origin::Answers => None,
            Origin::Made(_) | Origin::Elsewhere => {
                return Ok(Wanted {
                    certificate,
                    key,
                    mark: None,
                });
            }
        },
        _ => None,
    };
    let SelfSigned { certificate, key } = certificate::self_signed(hostname, &names, key.as_ref())?;
    Ok(Wanted {
        mark: Origin::Made(names).mark(certificate.as_bytes()),
        certificate: certificate.into_bytes(),
        key,
    })
}

fn read_key(input: &Input<'_>) -> Result<Option<Secret>> {
    let bytes = input.target.read(&input.paths.tls_key)?;
    let text = bytes.map(String::from_utf8).transpose();
    let text = text.with_context(|| format!("{} is not PEM", input.paths.tls_key.display()))?;
    Ok(text.map(Secret::new))
}
