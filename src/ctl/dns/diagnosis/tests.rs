//! The diagnosis of made-up answers: what `tests/dns_faults` cannot publish.

mod variants;

use super::*;
use crate::{
    answers::model::Dmarc,
    ctl::dns::seen::{Asked, Seen},
    dns::{Answer, NameServer, NoAnswer, Record as Shown, Zone},
    mail::{
        database::keys::Stage,
        dkim::{Algorithm, KeyInfo},
        records::{Offers, PublishedKey, records},
    },
};

fn facts() -> Facts {
    Facts {
        hostname: "mail.example.org".parse().unwrap(),
        domains: vec![("example.org".parse().unwrap(), Dmarc::Reject)],
        addresses: vec!["203.0.113.10".parse().unwrap()],
        keys: vec![PublishedKey {
            domain: "example.org".parse().unwrap(),
            selector: "s".into(),
            info: KeyInfo {
                algorithm: Algorithm::Rsa,
                public: "QUJD".repeat(98),
            },
            stage: Stage::Active,
        }],
        smarthost: None,
        certificate: None,
        issuer: None,
        account: None,
        offers: Offers::default(),
    }
}

fn answer(name: &str, data: &[Data]) -> Answer {
    let record = |data: &Data| Shown {
        owner: name.to_owned(),
        ttl: 5,
        data: data.clone(),
    };
    Answer {
        status: Status::NoError,
        authoritative: true,
        authentic: true,
        records: data.iter().map(record).collect(),
        authority: Vec::new(),
        additional: Vec::new(),
    }
}

fn asked(server: &str, last: u8, answer: Result<Answer, NoAnswer>) -> Asked {
    Asked {
        server: server.to_owned(),
        address: ([192, 0, 2, last], 53).into(),
        answer,
    }
}

/// Two servers and the resolver show the same.
fn put(observed: &mut Observed, name: &str, kind: RecordType, data: &[Data]) {
    let one = || Ok(answer(name, data));
    let seen = Seen {
        servers: vec![
            asked("ns1.example", 1, one()),
            asked("ns2.example", 2, one()),
        ],
        resolver: Some(one()),
        unchecked: None,
    };
    observed.seen.insert((name.to_owned(), kind), seen);
}

/// All is as it should be.
fn right(facts: &Facts) -> Observed {
    let mut observed = Observed::default();
    for apex in ["example.org", "113.0.203.in-addr.arpa"] {
        let server = |name: &str| NameServer {
            name: name.to_owned(),
            addresses: vec!["192.0.2.53".parse().unwrap()],
            in_zone: true,
            in_parent: true,
        };
        let zone = Zone {
            apex: apex.to_owned(),
            servers: vec![server("ns1.example"), server("ns2.example")],
        };
        observed.zones.insert(apex.to_owned(), zone);
        let soa = Data::Soa {
            mname: "ns1.example".into(),
            serial: 7,
        };
        put(&mut observed, apex, RecordType::SOA, &[soa]);
    }
    let list = records(facts);
    for set in sets(&list) {
        let data: Vec<Data> = set.iter().map(|r| r.data.clone()).collect();
        put(&mut observed, &set[0].owner, set[0].data.kind(), &data);
    }
    observed
}

fn ids(facts: &Facts, observed: &Observed) -> Vec<&'static str> {
    let found = diagnose(facts, &records(facts), observed);
    found.iter().map(|f| f.id).collect()
}

#[test]
fn what_is_right_is_not_complained_about() {
    let facts = facts();
    assert_eq!(ids(&facts, &right(&facts)), [""; 0]);
    // others may send too, and say so
    let mut observed = right(&facts);
    for more in [
        "v=spf1 a:mail.example.org include:list.example -all",
        "v=spf1 ip4:203.0.113.0/24 ~all",
        "v=spf1 mx redirect=other.example",
    ] {
        let data = [Data::text("site-verification=1"), Data::text(more)];
        put(&mut observed, "example.org", RecordType::TXT, &data);
        assert_eq!(ids(&facts, &observed), [""; 0], "{more}");
    }
    let key = format!("v=DKIM1;k=rsa;p={}", "QUJD".repeat(98));
    let name = "s._domainkey.example.org";
    put(&mut observed, name, RecordType::TXT, &[Data::text(&key)]);
    assert_eq!(ids(&facts, &observed), [""; 0]);
    let text = "v=DMARC1; p=reject; sp=none; rua=mailto:d@report.example,mailto:me@example.org";
    put(
        &mut observed,
        "_dmarc.example.org",
        RecordType::TXT,
        &[Data::text(text)],
    );
    assert_eq!(ids(&facts, &observed), [""; 0]);
}

