//! What testssl.sh says of the appliance's TLS.

use std::{collections::BTreeMap, fmt, fs, thread};

use serde::Deserialize;

use crate::{
    Setting, together,
    world::{
        addresses::{Family, HOSTNAME, appliance},
        namespace::program,
    },
};

/// Where TLS is looked at, and how it begins there.
const PLACES: [(u16, &str); 3] = [(25, "--starttls smtp"), (465, ""), (993, "")];

/// What it finds worse than LOW and is so for a reason: its name for it, and the reason.
const KNOWN: [(&str, &str); 5] = [
    (
        "engine_problem",
        "of the host's own openssl, which does not know the ciphers of GOST",
    ),
    (
        "cert_chain_of_trust",
        "the test's appliance is in no real DNS and has signed its certificate itself",
    ),
    (
        "cert_revocation",
        "nobody but the appliance could revoke what it has signed itself",
    ),
    // the one by version 3.0, the other by later ones
    (
        "cert_validityPeriod",
        "what it has signed itself is good until it has a real one, and known by its key (DANE)",
    ),
    (
        "cert_extlifeSpan",
        "what it has signed itself is good until it has a real one, and known by its key (DANE)",
    ),
];

/// Some of what it has to have looked at: a test that was cut off finds little.
const LOOKED_AT: [&str; 12] = [
    "SSLv3",
    "TLS1_2",
    "cipherlist_NULL",
    "cipherlist_aNULL",
    "cipher_order",
    "cert_signatureAlgorithm",
    "cert_trust",
    "heartbleed",
    "secure_client_renego",
    "ROBOT",
    "LOGJAM",
    "RC4",
];

#[derive(Debug, Clone, Deserialize)]
struct Finding {
    id: String,
    severity: String,
    finding: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            id,
            severity,
            finding,
        } = self;
        write!(f, "{severity} {id}: {finding:.200}")
    }
}

/// Runs it in the world: no name is looked up, nothing outside is asked. It waits most of the time.
fn findings(setting: &Setting, port: u16, starttls: &str) -> Vec<Finding> {
    // Arch has it by its full name
    let tool = program("testssl").or_else(|_| program("testssl.sh"));
    let tool = tool.unwrap().display().to_string();
    let folder = setting.world.folder();
    let json = folder.join(format!("testssl-{port}.json"));
    let log = folder.join(format!("testssl-{port}.log"));
    // it writes over none
    if json.exists() {
        fs::remove_file(&json).unwrap();
    }
    // protocols, ciphers, forward secrecy, preference, server defaults, vulnerabilities. What it
    // returns counts its findings
    let script = format!(
        "export STARTTLS_SLEEP=60
         timeout -k 5 2400 {tool} --quiet --color 0 --warnings batch --nodns none --ip {} \
         -p -s -f -P -S -U --connect-timeout 60 --openssl-timeout 120 {starttls} \
         --jsonfile '{}' {HOSTNAME}:{port} >'{}' 2>&1 </dev/null || true",
        appliance(Family::V4),
        json.display(),
        log.display()
    );
    let what = format!("testssl of port {port}");
    setting.world.namespace().shell(&what, &script).unwrap();
    let said = || {
        let text = fs::read_to_string(&log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    };
    let text = fs::read_to_string(&json).unwrap_or_else(|e| panic!("{what}: {e}\n{}", said()));
    let found: Vec<Finding> =
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{what}: {e}\n{}", said()));
    for id in LOOKED_AT.into_iter().chain(["scanTime"]) {
        let there = found.iter().any(|f| f.id == id);
        assert!(there, "{what} has not looked at {id}\n{}", said());
    }
    found
}

/// What is worse than LOW and for no reason: MEDIUM, HIGH, CRITICAL, and what could not be looked at
/// (WARN, FATAL).
fn bad(port: u16, found: Vec<Finding>) -> Vec<Finding> {
    let mut bad = Vec::new();
    for finding in found {
        let known = KNOWN.iter().find(|(id, _)| *id == finding.id);
        match (finding.severity.as_str(), known) {
            ("OK" | "INFO" | "DEBUG", _) => {}
            ("LOW", _) => println!("{port} {finding}"),
            (_, Some((_, reason))) => println!("{port} {finding} ({reason})"),
            (_, None) => bad.push(finding),
        }
    }
    bad
}

/// What it finds twice: a connection that a busy machine did not take in time passes for a finding.
fn found_twice(setting: &Setting, port: u16, starttls: &str) -> Vec<Finding> {
    let mut first = bad(port, findings(setting, port, starttls));
    if !first.is_empty() {
        for finding in &first {
            println!("{port} {finding}, the first time");
        }
        let again = bad(port, findings(setting, port, starttls));
        first.retain(|f| again.iter().any(|a| a.id == f.id));
    }
    first
}

#[test]
fn full_testssl_finds_nothing_that_is_bad() {
    let (setting, _guard) = together();
    let bad: BTreeMap<u16, Vec<String>> = thread::scope(|scope| {
        let runs = PLACES.map(|(port, starttls)| {
            let run = scope.spawn(move || found_twice(setting, port, starttls));
            (port, run)
        });
        runs.into_iter()
            .map(|(port, run)| {
                let bad = run.join().unwrap();
                (port, bad.iter().map(ToString::to_string).collect())
            })
            .collect()
    });
    assert!(bad.values().all(Vec::is_empty), "{bad:#?}");
}
