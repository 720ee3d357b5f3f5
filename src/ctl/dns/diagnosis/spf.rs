//! SPF records (RFC 7208).

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Seeing, text::squeezed};
use crate::{
    ctl::dns::seen::Observed,
    dns::{Data, RecordType},
    mail::records::Record,
};

/// Look-ups that evaluating a record may need (RFC 7208 section 4.6.4).
const MAX_LOOKUPS: usize = 10;
/// The mechanisms (section 5).
const MECHANISMS: [&str; 8] = ["all", "include", "a", "mx", "ptr", "ip4", "ip6", "exists"];

/// Whether a TXT record is an SPF record (section 4.5).
pub fn is_spf(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text == "v=spf1" || text.starts_with("v=spf1 ")
}

/// A word of a record: sign, name, and what stands behind `:` or `=`.
struct Term<'a> {
    sign: char,
    name: String,
    value: Option<&'a str>,
    modifier: bool,
}

fn terms(text: &str) -> impl Iterator<Item = Term<'_>> {
    let words = text.split(' ').filter(|word| !word.is_empty()).skip(1);
    words.map(|word| {
        let (sign, rest) = match word.chars().next() {
            Some(c @ ('+' | '-' | '~' | '?')) => (c, &word[1..]),
            _ => ('+', word),
        };
        let end = rest.find([':', '=', '/']).unwrap_or(rest.len());
        let (name, value) = rest.split_at(end);
        Term {
            sign,
            name: name.to_ascii_lowercase(),
            // a length without a name keeps its slash
            value: Some(value.strip_prefix([':', '=']).unwrap_or(value)).filter(|v| !v.is_empty()),
            modifier: value.starts_with('='),
        }
    })
}

/// The names whose records a record takes in.
pub fn included(text: &str) -> Vec<String> {
    let other = |t: Term<'_>| match (t.name.as_str(), t.value) {
        ("include" | "redirect", Some(name)) => {
            Some(name.trim_end_matches('.').to_ascii_lowercase())
        }
        _ => None,
    };
    // with more of them the record is void anyway
    terms(text)
        .filter_map(other)
        .take(MAX_LOOKUPS + 1)
        .collect()
}

/// The names whose addresses the record of `owner` allows: those of `a`, and those of `mx`.
pub fn named(text: &str, owner: &str) -> (Vec<String>, Vec<String>) {
    let of = |name: &str| {
        let terms = terms(text).filter(|t| t.name == name).take(MAX_LOOKUPS);
        let hosts = terms.map(|t| Host::of(&t, owner).name);
        hosts.filter(|n| !n.contains('%')).collect()
    };
    (of("a"), of("mx"))
}

/// What stands behind `a` or `mx` (section 5.3): a name, or the record's own, and how many bits
/// of its addresses count.
struct Host {
    name: String,
    v4: u8,
    v6: u8,
}

impl Host {
    fn of(term: &Term<'_>, owner: &str) -> Self {
        let value = term.value.unwrap_or_default();
        let (name, bits) = value.split_at(value.find('/').unwrap_or(value.len()));
        let (v4, v6) = bits.split_once("//").unwrap_or((bits, ""));
        let length = |text: &str, whole| text.trim_start_matches('/').parse().unwrap_or(whole);
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        Self {
            name: if name.is_empty() {
                owner.to_owned()
            } else {
                name
            },
            v4: length(v4, 32),
            v6: length(v6, 128),
        }
    }

    fn net(&self, address: IpAddr) -> Option<IpNet> {
        let bits = if address.is_ipv4() { self.v4 } else { self.v6 };
        IpNet::new(address, bits).ok()
    }
}

