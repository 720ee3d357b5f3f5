//! What must not work.

use serde_json::json;

use crate::{
    ehlo, named, together,
    world::{
        addresses::{FAMILIES, Family, HOSTNAME, appliance, mx},
        appliance::{ALICE, ALICE_ALIAS, BOB},
        client::{Port, SUBMISSION, Step, Talk},
        message::Mail,
    },
};

const PEER: &str = "peer@example.com";

fn for_good(code: u16) -> bool {
    (500..600).contains(&code)
}

/// The last answer refuses for good, and is to `step`.
fn assert_refused(talk: &Talk, step: &str) {
    let reply = talk.last().unwrap();
    assert!(for_good(reply.code), "{talk:#?}");
    assert!(reply.step.starts_with(step), "{talk:#?}");
}

#[test]
fn a_wrong_password() {
    let (setting, _guard) = together();
    let nobody = ("nobody@example.org", ALICE.1);
    let wrong = (ALICE.0, "wood stapler under the snow");
    let empty = (ALICE.0, "");
    for (number, login) in [
        (40, nobody),
        (41, wrong),
        (42, empty),
        (43, (ALICE.0, BOB.1)),
    ] {
        for port in SUBMISSION {
            for step in [Step::Plain(login), Step::LoginWords(login)] {
                let client = setting.world.client(number, Family::V4);
                let talk = client.encrypted(port, &[step]).unwrap();
                assert_refused(&talk, "AUTH");
                assert!(talk.replies.iter().all(|r| r.code != 235), "{talk:#?}");
            }
        }
        let client = setting.world.client(number, Family::V6);
        let result = client.imap(login, json!([])).unwrap();
        let answer = result.login.clone().unwrap_or_default();
        assert!(answer.starts_with("NO"), "{result:?}");
    }
}

#[test]
fn a_login_without_tls() {
    let (setting, _guard) = together();
    for family in FAMILIES {
        for port in [25, 587] {
            for step in [Step::Plain(ALICE), Step::LoginWords(ALICE)] {
                let client = setting.world.client(44, family);
                let steps = [Step::line(ehlo(44)), step];
                let talk = client.talk(port, false, &steps).unwrap();
                let offered = &talk.reply("EHLO").unwrap().text;
                assert!(!offered.contains("AUTH"), "{talk:#?}");
                assert!(offered.contains("STARTTLS"), "{talk:#?}");
                assert_refused(&talk, "AUTH");
            }
        }
    }
}

#[test]
fn a_submission_without_a_login() {
    let (setting, _guard) = together();
    for port in SUBMISSION {
        for (from, to) in [
            (ALICE.0, PEER),
            (PEER, ALICE.0),
            (ALICE.0, BOB.0),
            ("", PEER),
        ] {
            let mail = Mail::new(ALICE.0, to, "refused-no-login").envelope_from(from);
            let client = setting.world.client(45, Family::V6);
            let talk = client.send(port, None, &mail).unwrap();
            let reply = talk.last().unwrap();
            assert!(for_good(reply.code), "{talk:#?}");
            assert_ne!(reply.step, "message", "known before the message: {talk:#?}");
        }
    }
    let client = setting.world.client(45, Family::V4);
    let steps = [
        Step::line(ehlo(45)),
        Step::line("MAIL FROM:<alice@example.org>"),
    ];
    let talk = client.talk(587, false, &steps).unwrap();
    assert_refused(&talk, "MAIL");
}

#[test]
fn relaying_for_strangers() {
    let (setting, _guard) = together();
    let v4 = appliance(Family::V4);
    let outside = mx(Family::V4);
    let to = [
        "victim@example.com".to_owned(),
        "victim%example.com@example.org".to_owned(),
        format!("victim%example.com@{HOSTNAME}"),
        format!("victim%example.com@[{v4}]"),
        "victim%example.com".to_owned(),
        "\"victim@example.com\"".to_owned(),
        "\"victim@example.com\"@example.org".to_owned(),
        "\"victim%example.com\"@example.org".to_owned(),
        "victim@example.com@example.org".to_owned(),
        "example.com!victim".to_owned(),
        "example.com!victim@example.org".to_owned(),
        format!("@{HOSTNAME}:victim@example.com"),
        "@example.org,@example.net:victim@example.com".to_owned(),
        format!("victim@[{outside}]"),
        format!("victim@[IPv6:{}]", mx(Family::V6)),
        "victim@localhost".to_owned(),
    ];
    let from = [
        "spam@example.com".to_owned(),
        String::new(),
        ALICE.0.to_owned(),
        format!("postmaster@{HOSTNAME}"),
        "root@localhost".to_owned(),
        "root".to_owned(),
        format!("spam@[{v4}]"),
    ];
    let mut number = 46;
    for family in FAMILIES {
        for from in &from {
            // every sender is somebody else, so that no limit on errors hides an answer
            number += 1;
            let mut steps = Vec::new();
            for to in &to {
                steps.push(Step::line("RSET"));
                steps.push(Step::line(format!("MAIL FROM:<{from}>")));
                steps.push(Step::line(format!("RCPT TO:<{to}>")));
            }
            let client = setting.world.client(number, family);
            let talk = client.encrypted(Port::Smtp, &steps).unwrap();
            for to in &to {
                let reply = talk.reply(&format!("RCPT TO:<{to}>")).unwrap();
                assert!(for_good(reply.code), "from <{from}>: {reply:?}");
            }
        }
    }
    let attempts = setting.world.mx().attempts().unwrap();
    let victims = attempts
        .iter()
        .filter(|a| a.to.iter().any(|to| to.contains("victim")));
    assert_eq!(victims.count(), 0, "{attempts:#?}");
}

