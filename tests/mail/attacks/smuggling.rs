//! A message that another server may see two in, inwards and outwards (SMTP smuggling).

use std::time::Duration;

use super::{PEER, holding, logged, taken};
use crate::{
    ARRIVAL, PATIENCE, ehlo, together,
    world::{
        addresses::{FAMILIES, Family},
        appliance::{ALICE, BOB},
        client::{Port, Step, Talk},
        message::{Mail, body},
    },
};

/// What some server or other takes for the end of a message, and why it is refused here.
const ENDS: [(&str, &str); 15] = [
    ("\n.\n", "bare LF"),
    ("\n.\r\n", "bare LF"),
    ("\r\n.\n", "bare LF"),
    ("\r.\r", "bare CR"),
    ("\r\n.\r", "bare CR"),
    ("\r.\r\n", "bare CR"),
    ("\n.\r", "bare LF"),
    ("\r.\n", "bare LF"),
    ("\r\r\n.\r\r\n", "bare CR"),
    ("\r\n\0.\r\n", "NUL"),
    ("\r\n.\0\r\n", "NUL"),
    ("\r\n.\r\0\n", "bare LF"),
    // dots that are doubled do not make it better
    ("\n..\r\n", "bare LF"),
    ("\r\n..\n", "bare LF"),
    ("\r..\r\n", "bare CR"),
];

/// Behind such an end: an envelope and a message that nobody has checked.
fn second(from: &str, to: &str) -> String {
    format!(
        "MAIL FROM:<{from}>\r\nRCPT TO:<{to}>\r\nDATA\r\n\
         From: {from}\r\nTo: {to}\r\nSubject: smuggled by {from}\r\n\r\n\
         smuggled\r\n.\r\n"
    )
}

/// The head of an ordinary message, and the beginning of its body.
fn first(from: &str, to: &str, name: &str) -> String {
    let mail = Mail::new(from, to, name);
    let text = String::from_utf8(mail.raw).unwrap();
    let (head, _) = text.split_once("\r\n\r\n").unwrap();
    format!("{head}\r\n\r\nthis is {name}")
}

/// The message is refused for good for what is wrong with it, and not one word more is said.
fn assert_refused(talk: &Talk, end: &str, what: &str) {
    let story = || format!("{end:?}: {}", talk.story());
    let [.., answer, rest] = &talk.replies[..] else {
        panic!("{}", story());
    };
    assert_eq!(
        (answer.step.as_str(), answer.code),
        ("raw", 554),
        "{}",
        story()
    );
    assert!(
        answer.text.contains(&format!(": {what} in ")),
        "{}",
        story()
    );
    assert_eq!(
        (rest.step.as_str(), rest.text.as_str()),
        ("rest: closed", ""),
        "{}",
        story()
    );
}

#[test]
fn no_second_message_comes_in() {
    let (setting, _guard) = together();
    let smuggler = "smuggler-in@example.com";
    for family in FAMILIES {
        let client = setting.world.client(15, family).impatient(120);
        for (number, (end, what)) in ENDS.into_iter().enumerate() {
            let name = format!("smuggle-in-{number}-{family:?}");
            let mut text = first(PEER, ALICE.0, &name) + end;
            text.push_str(&second(smuggler, ALICE.0));
            let mut steps = vec![Step::line(ehlo(15)).must()];
            // and inside of TLS by v6
            if family == Family::V6 {
                steps.extend([Step::StartTls.must(), Step::line(ehlo(15)).must()]);
            }
            steps.extend([
                Step::line(format!("MAIL FROM:<{PEER}>")).must(),
                Step::line(format!("RCPT TO:<{}>", ALICE.0)).must(),
                Step::line("DATA").must(),
                Step::Raw(text.into_bytes()),
                Step::Rest(20),
            ]);
            let talk = client.talk(25, false, &steps).unwrap();
            assert_refused(&talk, end, what);
        }
    }
    // by then all would be there that was taken before
    let mail = Mail::new(PEER, ALICE.0, "smuggle-after-in");
    setting.arrives(mail, ALICE, "INBOX");
    for text in ["smuggle-in-", smuggler] {
        let found = holding(setting, text);
        assert!(found.is_empty(), "{} with {text}", found.len());
    }
    // neither taken nor refused: never read as a command
    assert_eq!(logged(setting, smuggler), "");
}

/// A message whose lines are dots, and a second one behind one of them.
fn dotted(from: &str, to: &str, name: &str, smuggler: &str) -> Mail {
    let mut mail = Mail::new(from, to, name);
    for line in [".", "..", "...", ". ", " .", ".\t", ".x", "."] {
        mail = mail.line(line);
    }
    for line in second(smuggler, to).trim_end_matches(".\r\n").lines() {
        mail = mail.line(line);
    }
    mail.line(".").line("..").line("the end")
}

