//! The DNS records to publish: kept in a file and shown.

use super::Input;
use crate::{
    agent::change::{Change, File},
    answers::{Answers, model::Domain},
    mail::records::{self, Facts, Offers, PublishedKey, caa_issuer, key_hash},
};

pub(super) fn plan(
    input: &Input<'_>,
    keys: &[PublishedKey],
    certificate: &str,
) -> (String, Vec<Change>) {
    let facts = facts(input.answers, keys.to_vec(), Some(certificate));
    let text = records::zone(&facts, &records::records(&facts));
    let path = input.paths.records.clone();
    (text.clone(), vec![Change::File(File::open(path, text))])
}

/// What the records are made from; addresses are those of the answers. Whether a certificate is
/// one is for smtpd's checker to say: there is no TLSA record of what cannot be read.
pub(crate) fn facts(
    answers: &Answers,
    keys: Vec<PublishedKey>,
    certificate: Option<&str>,
) -> Facts {
    let domain = |d: &Domain| (d.name.clone(), d.dmarc);
    let issuer = answers.acme.as_ref().and_then(caa_issuer);
    Facts {
        hostname: answers.hostname.clone(),
        domains: answers.domains.iter().map(domain).collect(),
        addresses: answers.network.address.iter().map(|a| a.addr()).collect(),
        keys,
        smarthost: answers.smarthost.as_ref().map(|s| s.host.clone()),
        certificate: certificate.and_then(|pem| key_hash(pem).ok()),
        issuer: issuer.map(str::to_owned),
        account: None,
        // there is no web server yet
        offers: Offers::default(),
    }
}