#[test]
fn a_zone_and_the_one_above_agree() {
    let facts = facts();
    let mut observed = right(&facts);
    let zone = observed.zones.get_mut("example.org").unwrap();
    zone.servers[1].in_parent = false;
    assert_eq!(ids(&facts, &observed), ["delegation-differs"]);
}

#[test]
fn the_resolver_may_be_behind() {
    let facts = facts();
    let mut observed = right(&facts);
    let key = ("example.org".to_owned(), RecordType::MX);
    let seen = observed.seen.get_mut(&key).unwrap();
    seen.resolver = Some(Ok(answer("example.org", &[])));
    assert_eq!(ids(&facts, &observed), ["resolver-old"]);
    // one that cannot be asked says nothing about the records
    seen_without_resolver(&mut observed);
    assert_eq!(ids(&facts, &observed), [""; 0]);
}

fn seen_without_resolver(observed: &mut Observed) {
    for seen in observed.seen.values_mut() {
        seen.resolver = None;
    }
}

#[test]
fn dnssec_is_blamed_only_where_it_is_the_reason() {
    let facts = facts();
    let mut observed = right(&facts);
    let key = ("example.org".to_owned(), RecordType::SOA);
    let failed = || {
        Some(Ok(Answer {
            status: Status::ServFail,
            ..answer("example.org", &[])
        }))
    };
    let seen = observed.seen.get_mut(&key).unwrap();
    seen.resolver = failed();
    seen.unchecked = failed();
    assert_eq!(ids(&facts, &observed), ["resolver-fails"]);
    let seen = observed.seen.get_mut(&key).unwrap();
    seen.unchecked = Some(Ok(answer("example.org", &[])));
    assert_eq!(ids(&facts, &observed), ["dnssec-bogus"]);
}

#[test]
fn a_server_without_ipv6_has_no_aaaa_record() {
    let facts = facts();
    let mut observed = right(&facts);
    let data = [Data::Aaaa("2001:db8::1".parse().unwrap())];
    put(&mut observed, "mail.example.org", RecordType::AAAA, &data);
    assert_eq!(ids(&facts, &observed), ["aaaa-stale"]);
    // what does not know its addresses does not judge them
    let unknown = Facts {
        addresses: Vec::new(),
        ..facts
    };
    assert_eq!(ids(&unknown, &observed), [""; 0]);
}

#[test]
fn an_mta_sts_record_without_a_policy_does_harm() {
    let facts = facts();
    let mut observed = right(&facts);
    let name = "_mta-sts.example.org";
    let record = Data::text("v=STSv1; id=1");
    put(&mut observed, name, RecordType::TXT, &[record]);
    assert_eq!(ids(&facts, &observed), ["mta-sts-without-policy"]);
    let other = Data::text("site-verification=1");
    put(&mut observed, name, RecordType::TXT, &[other]);
    assert_eq!(ids(&facts, &observed), [""; 0]);
}

#[test]
fn caa_and_tlsa_are_compared_where_they_are_known() {
    let facts = Facts {
        issuer: Some("letsencrypt.org".into()),
        account: Some("https://acme.example/1".into()),
        certificate: Some("ab".repeat(32)),
        ..facts()
    };
    let mut observed = right(&facts);
    assert_eq!(ids(&facts, &observed), [""; 0]);
    for (value, found) in [
        ("letsencrypt.org", None),
        (
            "letsencrypt.org; accounturi=https://acme.example/2",
            Some("caa-other-account"),
        ),
        ("other.example", Some("caa-forbids")),
    ] {
        let data = Data::Caa {
            flags: 0,
            tag: "issue".into(),
            value: value.into(),
        };
        put(&mut observed, "mail.example.org", RecordType::CAA, &[data]);
        assert_eq!(
            ids(&facts, &observed),
            found.into_iter().collect::<Vec<_>>(),
            "{value}"
        );
    }
    put(&mut observed, "mail.example.org", RecordType::CAA, &[]);
    let key = ("_25._tcp.mail.example.org".to_owned(), RecordType::TLSA);
    let seen = observed.seen.get_mut(&key).unwrap();
    if let Some(Ok(answer)) = &mut seen.resolver {
        answer.authentic = false;
    }
    assert_eq!(ids(&facts, &observed), ["tlsa-without-dnssec"]);
}
