//! What the boot has made, before any mail.

use std::{process::Command, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use ezmail::util::run::Task;
use regex::Regex;

use crate::{
    ehlo, together,
    world::{
        addresses::{DOMAINS, FAMILIES, Family, HOSTNAME, appliance, resolver},
        client::{Port, Step},
    },
};

/// How old a page may be, in an emulated machine.
const PAGE: Duration = Duration::from_secs(60);

#[test]
fn the_console_shows_the_records_to_publish() {
    let (setting, _guard) = together();
    let console = setting.appliance.console().unwrap();
    let records = setting.appliance.records().unwrap();
    for domain in DOMAINS {
        let keys: Vec<&str> = records
            .lines()
            .filter(|l| l.contains(&format!("._domainkey.{domain}.")))
            .collect();
        assert_eq!(keys.len(), 2, "RSA and Ed25519 of {domain}: {records}");
        for key in keys {
            let owner = key.split_whitespace().next().unwrap();
            assert!(console.contains(owner), "{owner} is not on the console");
        }
    }
}

#[test]
fn the_console_says_that_mail_is_ready() {
    let (setting, _guard) = together();
    let ready = Regex::new("(?s)The mail server is ready\\..*ezmail: mail is ready").unwrap();
    let machine = &mut setting.appliance.machine();
    machine.wait_for(&ready, PAGE).unwrap();
    let console = machine.port(0).text();
    for text in [
        HOSTNAME.to_owned(),
        format!("{}, {}", appliance(Family::V4), appliance(Family::V6)),
        "THIS SERVER RUNS FROM MEMORY".to_owned(),
        "There is no password for this console.".to_owned(),
    ] {
        assert!(console.contains(&text), "no '{text}' in\n{console}");
    }
    assert!(
        !console.contains("login: "),
        "somebody is asked for a login"
    );
}

#[test]
fn the_published_records_make_the_mail_domain() {
    let (setting, _guard) = together();
    for domain in DOMAINS {
        for (name, kind, content) in [
            (format!("{domain}."), "MX", HOSTNAME),
            (format!("{domain}."), "TXT", "v=spf1"),
            (format!("_dmarc.{domain}."), "TXT", "v=DMARC1"),
        ] {
            let words = [name.as_str(), kind, "+dnssec"];
            let text = setting.world.dig(resolver(Family::V4), &words).unwrap();
            assert!(text.contains(content), "{text}");
            assert!(text.contains(" ad;"), "{text}");
        }
    }
}

#[test]
fn every_port_shows_the_same_certificate_of_the_server() {
    let (setting, _guard) = together();
    let mut seen = Vec::new();
    for port in [Port::Smtp, Port::Submissions, Port::Submission] {
        for family in FAMILIES {
            let client = setting.world.client(10, family);
            let talk = client.encrypted(port, &[Step::line("QUIT")]).unwrap();
            // LibreSSL 3.1, which the stand-in has, knows TLS 1.3 as a client only
            let tls = talk.tls.as_deref();
            assert!(matches!(tls, Some("TLSv1.2" | "TLSv1.3")), "{talk:#?}");
            seen.extend(talk.certificate);
        }
    }
    assert_eq!(seen.len(), 6);
    seen.dedup();
    assert_eq!(seen.len(), 1, "one certificate everywhere");
    let mut command = Command::new("openssl");
    command.args(["x509", "-inform", "DER", "-noout", "-text"]);
    let text = Task::new("reading the certificate", command)
        .input(STANDARD.decode(&seen[0]).unwrap())
        .output()
        .unwrap();
    assert!(text.contains(&format!("DNS:{HOSTNAME}")), "{text}");
    assert!(text.contains("prime256v1"), "{text}");
}

#[test]
fn the_size_limit_is_announced() {
    let (setting, _guard) = together();
    let client = setting.world.client(11, Family::V6);
    let steps = [Step::line(ehlo(11))];
    let talk = client.talk(25, false, &steps).unwrap();
    let size = talk
        .reply("EHLO")
        .unwrap()
        .text
        .lines()
        .find_map(|line| line.strip_prefix("SIZE ")?.parse::<u64>().ok())
        .unwrap();
    assert!((50_000_000..60_000_000).contains(&size), "{size}");
}

#[test]
fn no_unit_has_failed() {
    let (setting, _guard) = together();
    let failed = setting
        .appliance
        .run("systemctl --failed --plain --no-legend")
        .unwrap();
    assert_eq!(failed, "");
}
