//! The certificate: self-signed, made once, and left alone when somebody put another in its place.

use anyhow::{Context, Result};

use super::Input;
use crate::{
    agent::change::{Change, File},
    mail::{
        address::DomainName,
        certificate::{self, SelfSigned},
    },
    util::secret::Secret,
};

const UNITS: &[&str] = &["smtpd.service", "dovecot.service"];

pub(super) fn plan(input: &Input<'_>) -> Result<Vec<Change>> {
    let paths = input.paths;
    let mark = paths.tls_mark.clone();
    let domains: Vec<DomainName> = input
        .answers
        .domains
        .iter()
        .map(|d| d.name.clone())
        .collect();
    let hostname = &input.answers.hostname;
    let names = certificate::names(hostname, &domains);

    let (certificate, key) = match (input.target.read(&paths.tls_cert)?, read_key(input)?) {
        (Some(certificate), Some(key)) => {
            let made = input.target.read(&mark)?.unwrap_or_default();
            match certificate::made_for(&String::from_utf8_lossy(&made), &certificate) {
                Some(old) if !names.is_subset(&old) => {
                    let new = certificate::self_signed(hostname, &names, Some(&key))?;
                    (new.certificate.into_bytes(), new.key)
                }
                // as wanted, or not ours to replace
                _ => (certificate, key),
            }
        }
        _ => {
            let SelfSigned { certificate, key } = certificate::self_signed(hostname, &names, None)?;
            (certificate.into_bytes(), key)
        }
    };
    let mut changes = Vec::new();
    let made = input.target.read(&mark)?.unwrap_or_default();
    let is_new = input.target.read(&paths.tls_cert)?.as_deref() != Some(&certificate[..]);
    let mark_text = match is_new {
        true => certificate::mark(&certificate, &names).into_bytes(),
        false => made,
    };
    // smtpd and dovecot read the key as root, before they give that up
    let key = File::secret(paths.tls_key.clone(), key.expose()).restarts(UNITS);
    changes.push(Change::File(key));
    let certificate = File::open(paths.tls_cert.clone(), certificate).restarts(UNITS);
    changes.push(Change::File(certificate));
    if !mark_text.is_empty() {
        changes.push(Change::File(File::open(mark, mark_text)));
    }
    Ok(changes)
}

fn read_key(input: &Input<'_>) -> Result<Option<Secret>> {
    let bytes = input.target.read(&input.paths.tls_key)?;
    let text = bytes.map(String::from_utf8).transpose();
    let text = text.with_context(|| format!("{} is not PEM", input.paths.tls_key.display()))?;
    Ok(text.map(Secret::new))
}
