//! What the DNS has shown, and which answer counts.

use std::{collections::BTreeMap, net::SocketAddr};

use crate::dns::{Answer, Data, NoAnswer, RecordType, Status, Zone};

/// All that was seen.
#[derive(Debug, Default)]
pub struct Observed {
    /// The zones that the names lie in, by their name.
    pub zones: BTreeMap<String, Zone>,
    /// Names whose zone could not be found, and why.
    pub unknown: BTreeMap<String, String>,
    /// What was asked and answered, by name and type.
    pub seen: BTreeMap<(String, RecordType), Seen>,
}

/// What an authoritative server says.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Its name.
    pub server: String,
    /// Its address and port.
    pub address: SocketAddr,
    /// What came from there.
    pub answer: Result<Answer, NoAnswer>,
}

/// The answers to one question.
#[derive(Debug, Default)]
pub struct Seen {
    /// Of the authoritative servers, at each of their addresses.
    pub servers: Vec<Asked>,
    /// Of the resolver.
    pub resolver: Option<Result<Answer, NoAnswer>>,
    /// Of the resolver without DNSSEC, where it was asked.
    pub unchecked: Option<Result<Answer, NoAnswer>>,
}

impl Seen {
    /// The answers of those servers that know the zone.
    pub fn good(&self) -> impl Iterator<Item = (&str, &Answer)> {
        let all = self.servers.iter();
        all.filter_map(|asked| match &asked.answer {
            Ok(a) if is_good(a) => Some((asked.server.as_str(), a)),
            _ => None,
        })
    }

    /// An authoritative answer, or else the resolver's. That is taken too where the name is an
    /// alias into a zone that the servers do not have: only the resolver went there.
    pub fn best(&self, kind: RecordType) -> Option<&Answer> {
        let resolver = || self.resolver.as_ref().and_then(|r| r.as_ref().ok());
        let mut good = self.good().map(|(_, answer)| answer);
        let Some(first) = good.next() else {
            return resolver();
        };
        if !is_open(first, kind) {
            return Some(first);
        }
        // one of them may have the other zone as well
        let whole = good.find(|answer| !is_open(answer, kind));
        let known = |a: &&Answer| matches!(a.status, Status::NoError | Status::NxDomain);
        whole.or_else(|| resolver().filter(known)).or(Some(first))
    }
}

/// Whether a server knows the zone it is asked about.
pub fn is_good(answer: &Answer) -> bool {
    answer.authoritative && matches!(answer.status, Status::NoError | Status::NxDomain)
}

/// Whether an answer ends with an alias, without what was asked for.
pub fn is_open(answer: &Answer, kind: RecordType) -> bool {
    kind != RecordType::CNAME && answer.alias().is_some() && answer.of(kind).next().is_none()
}

impl Observed {
    /// What is known of a question.
    pub fn at(&self, name: &str, kind: RecordType) -> Option<&Seen> {
        self.seen.get(&(name.to_owned(), kind))
    }

    /// The records of that type under a name, as far as they are known.
    pub fn data(&self, name: &str, kind: RecordType) -> Vec<&Data> {
        let best = self.at(name, kind).and_then(|seen| seen.best(kind));
        best.map(|a| a.of(kind).collect()).unwrap_or_default()
    }

    /// The TXT records under a name, each joined.
    pub fn texts(&self, name: &str) -> Vec<String> {
        let all = self.data(name, RecordType::TXT);
        all.into_iter().filter_map(Data::joined).collect()
    }

    /// The zone that holds a name.
    pub fn zone_of(&self, name: &str) -> Option<&Zone> {
        let holds = |zone: &&Zone| holds(&zone.apex, name);
        let zones = self.zones.values().filter(holds);
        zones.max_by_key(|zone| zone.apex.len())
    }
}

/// Whether a name is that of the zone or below it.
pub fn holds(apex: &str, name: &str) -> bool {
    apex == "." || name == apex || name.ends_with(&format!(".{apex}"))
}
