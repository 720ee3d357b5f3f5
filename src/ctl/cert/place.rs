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

/// Of those `names` that do not lead here, why.
///
/// Here is where this server's own addresses are. One that knows none that is public, behind
/// address translation, goes by those of its own name.
///
/// # Errors
/// When its addresses cannot be found out.
pub fn leads_here(
    server: &Server,
    host: &str,
    names: &[String],
) -> Result<BTreeMap<String, String>> {
    let own = expected::of(server)?.public();
    let client = Client::new(RESOLVER, LIMIT)?.patient(PATIENCE);
    let found = lookup(&client, names);
    let own = match own.is_empty() {
        false => own,
        true => lookup(&client, &[host.to_owned()])
            .pop()
            .and_then(Result::ok)
            .unwrap_or_default(),
    };
    let astray = names.iter().zip(found).filter_map(|(name, found)| {
        let why = judge(&found, &own)?;
        Some((name.clone(), why))
    });
    Ok(astray.collect())
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
fn judge(found: &Result<Vec<IpAddr>, String>, own: &[IpAddr]) -> Option<String> {
    let found = match found {
        Ok(found) => found,
        Err(why) => return Some(why.clone()),
    };
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
        let judge = |found: &[IpAddr]| judge(&Ok(found.to_vec()), &own);
        assert_eq!(judge(&own), None);
        assert_eq!(judge(&own[..1]), None);
        let strange = judge(&[own[0], ip("192.0.2.7")]);
        assert_eq!(
            strange.as_deref(),
            Some("it leads to 192.0.2.7, which is not here")
        );
        assert_eq!(judge(&[]).as_deref(), Some("it has no address in the DNS"));
    }
}
