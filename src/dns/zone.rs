//! Which zone holds a name, and all of its servers.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
};

use anyhow::{Result, bail};
use serde::Serialize;

use super::{
    answer::{Answer, Status},
    client::{Client, Question},
    record::{Data, Record},
};
use hickory_proto::rr::RecordType;

/// The port of name servers.
const PORT: u16 = 53;

/// A zone and its servers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Zone {
    /// The name of the zone.
    pub apex: String,
    /// All servers that the zone itself or the one above names.
    pub servers: Vec<NameServer>,
}

impl Zone {
    /// Every address of every server.
    pub fn addresses(&self) -> Vec<(&NameServer, SocketAddr)> {
        let of = |server: &'_ NameServer| server.addresses.clone();
        let all = self.servers.iter();
        all.flat_map(|s| {
            of(s)
                .into_iter()
                .map(move |a| (s, SocketAddr::new(a, PORT)))
        })
        .collect()
    }
}

/// A name server of a zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NameServer {
    /// Its name.
    pub name: String,
    /// Its addresses; none if its name leads nowhere.
    pub addresses: Vec<IpAddr>,
    /// Whether the zone itself names it.
    pub in_zone: bool,
    /// Whether the zone above names it: whether anybody gets there. True if that is not known.
    pub in_parent: bool,
}

impl Client {
    /// The zone that holds `name`, and all of its servers with all their addresses: those that the
    /// zone names and those that the zone above does. DNSSEC is left out, so that a zone that does
    /// not validate is found too.
    ///
    /// # Errors
    /// When the resolver does not answer, or knows not even the root.
    pub fn authorities(&self, name: &str) -> Result<Zone> {
        let names = suffixes(name);
        let mut silent = None;
        for (place, suffix) in names.iter().enumerate() {
            let answer = self.query_unchecked(suffix, RecordType::SOA)?;
            let here = |r: &Record| &r.owner == suffix && matches!(r.data, Data::Soa { .. });
            if !answer.records.iter().any(here) {
                if answer.status == Status::ServFail {
                    // its servers do not answer; the zone above tells who they are
                    silent = Some(suffix.clone());
                }
                continue;
            }
            if let Some(silent) = silent {
                let referral = self.referral(suffix, &silent)?;
                if let Some((apex, referral)) = referral {
                    return Ok(self.zone(&apex, BTreeSet::new(), Some(&referral)));
                }
            }
            let own = self.query_unchecked(suffix, RecordType::NS)?;
            let own = servers(&own.records, suffix);
            let above = match names.get(place + 1) {
                Some(above) => self.referral_from_above(above, suffix)?,
                None => None,
            };
            return Ok(self.zone(suffix, own, above.as_ref()));
        }
        bail!(
            "the resolver {} does not even know the root: it has no way to the Internet",
            self.resolver()
        );
    }

    /// What a server of the zone `from` says about who is responsible for `name` below it.
    fn referral(&self, from: &str, name: &str) -> Result<Option<(String, Answer)>> {
        let own = self.query_unchecked(from, RecordType::NS)?;
        let zone = self.zone(from, servers(&own.records, from), None);
        let ask = |(_, at): (&NameServer, SocketAddr)| Question::direct(at, name, RecordType::NS);
        let questions: Vec<Question> = zone.addresses().into_iter().take(4).map(ask).collect();
        for answer in self.ask_all(&questions).into_iter().flatten() {
            let all = answer.authority.iter().chain(&answer.records);
            let mut below = all.filter(|r| matches!(r.data, Data::Ns(_)) && r.owner != from);
            if let Some(apex) = below.next().map(|r| r.owner.clone()) {
                return Ok(Some((apex, answer)));
            }
        }
        Ok(None)
    }

    /// The referral to the zone `apex`, by the zone that holds `above`.
    fn referral_from_above(&self, above: &str, apex: &str) -> Result<Option<Answer>> {
        for from in suffixes(above) {
            let answer = self.query_unchecked(&from, RecordType::SOA)?;
            if answer.records.iter().any(|r| r.owner == from) {
                let found = self.referral(&from, apex)?;
                return Ok(found.filter(|(name, _)| name == apex).map(|(_, a)| a));
            }
        }
        Ok(None)
    }

    /// The zone with the servers that it names itself, and those of a referral.
    fn zone(&self, apex: &str, own: BTreeSet<String>, referral: Option<&Answer>) -> Zone {
        let sections = referral.map(|r| [r.authority.as_slice(), r.records.as_slice()].concat());
        let above = sections.map(|records| servers(&records, apex));
        let all = own.iter().chain(above.iter().flatten());
        let names: Vec<String> = all.cloned().collect::<BTreeSet<_>>().into_iter().collect();
        let kinds = [RecordType::A, RecordType::AAAA];
        let ask = |name: &String| {
            kinds.map(|kind| Question {
                unchecked: true,
                ..self.question(name, kind)
            })
        };
        let questions: Vec<Question> = names.iter().flat_map(ask).collect();
        let answers = self.ask_all(&questions);
        let mut glue: BTreeMap<&str, Vec<IpAddr>> = BTreeMap::new();
        for record in referral.iter().flat_map(|r| &r.additional) {
            glue.entry(&record.owner)
                .or_default()
                .extend(address(&record.data));
        }
        let server = |(name, answers): (&String, &[Result<Answer, _>])| {
            let found = answers.iter().flatten().flat_map(|a| &a.records);
            let mut addresses: Vec<IpAddr> = found.filter_map(|r| address(&r.data)).collect();
            if addresses.is_empty() {
                addresses = glue.get(name.as_str()).cloned().unwrap_or_default();
            }
            NameServer {
                name: name.clone(),
                addresses,
                in_zone: own.contains(name),
                in_parent: above.as_ref().is_none_or(|a| a.contains(name)),
            }
        };
        Zone {
            apex: apex.to_owned(),
            servers: names
                .iter()
                .zip(answers.chunks(kinds.len()))
                .map(server)
                .collect(),
        }
    }
}

fn servers(records: &[Record], apex: &str) -> BTreeSet<String> {
    let server = |record: &Record| match &record.data {
        Data::Ns(name) if record.owner == apex => Some(name.clone()),
        _ => None,
    };
    records.iter().filter_map(server).collect()
}

fn address(data: &Data) -> Option<IpAddr> {
    match data {
        Data::A(a) => Some((*a).into()),
        Data::Aaaa(a) => Some((*a).into()),
        _ => None,
    }
}

/// The name and all names above it, down to the root.
fn suffixes(name: &str) -> Vec<String> {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let mut names = Vec::new();
    let mut rest = name.as_str();
    while !rest.is_empty() {
        names.push(rest.to_owned());
        rest = rest.split_once('.').map_or("", |(_, rest)| rest);
    }
    names.push(".".to_owned());
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_end_at_the_root() {
        assert_eq!(
            suffixes("A.example.org."),
            ["a.example.org", "example.org", "org", "."]
        );
        assert_eq!(suffixes("."), ["."]);
    }
}
