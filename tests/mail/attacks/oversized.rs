//! Too much of everything: each ends in a clear answer, and nobody else notices.

use std::thread;

use super::{PEER, Watch, holding, offered, processes, taken};
use crate::{
    ARRIVAL, alone, ehlo, eventually, together,
    world::{
        addresses::{FAMILIES, Family, appliance},
        appliance::ALICE,
        client::{Client, Step, Talk},
        message::{Mail, body},
    },
};

/// In the clear: the answers are the same, and a reset in the middle of it loses none.
fn say(client: &Client<'_>, number: u8, more: &[Step<'_>]) -> Talk {
    let mut steps = vec![Step::line(ehlo(number)).must()];
    steps.extend_from_slice(more);
    client.talk(25, false, &steps).unwrap()
}

/// A transaction, up to the answer to DATA.
fn begun<'s>() -> Vec<Step<'s>> {
    vec![
        Step::line(format!("MAIL FROM:<{PEER}>")).must(),
        Step::line(format!("RCPT TO:<{}>", ALICE.0)).must(),
        Step::line("DATA").must(),
    ]
}

/// A message as it goes over the wire, without its end.
fn stuffed(mail: &Mail) -> Vec<u8> {
    let text = String::from_utf8(mail.raw.clone()).unwrap();
    text.replace("\r\n.", "\r\n..").into_bytes()
}

/// An answer without bytes of one's own before it.
fn answer<'s>() -> Step<'s> {
    Step::Raw(Vec::new())
}

/// The last two answers: a refusal for good, and the end of the session.
fn refused_and_closed(talk: &Talk, what: &str) {
    let story = || format!("{what}: {}", talk.story());
    let [.., reply, rest] = &talk.replies[..] else {
        panic!("{}", story());
    };
    assert_eq!(
        (reply.step.as_str(), reply.code),
        ("raw", 500),
        "{}",
        story()
    );
    assert!(reply.text.contains("too long"), "{}", story());
    // what was on its way when it closed is answered by a reset
    assert!(rest.step.starts_with("rest: "), "{}", story());
    assert_ne!(rest.step, "rest: silent", "{}", story());
    assert_eq!(rest.text, "", "{}", story());
}

#[test]
fn long_commands() {
    let (setting, _guard) = together();
    let watch = Watch::begin(setting, "long-commands");
    for family in FAMILIES {
        let client = setting.world.client(17, family).impatient(120);
        // as long as smtpd has room for, each answered, and the session goes on
        let user = "u".repeat(1900);
        let lines = [
            format!("NOOP {}", "n".repeat(1995)),
            format!("MAIL FROM:<{user}@example.com>"),
            format!("MAIL FROM:<{PEER}> SIZE={}", "9".repeat(1900)),
            "RSET".to_owned(),
            format!("MAIL FROM:<{PEER}> BODY={}", "B".repeat(1900)),
            "RSET".to_owned(),
            format!("MAIL FROM:<{PEER}>"),
            format!("RCPT TO:<{user}@example.org>"),
            format!("RCPT TO:<{}> {}", ALICE.0, "o".repeat(1900)),
            "x".repeat(2000),
        ];
        let mut steps: Vec<Step<'_>> = Vec::new();
        for line in lines {
            steps.push(Step::line(line));
        }
        // without an end nothing is said, with it the same
        steps.push(Step::Send(b"NOOP 234567".repeat(180), 1));
        steps.push(Step::Rest(3));
        steps.push(Step::Raw(b"\r\n".to_vec()));
        steps.push(Step::line("QUIT"));
        let talk = say(&client, 17, &steps);
        let last = talk.last().unwrap();
        assert_eq!(
            (last.step.as_str(), last.code),
            ("QUIT", 221),
            "{}",
            talk.story()
        );
        for reply in &talk.replies[2..] {
            let known = [221, 250, 500, 501, 503, 550, 552, 553];
            let silent = reply.step == "rest: silent" && reply.text.is_empty();
            assert!(silent || known.contains(&reply.code), "{}", talk.story());
        }
        // and longer ones: 100,000 bytes, with an end and without
        for start in ["NOOP ", "EHLO ", "MAIL FROM:<", "AUTH PLAIN ", ""] {
            for (length, end) in [(2500, "\r\n"), (100_000, "\r\n"), (100_000, "")] {
                let line = format!("{start}{}{end}", "x".repeat(length));
                let steps = [Step::Send(line.into_bytes(), 1), answer(), Step::Rest(20)];
                let talk = say(&client, 17, &steps);
                refused_and_closed(&talk, &format!("{start} {length} {end:?}"));
            }
        }
    }
    watch.end(setting, Family::V4);
}

