//! There and back, onwards, and back because there is nobody.

use crate::{
    ALICE, ARRIVAL, BOB, CAROL, DAVE, Person, compare, fields, setting,
    world::{
        addresses::{Family, SENDER},
        appliance::SECOND_DOMAIN,
        client::{Port, Stored},
        message::Mail,
    },
};

const PEER: &str = "peer@example.com";

/// One user writes to one of the other server, who finds it unchanged and genuine.
fn writes(from: Person, to: Person, mail: &Mail) -> Stored {
    let setting = setting();
    setting.submits(from, mail);
    let stored = setting.arrives(to, ("Message-ID", &mail.id));
    assert_eq!(compare::difference(&mail.raw, &stored.raw), None);
    setting.assert_genuine(&stored, to, from.domain());
    let way = fields(&stored.raw, "Received").join("\n");
    for server in [from.server(), to.server()] {
        assert!(way.contains(server), "{way}");
    }
    let back = fields(&stored.raw, "Return-Path");
    assert!(back.contains(&format!("<{}>", from.address())), "{back:?}");
    stored
}

#[test]
fn mail_goes_both_ways_and_is_answered() {
    let setting = setting();
    for (name, from, to) in [
        ("there", ALICE, CAROL),
        ("back", CAROL, BOB),
        ("second-domain", BOB, DAVE),
    ] {
        let mail = Mail::new(from.address(), to.address(), &format!("pair-{name}"));
        writes(from, to, &mail);
    }
    // carol is known to have been written to by alice
    let question = "<pair-there@example.org>";
    let answer = Mail::new(CAROL.address(), ALICE.address(), "pair-answer")
        .without("Subject")
        .with("References", question)
        .with("In-Reply-To", question)
        .with("Subject", "Re: pair-there");
    let stored = writes(CAROL, ALICE, &answer);
    for field in ["In-Reply-To", "References"] {
        assert_eq!(fields(&stored.raw, field), [question]);
    }
    let judged = "journalctl --no-pager -u rspamd --output=cat --grep 'id: <pair-answer@'";
    let judged = setting.machine(ALICE.place).run(judged).unwrap();
    assert!(judged.contains("KNOWN_CORRESPONDENT"), "{judged}");
    assert!(judged.contains("REPLY("), "{judged}");
}

/// An address of the second appliance that leads elsewhere.
fn leads_to(alias: &str, target: &str) {
    let command = format!("mailctl alias add {alias} {target}");
    setting().machine(CAROL.place).run(&command).unwrap();
}

#[test]
fn an_alias_that_leads_to_the_other_one_passes_there() {
    let setting = setting();
    let alias = format!("onwards@{SECOND_DOMAIN}");
    leads_to(&alias, ALICE.address());
    let mail = Mail::new(PEER, &alias, "pair-onwards");
    let mail = setting.world.sign(mail).unwrap();
    let sender = setting.world.client(SENDER, Family::V4);
    let sender = sender.to(CAROL.place.address(Family::V4));
    sender.deliver_patiently(&mail, ARRIVAL).unwrap();
    let stored = setting.arrives(ALICE, ("Message-ID", &mail.id));
    assert_eq!(compare::difference(&mail.raw, &stored.raw), None);
    let back = fields(&stored.raw, "Return-Path");
    let is_ours = |value: &String| {
        value.starts_with("<SRS0=")
            && value.ends_with(&format!("=example.com=peer@{SECOND_DOMAIN}>"))
    };
    assert!(back.iter().any(is_ours), "{back:?}");
    // SPF by the return address of the alias's domain; the first sender's signature has not suffered
    let verdict = crate::verdict(&stored.raw, ALICE.server()).unwrap();
    for result in ["spf=pass", "dkim=pass", "dmarc=pass"] {
        assert!(verdict.contains(result), "{verdict}");
    }
    let chain = setting.world.verify_arc(&stored.raw).unwrap();
    assert_eq!(chain.verdict, "pass", "{chain:?}");
    assert_eq!(chain.domains, ["example.org", SECOND_DOMAIN], "{chain:?}");
}

