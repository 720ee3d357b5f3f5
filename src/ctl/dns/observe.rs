//! What the DNS shows: every question to every authoritative server, and to the resolver.

use std::collections::BTreeSet;

use anyhow::Result;

use super::{
    diagnosis::spf,
    seen::{Asked, Observed, Seen, holds},
};
use crate::{
    dns::{Answer, Client, Data, NoAnswer, Question, RecordType, Status, reverse_name},
    mail::records::{Facts, Purpose, Record},
};

/// SPF records that include others: no deeper than this is looked.
const MAX_DEPTH: usize = 4;
/// More questions than this are not put in one round about what others publish.
const MAX_MORE: usize = 64;

/// A label that nobody publishes anything under.
pub const NOBODY: &str = "ezmail-asks-for-nothing";

/// The questions about a server and its records: those records, and where they stand by mistake.
pub fn questions(facts: &Facts, records: &[Record]) -> Vec<(String, RecordType)> {
    let host = facts.hostname.as_str();
    let mut all = BTreeSet::new();
    let mut ask = |name: &str, kind| {
        all.insert((name.to_owned(), kind));
    };
    ask(host, RecordType::A);
    ask(host, RecordType::AAAA);
    ask(host, RecordType::CNAME);
    ask(&format!("_25._tcp.{host}"), RecordType::TLSA);
    let mut above = host;
    while let Some((_, rest)) = above.split_once('.') {
        ask(above, RecordType::CAA);
        above = rest;
    }
    for record in records {
        ask(&record.owner, record.data.kind());
    }
    for (domain, _) in &facts.domains {
        ask(domain.as_str(), RecordType::CNAME);
        for name in ["_mta-sts", "dmarc", "_domainkey"] {
            ask(&format!("{name}.{domain}"), RecordType::TXT);
        }
        ask(&format!("_dmarc.{host}"), RecordType::TXT);
        ask(&format!("{NOBODY}._domainkey.{domain}"), RecordType::TXT);
    }
    for record in records {
        if let Purpose::Dkim { selector, .. } = &record.purpose {
            let domain = record.domain.as_deref().unwrap_or(host);
            for place in ["", "_domainkeys.", "domainkey.", "_dkim."] {
                ask(&format!("{selector}.{place}{domain}"), RecordType::TXT);
            }
            ask(&format!("{selector}._domainkey.{host}"), RecordType::TXT);
        }
    }
    all.into_iter().collect()
}

/// Asks all of it.
///
/// # Errors
/// When the resolver does not answer.
pub fn observe(client: &Client, facts: &Facts, records: &[Record]) -> Result<Observed> {
    let mut observed = Observed::default();
    let mut bases: Vec<String> = vec![facts.hostname.to_string()];
    bases.extend(facts.domains.iter().map(|(d, _)| d.to_string()));
    bases.extend(facts.public().into_iter().map(reverse_name));
    let mut asked = questions(facts, records);
    for base in bases {
        let zone = match client.authorities(&base) {
            Ok(zone) => zone,
            Err(why) => {
                // one zone that is dead does not hide the others; a resolver that is, does
                if observed.zones.is_empty() && !knows_root(client) {
                    return Err(why);
                }
                observed.unknown.insert(base, format!("{why:#}"));
                continue;
            }
        };
        asked.push((zone.apex.clone(), RecordType::SOA));
        // a name that a form has put the zone behind once more
        if !base.ends_with(".arpa") {
            let below = records.iter().filter(|r| holds(&zone.apex, &r.owner));
            let twice = below.map(|r| (format!("{}.{}", r.owner, zone.apex), r.data.kind()));
            asked.extend(twice);
        }
        observed.zones.insert(zone.apex.clone(), zone);
    }
    asked.sort();
    asked.dedup();
    ask(client, &mut observed, &asked);
    once_more(client, &mut observed);
    unchecked(client, &mut observed);
    // parts of a zone may lie on other servers
    let moved: Vec<(String, RecordType)> = observed
        .seen
        .iter()
        .filter(|(_, seen)| seen.good().next().is_none() && seen.servers.iter().any(is_referral))
        .map(|(key, _)| key.clone())
        .collect();
    for (name, _) in &moved {
        match client.authorities(name) {
            Ok(zone) => {
                observed.zones.insert(zone.apex.clone(), zone);
            }
            Err(why) => {
                observed.unknown.insert(name.clone(), format!("{why:#}"));
            }
        }
    }
    ask(client, &mut observed, &moved);
    for _ in 0..MAX_DEPTH {
        let more = follow(facts, &observed);
        if more.is_empty() {
            break;
        }
        let questions: Vec<Question> = more
            .iter()
            .map(|(name, kind)| client.question(name, *kind))
            .collect();
        for (key, answer) in more.into_iter().zip(client.ask_all(&questions)) {
            observed.seen.entry(key).or_default().resolver = Some(answer);
        }
    }
    Ok(observed)
}

/// Whether the resolver has a way to the Internet.
fn knows_root(client: &Client) -> bool {
    let root = client.query_unchecked(".", RecordType::NS);
    root.is_ok_and(|answer| !answer.records.is_empty())
}

