//! Whether this machine has its addresses itself, or somebody translates them.

use std::{net::IpAddr, time::Duration};

use anyhow::Result;

use crate::{
    agent::page::address,
    ctl::check::{
        Context,
        finding::{Area, Finding},
    },
    dns::{Client, RESOLVER, RecordType},
};

const AREA: Area = Area::Nat;
const LIMIT: Duration = Duration::from_secs(8);

pub(super) fn check(cx: &Context) -> Result<Vec<Finding>> {
    let here = address::global()?;
    let mut findings = judge(&here);
    if let Ok(answers) = &cx.answers {
        let client = Client::new(RESOLVER, LIMIT)?;
        let hostname = answers.hostname.as_str();
        let mut named = Vec::new();
        for kind in [RecordType::A, RecordType::AAAA] {
            named.extend(super::ptr::forward(&client, hostname, kind)?);
        }
        findings.push(judge_name(hostname, &here, &named));
    }
    Ok(findings)
}

/// Whether the server's name leads to the addresses `named` that are `here`.
fn judge_name(hostname: &str, here: &[IpAddr], named: &[IpAddr]) -> Finding {
    let todo = "Publish the A and AAAA records: 'mailctl dns show'.";
    if named.is_empty() {
        let reason = format!("{hostname} leads to no address: nobody finds this server.");
        return Finding::error(AREA, "name", reason, todo);
    }
    let translated = |a: &IpAddr| {
        let mut family = here
            .iter()
            .filter(|h| h.is_ipv6() == a.is_ipv6())
            .peekable();
        family.peek().is_some() && family.all(is_private)
    };
    let strange = named.iter().filter(|a| !here.contains(a) && !translated(a));
    let strange: Vec<String> = strange.map(ToString::to_string).collect();
    match strange.is_empty() {
        true => Finding::ok(AREA, "name", format!("{hostname} leads here.")),
        false => Finding::warning(
            AREA,
            "name",
            format!(
                "{hostname} leads to {}, which is not here.",
                strange.join(", ")
            ),
            todo,
        )
        .about(strange),
    }
}

fn judge(here: &[IpAddr]) -> Vec<Finding> {
    let family = |v6: bool| here.iter().filter(move |a| a.is_ipv6() == v6);
    let list = |addresses: &[&IpAddr]| {
        let names: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        names.join(", ")
    };
    let v4: Vec<&IpAddr> = family(false).collect();
    let v6: Vec<&IpAddr> = family(true).collect();
    let of_v4 = if v4.is_empty() {
        Finding::error(
            AREA,
            "ipv4",
            "This machine has no IPv4 address: most mail servers cannot reach it.",
            "Ask the provider for one, and name it in the answers: [network] address.",
        )
    } else if v4.iter().all(|a| is_private(a)) {
        Finding::warning(
            AREA,
            "ipv4",
            format!(
                "This machine has only the private address {}: somebody translates it.",
                list(&v4)
            ),
            "The public address has to lead here for ports 25, 465, 587, 993, 4190, 443 and 80, and \
             mail has to leave from it: it is the one for the A and PTR records.",
        )
    } else {
        Finding::ok(AREA, "ipv4", format!("This machine has {}.", list(&v4)))
    };
    let of_v6 = if v6.is_empty() {
        Finding::ok(
            AREA,
            "ipv6",
            "This machine has no IPv6 address; mail goes by IPv4.",
        )
    } else if v6.iter().all(|a| is_private(a)) {
        Finding::warning(
            AREA,
            "ipv6",
            format!(
                "This machine has only the local IPv6 address {}.",
                list(&v6)
            ),
            "Ask the provider for a global one; publish no AAAA record until then.",
        )
    } else {
        Finding::ok(AREA, "ipv6", format!("This machine has {}.", list(&v6)))
    };
    vec![of_v4, of_v6]
}

/// Addresses that lead to a machine only from inside its own network: RFC 1918, RFC 6598, RFC 3927,
/// RFC 4193.
pub(super) fn is_private(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(a) => {
            let [first, second, ..] = a.octets();
            let shared = first == 100 && (64..128).contains(&second);
            a.is_private() || a.is_link_local() || a.is_loopback() || shared
        }
        IpAddr::V6(a) => a.is_unique_local() || a.is_unicast_link_local() || a.is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctl::check::finding::State;

    #[test]
    fn a_translated_address_is_told_apart() {
        let states = |addresses: &[&str]| {
            let addresses: Vec<IpAddr> = addresses.iter().map(|a| a.parse().unwrap()).collect();
            let found = judge(&addresses);
            [found[0].state, found[1].state]
        };
        use State::{Error, Ok, Warning};
        assert_eq!(states(&["203.0.113.5", "2001:db8::5"]), [Ok, Ok]);
        assert_eq!(states(&["10.0.0.5"]), [Warning, Ok]);
        assert_eq!(states(&["100.64.0.5", "fd00::1"]), [Warning, Warning]);
        assert_eq!(states(&["10.0.0.5", "203.0.113.5"]), [Ok, Ok]);
        assert_eq!(states(&["2001:db8::5"]), [Error, Ok]);
    }

    #[test]
    fn the_name_has_to_lead_here() {
        let list = |addresses: &[&str]| -> Vec<IpAddr> {
            addresses.iter().map(|a| a.parse().unwrap()).collect()
        };
        let state = |here: &[&str], named: &[&str]| {
            judge_name("mail.example.org", &list(here), &list(named)).state
        };
        let (v4, v6) = ("203.0.113.5", "2001:db8::5");
        assert_eq!(state(&[v4, v6], &[v4, v6]), State::Ok);
        assert_eq!(state(&[v4], &[]), State::Error);
        assert_eq!(state(&[v4], &["203.0.113.6"]), State::Warning);
        assert_eq!(state(&["10.0.0.5"], &[v4]), State::Ok);
        // nothing listens there by IPv6
        assert_eq!(state(&["10.0.0.5"], &[v4, v6]), State::Warning);
    }
}