/// The bounce about `mail` in a person's inbox.
fn bounce(person: Person, about: &Mail, from: &str) -> Stored {
    // a bounce's own subject is the same for all: it is known by what it is about
    let deadline = std::time::Instant::now() + ARRIVAL;
    loop {
        let client = setting().program_of(person);
        let inbox = client.fetch(person.login, "INBOX").unwrap();
        let is_it = |stored: &&Stored| {
            let text = String::from_utf8_lossy(&stored.raw);
            let from_daemon = fields(&stored.raw, "From").join("").to_lowercase();
            from_daemon.contains("mailer-daemon") && text.contains(&about.id)
        };
        let found: Vec<&Stored> = inbox.iter().filter(is_it).collect();
        if let [one] = found[..] {
            let way = fields(&one.raw, "Received").join("\n");
            assert!(way.contains(from), "{way}");
            return one.clone();
        }
        assert!(found.is_empty(), "more than one bounce");
        let late = std::time::Instant::now() > deadline;
        assert!(!late, "no bounce about {}", about.id);
        setting().hurry();
        std::thread::sleep(std::time::Duration::from_secs(5));
    }
}

#[test]
fn who_writes_to_nobody_is_told() {
    let nobody = format!("nobody@{SECOND_DOMAIN}");
    let mail = Mail::new(ALICE.address(), &nobody, "pair-nobody");
    setting().submits(ALICE, &mail);
    // alice's own server says so: the other one has not taken it
    let told = bounce(ALICE, &mail, ALICE.server());
    let text = String::from_utf8_lossy(&told.raw);
    for part in ["550", nobody.as_str()] {
        assert!(text.contains(part), "{text}");
    }
    let way = fields(&told.raw, "Received").join("\n");
    assert!(!way.contains(CAROL.server()), "{way}");
}

#[test]
fn who_writes_to_an_alias_that_leads_to_nobody_is_told_by_the_aliass_server() {
    let alias = format!("astray@{SECOND_DOMAIN}");
    leads_to(&alias, "nobody@example.org");
    let mail = Mail::new(BOB.address(), &alias, "pair-astray");
    setting().submits(BOB, &mail);
    let told = bounce(BOB, &mail, CAROL.server());
    let text = String::from_utf8_lossy(&told.raw);
    assert!(text.contains("550"), "{text}");
    // and it is genuine: it comes in the server's own name, which SPF speaks for, and no key of a mail
    // domain
    let verdict = crate::verdict(&told.raw, BOB.server()).unwrap();
    for result in ["spf=pass", "dmarc=pass"] {
        assert!(verdict.contains(result), "{verdict}");
    }
}

#[test]
fn a_message_goes_to_both_servers_at_once_and_is_the_same_on_both() {
    let setting = setting();
    let mut mail = Mail::new(DAVE.address(), CAROL.address(), "pair-both");
    mail.envelope_to = [CAROL, ALICE, BOB].map(|p| p.address().to_owned()).to_vec();
    setting.submits(DAVE, &mail);
    let copies = [CAROL, ALICE, BOB].map(|p| setting.arrives(p, ("Message-ID", &mail.id)));
    for stored in &copies {
        assert_eq!(compare::difference(&mail.raw, &stored.raw), None);
    }
    for (person, stored) in [ALICE, BOB].into_iter().zip(&copies[1..]) {
        setting.assert_genuine(stored, person, DAVE.domain());
    }
}

#[test]
fn a_server_takes_no_mail_for_the_other_one() {
    let setting = setting();
    // a stranger, and a user of the other one who is none here
    let mail = Mail::new(PEER, CAROL.address(), "pair-relay");
    let stranger = setting.world.client(SENDER, Family::V6);
    let talk = stranger.send(Port::Smtp, None, &mail).unwrap();
    assert_eq!(talk.last().unwrap().code, 550, "{talk:#?}");
    let client = setting.world.client(21, Family::V6);
    let talk = client
        .send(Port::Submissions, Some(CAROL.login), &mail)
        .unwrap();
    assert_eq!(talk.last().unwrap().code, 535, "{talk:#?}");
}
