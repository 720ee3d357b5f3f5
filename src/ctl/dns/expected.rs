//! What a server's records are made from, as it is now.

use std::net::IpAddr;

use anyhow::{Context, Result};

use crate::{
    agent::{page::address, steps::records::facts},
    ctl::server::Server,
    mail::{
        database::keys,
        dkim,
        records::{Facts, PublishedKey},
    },
};

/// What is known about `server`. Where the answers name no address and it is this machine, those
/// of its interfaces are taken.
///
/// # Errors
/// When there are no answers or no database yet, or a key cannot be read.
pub fn of(server: &Server) -> Result<Facts> {
    let answers = server.effective()?;
    let certificate = server.target.read(&server.paths.tls_cert)?;
    let certificate = certificate.map(String::from_utf8).transpose();
    let certificate = certificate.context("the certificate is not PEM")?;
    let mut facts = facts(&answers, published(server)?, certificate.as_deref());
    if facts.addresses.is_empty() && server.is_live() {
        facts.addresses = global()?;
    }
    Ok(facts)
}

fn global() -> Result<Vec<IpAddr>> {
    address::global()
}

/// The public halves of all keys that lie on the server.
fn published(server: &Server) -> Result<Vec<PublishedKey>> {
    let mut published = Vec::new();
    for key in keys::all(&server.database()?)? {
        let path = server.paths.dkim_key(&key.domain, &key.selector);
        // a key that does not sign may have lost its file, and is none then
        let Some(pem) = server.target.read(&path)? else {
            continue;
        };
        let what = || format!("the DKIM key {}", path.display());
        let pem = String::from_utf8(pem).with_context(what)?;
        published.push(PublishedKey {
            domain: key.domain.parse().with_context(what)?,
            selector: key.selector,
            info: dkim::parse_pem(&pem).with_context(what)?,
            stage: key.stage,
        });
    }
    Ok(published)
}
