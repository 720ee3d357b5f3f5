//! SPF records (RFC 7208).

use std::net::IpAddr;

use super::{Seeing, text::squeezed};
use crate::{ctl::dns::observe::Observed, mail::records::Record};

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
            value: value.get(1..).filter(|v| !v.is_empty()),
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
    terms(text).filter_map(other).collect()
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
            [] => match strange(&all, &wanted) {
                Some(id) => id,
                None => "spf-missing",
            },
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
        let is_host = |name: Option<&str>| {
            let name = name.map_or(record.owner.as_str(), |n| n.trim_end_matches('.'));
            name.eq_ignore_ascii_case(host)
        };
        let domain = |name: Option<&str>| {
            let name = name.unwrap_or(&record.owner);
            self.facts.domains.iter().any(|(d, _)| d.as_str() == name)
        };
        let public = self.facts.public();
        let network = |value: &str, address: &IpAddr| {
            let single = value.parse::<IpAddr>().is_ok_and(|a| a == *address);
            single
                || value
                    .parse::<ipnet::IpNet>()
                    .is_ok_and(|net| net.contains(address))
        };
        let good = |t: &&Term<'_>| t.sign == '+' || self.facts.smarthost.is_some();
        let good = || list.iter().filter(good);
        let whole = good().any(|t| match t.name.as_str() {
            "a" => is_host(t.value),
            "mx" => domain(t.value) || is_host(t.value),
            "include" | "redirect" | "exists" => true,
            _ => false,
        });
        let listed = |address: &IpAddr| {
            let mut nets = good().filter(|t| t.name == "ip4" || t.name == "ip6");
            nets.any(|t| t.value.is_some_and(|v| network(v, address)))
        };
        whole || (!public.is_empty() && public.iter().all(listed))
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

/// How many look-ups a record needs, those of the records that it takes in too.
fn lookups(observed: &Observed, text: &str, depth: usize) -> usize {
    let counted = ["include", "a", "mx", "ptr", "exists", "redirect"];
    let own = terms(text)
        .filter(|t| counted.contains(&t.name.as_str()))
        .count();
    if depth > MAX_LOOKUPS {
        return own;
    }
    let below = |name: String| {
        let texts = observed.texts(&name);
        let spf = texts.iter().find(|t| is_spf(t));
        spf.map_or(0, |t| lookups(observed, t, depth + 1))
    };
    own + included(text).into_iter().map(below).sum::<usize>()
}
