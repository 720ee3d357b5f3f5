//! What a server's records are made from, as it is now.

use std::net::IpAddr;

use anyhow::{Context, Result};

use crate::{
    agent::{page::address, steps::records::facts},
    answers::model::NetworkMode,
    ctl::server::Server,
    mail::{
        database::keys,
        dkim,
        records::{Facts, PublishedKey},
    },
};

/// What is known about `server`. Where addresses come from the network and it is this machine,
/// those of its interfaces are taken beside those of the answers.
///
/// # Errors
/// When there are no answers or no database yet, or a key cannot be read.
pub fn of(server: &Server) -> Result<Facts> {
    let answers = server.effective()?;
    let certificate = server.target.read(&server.paths.tls_cert)?;
    let certificate = certificate.map(String::from_utf8).transpose();
    let certificate = certificate.context("the certificate is not PEM")?;
    let mut facts = facts(&answers, published(server)?, certificate.as_deref());
    if answers.network.mode == NetworkMode::Auto && server.is_live() {
        facts.addresses = union(facts.addresses, address::global()?);
    }
    Ok(facts)
}

/// Addresses that are listed and others, IPv4 first, each once.
fn union(mut listed: Vec<IpAddr>, others: Vec<IpAddr>) -> Vec<IpAddr> {
    for address in others {
        if !listed.contains(&address) {
            listed.push(address);
        }
    }
    listed.sort_by_key(IpAddr::is_ipv6);
    listed
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_answers_and_interfaces_count() {
        let of = |all: &[&str]| all.iter().map(|a| a.parse().unwrap()).collect::<Vec<_>>();
        let listed = of(&["2001:db8::10"]);
        let found = of(&["203.0.113.10", "2001:db8::10"]);
        assert_eq!(union(listed.clone(), found.clone()), found);
        assert_eq!(union(Vec::new(), found.clone()), found);
        assert_eq!(union(listed.clone(), Vec::new()), listed);
    }
}
