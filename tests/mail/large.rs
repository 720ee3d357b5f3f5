//! Messages as large as are taken, and larger ones.

use crate::{
    together,
    world::{
        addresses::Family,
        appliance::{ALICE, BOB},
        client::Port,
        message::Mail,
    },
};

/// A message of that many bytes or a few more, with something like an attachment in it.
fn mail(name: &str, size: usize) -> Mail {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut mail = Mail::new(ALICE.0, BOB.0, name)
        .without("Content-Type")
        .with("Content-Type", "application/octet-stream")
        .with("Content-Transfer-Encoding", "base64");
    let head = mail.raw.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
    mail.raw.truncate(head);
    // xorshift: the same bytes each time, and none that compress
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    while mail.raw.len() < size {
        for _ in 0..76 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            mail.raw.push(DIGITS[usize::try_from(state >> 58).unwrap()]);
        }
        mail.raw.extend_from_slice(b"\r\n");
    }
    mail
}

fn body(raw: &[u8]) -> &[u8] {
    let head = raw.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    &raw[head + 4..]
}

#[test]
fn fifty_megabytes_arrive_as_they_were_sent() {
    let (setting, _guard) = together();
    let mail = mail("large-50", 50_000_000);
    let client = setting.world.client(80, Family::V4);
    client
        .deliver(Port::Submissions, Some(ALICE), &mail)
        .unwrap();
    let stored = setting.find(&mail, BOB, "INBOX");
    // not by assert_eq, which would print both
    assert!(body(&stored.raw) == body(&mail.raw), "the body has changed");
}

#[test]
fn more_than_the_limit_is_refused_for_good() {
    let (setting, _guard) = together();
    let mail = mail("large-54", 54_500_000);
    let client = setting.world.client(81, Family::V6);
    let talk = client.send(Port::Submissions, Some(ALICE), &mail).unwrap();
    let reply = talk.last().unwrap();
    assert_eq!(reply.step, "message", "{talk:#?}");
    assert!((500..600).contains(&reply.code), "{talk:#?}");
}
