//! What users and the server itself send, as the outside's MX receives it.

use crate::{
    ARRIVAL, named, setting, together,
    world::{
        addresses::{FAMILIES, Family, HOSTNAME, appliance},
        appliance::{ALICE, ALICE_ALIAS, BOB},
        client::{Login, Port, SUBMISSION},
        message::{Mail, body, headers},
        mx::Message,
    },
};

const PEER: &str = "peer@example.com";

/// Both signatures are there, for that domain, and true by what the appliance has printed.
fn assert_signed(message: &Message, domain: &str) {
    let found = setting().world.verify_dkim(&message.raw).unwrap();
    let mut algorithms: Vec<&str> = found.iter().map(|s| s.algorithm.as_str()).collect();
    algorithms.sort_unstable();
    assert_eq!(algorithms, ["ed25519-sha256", "rsa-sha256"], "{found:#?}");
    for signature in &found {
        assert!(signature.pass, "{found:#?}");
        assert_eq!(signature.domain, domain);
        for header in ["from", "to", "subject", "date", "message-id"] {
            assert!(signature.headers.contains(&header.to_owned()), "{found:#?}");
        }
    }
}

/// Sends a message without Date and Message-ID, as some programs do, and judges what arrives.
fn sent(port: Port, family: Family, login: Login<'_>, from: &str) {
    let (setting, _guard) = together();
    let local = from.split('@').next().unwrap_or_default();
    let name = format!("out-{local}-{}", named(port, family));
    let mail = Mail::new(from, PEER, &name)
        .without("Date")
        .without("Message-ID");
    let client = setting.world.client(20, family);
    client.deliver(port, Some(login), &mail).unwrap();
    let message = setting.world.mx().wait_for(&name, ARRIVAL).unwrap();
    let domain = from.split('@').nth(1).unwrap_or_default();
    assert_signed(&message, domain);
    for header in ["Date", "Message-ID", "From", "Subject"] {
        assert_eq!(headers(&message.raw, header).len(), 1, "{header}");
    }
    assert_eq!(headers(&message.raw, "From"), [from]);
    assert_eq!(body(&message.raw), body(&mail.raw));
    assert_eq!(message.from, from);
    assert_eq!(message.to, [PEER]);
    assert_eq!(message.helo, HOSTNAME);
    assert!(message.tls.is_some(), "the MX offers STARTTLS");
    assert!(FAMILIES.map(appliance).contains(&message.peer));
}

#[test]
fn by_465_and_by_587_signed_twice() {
    for port in SUBMISSION {
        for family in FAMILIES {
            sent(port, family, ALICE, ALICE.0);
        }
    }
}

#[test]
fn of_the_second_domain_signed_by_its_own_keys() {
    sent(Port::Submissions, Family::V4, BOB, BOB.0);
}

#[test]
fn from_a_further_address_of_the_user() {
    sent(Port::Submission, Family::V6, ALICE, ALICE_ALIAS);
}

#[test]
fn with_auth_login_as_well() {
    use crate::world::client::Step;
    let (setting, _guard) = together();
    let mail = Mail::new(ALICE.0, PEER, "out-auth-login");
    let steps = [
        Step::LoginWords(ALICE).must(),
        Step::line(format!("MAIL FROM:<{}>", ALICE.0)).must(),
        Step::line(format!("RCPT TO:<{PEER}>")).must(),
        Step::Data(mail.raw.clone()),
    ];
    let client = setting.world.client(21, Family::V4);
    let talk = client.encrypted(Port::Submission, &steps).unwrap();
    assert_eq!(talk.last().unwrap().code, 250, "{talk:#?}");
    let message = setting.world.mx().wait_for(&mail.id, ARRIVAL).unwrap();
    assert_eq!(headers(&message.raw, "Message-ID"), [mail.id.as_str()]);
    assert_signed(&message, "example.org");
}

#[test]
fn between_users_of_the_server() {
    let (setting, _guard) = together();
    let mail = Mail::new(ALICE.0, BOB.0, "out-between-users");
    let client = setting.world.client(22, Family::V6);
    client
        .deliver(Port::Submissions, Some(ALICE), &mail)
        .unwrap();
    let stored = setting.find(&mail, BOB, "INBOX");
    assert_eq!(body(&stored.raw), body(&mail.raw));
}

#[test]
fn by_sendmail_on_the_server_signed_as_well() {
    let (setting, _guard) = together();
    let script = format!(
        "printf 'To: {PEER}\\nSubject: out-by-sendmail\\n\\nfrom the server itself\\n' | sendmail {PEER}"
    );
    setting.appliance.run(&script).unwrap();
    let message = setting
        .world
        .mx()
        .wait_for("out-by-sendmail", ARRIVAL)
        .unwrap();
    // root@mail.example.org, so that DMARC's relaxed alignment holds
    assert_signed(&message, "example.org");
    let from = headers(&message.raw, "From");
    assert_eq!(from.len(), 1);
    assert!(from[0].contains("example.org"), "{from:?}");
}
