//! A large attachment, from the one to the other.

use std::time::Duration;

use serde_json::json;

use crate::{
    BOB, DAVE, compare, fields, setting,
    world::{client::Port, message::Mail},
};

/// 40 MB, as they are in the message.
const SIZE: usize = 40_000_000;
/// Where it is put.
const FOLDER: &str = "large";
/// Two machines scan, sign, send and store it, emulated.
const LONG: Duration = Duration::from_secs(2400);

/// A message with a part of [`SIZE`] bytes that no compression makes smaller.
fn mail() -> Mail {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+.";
    let mut mail = Mail::new(BOB.address(), DAVE.address(), "pair-large")
        .without("Content-Type")
        .with("Content-Type", "multipart/mixed; boundary=large");
    let head = compare::split(&mail.raw).0.len();
    mail.raw.truncate(head);
    mail.raw.extend_from_slice(
        b"\r\n--large\r\n\r\nsee what is attached\r\n--large\r\n\
          Content-Type: application/octet-stream\r\n\
          Content-Disposition: attachment; filename=large.bin\r\n\r\n",
    );
    let full = mail.raw.len() + SIZE;
    // xorshift: the same bytes each time
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    while mail.raw.len() < full {
        for _ in 0..998 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            mail.raw
                .push(LETTERS[usize::try_from(state >> 58).unwrap()]);
        }
        mail.raw.extend_from_slice(b"\r\n");
    }
    mail.raw.extend_from_slice(b"--large--\r\n");
    mail
}

#[test]
fn forty_megabytes_arrive_as_they_were_sent() {
    let setting = setting();
    // a folder of its own, or whoever looks into the inbox would have all of it
    let dave = setting.program_of(DAVE);
    let made = dave.imap(DAVE.login, json!([["fill", FOLDER, "large-seed", 1]]));
    assert_eq!(made.unwrap().ended, None);
    let mail = mail().envelope_to(&DAVE.address().replace('@', &format!("+{FOLDER}@")));
    let client = setting.program_of(BOB);
    client
        .deliver(Port::Submissions, Some(BOB.login), &mail)
        .unwrap();
    let header = ("Message-ID", mail.id.as_str());
    let found = setting.all_that_arrive(DAVE, FOLDER, header, LONG);
    assert_eq!(found.len(), 1);
    assert_eq!(compare::difference(&mail.raw, &found[0].raw), None);
    let verdict = crate::verdict(&found[0].raw, DAVE.server()).unwrap();
    for result in ["spf=pass", "dmarc=pass"] {
        assert!(verdict.contains(result), "{verdict}");
    }
    // both were sent, and both are true
    assert_eq!(fields(&found[0].raw, "DKIM-Signature").len(), 2);
    assert_eq!(verdict.matches("dkim=pass").count(), 2, "{verdict}");
}
