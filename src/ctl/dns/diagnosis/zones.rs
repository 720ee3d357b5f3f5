//! Zones and their servers: whether all of them answer, and agree.

use std::collections::BTreeSet;

use super::Seeing;
use crate::{
    ctl::dns::seen::{Seen, is_good, is_open},
    dns::{Answer, Data, NoAnswer, RecordType, Status},
    mail::records::{Purpose, Record},
};

/// Seconds; more is long.
const LONG: u32 = 86_400;

impl Seeing<'_> {
    /// The zones of the server and its domains.
    pub(super) fn zones(&mut self) {
        let observed = self.observed;
        let unknown = observed.unknown.iter();
        // of reverse names it is told with them
        for (name, why) in unknown.filter(|(name, _)| !name.ends_with(".arpa")) {
            let found = vec![why.clone()];
            self.add("zone-unknown", name, RecordType::NS, found, Vec::new());
        }
        for zone in observed.zones.values() {
            // the provider's own
            if zone.apex.ends_with(".arpa") {
                continue;
            }
            let apex = zone.apex.as_str();
            for server in &zone.servers {
                if server.addresses.is_empty() {
                    let found = vec![server.name.clone()];
                    self.add(
                        "server-without-address",
                        apex,
                        RecordType::NS,
                        found,
                        Vec::new(),
                    );
                } else if server.in_zone != server.in_parent {
                    let place = if server.in_zone {
                        "the zone"
                    } else {
                        "the zone above"
                    };
                    let found = vec![format!("{} (only in {place})", server.name)];
                    self.add(
                        "delegation-differs",
                        apex,
                        RecordType::NS,
                        found,
                        Vec::new(),
                    );
                }
            }
            let Some(seen) = observed.at(apex, RecordType::SOA) else {
                continue;
            };
            let (mut silent, mut partly, mut lame) = (Vec::new(), Vec::new(), Vec::new());
            for asked in &seen.servers {
                let (name, address) = (&asked.server, asked.address.ip());
                let mut same = seen.servers.iter().filter(|a| a.server == *name);
                match &asked.answer {
                    // this machine's lack, unless it is so with all
                    Err(NoAnswer::Unreachable) if seen.good().next().is_some() => {}
                    Err(why) => match same.any(|a| a.answer.is_ok()) {
                        true => partly.push(format!("{name} at {address}: {why}")),
                        false => silent.push(format!("{name} at {address}: {why}")),
                    },
                    Ok(a) if !is_good(a) => lame.push(format!("{name}: {}", a.status)),
                    Ok(_) => {}
                }
            }
            let whole = silent.is_empty() && partly.is_empty() && lame.is_empty();
            if !partly.is_empty() {
                self.add(
                    "server-address-silent",
                    apex,
                    RecordType::NS,
                    partly,
                    Vec::new(),
                );
            }
            if !silent.is_empty() {
                self.add("server-silent", apex, RecordType::NS, silent, Vec::new());
            }
            if !lame.is_empty() {
                self.add("server-lame", apex, RecordType::NS, lame, Vec::new());
            }
            let failed = |a: &Answer| a.status == Status::ServFail;
            let resolver = seen.resolver.as_ref().and_then(|r| r.as_ref().ok());
            if resolver.is_some_and(failed) && seen.good().next().is_some() {
                let unchecked = seen.unchecked.as_ref().and_then(|r| r.as_ref().ok());
                let id = match unchecked.is_some_and(|a| a.status == Status::NoError) {
                    true => Some("dnssec-bogus"),
                    // a server that does not answer may be why
                    false => whole.then_some("resolver-fails"),
                };
                if let Some(id) = id {
                    self.add(id, apex, RecordType::SOA, Vec::new(), Vec::new());
                }
            }
            self.serials(apex);
        }
    }

    fn serials(&mut self, apex: &str) {
        let Some(seen) = self.observed.at(apex, RecordType::SOA) else {
            return;
        };
        let serial = |(name, answer): (&str, &Answer)| {
            let serial = answer.of(RecordType::SOA).find_map(|d| match d {
                Data::Soa { serial, .. } => Some(*serial),
                _ => None,
            });
            serial.map(|s| (s, name.to_owned()))
        };
        let serials: Vec<(u32, String)> = seen.good().filter_map(serial).collect();
        let different: BTreeSet<u32> = serials.iter().map(|(s, _)| *s).collect();
        // what differs is told by the records, where it is one of ours
        if different.len() > 1 && !self.disagrees(apex) {
            let found = serials.iter().map(|(s, name)| format!("{name}: {s}"));
            let found = found.collect::<BTreeSet<_>>().into_iter().collect();
            self.add("serials-differ", apex, RecordType::SOA, found, Vec::new());
        }
    }

    /// Whether the servers of a zone show one of our records differently.
    fn disagrees(&self, apex: &str) -> bool {
        let inside = |r: &&Record| {
            self.observed
                .zone_of(&r.owner)
                .is_some_and(|z| z.apex == apex)
        };
        let mut ours = self.records.iter().filter(inside);
        ours.any(|record| {
            let seen = self.observed.at(&record.owner, record.data.kind());
            let all = seen.map(|s| by_server(s, &record.owner, record.data.kind()));
            let all: Option<BTreeSet<_>> = all.map(|a| a.into_iter().map(|(_, f)| f).collect());
            all.is_some_and(|all| all.len() > 1)
        })
    }

    /// Whether all servers and the resolver show the same of a name and type.
    pub(super) fn agreement(&mut self, set: &[&Record]) {
        let record = set[0];
        let kind = record.data.kind();
        let Some(seen) = self.observed.at(&record.owner, kind) else {
            return;
        };
        let of = |record: &Record| record.data.to_string();
        let expected: Vec<String> = set.iter().map(|r| of(r)).collect();
        let all = by_server(seen, &record.owner, kind);
        let right = |found: &Vec<String>| expected.iter().all(|e| found.contains(e));
        if all
            .iter()
            .any(|(_, found)| Some(found) != all.first().map(|(_, f)| f))
        {
            let line = |(name, found): &(&str, Vec<String>)| match found.is_empty() {
                true => format!("{name}: nothing"),
                false => format!("{name}: {}", found.join(", ")),
            };
            let wrong = all.iter().filter(|(_, found)| !right(found));
            let found: BTreeSet<String> = match wrong.clone().count() {
                0 => all.iter().map(line).collect(),
                _ => wrong.map(line).collect(),
            };
            let found = found.into_iter().collect();
            self.add("servers-differ", &record.owner, kind, found, expected);
            return;
        }
        let resolver = seen.resolver.as_ref().and_then(|r| r.as_ref().ok());
        let resolver = resolver.filter(|a| a.status != Status::ServFail);
        if let (Some((_, first)), Some(resolver)) = (all.first(), resolver) {
            let theirs = shown(resolver, kind);
            if right(first) && !right(&theirs) {
                self.add(
                    "resolver-old",
                    &record.owner,
                    kind,
                    theirs,
                    expected.clone(),
                );
            }
        }
        let long = seen
            .good()
            .flat_map(|(_, a)| &a.records)
            .filter(|r| r.data.kind() == kind && r.owner == record.owner)
            .find(|r| r.ttl > LONG && record.purpose != Purpose::Reverse);
        if let Some(long) = long {
            let found = vec![format!("TTL {}", long.ttl)];
            let expected = vec![format!("TTL {}", record.ttl)];
            self.add("ttl-long", &record.owner, kind, found, expected);
        }
    }
}

/// What each server that knows the zone shows. Where one of them shows no more than an alias, the
/// aliases are compared: what they lead to is in a zone that is not of all of them.
fn by_server<'a>(seen: &'a Seen, name: &str, kind: RecordType) -> Vec<(&'a str, Vec<String>)> {
    let open = seen.good().any(|(_, answer)| is_open(answer, kind));
    let show = |answer: &Answer| {
        let mut own = answer.records.iter().filter(|r| r.owner == name);
        let alias = own.find_map(|r| match &r.data {
            Data::Cname(_) => Some(format!("CNAME {}", r.data)),
            _ => None,
        });
        match alias.filter(|_| open) {
            Some(alias) => vec![alias],
            None => shown(answer, kind),
        }
    };
    seen.good().map(|(name, a)| (name, show(a))).collect()
}

/// The records of a type in an answer, sorted.
fn shown(answer: &Answer, kind: RecordType) -> Vec<String> {
    let mut all: Vec<String> = answer.of(kind).map(Data::to_string).collect();
    all.sort();
    all
}
