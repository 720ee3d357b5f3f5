//! The guide as a whole: what was found, and what is told of it.

mod translated;

use std::collections::BTreeSet;

use super::{
    flow::Flow,
    pace, report,
    steps::{Authority, Seen, steps},
};
use crate::{
    agent::page::guide::{Guide, State},
    answers::model::Dmarc,
    ctl::{
        check::finding::{Area, Finding},
        dns::{
            check::Report,
            diagnosis::{self, catalogue::fault_of},
        },
    },
    mail::{
        database::keys::Stage,
        dkim::{Algorithm, KeyInfo},
        records::{Facts, Offers, PublishedKey, Purpose, Record, records},
    },
};

fn facts(addresses: &[&str]) -> Facts {
    let key = |selector: &str, algorithm, length, stage| PublishedKey {
        domain: "example.org".parse().unwrap(),
        selector: selector.to_owned(),
        info: KeyInfo {
            algorithm,
            public: "A".repeat(length),
        },
        stage,
    };
    Facts {
        hostname: "mail.example.org".parse().unwrap(),
        domains: vec![("example.org".parse().unwrap(), Dmarc::Quarantine)],
        addresses: addresses.iter().map(|a| a.parse().unwrap()).collect(),
        keys: vec![
            key("ezmail-rsa", Algorithm::Rsa, 392, Stage::Active),
            key("ezmail-ed25519", Algorithm::Ed25519, 44, Stage::Active),
        ],
        smarthost: None,
        certificate: None,
        issuer: None,
        account: None,
        offers: Offers::default(),
    }
}

fn fault(id: &str, name: &str, kind: &str, found: &[&str]) -> diagnosis::Finding {
    let fault = fault_of(id).unwrap();
    diagnosis::Finding {
        id: fault.id,
        severity: fault.severity,
        name: name.to_owned(),
        kind: kind.to_owned(),
        found: found.iter().map(|f| (*f).to_owned()).collect(),
        expected: Vec::new(),
        text: fault.text.to_owned(),
        fix: fault.fix.to_owned(),
    }
}

fn absent(record: &Record) -> Option<diagnosis::Finding> {
    let id = match record.purpose {
        Purpose::Address => "address-missing",
        Purpose::Reverse => "ptr-missing",
        Purpose::Mx => "mx-missing",
        Purpose::Spf => "spf-missing",
        Purpose::Dkim { .. } => "dkim-missing",
        Purpose::Dmarc => "dmarc-missing",
        _ => return None,
    };
    let kind = record.data.kind().to_string();
    Some(fault(id, &record.owner, &kind, &[]))
}

/// A server where all is well.
fn well(addresses: &[&str]) -> Seen {
    let list = records(&facts(addresses));
    Seen {
        hostname: "mail.example.org".to_owned(),
        postmaster: "postmaster@example.org".to_owned(),
        dns: Ok(Report {
            resolver: crate::dns::RESOLVER,
            records: list.len(),
            servers: Vec::new(),
            findings: Vec::new(),
            list,
            unseen: BTreeSet::new(),
        }),
        translated: None,
        findings: vec![
            Finding::ok(Area::Port25, "ipv4", "mx.example.net:25 greets by IPv4."),
            Finding::ok(
                Area::Certificate,
                "chain",
                "It is the first of a chain of 2.",
            ),
        ],
        authority: Authority::NotAsked,
        mail: Ok(Flow {
            came: true,
            went: true,
        }),
    }
}

const PUBLIC: [&str; 2] = ["203.0.113.10", "2001:db8::10"];

/// A server that has just been set up.
fn fresh() -> Seen {
    let mut seen = well(&PUBLIC);
    let report = seen.dns.as_mut().unwrap();
    report.findings = report.list.iter().filter_map(absent).collect();
    seen.findings = vec![
        Finding::error(
            Area::Port25,
            "ipv4",
            "No mail server can be reached by IPv4: the provider blocks port 25.\nmx: timed out",
            "ask",
        ),
        Finding::warning(Area::Certificate, "chain", "It is self-signed: ...", "wait"),
    ];
    seen.authority = Authority::Expected;
    seen.mail = Ok(Flow::default());
    seen
}

fn guide(seen: &Seen) -> Guide {
    pace::settle(None, steps(seen), at(1_000))
}

fn at(now: i64) -> pace::Look {
    pace::Look {
        now,
        outside: now,
        read: now,
        patience: 3_600,
    }
}

fn told(seen: &Seen) -> String {
    report(&guide(seen))
}

/// How a step is, and what is said of it.
fn said(guide: &Guide, name: &str) -> (State, String) {
    let step = guide.steps.iter().find(|s| s.name == name).unwrap();
    (step.state, step.items.join("\n"))
}

#[test]
fn a_fresh_server_is_told_what_to_publish() {
    insta::assert_snapshot!(told(&fresh()));
}

