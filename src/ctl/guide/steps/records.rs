//! The steps about records in the DNS.

mod translated;

use std::net::IpAddr;

use super::{Found, Seen, first, step};
use crate::{
    agent::page::guide::{State, Step},
    ctl::dns::{
        check::Report,
        diagnosis::{Finding, Severity},
    },
    dns::{Data, reverse_name},
    mail::records::{Purpose, Record},
};

/// This may be so for good, where a zone is not transferred.
const DIFFER: &str = "servers-differ";
/// The mistakes that may be none: others still see what was there before.
const LATER: [&str; 2] = ["resolver-old", DIFFER];
/// Longer values cannot be typed from a screen.
const TYPED: usize = 160;

const ADDRESS: &str = "Address";
const REVERSE: &str = "PTR";
/// The step about zones, their servers, and records that should not be there.
const SERVERS: &str = "Name servers";

/// Whether a record is of a kind.
type Is = fn(&Purpose) -> bool;

/// The kinds of records that mail depends on, besides those of addresses.
const KINDS: [(&str, Is); 4] = [
    ("MX", |p| *p == Purpose::Mx),
    ("SPF", |p| *p == Purpose::Spf),
    ("DKIM", |p| matches!(p, Purpose::Dkim { .. })),
    ("DMARC", |p| *p == Purpose::Dmarc),
];

/// What is known of the records, in steps.
pub(super) struct Steps {
    /// The addresses of the server's name.
    pub(super) address: Found,
    /// The names of its addresses.
    pub(super) reverse: Found,
    /// All others.
    pub(super) others: Vec<Found>,
}

/// The steps about records.
pub(super) fn steps(seen: &Seen) -> Steps {
    let report = match &seen.dns {
        Ok(report) => report,
        Err(why) => return unknown(why),
    };
    let own = report.list.iter().any(|r| r.purpose == Purpose::Address);
    let mut address = kind(seen, report, ADDRESS, |p| *p == Purpose::Address);
    let mut reverse = kind(seen, report, REVERSE, |p| *p == Purpose::Reverse);
    if !own || seen.translated.is_some() {
        let there = translated::address(seen, own);
        reverse = merge(reverse, translated::reverse(seen, own, there.state));
        address = merge(address, there);
    }
    let mut others: Vec<Found> = Vec::new();
    for (name, is) in KINDS {
        others.push(kind(seen, report, name, is));
    }
    others.push(rest(report).into());
    Steps {
        address,
        reverse,
        others,
    }
}

/// What two say about one step: it is as bad as the worse of them, which comes first.
fn merge(found: Found, other: Step) -> Found {
    let late = found.late && other.state == State::Right;
    let (mut step, better) = match other.state > found.step.state {
        true => (other, found.step),
        false => (found.step, other),
    };
    step.items.extend(better.items);
    Found { step, late }
}

/// The steps where nothing could be compared: why, is said once for all of them.
fn unknown(why: &str) -> Steps {
    let silent = |name| Found::from(step(name, State::Unknown, Vec::new()));
    let mut others: Vec<Found> = KINDS.iter().map(|(name, _)| silent(name)).collect();
    let item = format!("What the DNS shows is not known: {}", first(why));
    others.push(step(SERVERS, State::Unknown, vec![item]).into());
    Steps {
        address: silent(ADDRESS),
        reverse: silent(REVERSE),
        others,
    }
}

/// The step about one kind of records: as bad as the worst of them.
fn kind(seen: &Seen, report: &Report, name: &str, is: Is) -> Found {
    let mut state = State::Right;
    let mut differ = false;
    let mut items: Vec<String> = Vec::new();
    let mut long = 0;
    for record in report.list.iter().filter(|r| is(&r.purpose)) {
        let (how, found) = judge(report, record);
        state = state.max(how);
        let item = match how {
            State::Right => continue,
            State::Missing if value(record).is_none() => {
                long += 1;
                continue;
            }
            State::Missing => missing(seen, report, name, record),
            State::Wrong => wrong(name, record, found),
            State::Waits if found.is_some_and(|f| f.id == DIFFER) => {
                differ = true;
                format!(
                    "{name} is published, and not yet seen everywhere: it comes; if it stays so: \
                     'mailctl dns check'."
                )
            }
            State::Waits => format!("{name} is published, and not yet seen everywhere: it comes."),
            State::Unknown => format!("{name} is not known: nobody tells of {}.", record.owner),
        };
        // those of one name are told of together
        if !items.contains(&item) {
            items.push(item);
        }
    }
    if long > 0 {
        let records = if long == 1 { "record" } else { "records" };
        items.push(format!(
            "{name} missing: {long} TXT {records}, too long to type; to copy over SSH: \
             'mailctl dns show --format table'."
        ));
    }
    Found {
        step: step(name, state, items),
        late: state == State::Waits && !differ,
    }
}