impl Seeing<'_> {
    pub(super) fn spf(&mut self, record: &Record) {
        let all = self.observed.texts(&record.owner);
        let found: Vec<String> = all.iter().filter(|t| is_spf(t)).cloned().collect();
        let Some(wanted) = record.data.joined() else {
            return;
        };
        if found == [wanted.clone()] && !all.iter().any(|t| is_rest(t)) {
            return;
        }
        if self.alias(&record.owner).is_some() {
            return;
        }
        let id = match &found[..] {
            [] => strange(&all, &wanted).unwrap_or("spf-missing"),
            [_] if all.iter().any(|t| is_rest(t)) => "spf-split",
            [one] => match self.spf_mistake(record, &wanted, one) {
                Some(id) => id,
                None => return,
            },
            _ => "spf-two-records",
        };
        let related = |t: &&String| t.to_ascii_lowercase().contains("spf") || is_rest(t);
        let there = all
            .iter()
            .filter(related)
            .map(|t| crate::dns::txt(t))
            .collect();
        self.about(id, record, there);
    }

    /// What is wrong with a record that is not the wanted one; nothing, if it only says more.
    fn spf_mistake(&self, record: &Record, wanted: &str, found: &str) -> Option<&'static str> {
        let known = |t: &Term<'_>| t.modifier || MECHANISMS.contains(&t.name.as_str());
        if !terms(found).all(|t| known(&t)) {
            return Some(match squeezed(found) == squeezed(wanted) {
                true => "txt-spaces",
                false => "spf-syntax",
            });
        }
        let list: Vec<Term<'_>> = terms(found).collect();
        let all = list.iter().position(|t| t.name == "all");
        if let Some(at) = all {
            if list[at].sign == '+' {
                return Some("spf-allows-all");
            }
            if list[at + 1..].iter().any(|t| !t.modifier) {
                return Some("spf-after-all");
            }
        }
        if lookups(self.observed, found, 0) > MAX_LOOKUPS {
            return Some("spf-too-many-lookups");
        }
        if !self.allows(record, &list) {
            return Some("spf-lacks-server");
        }
        match all {
            Some(at) if list[at].sign == '?' => Some("spf-neutral"),
            None if !list.iter().any(|t| t.name == "redirect") => Some("spf-no-end"),
            _ => None,
        }
    }

    /// Whether a record allows the server. Records that it takes in may, and are not looked into.
    fn allows(&self, record: &Record, list: &[Term<'_>]) -> bool {
        let host = self.facts.hostname.as_str();
        let ours = |name: &str| self.facts.domains.iter().any(|(d, _)| d.as_str() == name);
        let public = self.facts.public();
        let mut nets: Vec<IpNet> = Vec::new();
        let good = |t: &&Term<'_>| t.sign == '+' || self.facts.smarthost.is_some();
        for term in list.iter().filter(good) {
            let place = Host::of(term, &record.owner);
            let whole = match term.name.as_str() {
                "include" | "redirect" | "exists" | "ptr" => true,
                // macros may lead anywhere
                "a" | "mx" if place.name.contains('%') => true,
                "a" => place.name == host,
                "mx" => ours(&place.name) || place.name == host,
                // what does not know its addresses does not judge others
                "ip4" | "ip6" => public.is_empty(),
                _ => continue,
            };
            if whole || (term.name == "a" && public.is_empty()) {
                return true;
            }
            let value = term.value.unwrap_or_default();
            match term.name.as_str() {
                "a" => nets.extend(self.nets(&place.name, &place)),
                "mx" => {
                    let exchanges = self.observed.data(&place.name, RecordType::MX);
                    for data in exchanges {
                        if let Data::Mx { exchange, .. } = data {
                            nets.extend(self.nets(exchange, &place));
                        }
                    }
                }
                _ => nets.extend(value.parse::<IpNet>().ok().or_else(|| {
                    let single = value.parse::<IpAddr>().ok();
                    single.map(IpNet::from)
                })),
            }
        }
        let listed = |address: &IpAddr| nets.iter().any(|net| net.contains(address));
        !public.is_empty() && public.iter().all(listed)
    }

    /// The networks round the addresses of a name.
    fn nets(&self, name: &str, place: &Host) -> Vec<IpNet> {
        let mut found = self.observed.data(name, RecordType::A);
        found.extend(self.observed.data(name, RecordType::AAAA));
        let net = |data: &Data| match data {
            Data::A(a) => place.net(IpAddr::V4(*a)),
            Data::Aaaa(a) => place.net(IpAddr::V6(*a)),
            _ => None,
        };
        found.into_iter().filter_map(net).collect()
    }
}

/// What is wrong with texts of which none is an SPF record.
fn strange(all: &[String], wanted: &str) -> Option<&'static str> {
    all.iter().find_map(|text| {
        let plain = text.to_ascii_lowercase();
        if plain.starts_with('"') && plain.contains("v=spf1") {
            return Some("txt-quotes-inside");
        }
        if squeezed(text) == squeezed(wanted) {
            return Some("txt-spaces");
        }
        let looks = ["v=spf", "spf1", "spf2", "v=spf1"]
            .iter()
            .any(|s| plain.starts_with(s));
        looks.then_some("spf-syntax")
    })
}

/// Whether a text is the rest of an SPF record whose beginning stands elsewhere.
fn is_rest(text: &str) -> bool {
    let ends = ["-all", "~all", "?all", "+all"];
    let last = text.rsplit(' ').next().unwrap_or_default();
    let first = text.split([' ', ':']).next().unwrap_or_default();
    let begins = ["include", "ip4", "ip6", "mx", "a"].contains(&first) || ends.contains(&first);
    !text.to_ascii_lowercase().contains("v=") && begins && ends.contains(&last)
}

/// How many look-ups a record needs beside those counted before, those of the records that it
/// takes in too. What others publish may take in itself: no more is counted than is too many.
fn lookups(observed: &Observed, text: &str, before: usize) -> usize {
    let counted = ["include", "a", "mx", "ptr", "exists", "redirect"];
    let own = terms(text)
        .filter(|t| counted.contains(&t.name.as_str()))
        .count();
    let mut count = before + own;
    for name in included(text) {
        if count > MAX_LOOKUPS {
            break;
        }
        let texts = observed.texts(&name);
        if let Some(text) = texts.iter().find(|t| is_spf(t)) {
            count = lookups(observed, text, count);
        }
    }
    count
}
