//! `mailctl dns check` against a real authoritative server and a validating resolver: the right
//! zone gives no finding; then one mistake after the other is published, and has to be named.

// clippy.toml allows it in tests, but takes only functions marked #[test] for such
#![allow(clippy::unwrap_used)]

mod book;
mod cases;
#[path = "../agent/world.rs"]
#[allow(dead_code, reason = "shared with the agent's tests")]
mod folder;
mod lookups;
mod second;
mod setting;
#[path = "../world/mod.rs"]
mod world;

use std::{collections::BTreeMap, fmt::Write, fs, path::Path, thread::sleep, time::Duration};

use ezmail::ctl::dns::diagnosis::catalogue::{fault_of, faults};

use cases::CASES;
use setting::Setting;

/// After that the resolver has nothing left of what was before.
const FORGOTTEN: Duration = Duration::from_secs(6);

/// Every fault is named, and nothing else is found; the table of them is in the docs.
#[test]
fn every_fault_is_named() {
    let setting = Setting::new();
    let right = setting.publish_right_zone();
    assert_eq!(setting.findings_until(&[]), [""; 0], "the right zone");

    setting.publish(&cases::with_aliases(&right));
    sleep(FORGOTTEN);
    assert_eq!(setting.findings_until(&[]), [""; 0], "aliases");

    let mut wrong = Vec::new();
    let mut table: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for case in CASES {
        let found = setting.findings_with(&right, case);
        if found != [case.id] {
            wrong.push(format!("{}: {} but found {found:?}", case.what, case.id));
        }
        table.entry(case.id).or_default().push(case.what);
    }
    let score = format!("{} of {}", CASES.len() - wrong.len(), CASES.len());
    assert!(
        wrong.is_empty(),
        "{score} named rightly\n{}",
        wrong.join("\n")
    );
    assert!(CASES.len() >= 30);

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/dns-faults.md");
    let text = page(&table, &score);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == text,
        "docs/dns-faults.md is not what the faults say: run this test with UPDATE_DOCS=1"
    );
}

fn page(table: &BTreeMap<&str, Vec<&str>>, score: &str) -> String {
    let mut text = format!(
        "<!-- Made by `UPDATE_DOCS=1 cargo test --features image-tests --test dns_faults`, which \
         compares the two. -->\n\n# Mistakes in the DNS\n\n\
         What `mailctl dns check` tells apart, by the name that it prints. Those with an example \
         are\npublished by a test into a real name server, one at a time, with DNSSEC and a \
         validating resolver:\n{score} are named, with nothing else beside them.\n\n\
         | name | what is said | what to do | tried with |\n|---|---|---|---|\n"
    );
    for fault in faults() {
        let tried = table.get(fault.id).map(|all| all.join("; "));
        let _ = writeln!(
            text,
            "| `{}` ({}) | {} | {} | {} |",
            fault.id,
            fault.severity,
            fault.text,
            fault.fix,
            tried.unwrap_or_default()
        );
    }
    text
}

/// Cases name faults that exist.
#[test]
fn the_cases_are_of_the_catalogue() {
    for case in CASES {
        assert!(fault_of(case.id).is_some(), "{}", case.id);
    }
}
