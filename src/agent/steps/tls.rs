//! The certificate: self-signed, made once, and left alone when somebody put another in its place.

use std::collections::BTreeSet;

use anyhow::{Context, Result};

use super::Input;
use crate::{
    agent::change::{Change, File},
    mail::{
        address::DomainName,
        certificate::{self, SelfSigned},
    },
    util::{hash, secret::Secret},
};

const UNITS: &[&str] = &["smtpd.service", "dovecot.service"];

pub(super) fn plan(input: &Input<'_>) -> Result<Vec<Change>> {
    let paths = input.paths;
    // says which certificate was made here, and for which names
    let mark = paths.state.join("tls/self-signed");
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
            match made_for(&String::from_utf8_lossy(&made), &certificate) {
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
        true => {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            format!("{} {}\n", hash::sha256(&certificate), names.join(" ")).into_bytes()
        }
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

/// The names of a certificate that was made here, by the line in `mark`.
fn made_for(mark: &str, certificate: &[u8]) -> Option<BTreeSet<String>> {
    let mut words = mark.split_whitespace();
    let ours = words.next()? == hash::sha256(certificate);
    ours.then(|| words.map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_elses_certificate_has_no_mark() {
        let mark = format!("{} a b\n", hash::sha256("one"));
        assert_eq!(made_for(&mark, b"one").unwrap().len(), 2);
        assert_eq!(made_for(&mark, b"two"), None);
        assert_eq!(made_for("", b"one"), None);
    }
}
