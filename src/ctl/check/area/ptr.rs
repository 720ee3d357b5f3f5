//! The names of this machine's addresses (PTR), and whether they lead back: many servers refuse
//! mail from an address without.

use std::{collections::BTreeSet, net::IpAddr, time::Duration};

use anyhow::{Result, bail};

use crate::{
    agent::page::address,
    ctl::check::{
        Context,
        finding::{Area, Finding},
    },
    dns::{Client, Data, RESOLVER, RecordType},
};

const AREA: Area = Area::Ptr;
const LIMIT: Duration = Duration::from_secs(8);

/// An address, its names, and those of them that lead back to it.
struct Named {
    address: IpAddr,
    names: Vec<String>,
    confirmed: BTreeSet<String>,
}

pub(super) fn check(cx: &Context) -> Result<Vec<Finding>> {
    let hostname = match &cx.answers {
        Ok(answers) => answers.hostname.as_str(),
        Err(error) => bail!("{error}"),
    };
    let client = Client::new(RESOLVER, LIMIT)?;
    // what leads to a translated address is not this machine's to know
    let addresses = public(&client, hostname)?;
    let mut findings = Vec::new();
    for (id, family, v6) in [("ipv4", "IPv4", false), ("ipv6", "IPv6", true)] {
        let here = addresses.iter().copied().filter(|a| a.is_ipv6() == v6);
        let mut of_family = Vec::new();
        for address in here {
            of_family.push(look(&client, address)?);
        }
        findings.push(judge(id, family, hostname, &of_family));
    }
    Ok(findings)
}

/// The addresses that mail leaves from, as others see them: this machine's own, or for a family in
/// which it has only private ones, those that its name leads to.
pub(super) fn public(client: &Client, hostname: &str) -> Result<Vec<IpAddr>> {
    let mut addresses = Vec::new();
    let here = address::global()?;
    for (kind, v6) in [(RecordType::A, false), (RecordType::AAAA, true)] {
        let own: Vec<IpAddr> = here.iter().copied().filter(|a| a.is_ipv6() == v6).collect();
        let seen: Vec<IpAddr> = own
            .iter()
            .copied()
            .filter(|a| !super::nat::is_private(a))
            .collect();
        match own.is_empty() || !seen.is_empty() {
            true => addresses.extend(seen),
            false => addresses.extend(forward(client, hostname, kind)?),
        }
    }
    Ok(addresses)
}

/// The addresses of a name.
pub(super) fn forward(client: &Client, name: &str, kind: RecordType) -> Result<Vec<IpAddr>> {
    let answer = client.query(name, kind)?;
    let address = |data: &Data| match data {
        Data::A(a) => Some(IpAddr::from(*a)),
        Data::Aaaa(a) => Some(IpAddr::from(*a)),
        _ => None,
    };
    Ok(answer.of(kind).filter_map(address).collect())
}

fn look(client: &Client, address: IpAddr) -> Result<Named> {
    let names = client.ptr(address)?;
    let kind = match address {
        IpAddr::V4(_) => RecordType::A,
        IpAddr::V6(_) => RecordType::AAAA,
    };
    let mut confirmed = BTreeSet::new();
    for name in &names {
        if forward(client, name, kind)?.contains(&address) {
            confirmed.insert(name.clone());
        }
    }
    Ok(Named {
        address,
        names,
        confirmed,
    })
}

fn judge(id: &str, family: &str, hostname: &str, addresses: &[Named]) -> Finding {
    let Some(first) = addresses.first() else {
        return Finding::ok(
            AREA,
            id,
            format!("There is no public {family} address here."),
        );
    };
    let todo = |address: IpAddr| {
        format!(
            "Set the PTR record of {address} to {hostname} in the provider's panel ('reverse \
             DNS'): it cannot be set where your domain is."
        )
    };
    let wrong = || {
        let wrong = addresses.iter().filter(|n| !n.confirmed.contains(hostname));
        wrong.map(|named| named.address)
    };
    for named in addresses {
        let address = named.address;
        if named.names.is_empty() {
            let reason = format!("{address} has no name (PTR): many servers refuse mail from it.");
            return Finding::error(AREA, id, reason, todo(address)).about(wrong());
        }
        let names = named.names.join(", ");
        if named.confirmed.is_empty() {
            let reason = format!("{address} is called {names}, which does not lead back to it.");
            return Finding::error(AREA, id, reason, todo(address)).about(wrong());
        }
        if !named.confirmed.contains(hostname) {
            let reason = format!("{address} is called {names}, not {hostname}.");
            return Finding::warning(AREA, id, reason, todo(address)).about(wrong());
        }
    }
    let reason = format!(
        "{} is called {hostname}, which leads back to it.",
        first.address
    );
    Finding::ok(AREA, id, reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctl::check::finding::State;

    #[test]
    fn a_name_has_to_lead_back() {
        let state = |names: &[&str], confirmed: &[&str]| {
            let owned = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
            let named = Named {
                address: "203.0.113.5".parse().unwrap(),
                names: owned(names),
                confirmed: confirmed.iter().map(|n| (*n).to_owned()).collect(),
            };
            judge("ipv4", "IPv4", "mail.example.org", &[named]).state
        };
        let nameless = |address: &str| Named {
            address: address.parse().unwrap(),
            names: Vec::new(),
            confirmed: BTreeSet::new(),
        };
        let two = ["203.0.113.5", "203.0.113.6"];
        let found = judge("ipv4", "IPv4", "mail.example.org", &two.map(nameless));
        assert_eq!(found.about, two);
        let (ours, theirs) = ("mail.example.org", "5.113.example.net");
        assert_eq!(state(&[ours], &[ours]), State::Ok);
        assert_eq!(state(&[theirs, ours], &[ours]), State::Ok);
        assert_eq!(state(&[theirs], &[theirs]), State::Warning);
        assert_eq!(state(&[ours], &[]), State::Error);
        assert_eq!(state(&[], &[]), State::Error);
        assert_eq!(judge("ipv6", "IPv6", ours, &[]).state, State::Ok);
    }
}
