//! Every configuration file as it comes out of its template: for the least answers, and for
//! answers that use every key.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[allow(dead_code, reason = "shared by several tests")]
mod rendering;

use std::fmt::Write;

#[test]
fn small() {
    snapshot("small");
}

#[test]
fn rich() {
    snapshot("rich");
}

#[test]
fn a_smarthost_by_starttls() {
    let files = rendering::render("keys-of-the-other-form");
    let text = |path: &str| {
        let file = files.iter().find(|f| f.path.ends_with(path)).unwrap();
        String::from_utf8(file.content.clone()).unwrap()
    };
    let relay = "host \"smtp+tls://relay@smtp.example.net:587\" auth <smarthost>";
    assert!(text("etc/smtpd/smtpd.conf").contains(relay));
    assert_eq!(text("etc/smtpd/secrets"), "relay relay:relay-password\n");
    assert!(!text("etc/nftables.conf").contains("dport 22"));
}

/// One snapshot a file, with what it needs besides its text.
fn snapshot(answers: &str) {
    for file in rendering::render(answers) {
        let mut text = format!("{file:?}\nrestart: {}", file.units.join(" "));
        if file.secret {
            text.push_str("\nsecret");
        }
        write!(text, "\n\n{}", str::from_utf8(&file.content).unwrap()).unwrap();
        let name = file.path.to_str().unwrap()[1..].replace('/', "-");
        insta::assert_snapshot!(format!("{answers}-{name}"), text);
    }
}
