//! A machine whose addresses others translate.

use super::*;

const NAMED: &str = "203.0.113.10 is called mail.example.org, which leads back to it.";
const NOWHERE: &str = "Address missing: mail.example.org. A with the public IPv4 address; this machine \
                       has only a private one.";
const LATER: &str = "PTR: looked at when the address is there.";

/// A cloud that translates IPv4, and gives IPv6 addresses that everybody sees.
fn cloud(named: bool) -> Seen {
    let mut seen = well(&["10.0.0.5", "2001:db8::10"]);
    seen.translated = Some(Ok(named));
    let ipv4 = match named {
        true => NAMED,
        false => "There is no public IPv4 address here.",
    };
    seen.findings.push(Finding::ok(Area::Ptr, "ipv4", ipv4));
    seen
}

/// A machine without IPv6 behind an address that the name leads to.
fn behind() -> Seen {
    let mut seen = well(&["10.0.0.5"]);
    seen.translated = Some(Ok(true));
    seen.findings.extend([
        Finding::ok(Area::Nat, "name", "mail.example.org leads here."),
        Finding::ok(Area::Ptr, "ipv4", NAMED),
    ]);
    seen
}

/// Puts something else in the place of what was found in an area.
fn instead(seen: &mut Seen, finding: Finding) {
    seen.findings.retain(|f| f.area != finding.area);
    seen.findings.push(finding);
}

#[test]
fn ipv6_does_not_stand_for_ipv4() {
    let found = guide(&cloud(false));
    assert_eq!(
        said(&found, "Address"),
        (State::Missing, NOWHERE.to_owned())
    );
    assert_eq!(said(&found, "PTR"), (State::Waits, LATER.to_owned()));
    assert!(!guide(&cloud(true)).is_open());
    assert!(!guide(&behind()).is_open());
    // somebody has published the other family alone
    let mut seen = behind();
    seen.translated = Some(Ok(false));
    assert_eq!(guide(&seen).state_of("Address"), Some(State::Missing));
}

#[test]
fn of_both_families_the_worse_is_told_first() {
    let mut seen = cloud(false);
    let report = seen.dns.as_mut().unwrap();
    let server = report.list.iter().filter(|r| r.domain.is_none());
    report.findings = server.filter_map(absent).collect();
    let found = guide(&seen);
    let address = format!("Address missing: mail.example.org. AAAA 2001:db8::10\n{NOWHERE}");
    assert_eq!(said(&found, "Address"), (State::Missing, address));
    let reverse = format!(
        "PTR missing: have the provider call 2001:db8::10 mail.example.org, often 'reverse DNS' in \
         its panel.\n{LATER}"
    );
    assert_eq!(said(&found, "PTR"), (State::Missing, reverse));

    let report = seen.dns.as_mut().unwrap();
    report.findings = vec![fault("resolver-old", "mail.example.org", "AAAA", &[])];
    let address =
        format!("{NOWHERE}\nAddress is published, and not yet seen everywhere: it comes.");
    assert_eq!(said(&guide(&seen), "Address"), (State::Missing, address));
}

#[test]
fn another_name_is_as_wrong_as_without_translation() {
    let text = "PTR: 203.0.113.10 is called mx.example.net, not mail.example.org. Set it.";
    for mut seen in [cloud(true), behind()] {
        let reason = "203.0.113.10 is called mx.example.net, not mail.example.org.";
        instead(
            &mut seen,
            Finding::warning(Area::Ptr, "ipv4", reason, "Set it."),
        );
        let found = guide(&seen);
        assert_eq!(found.state_of("Address"), Some(State::Right));
        assert_eq!(said(&found, "PTR"), (State::Wrong, text.to_owned()));
    }
}

#[test]
fn what_is_not_known_has_a_reason() {
    let unknown = |text: &str| (State::Unknown, text.to_owned());
    let lost = || Finding::unknown(Area::Ptr, "", "no answer in time");
    for mut seen in [cloud(true), behind()] {
        instead(&mut seen, lost());
        let found = guide(&seen);
        assert_eq!(found.state_of("Address"), Some(State::Right));
        let reverse = unknown("PTR is not known: no answer in time");
        assert_eq!(said(&found, "PTR"), reverse);
    }
    let mut seen = behind();
    instead(
        &mut seen,
        Finding::unknown(Area::Nat, "", "ip cannot be run"),
    );
    let mut other = cloud(true);
    other.translated = Some(Err("ip cannot be run\nmore".to_owned()));
    for seen in [seen, other] {
        let found = guide(&seen);
        let address = unknown("Address is not known: ip cannot be run");
        assert_eq!(said(&found, "Address"), address);
        let reverse = unknown("PTR is not known: neither is the address.");
        assert_eq!(said(&found, "PTR"), reverse);
        // a look at which the DNS did not answer at all has left none
        let mut dead = well(&PUBLIC);
        dead.dns = Err("nothing could be compared: no answer".to_owned());
        let after = pace::settle(Some(guide(&dead)), steps(&seen), super::at(2_000));
        assert_eq!(said(&after, "Address"), address);
    }
}
