//! MX records, and what stands in their way.

use std::net::IpAddr;

use super::Seeing;
use crate::{
    dns::{Data, RecordType},
    mail::records::Record,
};

impl Seeing<'_> {
    pub(super) fn mx(&mut self, record: &Record) {
        let host = self.facts.hostname.as_str();
        if self.alias(&record.owner).is_some() {
            let found = self
                .alias(&record.owner)
                .map(|a| format!("CNAME {a}."))
                .into_iter();
            let found = found.collect();
            self.about("cname-at-domain", record, found);
            return;
        }
        let found = self.observed.data(&record.owner, RecordType::MX);
        let there = self.there(record);
        let hosts: Vec<(u16, &str)> = found
            .iter()
            .filter_map(|data| match data {
                Data::Mx {
                    preference,
                    exchange,
                } => Some((*preference, exchange.as_str())),
                _ => None,
            })
            .collect();
        let ours = hosts.iter().find(|(_, name)| *name == host);
        let others: Vec<&str> = hosts
            .iter()
            .map(|(_, n)| *n)
            .filter(|n| *n != host)
            .collect();
        let id = match (ours, &others[..]) {
            (None, []) => Some("mx-missing"),
            (None, [first, ..]) => {
                let known = others
                    .iter()
                    .find_map(|name| self.exchange_mistake(name, record));
                Some(known.unwrap_or(match *first {
                    "." => "mx-null",
                    _ => "mx-wrong-host",
                }))
            }
            (Some(_), [first, ..]) => {
                Some(self.exchange_mistake(first, record).unwrap_or("mx-foreign"))
            }
            (Some((preference, _)), []) => match &record.data {
                Data::Mx { preference: p, .. } if p != preference => Some("mx-preference"),
                _ => None,
            },
        };
        if let Some(id) = id {
            self.about(id, record, there);
        }
    }

    /// What is wrong with a host that is not ours, or is by another name.
    fn exchange_mistake(&self, name: &str, record: &Record) -> Option<&'static str> {
        let host = self.facts.hostname.as_str();
        let zone = self.observed.zone_of(&record.owner);
        if zone.is_some_and(|z| name == format!("{host}.{}", z.apex)) {
            return Some("missing-dot");
        }
        // an address, or one with the zone behind it
        let front: Vec<&str> = name.split('.').take(4).collect();
        if front.join(".").parse::<IpAddr>().is_ok() || name.parse::<IpAddr>().is_ok() {
            return Some("mx-is-address");
        }
        if self.alias(name).is_some() {
            return Some("mx-is-alias");
        }
        let leads_here = |data: &&Data| match data {
            Data::A(a) => self.facts.addresses.contains(&IpAddr::V4(*a)),
            Data::Aaaa(a) => self.facts.addresses.contains(&IpAddr::V6(*a)),
            _ => false,
        };
        let mut found = self.observed.data(name, RecordType::A);
        found.extend(self.observed.data(name, RecordType::AAAA));
        found.iter().any(leads_here).then_some("mx-other-name")
    }

    /// Where a name leads, if it is an alias.
    pub(super) fn alias(&self, name: &str) -> Option<String> {
        let kinds = [RecordType::CNAME, RecordType::A, RecordType::AAAA];
        kinds.into_iter().find_map(|kind| {
            let answer = self.observed.at(name, kind)?.best(kind)?;
            let mut all = answer.records.iter();
            all.find_map(|r| match &r.data {
                Data::Cname(target) if r.owner == name => Some(target.clone()),
                _ => None,
            })
        })
    }
}
