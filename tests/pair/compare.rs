//! Whether a message is the one that was sent, byte for byte, but for what servers put in front.

/// Fields that the way of a message puts in front of what was sent.
const ADDED: [&str; 11] = [
    "return-path",
    "delivered-to",
    "received",
    "authentication-results",
    "dkim-signature",
    "arc-seal",
    "arc-message-signature",
    "arc-authentication-results",
    // of what is taken for spam
    "x-spam",
    "x-spam-score",
    "x-spam-status",
];

/// The header with all its line ends, and the body; a message without an empty line is all header.
pub fn split(raw: &[u8]) -> (&[u8], &[u8]) {
    match raw.windows(4).position(|w| w == b"\r\n\r\n") {
        Some(at) => (&raw[..at + 2], &raw[at + 4..]),
        None => (raw, b""),
    }
}

/// What is different, in words; nothing if `got` is `sent` below what the way has added.
pub fn difference(sent: &[u8], got: &[u8]) -> Option<String> {
    let ((sent_head, sent_body), (got_head, got_body)) = (split(sent), split(got));
    let Some(front) = got_head.strip_suffix(sent_head) else {
        return Some(format!(
            "the header has changed\n  sent: {:?}\n   got: {:?}",
            String::from_utf8_lossy(sent_head),
            String::from_utf8_lossy(got_head)
        ));
    };
    for name in names(front) {
        if !ADDED.contains(&name.as_str()) {
            return Some(format!("there is a field {name:?} that nobody has sent"));
        }
    }
    if !front.is_empty() && !front.ends_with(b"\r\n") {
        return Some("the first line has changed".to_owned());
    }
    changed(sent_body, got_body)
}

fn names(head: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(head);
    let first_lines = text
        .split("\r\n")
        .filter(|line| !line.is_empty() && !line.starts_with([' ', '\t']));
    first_lines
        .map(|line| line.split(':').next().unwrap_or_default().to_lowercase())
        .collect()
}

/// Where two bodies differ: not all of them, one may be of many megabytes.
fn changed(sent: &[u8], got: &[u8]) -> Option<String> {
    if sent == got {
        return None;
    }
    let same = sent.iter().zip(got).take_while(|(a, b)| a == b).count();
    let around = |bytes: &[u8]| {
        let from = same.saturating_sub(30);
        let part = &bytes[from.min(bytes.len())..(same + 50).min(bytes.len())];
        part.escape_ascii().to_string()
    };
    Some(format!(
        "the body has changed from byte {same} on; {} bytes were sent, {} are here\n  \
         sent: {}\n   got: {}",
        sent.len(),
        got.len(),
        around(sent),
        around(got)
    ))
}

#[test]
fn what_is_the_same_and_what_is_not() {
    let sent = b"From: a\r\nX: 1\r\n\r\n.\r\nb \r\n";
    let after = |front: &str, more: &[u8]| {
        let mut raw = front.as_bytes().to_vec();
        raw.extend_from_slice(more);
        difference(sent, &raw)
    };
    assert_eq!(after("", sent), None);
    assert_eq!(
        after("Received: x\r\n\tby y\r\nDKIM-Signature: z\r\n", sent),
        None
    );
    let strange = after("X-New: x\r\n", sent).unwrap();
    assert!(strange.contains("x-new"), "{strange}");
    let order = difference(sent, b"X: 1\r\nFrom: a\r\n\r\n.\r\nb \r\n").unwrap();
    assert!(order.contains("the header has changed"), "{order}");
    let glued = after("Received: x", sent).unwrap();
    assert!(glued.contains("the first line has changed"), "{glued}");
    let body = difference(sent, b"From: a\r\nX: 1\r\n\r\n.\r\nb\r\n").unwrap();
    assert!(body.contains("from byte 4 on"), "{body}");
    // all header, with an empty line at its end or without
    assert_eq!(difference(b"From: a\r\n", b"From: a\r\n\r\n"), None);
}
