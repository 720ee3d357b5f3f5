//! When something does not work: nothing is lost.

use std::time::Duration;

use crate::{
    ARRIVAL, PATIENCE, alone, eventually, setting,
    world::{
        addresses::Family,
        appliance::ALICE,
        client::Port,
        message::{Mail, headers},
    },
};

const PEER: &str = "peer@example.com";

/// Stops a unit of the guest, and starts it again however the test ends.
struct Stopped(&'static str);

impl Stopped {
    fn new(unit: &'static str) -> Self {
        setting()
            .appliance
            .run(&format!("systemctl stop {unit}"))
            .unwrap();
        Self(unit)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let started = setting()
            .appliance
            .run(&format!("systemctl start {}", self.0));
        if let Err(error) = started {
            // a panic while panicking would hide the first one
            eprintln!("{} could not be started again: {error:#}", self.0);
        }
    }
}

#[test]
fn without_rspamd_senders_are_told_to_come_again() {
    let (setting, _guard) = alone();
    let inward = Mail::new(PEER, ALICE.0, "trouble-rspamd-in");
    let inward = setting.world.sign(inward).unwrap();
    let outward = Mail::new(ALICE.0, PEER, "trouble-rspamd-out");
    let user = setting.world.client(70, Family::V4);
    let stopped = Stopped::new("rspamd.service");
    for talk in [
        setting
            .sender(Family::V4)
            .send(Port::Smtp, None, &inward)
            .unwrap(),
        user.send(Port::Submissions, Some(ALICE), &outward).unwrap(),
    ] {
        let code = talk.last().unwrap().code;
        assert!((400..500).contains(&code), "{talk:#?}");
    }
    drop(stopped);
    setting
        .sender(Family::V4)
        .deliver_patiently(&inward, PATIENCE)
        .unwrap();
    setting.find(&inward, ALICE, "INBOX");
    eventually("a submission after rspamd is back", PATIENCE, || {
        user.deliver(Port::Submissions, Some(ALICE), &outward).ok()
    });
    setting.world.mx().wait_for(&outward.id, ARRIVAL).unwrap();
}

#[test]
fn a_message_waits_while_the_mx_says_later() {
    let (setting, _guard) = alone();
    let mail = Mail::new(ALICE.0, PEER, "trouble-later");
    let user = setting.world.client(71, Family::V6);
    let mx = setting.world.mx();
    let before = mx.attempts().unwrap().len();
    let refusing = mx.respond("data", "451 4.3.0 later").unwrap();
    user.deliver(Port::Submission, Some(ALICE), &mail).unwrap();
    eventually("an attempt at the MX", ARRIVAL, || {
        let attempts = mx.attempts().unwrap();
        attempts[before..]
            .iter()
            .any(|a| a.stage == "data" && a.answer.starts_with("451"))
            .then_some(())
    });
    assert!(!mx.has(&mail.id).unwrap());
    drop(refusing);
    setting.appliance.run("smtpctl schedule all").unwrap();
    mx.wait_for(&mail.id, ARRIVAL).unwrap();
    // once, and not once more
    std::thread::sleep(Duration::from_secs(5));
    let copies = mx.messages().unwrap();
    assert_eq!(copies.iter().filter(|m| m.contains(&mail.id)).count(), 1);
}

#[test]
fn a_message_that_the_mx_refuses_comes_back() {
    let (setting, _guard) = alone();
    let mail = Mail::new(ALICE.0, PEER, "trouble-never");
    let user = setting.world.client(72, Family::V4);
    let refusing = setting
        .world
        .mx()
        .respond("rcpt", "550 5.1.1 no such person here")
        .unwrap();
    user.deliver(Port::Submissions, Some(ALICE), &mail).unwrap();
    let reader = setting.reader();
    let bounce = eventually("a bounce", ARRIVAL, || {
        reader
            .fetch(ALICE, "INBOX")
            .unwrap()
            .into_iter()
            .find(|m| String::from_utf8_lossy(&m.raw).contains("no such person here"))
    });
    drop(refusing);
    let from = headers(&bounce.raw, "From");
    assert_eq!(from.len(), 1);
    assert!(from[0].to_lowercase().contains("mailer-daemon"), "{from:?}");
}