/// How a record is, and what was found about it.
fn judge<'a>(report: &'a Report, record: &Record) -> (State, Option<&'a Finding>) {
    if report.unseen.contains(&record.owner) {
        return (State::Unknown, None);
    }
    let gone =
        |f: &Finding| f.id == "domain-missing" && record.domain.as_deref() == Some(f.name.as_str());
    if report.findings.iter().any(gone) {
        return (State::Missing, None);
    }
    let about = report.findings.iter().filter(|f| is_about(f, record));
    let states = about.filter_map(|found| Some((state(found, record)?, Some(found))));
    let worst = states.max_by_key(|(state, _)| *state);
    worst.unwrap_or((State::Right, None))
}

fn is_about(found: &Finding, record: &Record) -> bool {
    found.name == record.owner && found.kind == record.data.kind().to_string()
}

/// What a finding makes of a record; none if mail does not depend on that.
fn state(found: &Finding, record: &Record) -> Option<State> {
    let data = record.data.to_string();
    match (found.id, found.severity) {
        (id, _) if LATER.contains(&id) => Some(State::Waits),
        ("ptr-unknown", _) => Some(State::Unknown),
        (_, Severity::Warning) => None,
        // of several addresses, one may be there
        ("address-missing", _) if found.found.contains(&data) => None,
        (id, _) if id.ends_with("-missing") => Some(State::Missing),
        _ => Some(State::Wrong),
    }
}

/// What a record says, if somebody can type that.
fn value(record: &Record) -> Option<String> {
    Some(record.data.to_string()).filter(|text| text.len() <= TYPED)
}

fn missing(seen: &Seen, report: &Report, name: &str, record: &Record) -> String {
    match reversed(report, record) {
        Some(address) => format!(
            "PTR missing: have the provider call {address} {}, often 'reverse DNS' in its panel.",
            seen.hostname
        ),
        None => format!(
            "{name} missing: {}. {} {}",
            record.owner,
            record.data.kind(),
            record.data
        ),
    }
}

fn wrong(name: &str, record: &Record, found: Option<&Finding>) -> String {
    let text = found.map_or("", |found| found.text.as_str());
    let right = match value(record) {
        Some(value) => format!("Right is: {value}"),
        None => "'mailctl dns check' shows what is right.".to_owned(),
    };
    let owner = &record.owner;
    format!("{name} of {owner}: {text} {right}")
}

/// The address whose reverse name a record is.
fn reversed(report: &Report, record: &Record) -> Option<IpAddr> {
    let addresses = report.list.iter().filter_map(|r| match r.data {
        Data::A(a) => Some(IpAddr::V4(a)),
        Data::Aaaa(a) => Some(IpAddr::V6(a)),
        _ => None,
    });
    let mut addresses = addresses.filter(|_| record.purpose == Purpose::Reverse);
    addresses.find(|address| reverse_name(*address) == record.owner)
}

/// What else in the DNS keeps mail away: zones, their servers, records that should not be there.
fn rest(report: &Report) -> Step {
    let told = |f: &&Finding| {
        let mut records = report.list.iter();
        records.any(|r| is_about(f, r) && is_of_a_kind(&r.purpose)) && f.id != "domain-missing"
    };
    let errors: Vec<&Finding> = report
        .findings
        .iter()
        .filter(|f| f.severity == Severity::Error && !told(f) && !LATER.contains(&f.id))
        .collect();
    let known = errors.iter().any(|f| f.id != "zone-unknown");
    let state = match (errors.is_empty(), known) {
        (true, _) => State::Right,
        (false, false) => State::Unknown,
        (false, true) => State::Wrong,
    };
    let items: Vec<String> = errors
        .iter()
        .map(|f| format!("{} {}: {} {}", f.name, f.kind, f.text, f.fix))
        .collect();
    step(SERVERS, state, items)
}

fn is_of_a_kind(purpose: &Purpose) -> bool {
    let addresses = matches!(purpose, Purpose::Address | Purpose::Reverse);
    addresses || KINDS.iter().any(|(_, is)| is(purpose))
}