#[test]
fn a_forged_envelope_after_login() {
    let (setting, _guard) = together();
    for port in SUBMISSION {
        for from in [BOB.0, "nobody@example.org", PEER, "alice@example.net"] {
            let name = format!("refused-envelope-{}-{from}", named(port, Family::V4));
            let mail = Mail::new(ALICE.0, PEER, &name).envelope_from(from);
            let client = setting.world.client(61, Family::V4);
            let talk = client.send(port, Some(ALICE), &mail).unwrap();
            talk.reply("AUTH").unwrap();
            let reply = talk.last().unwrap();
            assert!(for_good(reply.code), "{talk:#?}");
            assert_ne!(reply.step, "message", "known before the message: {talk:#?}");
            assert!(!setting.world.mx().has(&name).unwrap());
        }
    }
}

#[test]
fn a_forged_from_after_login() {
    let (setting, _guard) = together();
    for port in SUBMISSION {
        for (number, from) in [
            BOB.0,
            "nobody@example.org",
            PEER,
            "\"alice@example.org\" <bob@example.net>",
            "alice@example.org, bob@example.net",
            "Group: bob@example.net;",
        ]
        .into_iter()
        .enumerate()
        {
            let name = format!("refused-from-{}-{number}", named(port, Family::V6));
            let mail = Mail::new(ALICE.0, PEER, &name)
                .without("From")
                .with("From", from);
            let client = setting.world.client(62, Family::V6);
            let talk = client.send(port, Some(ALICE), &mail).unwrap();
            assert_refused(&talk, "message");
            assert!(!setting.world.mx().has(&name).unwrap());
        }
        // two of them: which one a reader sees is anybody's guess
        let name = format!("refused-from-{}-twice", named(port, Family::V6));
        let mail = Mail::new(ALICE.0, PEER, &name).with("From", BOB.0);
        let client = setting.world.client(62, Family::V6);
        let talk = client.send(port, Some(ALICE), &mail).unwrap();
        assert_refused(&talk, "message");
    }
}

#[test]
fn a_field_twice_that_may_be_there_once() {
    let (setting, _guard) = together();
    // the last one is no field for rspamd, and one for others
    for (number, name, spelled) in [
        (0, "Subject", "subject"),
        (1, "To", "To"),
        (2, "Subject", "Subject "),
    ] {
        let id = format!("refused-two-{number}");
        let mail = Mail::new(ALICE.0, PEER, &id).with(spelled, "bob@example.net");
        let client = setting.world.client(62, Family::V6);
        let talk = client.send(Port::Submissions, Some(ALICE), &mail).unwrap();
        assert_refused(&talk, "message");
        let text = &talk.last().unwrap().text;
        assert!(text.contains(&format!("two {name} fields")), "{talk:#?}");
    }
}

#[test]
fn a_from_of_ones_own_in_every_spelling_is_not_forged() {
    let (setting, _guard) = together();
    for (number, from) in [
        "Alice <alice@example.org>",
        "Alice@Example.Org",
        "alice+shop@example.org",
        "\"Bob <bob@example.net>\" <alice@example.org>",
        &format!("Al <{ALICE_ALIAS}>"),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("own-from-{number}");
        let mail = Mail::new(ALICE.0, PEER, &name)
            .without("From")
            .with("From", from);
        let client = setting.world.client(63, Family::V4);
        client
            .deliver(Port::Submissions, Some(ALICE), &mail)
            .unwrap();
    }
}

#[test]
fn a_mail_that_quotes_another_is_not_forged() {
    let (setting, _guard) = together();
    let mail = Mail::new(ALICE.0, PEER, "quoting-others")
        .line("From: Somebody Else <else@example.com>")
        .line("To: alice@example.org")
        .line("")
        .line("From: And Another <another@example.com>");
    let client = setting.world.client(63, Family::V4);
    client
        .deliver(Port::Submissions, Some(ALICE), &mail)
        .unwrap();
}

#[test]
fn gtube() {
    let (setting, _guard) = together();
    let line = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";
    let mail = Mail::new(PEER, ALICE.0, "refused-gtube").line(line);
    let mail = setting.world.sign(mail).unwrap();
    for family in FAMILIES {
        let sender = setting.sender(family);
        let talk = sender.send(Port::Smtp, None, &mail).unwrap();
        assert_refused(&talk, "message");
    }
    let reader = setting.reader();
    for folder in ["INBOX", "Junk"] {
        let there = reader.fetch(ALICE, folder).unwrap();
        assert!(
            !there
                .iter()
                .any(|m| String::from_utf8_lossy(&m.raw).contains("GTUBE"))
        );
    }
}
