//! What a user asks to be told about a message (RFC 3461).

use crate::{
    ARRIVAL, Setting, alone, eventually, together,
    world::{
        addresses::Family,
        appliance::{ALICE, BOB},
        client::{Port, Step},
        message::{Mail, headers},
    },
};

const PEER: &str = "peer@example.com";

/// Sends a message of Alice's with `notify` for its recipient; it must be taken.
fn send(setting: &Setting, mail: &Mail, notify: &str) {
    let steps = [
        Step::Plain(ALICE).must(),
        Step::line(format!("MAIL FROM:<{}> RET=HDRS", mail.envelope_from)).must(),
        Step::line(format!("RCPT TO:<{}> NOTIFY={notify}", mail.envelope_to[0])).must(),
        Step::Data(mail.raw.clone()),
    ];
    let client = setting.world.client(84, Family::V6);
    let talk = client.encrypted(Port::Submissions, &steps).unwrap();
    let reply = talk.last().unwrap();
    assert_eq!(
        (reply.step.as_str(), reply.code),
        ("message", 250),
        "{talk:#?}"
    );
}

/// The actions that notices in Alice's mailbox report of this message.
fn told(setting: &Setting, mail: &Mail) -> Vec<String> {
    let inbox = setting.reader().fetch(ALICE, "INBOX").unwrap();
    let about = inbox.iter().filter_map(|stored| {
        let text = String::from_utf8_lossy(&stored.raw).into_owned();
        let is_notice = headers(&stored.raw, "From")
            .iter()
            .any(|from| from.contains("MAILER-DAEMON"));
        let action = text.lines().find_map(|l| l.strip_prefix("Action: "))?;
        (is_notice && text.contains(&mail.id)).then(|| action.trim().to_owned())
    });
    about.collect()
}

#[test]
fn success_is_told_when_it_is_asked_for() {
    let (setting, _guard) = together();
    let here = Mail::new(ALICE.0, BOB.0, "dsn-delivered");
    // the MX does not take the wish over
    let there = Mail::new(ALICE.0, PEER, "dsn-relayed");
    let unasked = Mail::new(ALICE.0, BOB.0, "dsn-unasked");
    send(setting, &unasked, "FAILURE,DELAY");
    send(setting, &here, "SUCCESS,FAILURE");
    send(setting, &there, "SUCCESS");
    for (mail, action) in [(&here, "delivered"), (&there, "relayed")] {
        let actions = eventually("a notice", ARRIVAL, || {
            Some(told(setting, mail)).filter(|told| !told.is_empty())
        });
        assert_eq!(actions, [action]);
    }
    setting.find(&unasked, BOB, "INBOX");
    assert!(told(setting, &unasked).is_empty());
}

#[test]
fn failure_is_told_unless_never_was_asked_for() {
    let (setting, _guard) = alone();
    let refusing = setting.world.mx().respond("rcpt", "550 5.1.1 nobody here");
    let refusing = refusing.unwrap();
    let quiet = Mail::new(ALICE.0, PEER, "dsn-never");
    let told_of = Mail::new(ALICE.0, PEER, "dsn-failed");
    send(setting, &quiet, "NEVER");
    send(setting, &told_of, "FAILURE");
    let actions = eventually("the bounce", ARRIVAL, || {
        Some(told(setting, &told_of)).filter(|told| !told.is_empty())
    });
    assert_eq!(actions, ["failed"]);
    // it has left, and nothing is told of it
    eventually("the end of the other one", ARRIVAL, || {
        let queue = setting.appliance.run("mailctl queue list --json").unwrap();
        let queue: serde_json::Value = serde_json::from_str(&queue).unwrap();
        let from_her = serde_json::Value::from(ALICE.0);
        (!contains(&queue, &from_her)).then_some(())
    });
    drop(refusing);
    assert!(told(setting, &quiet).is_empty());
}

/// Whether `value` is anywhere in it.
fn contains(all: &serde_json::Value, value: &serde_json::Value) -> bool {
    all == value
        || all
            .as_array()
            .is_some_and(|a| a.iter().any(|v| contains(v, value)))
        || all
            .as_object()
            .is_some_and(|o| o.values().any(|v| contains(v, value)))
}

#[test]
fn strangers_are_told_nothing_of_success() {
    let (setting, _guard) = together();
    let sender = setting.sender(Family::V4);
    let talk = sender.encrypted(Port::Smtp, &[]).unwrap();
    assert!(!talk.last().unwrap().text.contains("DSN"), "{talk:#?}");
    let steps = [
        Step::line(format!("MAIL FROM:<{PEER}>")).must(),
        Step::line(format!("RCPT TO:<{}> NOTIFY=SUCCESS", BOB.0)),
    ];
    let talk = sender.encrypted(Port::Smtp, &steps).unwrap();
    assert_eq!(talk.last().unwrap().code, 503, "{talk:#?}");
}