#[test]
fn lines_of_a_message_that_are_too_long() {
    let (setting, _guard) = together();
    let watch = Watch::begin(setting, "too-long-lines");
    for family in FAMILIES {
        let client = setting.world.client(18, family).impatient(120);
        for (head, length) in [(true, 100_000), (true, 1_000_000), (false, 1_000_000)] {
            let name = format!("long-line-{head}-{length}-{family:?}");
            let mail = Mail::new(PEER, ALICE.0, &name);
            let long = "x".repeat(length);
            let mail = match head {
                true => mail.with("X-Long", &long),
                false => mail.line(&long),
            };
            let mut steps = begun();
            steps.extend([Step::Send(stuffed(&mail), 1), answer(), Step::Rest(20)]);
            refused_and_closed(&say(&client, 18, &steps), &name);
        }
        // smtpd would take it, but not back from the filter
        let mail = Mail::new(PEER, ALICE.0, &format!("long-line-filter-{family:?}"));
        let mail = mail.line(&"x".repeat(65_500));
        let (talk, code) = offered(setting, family, &mail);
        assert_eq!(code, 554, "{}", talk.story());
    }
    watch.end(setting, Family::V6);
    assert!(holding(setting, "<long-line-").is_empty());
}

#[test]
fn long_lines_that_are_taken_arrive_as_they_were_sent() {
    let (setting, _guard) = together();
    for (number, length) in [998, 1000, 10_000, 65_000].into_iter().enumerate() {
        let family = FAMILIES[number % 2];
        let mail = Mail::new(PEER, ALICE.0, &format!("body-line-{length}"));
        // such a line that begins with a dot has one more on its way
        let mail = mail.line(&"x".repeat(length));
        let mail = mail.line(&format!(".{}", "y".repeat(length - 1)));
        let mail = setting.world.sign(mail).unwrap();
        let sender = setting.sender(family);
        sender.deliver_patiently(&mail, crate::PATIENCE).unwrap();
        let stored = taken(setting, &mail);
        assert!(body(&stored.raw) == body(&mail.raw), "{length} has changed");
    }
}

#[test]
fn a_size_that_is_announced() {
    let (setting, _guard) = together();
    for family in FAMILIES {
        let client = setting.world.client(32, family).impatient(120);
        let sizes = [
            "52428801",
            "999999999999",
            "99999999999999999999999",
            "-1",
            "x",
            "",
        ];
        let mut steps = Vec::new();
        for size in sizes {
            steps.push(Step::line(format!("MAIL FROM:<{PEER}> SIZE={size}")));
            steps.push(Step::line("RSET"));
        }
        let talk = say(&client, 32, &steps);
        for reply in &talk.replies[2..] {
            let clear = reply.code == 250 || (500..600).contains(&reply.code);
            assert!(clear, "{}", talk.story());
        }
        assert_eq!(talk.last().unwrap().code, 250, "{}", talk.story());
        // what is announced too large and is not: refused, or taken as the one message it is
        let mail = Mail::new(PEER, ALICE.0, &format!("announced-{family:?}"));
        let mail = setting.world.sign(mail).unwrap();
        let steps = [
            Step::line(format!("MAIL FROM:<{PEER}> SIZE=999999999999")).must(),
            Step::line(format!("RCPT TO:<{}>", ALICE.0)).must(),
            Step::Data(mail.raw.clone()),
        ];
        let talk = say(&setting.sender(family), 1, &steps);
        let last = talk.last().unwrap();
        assert!(last.code == 250 || last.code >= 400, "{}", talk.story());
        if last.code == 250 {
            taken(setting, &mail);
        }
    }
}

