//! A normal day leaves a clean journal: nothing in it is a warning or an error that is not explained
//! here.

use std::time::{Duration, Instant};

use regex::Regex;
use serde_json::Value;

use super::{ALICE, ARRIVAL, Family, Mail, PEER, Port, SENDER, World};
use crate::world::appliance::Appliance;

/// Some that a machine of the tests logs on a normal day: who, what, and why it is nothing to mend.
const EXPLAINED: &[(&str, &str, &str)] = &[
    (
        "kernel",
        "^tsc: |^clocksource: |^ata1.00: LPM|^amd_pstate: |^RAS: Correctable Errors collector",
        "the emulated machine has no such clock, disk or processor as it looks for",
    ),
    (
        "kernel",
        "regulatory.db",
        "it asks for the rules of radio, and no image for a VPS has them",
    ),
    (
        "kernel",
        "^APIC calibration not consistent with PM-Timer: [0-9]+ms instead of 100ms$|^hrtimer: interrupt took [0-9]+ ns$",
        "an emulated machine measures its clocks while the host is busy elsewhere",
    ),
    (
        "ezmail-agent",
        "no `\\[state\\]`|^answers.toml: good, with 1 warning$",
        "these answers want a server in memory",
    ),
    (
        "ezmail-agent",
        "^; Where others report that TLS to this server failed",
        "the comment on a record to publish",
    ),
    (
        "systemd-timesyncd",
        "^Timed out waiting for reply from ",
        "the world has names for time servers, and none that answers",
    ),
    (
        "smtpd",
        "smtp disconnected reason=\"io-error: handshake failed: unexpected EOF\"",
        "the test knocks at 465 to see whether it is open",
    ),
    (
        "smtpd",
        "^[0-9a-f]{16} smtp failed-command command=\"RCPT TO:<nobody-there@",
        "somebody outside writes to an address that is none",
    ),
    (
        "smtpd",
        "^[0-9a-f]{16} mta delivery .* result=\"PermFail\"",
        "a user writes to an address outside that is none",
    ),
];

/// One line of the journal.
struct Entry {
    identifier: String,
    priority: u8,
    message: String,
}

/// The entries of `journalctl -o json`, one a line.
fn entries(text: &str) -> Vec<Entry> {
    let field = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
    text.lines()
        .map(|line| {
            let value: Value = serde_json::from_str(line).unwrap();
            Entry {
                identifier: field(&value, "SYSLOG_IDENTIFIER"),
                priority: field(&value, "PRIORITY").parse().unwrap_or(6),
                // bytes that are no UTF-8 are a list of numbers
                message: match &value["MESSAGE"] {
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                },
            }
        })
        .collect()
}

/// Whether it tells of something that is not well, whatever priority its daemon gave it: what is
/// written to standard error has that of the unit.
fn complains(entry: &Entry, words: &Regex) -> bool {
    entry.priority <= 4 || words.is_match(&entry.message)
}

/// What a normal day has: mail in and out, to somebody who is not there on either side, read and moved,
/// and what timers do in it.
pub fn a_normal_day(world: &World, appliance: &Appliance) {
    let client = world.client(SENDER, Family::V6);
    let unknown = Mail::new(PEER, "nobody-there@example.org", "day-unknown");
    let talk = client.send(Port::Smtp, None, &unknown).unwrap();
    assert_eq!(talk.last().unwrap().code, 550, "{talk:#?}");

    let refusing = world.mx().respond("rcpt", "550 5.1.1 no such person here");
    let away = Mail::new(ALICE.0, PEER, "day-bounce");
    let user = world.client(20, Family::V6);
    user.deliver(Port::Submission, Some(ALICE), &away).unwrap();
    let reader = world.client(90, Family::V6);
    let deadline = Instant::now() + ARRIVAL;
    loop {
        let inbox = reader.fetch(ALICE, "INBOX").unwrap();
        if inbox
            .iter()
            .any(|m| String::from_utf8_lossy(&m.raw).contains("no such person here"))
        {
            break;
        }
        assert!(Instant::now() < deadline, "no bounce: {inbox:?}");
    }
    drop(refusing);

    // it looks whether that is due or not
    appliance.run("rm -f /run/ezmail/guide.json").unwrap();
    for service in [
        "ezmail-daily",
        "ezmail-dkim",
        "ezmail-guide",
        "systemd-tmpfiles-clean",
    ] {
        let run = format!("systemctl start {service}.service");
        appliance.run(&run).unwrap();
    }
    // with findings, of the test world, it exits with 1
    appliance
        .run("mailctl check >/dev/null || true; mailctl status")
        .unwrap();
    appliance.run("systemctl reload nftables").unwrap();
}

/// Fails with every line that nobody has explained.
pub fn assert_clean(appliance: &Appliance) {
    // what is written with a delay
    std::thread::sleep(Duration::from_secs(5));
    let text = appliance
        .run("journalctl -b --no-pager -o json --output-fields=SYSLOG_IDENTIFIER,PRIORITY,MESSAGE")
        .unwrap();
    let words = Regex::new(
        r"(?i)\b(errors?|warnings?|fail(ed|ure|s)?|cannot|can't|could not|unable|denied|invalid|segfault|ordering cycle|refused|timed out|deprecated)\b",
    )
    .unwrap();
    let entries = entries(&text);
    assert!(entries.len() > 500, "only {} entries", entries.len());
    let patterns: Vec<(&str, Regex)> = EXPLAINED
        .iter()
        .map(|(who, what, _)| (*who, Regex::new(what).unwrap()))
        .collect();
    let unexplained: Vec<String> = entries
        .iter()
        .filter(|entry| complains(entry, &words))
        .filter(|entry| {
            !patterns
                .iter()
                .any(|(who, what)| *who == entry.identifier && what.is_match(&entry.message))
        })
        .map(|e| format!("<{}> {}: {}", e.priority, e.identifier, e.message))
        .collect();
    assert!(unexplained.is_empty(), "{}", unexplained.join("\n"));
}
