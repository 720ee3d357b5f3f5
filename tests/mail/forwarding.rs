//! Mail that an alias leads to another server, and its bounces (SRS).

use crate::{
    ARRIVAL, PATIENCE, Setting, together,
    world::{
        addresses::Family,
        appliance::ALICE,
        client::{Port, Step},
        message::{Mail, body, headers},
        mx::Message,
    },
};

const PEER: &str = "peer@example.com";
const FRIEND: &str = "friend@example.com";

/// Has `alias` lead to [`FRIEND`].
fn forward(setting: &Setting, alias: &str) {
    let command = format!("mailctl alias add {alias} {FRIEND}");
    setting.appliance.run(&command).unwrap();
}

/// Sends a message from outside, and waits for it at the MX.
fn passes(setting: &Setting, mail: Mail) -> Message {
    let mail = setting.world.sign(mail).unwrap();
    let sender = setting.sender(Family::V4);
    sender.deliver_patiently(&mail, PATIENCE).unwrap();
    let message = setting.world.mx().wait_for(&mail.id, ARRIVAL).unwrap();
    assert_eq!(body(&message.raw), body(&mail.raw));
    message
}

#[test]
fn a_forwarded_mail_has_a_return_address_of_ours_and_its_bounce_goes_on() {
    let (setting, _guard) = together();
    forward(setting, "far@example.org");
    let mail = Mail::new(PEER, "far@example.org", "srs-forward");
    let message = passes(setting, mail);
    assert_eq!(message.to, [FRIEND]);
    assert_eq!(headers(&message.raw, "From"), [PEER]);
    let back = message.from;
    assert!(back.starts_with("SRS0="), "{back}");
    assert!(back.ends_with("=example.com=peer@example.org"), "{back}");

    let bounce = Mail::new("mailer-daemon@example.com", &back, "srs-bounce").envelope_from("");
    let bounce = passes(setting, bounce);
    assert_eq!(bounce.to, [PEER]);
    // some versions of the MX's library leave the brackets
    assert!(["", "<>"].contains(&bounce.from.as_str()), "{bounce:?}");

    // who has not seen one cannot make one, and none takes mail that is no bounce
    let mut forged = back.clone().into_bytes();
    forged[5] = if forged[5] == b'A' { b'B' } else { b'A' };
    let forged = String::from_utf8(forged).unwrap();
    for (from, to) in [("", &forged), (PEER, &back)] {
        let steps = [
            Step::line(format!("MAIL FROM:<{from}>")).must(),
            Step::line(format!("RCPT TO:<{to}>")),
        ];
        let sender = setting.sender(Family::V6);
        let talk = sender.encrypted(Port::Smtp, &steps).unwrap();
        assert_eq!(talk.last().unwrap().code, 550, "{talk:#?}");
    }
}

#[test]
fn a_users_mail_by_an_alias_that_leads_elsewhere_is_sent_and_may_bounce() {
    let (setting, _guard) = together();
    forward(setting, "away@example.net");
    let mail = Mail::new(ALICE.0, "away@example.net", "srs-own");
    let client = setting.world.client(82, Family::V4);
    let submitted = client.deliver(Port::Submissions, Some(ALICE), &mail);
    submitted.unwrap();
    let message = setting.world.mx().wait_for(&mail.id, ARRIVAL).unwrap();
    let back = message.from;
    assert!(
        back.starts_with("SRS0=") && back.ends_with("=example.org=alice@example.net"),
        "{back}"
    );
    let bounce = Mail::new("mailer-daemon@example.com", &back, "srs-own-bounce").envelope_from("");
    setting.arrives(bounce, ALICE, "INBOX");
}

#[test]
fn what_is_not_forwarded_keeps_its_sender() {
    let (setting, _guard) = together();
    let mail = Mail::new(ALICE.0, PEER, "srs-not");
    let client = setting.world.client(83, Family::V6);
    let submitted = client.deliver(Port::Submission, Some(ALICE), &mail);
    submitted.unwrap();
    let message = setting.world.mx().wait_for(&mail.id, ARRIVAL).unwrap();
    assert_eq!(message.from, ALICE.0);
}
