//! What is right though it looks otherwise, and what is not known.

use super::*;

/// The servers show an alias into a zone of others; the resolver has gone there.
fn put_alias(observed: &mut Observed, name: &str, targets: [&str; 2], whole: &Answer) {
    let kind = whole.records[0].data.kind();
    let alias = |target: &str| Ok(answer(name, &[Data::Cname(target.to_owned())]));
    put(observed, name, kind, &[]);
    let seen = observed.seen.get_mut(&(name.to_owned(), kind)).unwrap();
    for (asked, target) in seen.servers.iter_mut().zip(targets) {
        asked.answer = alias(target);
    }
    let mut full = alias(targets[0]).unwrap();
    full.records.extend(whole.records.clone());
    full.authoritative = false;
    seen.resolver = Some(Ok(full));
}

#[test]
fn an_alias_into_another_zone_is_followed() {
    let facts = facts();
    for (name, kind) in [
        ("s._domainkey.example.org", RecordType::TXT),
        ("_dmarc.example.org", RecordType::TXT),
        // RFC 2317
        ("10.113.0.203.in-addr.arpa", RecordType::PTR),
    ] {
        let mut observed = right(&facts);
        let data: Vec<Data> = observed.data(name, kind).into_iter().cloned().collect();
        let whole = answer("x.other.example", &data);
        put_alias(&mut observed, name, ["x.other.example"; 2], &whole);
        assert_eq!(ids(&facts, &observed), [""; 0], "{name}");
        let targets = ["x.other.example", "y.other.example"];
        put_alias(&mut observed, name, targets, &whole);
        assert_eq!(ids(&facts, &observed), ["servers-differ"], "{name}");
        // a server that has the other zone too shows all of it
        put_alias(&mut observed, name, ["x.other.example"; 2], &whole);
        let seen = observed.seen.get_mut(&(name.to_owned(), kind)).unwrap();
        let full = seen.resolver.clone().unwrap().unwrap();
        seen.servers[1].answer = Ok(Answer {
            authoritative: true,
            ..full
        });
        assert_eq!(ids(&facts, &observed), [""; 0], "{name}");
    }
}

#[test]
fn keys_may_be_written_otherwise() {
    let facts = facts();
    let mut observed = right(&facts);
    let name = "s._domainkey.example.org";
    let key = "QUJD".repeat(98);
    for (before, behind, found) in [
        ("v=DKIM1; k=rsa; ", ";", None),
        ("", "", None),
        ("k=rsa;", "; n=of this year", None),
        ("v=DKIM1; ", "; k=rsa", None),
        ("v=DKIM1; t=s; s=email; h=sha256; ", "; ", None),
        ("v=DKIM1; s=*; h=sha1:sha256; ", "", None),
        ("v=DKIM1; s=tlsrpt; ", "", Some("dkim-differs")),
        ("v=DKIM1; t=s:y; ", "", Some("dkim-testing")),
        ("v=DKIM1; k=ed25519; ", "", Some("dkim-algorithm")),
        ("v=DKIM1; k=rsa; ", "; k=rsa", Some("dkim-syntax")),
        ("k=rsa; ", "; v=DKIM1", Some("dkim-syntax")),
    ] {
        let text = format!("{before}p={key}{behind}");
        put(&mut observed, name, RecordType::TXT, &[Data::text(&text)]);
        let found: Vec<&str> = found.into_iter().collect();
        assert_eq!(ids(&facts, &observed), found, "{text}");
    }
}

#[test]
fn a_wildcard_is_blamed_only_if_it_is_a_key() {
    let facts = facts();
    let mut observed = right(&facts);
    let name = "ezmail-asks-for-nothing._domainkey.example.org";
    for (text, found) in [
        ("v=spf1 -all", None),
        ("site-verification=1", None),
        ("k=rsa; p=QUJD", Some("dkim-wildcard")),
        ("v=DKIM1", Some("dkim-wildcard")),
    ] {
        put(&mut observed, name, RecordType::TXT, &[Data::text(text)]);
        let found: Vec<&str> = found.into_iter().collect();
        assert_eq!(ids(&facts, &observed), found, "{text}");
    }
}

#[test]
fn spf_may_allow_the_server_in_many_ways() {
    let facts = facts();
    let mut observed = right(&facts);
    let a = |text: &str| [Data::A(text.parse().unwrap())];
    put(
        &mut observed,
        "example.org",
        RecordType::A,
        &a("203.0.113.10"),
    );
    put(
        &mut observed,
        "near.example",
        RecordType::A,
        &a("203.0.113.99"),
    );
    let mx = Data::Mx {
        preference: 1,
        exchange: "near.example".into(),
    };
    put(&mut observed, "other.example", RecordType::MX, &[mx]);
    for (terms, good) in [
        ("mx/24", true),
        ("mx//64", true),
        ("mx/24//64", true),
        ("a:mail.example.org/32", true),
        ("a:MAIL.example.org.", true),
        ("MX:Example.ORG.", true),
        ("a", true),
        ("a/28", true),
        ("a:near.example/24", true),
        ("a:near.example", false),
        ("mx:other.example/24", true),
        ("mx:other.example", false),
        ("a:nobody.example", false),
        ("ip4:203.0.113.0/28", true),
        ("ip4:203.0.113.9", false),
        ("-mx ip6:2001:db8::/32", false),
    ] {
        let text = format!("v=spf1 {terms} -all");
        let data = [Data::text(&text)];
        put(&mut observed, "example.org", RecordType::TXT, &data);
        let wanted: &[&str] = if good { &[] } else { &["spf-lacks-server"] };
        assert_eq!(ids(&facts, &observed), wanted, "{text}");
    }
    // behind NAT nobody knows the address
    let facts = Facts {
        addresses: vec!["10.0.0.2".parse().unwrap()],
        ..facts
    };
    for (terms, wanted) in [
        ("ip4:192.0.2.1", &[][..]),
        ("a:near.example", &[]),
        ("", &["spf-lacks-server"]),
    ] {
        let data = [Data::text(&format!("v=spf1 {terms} -all"))];
        put(&mut observed, "example.org", RecordType::TXT, &data);
        assert_eq!(ids(&facts, &observed), wanted, "{terms}");
    }
}

