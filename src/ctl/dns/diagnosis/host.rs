//! The server's own records: addresses, reverse names, CAA, TLSA.

use std::net::IpAddr;

use super::Seeing;
use crate::{
    ctl::dns::seen::is_open,
    dns::{Answer, Data, RecordType, Status},
    mail::records::Record,
};

impl Seeing<'_> {
    /// What can be wrong with the server's name whatever its records are.
    pub(super) fn host(&mut self) {
        let host = self.facts.hostname.to_string();
        if self.is_dark(&host) {
            return;
        }
        if let Some(target) = self.alias(&host) {
            let found = vec![format!("{target}.")];
            self.add("host-is-alias", &host, RecordType::CNAME, found, Vec::new());
            return;
        }
        let public = self.facts.public();
        let stale = self.observed.data(&host, RecordType::AAAA);
        // what has no address at all does not know them
        if !stale.is_empty() && !public.is_empty() && !public.iter().any(IpAddr::is_ipv6) {
            let found = stale.iter().map(|d| d.to_string()).collect();
            self.add("aaaa-stale", &host, RecordType::AAAA, found, Vec::new());
        }
    }

    pub(super) fn addresses(&mut self, set: &[&Record]) {
        let record = set[0];
        if self.alias(&record.owner).is_some() {
            return;
        }
        let found = self.observed.data(&record.owner, record.data.kind());
        let ours = |data: &&Data| set.iter().any(|r| r.data == **data);
        let right = found.iter().filter(|d| ours(d)).count();
        let id = match (right, found.len()) {
            (_, 0) => "address-missing",
            (0, _) => "address-elsewhere",
            (right, all) if right < all => "address-extra",
            (right, _) if right < set.len() => "address-missing",
            _ => return,
        };
        let found = found.iter().map(|d| d.to_string()).collect();
        let expected = set.iter().map(|r| r.data.to_string()).collect();
        self.add(id, &record.owner, record.data.kind(), found, expected);
    }

    pub(super) fn reverse(&mut self, record: &Record) {
        let Data::Ptr(host) = &record.data else {
            return;
        };
        let seen = self.observed.at(&record.owner, RecordType::PTR);
        let best = seen.and_then(|s| s.best(RecordType::PTR));
        // an alias of which the resolver does not tell where it ends is not known either
        let told = |a: &Answer| matches!(a.status, Status::NoError | Status::NxDomain);
        let resolver = seen.and_then(|s| s.resolver.as_ref()?.as_ref().ok());
        let ends = |a: &Answer| !is_open(a, RecordType::PTR) || resolver.is_some_and(told);
        if !best.is_some_and(|a| told(a) && ends(a)) {
            let why = match seen.and_then(|s| s.resolver.as_ref()) {
                Some(Ok(answer)) => Some(format!("the resolver answers {}", answer.status)),
                Some(Err(why)) => Some(format!("the resolver: {why}")),
                None => None,
            };
            self.about("ptr-unknown", record, why.into_iter().collect());
            return;
        }
        let found = self.observed.data(&record.owner, RecordType::PTR);
        let names: Vec<&str> = found
            .iter()
            .filter_map(|data| match data {
                Data::Ptr(name) => Some(name.as_str()),
                _ => None,
            })
            .collect();
        let there = self.there(record);
        let id = match &names[..] {
            [] => "ptr-missing",
            [one] if one == host => return,
            [one] => self.other_name(one, record, host),
            all if all.contains(&host.as_str()) => "ptr-several",
            all => self.other_name(all[0], record, host),
        };
        self.about(id, record, there);
    }

    /// What is wrong with a reverse name that is not the server's.
    fn other_name(&self, name: &str, record: &Record, host: &str) -> &'static str {
        if name.starts_with(&format!("{host}.")) && name.ends_with(".arpa") {
            return "missing-dot";
        }
        let turned: Vec<&str> = record.owner.split('.').take(4).collect();
        if record.owner.ends_with(".in-addr.arpa") && turned.iter().all(|part| has(name, part)) {
            return "ptr-generic";
        }
        let back = |data: &&Data| match data {
            Data::A(a) => crate::dns::reverse_name(IpAddr::V4(*a)) == record.owner,
            Data::Aaaa(a) => crate::dns::reverse_name(IpAddr::V6(*a)) == record.owner,
            _ => false,
        };
        let mut found = self.observed.data(name, RecordType::A);
        found.extend(self.observed.data(name, RecordType::AAAA));
        match found.iter().any(back) {
            true => "ptr-other-name",
            false => "ptr-unconfirmed",
        }
    }

    /// The CAA records that count are those of the nearest name that has any (RFC 8659 section 3).
    pub(super) fn caa(&mut self, record: &Record) {
        let Data::Caa { value: wanted, .. } = &record.data else {
            return;
        };
        let mut name = record.owner.as_str();
        let found = loop {
            let found = self.observed.data(name, RecordType::CAA);
            if !found.is_empty() {
                break found;
            }
            match name.split_once('.') {
                Some((_, above)) => name = above,
                None => return,
            }
        };
        let issue = |data: &&Data| match data {
            Data::Caa { tag, value, .. } if tag == "issue" => Some(value.clone()),
            _ => None,
        };
        let allowed: Vec<String> = found.iter().filter_map(issue).collect();
        if allowed.is_empty() {
            return;
        }
        let issuer = |value: &str| {
            value
                .split(';')
                .next()
                .unwrap_or_default()
                .trim()
                .to_owned()
        };
        let ours: Vec<&String> = allowed
            .iter()
            .filter(|v| issuer(v) == issuer(wanted))
            .collect();
        let account = |value: &str| {
            let mut parts = value.split(';').map(str::trim);
            parts.find_map(|p| p.strip_prefix("accounturi=").map(str::to_owned))
        };
        let fits = |value: &&String| match account(value) {
            // without an account in the record, every account may
            None => true,
            // an account that is not known here is not judged
            Some(there) => account(wanted).is_none_or(|own| own == there),
        };
        let id = match ours.iter().any(fits) {
            true => return,
            false if ours.is_empty() => "caa-forbids",
            false => "caa-other-account",
        };
        let found = found.iter().map(|d| format!("{name}. {d}")).collect();
        self.about(id, record, found);
    }

    pub(super) fn tlsa(&mut self, record: &Record) {
        let found = self.observed.data(&record.owner, RecordType::TLSA);
        if found.is_empty() {
            return;
        }
        let there = self.there(record);
        if !found.contains(&&record.data) {
            self.about("tlsa-stale", record, there);
            return;
        }
        let seen = self.observed.at(&record.owner, RecordType::TLSA);
        let resolver = seen.and_then(|s| s.resolver.as_ref()?.as_ref().ok());
        if resolver.is_some_and(|a| !a.authentic && !a.records.is_empty()) {
            self.about("tlsa-without-dnssec", record, there);
        }
    }
}

/// Whether a part of an address stands in a name by itself.
fn has(name: &str, part: &str) -> bool {
    let mut words = name.split(|c: char| !c.is_ascii_digit());
    words.any(|word| word.trim_start_matches('0') == part.trim_start_matches('0'))
}
