//! Whether names lead to this server.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use anyhow::Result;

use crate::{
    ctl::{dns::expected, server::Server},
    dns::{Answer, Client, Data, NoAnswer, Question, RESOLVER, RecordType, Status},
};

/// For an authoritative server, and for the resolver that asks it.
const LIMIT: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(20);

/// What is known of names that do not lead here.
#[derive(Debug, Default)]
pub struct Astray {
    /// Those whose addresses are others, or none, and why.
    pub known: BTreeMap<String, String>,
    /// Those that the resolver could not tell about, and why.
    pub unknown: BTreeMap<String, String>,
}

/// Of those `names` that do not lead here, why.
///
/// Here is where this server's own addresses are. Where it knows none of a family that is public,
/// behind address translation, it goes by those of its own name.
///
/// # Errors
/// When its addresses cannot be found out.
pub fn leads_here(server: &Server, host: &str, names: &[String]) -> Result<Astray> {
    let own = expected::of(server)?.public();
    let client = Client::new(RESOLVER, LIMIT)?.patient(PATIENCE);
    let of_host = lookup(&client, &[host.to_owned()]).pop();
    let own = completed(own, of_host.and_then(Result::ok).unwrap_or_default());
    let mut astray = Astray::default();
    for (name, found) in names.iter().zip(lookup(&client, names)) {
        match found {
            Ok(found) => {
                if let Some(why) = judge(&found, &own) {
                    astray.known.insert(name.clone(), why);
                }
            }
            Err(why) => {
                astray.unknown.insert(name.clone(), why);
            }
        }
    }
    Ok(astray)
}

/// The server's own addresses, and those of its name of a family that it knows none of.
fn completed(mut own: Vec<IpAddr>, of_host: Vec<IpAddr>) -> Vec<IpAddr> {
    for v6 in [false, true] {
        if own.iter().all(|ip| ip.is_ipv6() != v6) {
            own.extend(of_host.iter().filter(|ip| ip.is_ipv6() == v6));
        }
    }
    own
}

/// The addresses of each name, or why they are not known.
fn lookup(client: &Client, names: &[String]) -> Vec<Result<Vec<IpAddr>, String>> {
    let kinds = [RecordType::A, RecordType::AAAA];
    let questions: Vec<Question> = names
        .iter()
        .flat_map(|name| kinds.map(|kind| client.question(name, kind)))
        .collect();
    let answers = client.ask_all(&questions);
    answers.chunks(kinds.len()).map(addresses).collect()
}

fn addresses(answers: &[Result<Answer, NoAnswer>]) -> Result<Vec<IpAddr>, String> {
    let mut found = Vec::new();
    for answer in answers {
        match answer {
            Ok(answer) if matches!(answer.status, Status::NoError | Status::NxDomain) => {
                found.extend(answer.records.iter().filter_map(|r| match r.data {
                    Data::A(ip) => Some(IpAddr::V4(ip)),
                    Data::Aaaa(ip) => Some(IpAddr::V6(ip)),
                    _ => None,
                }));
            }
            Ok(answer) => return Err(format!("the resolver answers {}", answer.status)),
            Err(why) => return Err(format!("the resolver: {why}")),
        }
    }
    Ok(found)
}

/// Every address has to be ours: an authority takes whichever it likes.
fn judge(found: &[IpAddr], own: &[IpAddr]) -> Option<String> {
    if found.is_empty() {
        return Some("it has no address in the DNS".to_owned());
    }
    let strange: Vec<String> = found
        .iter()
        .filter(|ip| !own.contains(ip))
        .map(ToString::to_string)
        .collect();
    match strange.is_empty() {
        true => None,
        false => Some(format!(
            "it leads to {}, which is not here",
            strange.join(", ")
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_here_with_all_its_addresses() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let own = [ip("192.0.2.1"), ip("2001:db8::1")];
        let judge = |found: &[IpAddr]| judge(found, &own);
        assert_eq!(judge(&own), None);
        assert_eq!(judge(&own[..1]), None);
        let strange = judge(&[own[0], ip("192.0.2.7")]);
        assert_eq!(
            strange.as_deref(),
            Some("it leads to 192.0.2.7, which is not here")
        );
        assert_eq!(judge(&[]).as_deref(), Some("it has no address in the DNS"));
    }

    #[test]
    fn behind_address_translation_the_servers_name_tells() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let (v4, v6, other) = (ip("192.0.2.1"), ip("2001:db8::1"), ip("2001:db8::2"));
        assert_eq!(completed(vec![], vec![v4, v6]), [v4, v6]);
        assert_eq!(completed(vec![v6], vec![v4, other]), [v6, v4]);
        assert_eq!(completed(vec![v4, v6], vec![other]), [v4, v6]);
    }
}
