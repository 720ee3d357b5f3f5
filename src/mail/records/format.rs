//! The list as text: a zone file, a table for people, a script for nsupdate(1).

use std::fmt::Write;

use super::{Facts, Purpose, Record};
use crate::mail::address::DomainName;

/// Columns of a terminal.
const WIDTH: usize = 80;

/// The records in zone file form (RFC 1035 section 5), with comments that explain them. Reverse
/// names are comments: they belong into another zone, mostly somebody else's.
pub fn zone(facts: &Facts, records: &[Record]) -> String {
    let mut text = "; The DNS records of this mail server.\n".to_owned();
    let mut add = |line: &str| {
        text.push_str(line);
        text.push('\n');
    };
    let host = &facts.hostname;
    for (title, group) in groups(facts, records) {
        add(&format!("\n; {title}."));
        if group.iter().any(|r| r.domain.is_none()) && facts.public().is_empty() {
            add("; Its addresses come from the network and are not known here: put them in.");
            add(&format!("; {host}. 3600 IN A      192.0.2.1"));
            add(&format!("; {host}. 3600 IN AAAA   2001:db8::1"));
            add(&format!(
                "; Whoever gave you the addresses sets their reverse names; all have to be {host}."
            ));
        }
        let mut last = "";
        for record in group {
            if record.why != last {
                let need = record.need.word();
                add(&format!("; {} ({need})", record.why));
                last = &record.why;
            }
            let mark = if record.purpose == Purpose::Reverse {
                "; "
            } else {
                ""
            };
            let kind = record.data.kind().to_string();
            let Record {
                owner, ttl, data, ..
            } = record;
            add(&format!("{mark}{owner}. {ttl} IN {kind:<6} {data}"));
        }
    }
    text
}

/// The records for people: long values go over several lines.
pub fn table(facts: &Facts, records: &[Record]) -> String {
    table_within(facts, records, WIDTH)
}

/// The same for so many columns.
pub fn table_within(facts: &Facts, records: &[Record], width: usize) -> String {
    let mut text = String::new();
    for (title, group) in groups(facts, records) {
        let gap = if text.is_empty() { "" } else { "\n" };
        // writing to a string cannot fail
        let _ = writeln!(text, "{gap}{title}");
        if group.iter().any(|r| r.domain.is_none()) && facts.public().is_empty() {
            text += "  A, AAAA  Its addresses come from the network and are not known here.\n";
        }
        for record in group {
            let kind = record.data.kind().to_string();
            let _ = writeln!(text, "  {kind:<5} {}", record.owner);
            text += &indented(&record.data.to_string(), width);
            let why = format!("{} ({})", record.why, record.need.word());
            text += &indented(&why, width);
        }
    }
    text
}

fn indented(value: &str, width: usize) -> String {
    let indent = "        ";
    let options = textwrap::Options::new(width.saturating_sub(indent.len()))
        .word_separator(textwrap::WordSeparator::AsciiSpace)
        .word_splitter(textwrap::WordSplitter::NoHyphenation);
    let lines = textwrap::wrap(value, &options);
    lines
        .iter()
        .map(|line| format!("{indent}{line}\n"))
        .collect()
}

/// A script for nsupdate(1): one update for each domain's zone and one for the server's. A name
/// that others may have CAA records under is only added to. SPF has an update of its own, which the
/// name server refuses where there are TXT records: a second SPF record voids both. TLSA records are
/// comments: without DNSSEC they are worthless, and with it an old one is dangerous.
pub fn nsupdate(facts: &Facts, records: &[Record]) -> String {
    let mut text = "; nsupdate -k KEYFILE, or nsupdate -l on the name server itself\n".to_owned();
    for (title, group) in groups(facts, records) {
        let _ = writeln!(text, "; {title}");
        let of = |purpose: Purpose| group.iter().filter(move |r| r.purpose == purpose);
        let apart = [Purpose::Reverse, Purpose::Spf, Purpose::Tlsa];
        let mut cleared: Vec<(&str, String)> = Vec::new();
        for record in group.iter().filter(|r| !apart.contains(&r.purpose)) {
            let kind = record.data.kind().to_string();
            let owner = record.owner.as_str();
            let set = (owner, kind.clone());
            if record.purpose != Purpose::Caa && !cleared.contains(&set) {
                let _ = writeln!(text, "update delete {owner}. {kind}");
                cleared.push(set);
            }
            let _ = writeln!(text, "{}", addition(record));
        }
        text += "send\n";
        for record in of(Purpose::Spf) {
            text += SPF;
            let _ = writeln!(text, "prereq nxrrset {}. TXT", record.owner);
            let _ = writeln!(text, "{}\nsend", addition(record));
        }
        for record in of(Purpose::Tlsa) {
            text += TLSA;
            let _ = writeln!(text, ";   update delete {}. TLSA", record.owner);
            let _ = writeln!(text, ";   {}", addition(record));
        }
        for record in of(Purpose::Reverse) {
            let _ = writeln!(text, "; whoever gave you the address:");
            let _ = writeln!(text, ";   {}", addition(record));
        }
    }
    text
}