#[test]
fn doubled_dots_are_a_part_of_the_one_message() {
    let (setting, _guard) = together();
    let smuggler = "smuggler-dots@example.com";
    for family in FAMILIES {
        let mail = dotted(PEER, ALICE.0, &format!("smuggle-dots-{family:?}"), smuggler);
        let mail = setting.world.sign(mail).unwrap();
        let sender = setting.sender(family);
        sender.deliver_patiently(&mail, PATIENCE).unwrap();
        let stored = taken(setting, &mail);
        assert_eq!(body(&stored.raw), body(&mail.raw));
    }
    assert_eq!(logged(setting, smuggler), "");
}

#[test]
fn an_end_that_comes_in_pieces_is_the_end() {
    let (setting, _guard) = together();
    for family in FAMILIES {
        let client = setting.world.client(15, family).impatient(120);
        let name = format!("smuggle-pieces-{family:?}");
        let mail = Mail::new(ALICE.0, ALICE.0, &name);
        let stuffed = String::from_utf8(mail.raw.clone()).unwrap();
        let stuffed = stuffed.replace("\r\n.", "\r\n..");
        let text = stuffed.strip_suffix("\r\n").unwrap();
        let mut steps = client.hello(Port::Submissions);
        steps.extend([
            Step::Plain(ALICE).must(),
            Step::line(format!("MAIL FROM:<{}>", ALICE.0)).must(),
            Step::line(format!("RCPT TO:<{}>", ALICE.0)).must(),
            Step::line("DATA").must(),
        ]);
        let pause = Duration::from_millis(400);
        for piece in [text, "\r", "\n", ".", "\r"] {
            steps.push(Step::Slowly(piece.as_bytes().to_vec(), pause));
        }
        steps.push(Step::Raw(b"\n".to_vec()));
        steps.push(Step::line("QUIT"));
        let talk = client.talk(465, true, &steps).unwrap();
        assert_eq!(talk.last().unwrap().code, 221, "{}", talk.story());
        assert_eq!(talk.reply("raw").unwrap().code, 250, "{}", talk.story());
        let stored = taken(setting, &mail);
        assert_eq!(body(&stored.raw), body(&mail.raw));
    }
}

/// Only CRLF ends a line, and what is after DATA has one end.
fn assert_clean(wire: &[u8]) {
    let text = String::from_utf8_lossy(wire);
    assert!(!text.is_empty(), "the MX has not kept what it was told");
    let without = text.replace("\r\n", "");
    assert_eq!(without.find(['\r', '\n', '\0']), None, "{text:?}");
    let (_, message) = text.split_once("\r\nDATA\r\n").unwrap();
    assert!(message.ends_with("\r\n.\r\n"), "{text}");
    assert_eq!(message.matches("\r\n.\r\n").count(), 1, "{text}");
}

#[test]
fn no_second_message_goes_out() {
    let (setting, _guard) = together();
    let smuggler = "smuggler-out@example.org";
    for (number, (end, what)) in ENDS.into_iter().enumerate() {
        let family = FAMILIES[number % 2];
        let client = setting.world.client(16, family).impatient(120);
        let name = format!("smuggle-out-{number}");
        let mut text = first(ALICE.0, PEER, &name) + end;
        text.push_str(&second(smuggler, PEER));
        let steps = [
            Step::Plain(ALICE).must(),
            Step::line(format!("MAIL FROM:<{}>", ALICE.0)).must(),
            Step::line(format!("RCPT TO:<{PEER}>")).must(),
            Step::line("DATA").must(),
            Step::Raw(text.into_bytes()),
            Step::Rest(20),
        ];
        let talk = client.encrypted(Port::Submissions, &steps).unwrap();
        assert_refused(&talk, end, what);
    }
    // one that is right, and holds a second one behind doubled dots
    for (family, port) in [
        (Family::V4, Port::Submissions),
        (Family::V6, Port::Submission),
    ] {
        let name = format!("smuggle-dots-out-{family:?}");
        let mail = dotted(BOB.0, PEER, &name, smuggler);
        let client = setting.world.client(16, family);
        client.deliver(port, Some(BOB), &mail).unwrap();
        let message = setting.world.mx().wait_for(&mail.id, ARRIVAL).unwrap();
        assert_clean(&message.wire);
        assert_eq!(body(&message.raw), body(&mail.raw));
        assert_eq!(
            (message.from.as_str(), &message.to[..]),
            (BOB.0, &[PEER.to_owned()][..])
        );
    }
    for message in setting.world.mx().messages().unwrap() {
        assert_ne!(message.from, smuggler);
        assert!(
            !message.contains("Message-ID: <smuggle-out-"),
            "{}",
            message.from
        );
    }
    let attempts = setting.world.mx().attempts().unwrap();
    assert!(attempts.iter().all(|a| a.from != smuggler), "{attempts:#?}");
    assert_eq!(logged(setting, smuggler), "");
}