#[test]
fn records_that_take_in_themselves_come_to_an_end() {
    let facts = facts();
    let mut observed = right(&facts);
    let again = "include:loop.example ".repeat(9);
    let data = [Data::text(&format!("v=spf1 mx {again}-all"))];
    put(&mut observed, "example.org", RecordType::TXT, &data);
    put(&mut observed, "loop.example", RecordType::TXT, &data);
    assert_eq!(ids(&facts, &observed), ["spf-too-many-lookups"]);
    assert!(spf::included(&"include:x ".repeat(5000)).len() < 20);
}

#[test]
fn a_zone_that_is_not_found_is_told_once() {
    let facts = facts();
    let mut observed = right(&facts);
    observed.zones.remove("example.org");
    observed.seen.retain(|(name, _), _| name.ends_with(".arpa"));
    let why = "asking the resolver: no answer in time";
    observed.unknown.insert("example.org".into(), why.into());
    observed
        .unknown
        .insert("mail.example.org".into(), why.into());
    let found = diagnose(&facts, &records(&facts), &observed);
    let found: Vec<_> = found.iter().map(|f| (f.id, f.name.as_str())).collect();
    let wanted = ["example.org", "mail.example.org"].map(|name| ("zone-unknown", name));
    assert_eq!(found, wanted);
}

#[test]
fn reverse_names_are_what_the_resolver_says_if_nobody_else_does() {
    let facts = facts();
    let name = "10.113.0.203.in-addr.arpa";
    let mut observed = right(&facts);
    observed.zones.remove("113.0.203.in-addr.arpa");
    observed.unknown.insert(name.into(), "no answer".into());
    let mut with = |resolver: Option<Result<Answer, NoAnswer>>| {
        let key = (name.to_owned(), RecordType::PTR);
        let seen = observed.seen.get_mut(&key).unwrap();
        seen.servers.clear();
        seen.resolver = resolver;
        ids(&facts, &observed)
    };
    let ptr = |host: &str| answer(name, &[Data::Ptr(host.to_owned())]);
    assert_eq!(with(Some(Ok(ptr("mail.example.org")))), [""; 0]);
    assert_eq!(with(Some(Ok(ptr("a.example")))), ["ptr-unconfirmed"]);
    assert_eq!(with(Some(Ok(answer(name, &[])))), ["ptr-missing"]);
    let failed = Answer {
        status: Status::ServFail,
        ..answer(name, &[])
    };
    assert_eq!(with(Some(Ok(failed))), ["ptr-unknown"]);
    assert_eq!(with(Some(Err(NoAnswer::Timeout))), ["ptr-unknown"]);
    assert_eq!(with(None), ["ptr-unknown"]);
    // RFC 2317: the alias is there, what it leads to is not known
    let mut observed = right(&facts);
    let whole = answer("x.example", &[Data::Ptr("mail.example.org".into())]);
    put_alias(&mut observed, name, ["x.example"; 2], &whole);
    let key = (name.to_owned(), RecordType::PTR);
    observed.seen.get_mut(&key).unwrap().resolver = Some(Err(NoAnswer::Timeout));
    assert_eq!(ids(&facts, &observed), ["ptr-unknown"]);
}

#[test]
fn a_server_that_answers_at_one_address_is_not_silent() {
    let facts = facts();
    for (other, last, wanted) in [
        (
            "ns1.example",
            NoAnswer::Timeout,
            &["server-address-silent"][..],
        ),
        ("ns1.example", NoAnswer::Unreachable, &[]),
        ("ns3.example", NoAnswer::Timeout, &["server-silent"]),
        ("ns3.example", NoAnswer::Unreachable, &[]),
    ] {
        let mut observed = right(&facts);
        let key = ("example.org".to_owned(), RecordType::SOA);
        let seen = observed.seen.get_mut(&key).unwrap();
        seen.servers.push(asked(other, 3, Err(last)));
        let found = diagnose(&facts, &records(&facts), &observed);
        let shown: Vec<&str> = found.iter().map(|f| f.id).collect();
        assert_eq!(shown, wanted, "{other}");
        assert!(found.iter().all(|f| f.found[0].contains("192.0.2.3")));
    }
}