#[test]
fn half_of_it_is_done() {
    let mut seen = fresh();
    let report = seen.dns.as_mut().unwrap();
    let left = ["ptr-missing", "dkim-missing", "dmarc-missing"];
    report.findings.retain(|f| left.contains(&f.id));
    report.findings.extend([
        fault("resolver-old", "example.org", "MX", &[]),
        fault("spf-two-records", "example.org", "TXT", &[]),
        fault("server-silent", "ns1.example.net", "NS", &[]),
        fault("record-missing", "autoconfig.example.org", "CNAME", &[]),
        // of two addresses, the other one is there
        fault(
            "address-missing",
            "mail.example.org",
            "A",
            &["203.0.113.10"],
        ),
    ]);
    seen.authority = Authority::Refused("the name leads elsewhere.\nmore".to_owned());
    seen.mail = Ok(Flow {
        came: false,
        went: true,
    });
    insta::assert_snapshot!(told(&seen));
}

#[test]
fn when_all_is_right_nothing_is_left() {
    let seen = well(&PUBLIC);
    assert!(!guide(&seen).is_open());
    insta::assert_snapshot!(
        told(&seen),
        @"All is set for mail: DNS records, port 25, a message in and one out."
    );
}

#[test]
fn what_could_not_be_found_out_is_not_wrong() {
    let mut seen = well(&PUBLIC);
    seen.dns = Err("nothing could be compared: no answer".to_owned());
    seen.findings = vec![Finding::unknown(
        Area::Port25,
        "ipv4",
        "No server was found.",
    )];
    seen.mail = Err("reading what smtpd has done: no journal".to_owned());
    let found = guide(&seen);
    let states: BTreeSet<State> = found.steps.iter().map(|s| s.state).collect();
    assert_eq!(states, [State::Right, State::Unknown].into());
    insta::assert_snapshot!(report(&found));
    // and does not undo what was known before
    let before = guide(&well(&PUBLIC));
    let after = pace::settle(Some(before), steps(&seen), at(2_000));
    assert!(!after.is_open(), "{after:?}");
}

#[test]
fn a_zone_of_which_nobody_tells_is_not_known() {
    let mut seen = well(&PUBLIC);
    let report = seen.dns.as_mut().unwrap();
    report.unseen = ["example.org".to_owned()].into();
    report.findings = vec![fault("zone-unknown", "example.org", "NS", &[])];
    let found = guide(&seen);
    assert_eq!(found.state_of("MX"), Some(State::Unknown));
    assert_eq!(found.state_of("DMARC"), Some(State::Right));
    let why = "example.org NS: It could not be found out which zone and name servers the name has: \
               nothing of it was compared. See whether the name servers that the registrar has are \
               right and run, and try again.";
    assert_eq!(
        said(&found, "Name servers"),
        (State::Unknown, why.to_owned())
    );
    // one mistake that is known is wrong
    let report = seen.dns.as_mut().unwrap();
    report
        .findings
        .push(fault("server-silent", "example.net", "NS", &[]));
    assert_eq!(guide(&seen).state_of("Name servers"), Some(State::Wrong));
}

#[test]
fn name_servers_that_differ_do_not_stay_right() {
    let after = |id| {
        let mut seen = well(&PUBLIC);
        let report = seen.dns.as_mut().unwrap();
        report.findings = vec![fault(id, "example.org", "MX", &[])];
        let before = Some(guide(&well(&PUBLIC)));
        said(&pace::settle(before, steps(&seen), at(2_000)), "MX")
    };
    assert_eq!(after("resolver-old"), (State::Right, String::new()));
    let text = "MX is published, and not yet seen everywhere: it comes; if it stays so: 'mailctl \
                dns check'.";
    assert_eq!(after("servers-differ"), (State::Waits, text.to_owned()));
}

#[test]
fn a_certificate_that_cannot_be_judged_is_not_known() {
    let text = "Certificate is not known: the history cannot be read";
    let unknown = (State::Unknown, text.to_owned());
    let why = "the history cannot be read\nmore";
    let mut seen = well(&PUBLIC);
    seen.findings
        .push(Finding::unknown(Area::Certificate, "", why));
    assert_eq!(said(&guide(&seen), "Certificate"), unknown);
    let mut seen = well(&PUBLIC);
    seen.authority = Authority::Unknown(why.to_owned());
    assert_eq!(said(&guide(&seen), "Certificate"), unknown);
}

#[test]
fn of_a_domain_that_does_not_exist_everything_is_missing() {
    let mut seen = well(&PUBLIC);
    let report = seen.dns.as_mut().unwrap();
    report.findings = vec![fault("domain-missing", "example.org", "MX", &[])];
    let found = guide(&seen);
    for name in ["MX", "SPF", "DKIM", "DMARC"] {
        assert_eq!(found.state_of(name), Some(State::Missing), "{name}");
    }
    assert_eq!(found.state_of("Address"), Some(State::Right));
    assert_eq!(found.state_of("Name servers"), Some(State::Wrong));
}

#[test]
fn behind_a_translated_address_the_name_has_to_lead_somewhere() {
    let mut seen = well(&["10.0.0.5"]);
    seen.translated = Some(Ok(false));
    seen.findings.extend([
        Finding::error(
            Area::Nat,
            "name",
            "mail.example.org leads to no address: nobody finds this server.",
            "Publish",
        ),
        Finding::ok(Area::Ptr, "ipv4", "There is no public IPv4 address here."),
    ]);
    let found = guide(&seen);
    assert_eq!(found.state_of("Address"), Some(State::Missing));
    assert_eq!(found.state_of("PTR"), Some(State::Waits));
    insta::assert_snapshot!(report(&found));
}