/// Begins a message and sends that many megabytes of it, in lines.
fn megabytes<'s>(name: &str, count: usize) -> Vec<Step<'s>> {
    let head = stuffed(&Mail::new(PEER, ALICE.0, name));
    let line = [&[b'm'; 998][..], b"\r\n"].concat();
    let mut steps = begun();
    steps.extend([
        Step::Send(head, 1),
        Step::Send(line.repeat(1000), count),
        Step::Raw(b".\r\n".to_vec()),
        Step::line("RSET"),
        Step::line("QUIT"),
    ]);
    steps
}

/// The message is refused, and the session goes on.
fn too_large(talk: &Talk) {
    assert_eq!(talk.last().unwrap().code, 221, "{}", talk.story());
    let reply = talk.reply("raw").unwrap();
    // put off where it could not be judged in time, which comes before its size
    assert!([451, 552, 554].contains(&reply.code), "{}", talk.story());
    assert_eq!(talk.reply("RSET").unwrap().code, 250, "{}", talk.story());
}

#[test]
fn more_than_the_limit_that_is_not_announced() {
    let (setting, _guard) = together();
    let watch = Watch::begin(setting, "too-large");
    let client = setting.world.client(33, Family::V4);
    too_large(&say(&client, 33, &megabytes("too-large", 54)));
    // more of it is more work, and no more memory
    let client = setting.world.client(33, Family::V6);
    too_large(&say(&client, 33, &megabytes("far-too-large", 120)));
    watch.end(setting, Family::V4);
    assert!(holding(setting, "too-large@").is_empty());
}

#[test]
fn full_ten_messages_of_the_largest_size_at_once() {
    // nobody else's messages are in what is measured, and smtpd is started anew afterwards: what it
    // has once had, it keeps
    let (setting, _guard) = alone();
    let watch = Watch::begin(setting, "large-at-once");
    let talks: Vec<Talk> = thread::scope(|scope| {
        let all: Vec<_> = (0..10)
            .map(|number| {
                scope.spawn(move || {
                    let client = setting.world.client(34, FAMILIES[number % 2]);
                    say(&client, 34, &megabytes(&format!("at-once-{number}"), 54))
                })
            })
            .collect();
        all.into_iter().map(|talk| talk.join().unwrap()).collect()
    });
    let now = processes(setting);
    setting.appliance.run("systemctl restart smtpd").unwrap();
    let address = appliance(Family::V4);
    eventually("smtpd", ARRIVAL, || {
        setting.world.is_open(address, 465).unwrap().then_some(())
    });
    watch.judge(setting, &now);
    talks.iter().for_each(too_large);
    let mail = Mail::new(PEER, ALICE.0, "after-large-at-once");
    setting.arrives(mail, ALICE, "INBOX");
}

/// So many recipients in a transaction: as many as are taken, and the message goes to them.
fn recipients(name: &'static str, number: u8, family: Family, count: usize) {
    let (setting, _guard) = together();
    let watch = Watch::begin(setting, name);
    let client = setting.world.client(number, family).impatient(120);
    let steps = [
        Step::line(format!("MAIL FROM:<{PEER}>")).must(),
        Step::Again(format!("RCPT TO:<{}>", ALICE.0), count),
        Step::line("RSET"),
        Step::line("QUIT"),
    ];
    let talk = say(&client, number, &steps);
    assert_eq!(talk.last().unwrap().code, 221, "{}", talk.story());
    let wanted = format!("250*200 451*{}", count - 200);
    assert_eq!(
        talk.reply("again").unwrap().text,
        wanted,
        "{}",
        talk.story()
    );
    // all in one breath
    let all = format!("RCPT TO:<{}>\r\n", ALICE.0).repeat(count);
    let steps = [
        Step::line(format!("MAIL FROM:<{PEER}>")).must(),
        Step::Send(all.into_bytes(), 1),
        answer(),
        Step::Rest(20),
    ];
    let talk = say(&client, number, &steps);
    let reply = talk.reply("raw").unwrap();
    assert!((400..600).contains(&reply.code), "{}", talk.story());
    assert_eq!(talk.replies.last().unwrap().text, "", "{}", talk.story());
    watch.end(setting, family);
}

#[test]
fn a_thousand_recipients() {
    recipients("thousand-recipients", 35, Family::V4, 1000);
}

#[test]
fn full_ten_thousand_recipients() {
    recipients("many-recipients", 36, Family::V6, 10_000);
}