/// What is said of SPF in the script.
const SPF: &str = "\
; SPF: refused (YXRRSET) where the name has TXT records, since with a second SPF
; record both are void. Then see which they are: if the right one is there, all
; is well; else remove an earlier one, and send this without 'prereq'.
";

/// What is said of TLSA there.
const TLSA: &str = "\
; only if DNSSEC signs the zone, or to replace an earlier one:
";

fn addition(record: &Record) -> String {
    let Record {
        owner, ttl, data, ..
    } = record;
    format!("update add {owner}. {ttl} {} {data}", data.kind())
}

/// The records in groups with their titles: the server's own, and each domain's.
fn groups<'a>(facts: &Facts, records: &'a [Record]) -> Vec<(String, Vec<&'a Record>)> {
    let of = |domain: Option<&str>| {
        let all = records.iter();
        let group = all.filter(|r| r.domain.as_deref() == domain);
        group.collect::<Vec<_>>()
    };
    let server = ("The server itself".to_owned(), of(None));
    let domain = |(domain, _): &(DomainName, _)| {
        let title = match domain.to_unicode() {
            unicode if unicode != domain.as_str() => format!("The domain {domain} ({unicode})"),
            _ => format!("The domain {domain}"),
        };
        (title, of(Some(domain.as_str())))
    };
    let domains = facts.domains.iter().map(domain);
    let all = std::iter::once(server).chain(domains);
    all.filter(|(_, group)| !group.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{
        answers::model::Dmarc,
        mail::{
            database::keys::Stage,
            dkim::{Algorithm, KeyInfo},
            records::{Offers, PublishedKey, records},
        },
    };

    fn facts() -> Facts {
        let domain: DomainName = "example.org".parse().unwrap();
        let key = |selector: &str, algorithm, length, stage| PublishedKey {
            domain: domain.clone(),
            selector: selector.to_owned(),
            info: KeyInfo {
                algorithm,
                public: "A".repeat(length),
            },
            stage,
        };
        let addresses = ["203.0.113.10", "2001:db8::10", "10.0.0.1", "fe80::1"];
        let both: BTreeSet<DomainName> = ["example.org", "bücher.example"]
            .map(|d| d.parse().unwrap())
            .into();
        Facts {
            hostname: "mail.example.org".parse().unwrap(),
            domains: vec![
                (domain.clone(), Dmarc::Quarantine),
                ("bücher.example".parse().unwrap(), Dmarc::Reject),
            ],
            addresses: addresses.map(|a| a.parse().unwrap()).to_vec(),
            keys: vec![
                key("r", Algorithm::Rsa, 392, Stage::Active),
                key("e", Algorithm::Ed25519, 44, Stage::Next),
            ],
            smarthost: None,
            certificate: Some("ab".repeat(32)),
            issuer: Some("letsencrypt.org".to_owned()),
            account: Some("https://acme.example/acct/1".to_owned()),
            offers: Offers {
                mta_sts: Some(("1".to_owned(), both.clone())),
                autoconfig: both,
            },
        }
    }

    #[test]
    fn every_format_of_a_server_that_has_all() {
        let facts = facts();
        let records = records(&facts);
        insta::assert_snapshot!("zone", zone(&facts, &records));
        insta::assert_snapshot!("table", table(&facts, &records));
        let script = nsupdate(&facts, &records);
        let update = |part: &str| part.contains("v=spf1") && !part.contains("prereq nxrrset");
        assert!(!script.split("send\n").any(update), "{script}");
        assert!(
            !script
                .lines()
                .any(|l| l.starts_with("update") && l.contains("TLSA"))
        );
        insta::assert_snapshot!("nsupdate", script);
        insta::assert_snapshot!("json", serde_json::to_string_pretty(&records).unwrap());
    }

    #[test]
    fn what_does_not_run_and_is_not_known_is_left_out() {
        let facts = Facts {
            domains: vec![("bücher.example".parse().unwrap(), Dmarc::None)],
            addresses: Vec::new(),
            smarthost: Some("smtp.example.net".parse().unwrap()),
            certificate: None,
            issuer: None,
            offers: Offers::default(),
            ..facts()
        };
        insta::assert_snapshot!("little", zone(&facts, &records(&facts)));
        let table = table(&facts, &records(&facts));
        assert!(table.contains("come from the network"), "{table}");
    }
}
