//! `mailctl cert install`: a certificate that somebody has.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use super::{
    deploy::{self, Deployed},
    facts::Facts,
    issue,
};
use crate::{
    ctl::{
        accounts::Done,
        server::{Server, now},
        words::date,
    },
    mail::{
        certificate::Origin,
        chain::{Chain, Key},
    },
    util::files,
};

/// Checks it, and puts it in place.
pub(super) fn run(server: &Server, certificate: &Path, key: &Path, json: bool) -> Result<()> {
    let _lock = issue::lock(server)?;
    let facts = Facts::of(server)?;
    if facts.answers.tls.is_some() {
        bail!(
            "the answers give a certificate ([tls]), and theirs is the one in place: change it there"
        );
    }
    let pem = files::read_to_string(certificate)?;
    let chain = Chain::parse(&pem).with_context(|| certificate.display().to_string())?;
    let key_text = files::read_to_string(key)?;
    let secret = Key::parse(&key_text).with_context(|| key.display().to_string())?;
    let host = &facts.answers.hostname;
    ensure!(
        chain.fits(&secret),
        "{} is not the key of {}",
        key.display(),
        certificate.display()
    );
    ensure!(
        chain.covers(host),
        "{} is for {}, not for {host}",
        certificate.display(),
        chain.names.join(", ")
    );
    let now = now()?;
    ensure!(
        (chain.not_before..chain.not_after).contains(&now),
        "{} is valid from {} to {}, not now",
        certificate.display(),
        date(chain.not_before),
        date(chain.not_after)
    );
    deploy::lay_ready(server, &pem, &secret.pem, &Origin::Elsewhere)?;
    let done = match deploy::deploy(server, now)? {
        Deployed::Done => Done::new("the certificate is in place".to_owned()),
        Deployed::Later => Done::new(issue::later(now)),
    };
    let records = "its key has another hash: publish the TLSA record of 'mailctl dns show', if \
                   there is one in your zone";
    let same = facts
        .present
        .is_some_and(|p| p.key.as_ref() == Some(&secret.pem));
    done.note((!same).then(|| records.to_owned())).tell(json)
}