/// Asks those servers of zones again of which nothing came: a packet may get lost.
fn once_more(client: &Client, observed: &mut Observed) {
    let zones = observed.seen.iter_mut();
    let zones = zones.filter(|((_, kind), _)| *kind == RecordType::SOA);
    let (mut questions, mut silent) = (Vec::new(), Vec::new());
    for ((name, kind), seen) in zones {
        for asked in &mut seen.servers {
            if asked.answer == Err(NoAnswer::Timeout) {
                questions.push(Question::direct(asked.address, name, *kind));
                silent.push(asked);
            }
        }
    }
    for (asked, answer) in silent.into_iter().zip(client.ask_all(&questions)) {
        asked.answer = answer;
    }
}

/// Asks once more, without DNSSEC, for the zones of which the resolver cannot tell.
fn unchecked(client: &Client, observed: &mut Observed) {
    let failed = |seen: &Seen| {
        let resolver = seen.resolver.as_ref().and_then(|r| r.as_ref().ok());
        resolver.is_some_and(|a| a.status == Status::ServFail)
    };
    let zones = observed.seen.iter_mut();
    let zones = zones.filter(|((_, kind), seen)| *kind == RecordType::SOA && failed(seen));
    for ((name, kind), seen) in zones {
        let question = Question {
            unchecked: true,
            ..client.question(name, *kind)
        };
        seen.unchecked = client.ask_all(&[question]).pop();
    }
}

fn is_referral(asked: &Asked) -> bool {
    let delegates = |a: &Answer| a.authority.iter().any(|r| matches!(r.data, Data::Ns(_)));
    asked
        .answer
        .as_ref()
        .is_ok_and(|a| !a.authoritative && a.records.is_empty() && delegates(a))
}

/// Puts questions to the servers of their zones and to the resolver.
fn ask(client: &Client, observed: &mut Observed, asked: &[(String, RecordType)]) {
    let mut questions = Vec::new();
    let mut places = Vec::new();
    for (name, kind) in asked {
        questions.push(client.question(name, *kind));
        places.push((name.clone(), *kind, None));
        let Some(zone) = observed.zone_of(name) else {
            continue;
        };
        for (server, address) in zone.addresses() {
            questions.push(Question::direct(address, name, *kind));
            places.push((name.clone(), *kind, Some((server.name.clone(), address))));
        }
    }
    let answers = client.ask_all(&questions);
    for (name, kind) in asked {
        observed.seen.insert((name.clone(), *kind), Seen::default());
    }
    for ((name, kind, server), answer) in places.into_iter().zip(answers) {
        let seen = observed.seen.entry((name, kind)).or_default();
        match server {
            Some((server, address)) => seen.servers.push(Asked {
                server,
                address,
                answer,
            }),
            None => seen.resolver = Some(answer),
        }
    }
    for seen in observed.seen.values_mut() {
        let servers = &seen.servers;
        let lost = |asked: &Asked| asked.answer == Err(NoAnswer::Unreachable);
        let reached = |server: &str| servers.iter().any(|a| a.server == server && !lost(a));
        let keep: Vec<bool> = servers
            .iter()
            .map(|asked| !lost(asked) || !reached(&asked.server))
            .collect();
        let mut keep = keep.into_iter();
        seen.servers.retain(|_| keep.next().unwrap_or(true));
    }
}

/// What the answers lead to that is not known yet: other MX hosts, names of addresses, included
/// SPF records.
fn follow(facts: &Facts, observed: &Observed) -> Vec<(String, RecordType)> {
    let mut more = BTreeSet::new();
    let mut ask = |name: &str, kinds: &[RecordType]| {
        for kind in kinds {
            let key = (name.to_owned(), *kind);
            if !observed.seen.contains_key(&key) {
                more.insert(key);
            }
        }
    };
    let addresses = [RecordType::A, RecordType::AAAA];
    for ((_, kind), seen) in &observed.seen {
        let Some(answer) = seen.best(*kind) else {
            continue;
        };
        for record in &answer.records {
            match &record.data {
                Data::Mx { exchange, .. } if exchange != "." => ask(exchange, &addresses),
                Data::Ptr(name) => ask(name, &addresses),
                data @ Data::Txt(_) => {
                    let text = data.joined().unwrap_or_default();
                    let ours = is_ours(facts, &record.owner);
                    if !(ours || seen.servers.is_empty()) || !spf::is_spf(&text) {
                        continue;
                    }
                    for name in spf::included(&text) {
                        ask(&name, &[RecordType::TXT]);
                    }
                    if ours {
                        let (hosts, domains) = spf::named(&text, &record.owner);
                        hosts.iter().for_each(|name| ask(name, &addresses));
                        domains.iter().for_each(|name| ask(name, &[RecordType::MX]));
                    }
                }
                _ => {}
            }
        }
    }
    more.into_iter().take(MAX_MORE).collect()
}

/// Whether a name is that of the server or of one of its domains.
fn is_ours(facts: &Facts, name: &str) -> bool {
    let mut domains = facts.domains.iter();
    name == facts.hostname.as_str() || domains.any(|(d, _)| d.as_str() == name)
}

#[cfg(test)]
mod tests;
