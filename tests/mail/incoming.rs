//! What comes from outside, as its reader finds it over IMAPS.

use crate::{
    ARRIVAL, PATIENCE, together,
    world::{
        addresses::{FAMILIES, Family, HOSTNAME},
        appliance::{ALICE, ALICE_ALIAS, BOB, BOTH},
        client::{Port, Step},
        message::{Mail, body, headers},
    },
};

const PEER: &str = "peer@example.com";

/// What the server itself says about a message.
fn verdict(raw: &[u8]) -> String {
    let own: Vec<String> = headers(raw, "Authentication-Results")
        .into_iter()
        .filter(|value| value.starts_with(HOSTNAME))
        .collect();
    assert_eq!(own.len(), 1, "{}", String::from_utf8_lossy(raw));
    own[0].clone()
}

#[test]
fn genuine_mail_is_read_as_it_was_sent_and_judged_so() {
    let (setting, _guard) = together();
    for family in FAMILIES {
        let mail = Mail::new(PEER, ALICE.0, &format!("in-genuine-{family:?}"));
        let mail = setting.world.sign(mail).unwrap();
        setting
            .sender(family)
            .deliver_patiently(&mail, PATIENCE)
            .unwrap();
        let stored = setting.find(&mail, ALICE, "INBOX");
        assert_eq!(body(&stored.raw), body(&mail.raw));
        let verdict = verdict(&stored.raw);
        for result in ["spf=pass", "dkim=pass", "dmarc=pass"] {
            assert!(verdict.contains(result), "{verdict}");
        }
        let received = headers(&stored.raw, "Received").join("\n");
        assert!(received.contains(HOSTNAME), "{received}");
    }
}

#[test]
fn forged_mail_is_judged_so_and_its_own_verdict_not_believed() {
    let (setting, _guard) = together();
    // example.com's own policy is only to be told
    let forged = format!("{HOSTNAME}; spf=pass; dkim=pass; dmarc=pass");
    let mail = Mail::new(PEER, ALICE.0, "in-forged").with("Authentication-Results", &forged);
    setting
        .world
        .client(30, Family::V4)
        .deliver_patiently(&mail, PATIENCE)
        .unwrap();
    let stored = setting.find(&mail, ALICE, "INBOX");
    let verdict = verdict(&stored.raw);
    assert!(verdict.contains("spf=fail"), "{verdict}");
    for result in ["spf=pass", "dkim=pass", "dmarc=pass"] {
        assert!(!verdict.contains(result), "{verdict}");
    }
}

#[test]
fn a_changed_message_has_no_valid_signature() {
    let (setting, _guard) = together();
    let mail = Mail::new(PEER, BOB.0, "in-changed");
    let mail = setting.world.sign(mail).unwrap().line("added on the way");
    setting
        .sender(Family::V6)
        .deliver_patiently(&mail, PATIENCE)
        .unwrap();
    let stored = setting.find(&mail, BOB, "INBOX");
    let verdict = verdict(&stored.raw);
    assert!(verdict.contains("dkim=fail"), "{verdict}");
    assert!(verdict.contains("spf=pass"), "{verdict}");
}

#[test]
fn spam_is_put_into_junk() {
    let (setting, _guard) = together();
    // neither GTUBE nor a word list: a message that lacks what every honest one has, from an
    // address that the domain's SPF record denies
    let mail = Mail::new(PEER, ALICE.0, "in-junk")
        .without("Date")
        .without("Message-ID")
        .without("Subject")
        .without("To")
        .with("X-Test", "in-junk");
    setting
        .world
        .client(31, Family::V4)
        .deliver_patiently(&mail, PATIENCE)
        .unwrap();
    let header = ("X-Test", "in-junk");
    let reader = setting.reader();
    let found = reader
        .wait_for_mail(ALICE, "Junk", header, ARRIVAL)
        .unwrap();
    assert_eq!(found.len(), 1);
    let inbox = reader.fetch(ALICE, "INBOX").unwrap();
    let in_inbox = |m: &crate::world::client::Stored| headers(&m.raw, "X-Test") == ["in-junk"];
    assert!(!inbox.iter().any(in_inbox));
}

#[test]
fn role_addresses_reach_the_postmaster() {
    let (setting, _guard) = together();
    for to in [
        "postmaster@example.org",
        "abuse@example.org",
        "Postmaster@Example.NET",
        "webmaster@example.net",
    ] {
        let name = format!("in-role-{}", to.replace('@', "-at-"));
        setting.arrives(Mail::new(PEER, to, &name), ALICE, "INBOX");
    }
}

#[test]
fn a_postmaster_without_a_domain_is_one() {
    let (setting, _guard) = together();
    // RFC 5321, section 4.5.1
    let mail = Mail::new(PEER, "postmaster@example.org", "in-bare-postmaster");
    let mail = mail.envelope_to("Postmaster");
    setting.arrives(mail, ALICE, "INBOX");
}

#[test]
fn further_addresses_and_plus_addresses_reach_their_user() {
    let (setting, _guard) = together();
    for (number, to) in [ALICE_ALIAS, "alice+shop@example.org", "ALICE@EXAMPLE.ORG"]
        .into_iter()
        .enumerate()
    {
        let name = format!("in-address-{number}");
        setting.arrives(Mail::new(PEER, to, &name), ALICE, "INBOX");
    }
}

#[test]
fn an_alias_reaches_all_it_names() {
    let (setting, _guard) = together();
    let mail = Mail::new(PEER, BOTH, "in-both");
    setting.arrives(mail.clone(), ALICE, "INBOX");
    setting.find(&mail, BOB, "INBOX");
}

#[test]
fn who_does_not_exist_is_refused_at_once() {
    let (setting, _guard) = together();
    let steps = [
        Step::line(format!("MAIL FROM:<{PEER}>")),
        Step::line("RCPT TO:<nobody@example.org>"),
        Step::line("RCPT TO:<alice@example.net>"),
    ];
    let sender = setting.sender(Family::V4);
    let talk = sender.encrypted(Port::Smtp, &steps).unwrap();
    for address in ["nobody@example.org", "alice@example.net"] {
        let reply = talk.reply(&format!("RCPT TO:<{address}>")).unwrap();
        assert_eq!(reply.code, 550, "{talk:#?}");
    }
}
