//! The DNS records to publish: kept in a file and shown.

use std::collections::BTreeSet;

use super::Input;
use crate::{
    agent::change::{Change, File},
    answers::{
        Answers,
        model::{Acme, Domain},
    },
    mail::{
        address::DomainName,
        chain::Chain,
        mta_sts,
        records::{self, Facts, Offers, PublishedKey, caa_issuer, key_hash},
    },
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
    // RFC 8659: who gives a certificate in the answers is not told whom to have it from
    let issuer = match (&answers.tls, &answers.acme) {
        (Some(_), _) => None,
        (None, None) => caa_issuer(&Acme::default()),
        (None, Some(acme)) => caa_issuer(acme),
    };
    Facts {
        hostname: answers.hostname.clone(),
        domains: answers.domains.iter().map(domain).collect(),
        addresses: answers.network.address.iter().map(|a| a.addr()).collect(),
        keys,
        smarthost: answers.smarthost.as_ref().map(|s| s.host.clone()),
        certificate: certificate.and_then(|pem| key_hash(pem).ok()),
        issuer: issuer.map(str::to_owned),
        account: None,
        offers: offers(answers, certificate),
    }
}

/// What the web server has for each domain: where the certificate has the name that it is asked by, or
/// an authority is going to put it in.
fn offers(answers: &Answers, certificate: Option<&str>) -> Offers {
    let chain = certificate.and_then(|pem| Chain::parse(pem).ok());
    let acme = answers.acme.clone().unwrap_or_default();
    let coming = answers.tls.is_none() && acme.enabled;
    let has = |domain: &DomainName, prefix: &str| {
        let name = format!("{prefix}.{domain}").parse::<DomainName>();
        let covered = |chain: &Chain| name.is_ok_and(|name| chain.covers(&name));
        coming || chain.as_ref().is_some_and(covered)
    };
    let with = |prefixes: &[&str]| -> BTreeSet<DomainName> {
        let domains = answers.domains.iter().map(|d| &d.name);
        let all = |domain: &&DomainName| prefixes.iter().all(|prefix| has(domain, prefix));
        domains.filter(all).cloned().collect()
    };
    let policy = mta_sts::policy(&answers.hostname);
    Offers {
        mta_sts: Some((mta_sts::id(&policy), with(&["mta-sts"]))),
        autoconfig: with(&["autoconfig", "autodiscover"]),
    }
}
