//! `mailctl check` and `mailctl status` on the running server.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;

use crate::{Setting, alone, eventually, together};

/// What this world lacks, so that it is found at every check: no time servers, no well-known mail
/// servers, an image that runs from memory, without an authority for certificates or a backup.
const KNOWN: [&str; 6] = [
    "clock",
    "state",
    "backup",
    "certificate.chain",
    "disk.quotas",
    "disk.space",
];

/// The state of each check, and what was said of it.
fn check(setting: &Setting, areas: &str) -> BTreeMap<String, (String, String)> {
    let script = format!("mailctl check --json {areas} || test $? = 3");
    let text = setting.appliance.run(&script).unwrap();
    let all: Vec<Value> = serde_json::from_str(&text).unwrap();
    let word = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    let finding = |f: &Value| (word(f, "id"), (word(f, "state"), word(f, "reason")));
    all.iter().map(finding).collect()
}

#[test]
fn a_server_that_is_well_has_no_finding_but_what_its_world_lacks() {
    let (setting, _guard) = together();
    let all = check(setting, "");
    let is_trouble = |state: &str| state == "warning" || state == "error";
    let strange: Vec<_> = all
        .iter()
        .filter(|(id, (state, _))| is_trouble(state) && !KNOWN.contains(&id.as_str()))
        // the DNSBL zones and well-known servers of the Internet are not in this world
        .filter(|(id, _)| !id.starts_with("dnsbl") && !id.starts_with("port25"))
        .collect();
    assert!(strange.is_empty(), "{strange:#?}");
    for id in [
        "ports.25",
        "ports.465",
        "ports.993",
        "ports.4190",
        "ports.443",
        "ports.others",
        "queue",
    ] {
        assert_eq!(all[id].0, "ok", "{id}: {}", all[id].1);
    }
    assert_eq!(all["units.rspamd"].0, "ok");
    assert_eq!(all["permissions.planned"].0, "ok");
}

#[test]
fn the_status_fits_a_screen() {
    let (setting, _guard) = together();
    let text = setting.appliance.run("COLUMNS=80 mailctl status").unwrap();
    assert!(text.lines().count() < 24, "{text}");
    assert!(text.lines().all(|l| l.chars().count() <= 80), "{text}");
    assert!(text.contains("Queue        "), "{text}");
    assert!(text.contains("Mail today   "), "{text}");
    assert!(!text.contains("Not known"), "{text}");
}

#[test]
fn one_broken_thing_each_is_found_and_its_repair_too() {
    // every other test would see it
    let (setting, _guard) = alone();
    let faults = [
        (
            "units.rspamd",
            "systemctl stop rspamd",
            "systemctl start rspamd",
        ),
        (
            "ports.4190",
            "systemctl stop dovecot",
            "systemctl start dovecot",
        ),
        (
            "permissions.planned",
            "chmod 644 /var/lib/ezmail/tls/key.pem",
            "chmod 600 /var/lib/ezmail/tls/key.pem",
        ),
        (
            "permissions.secrets",
            "install -m 644 /dev/null /var/lib/ezmail/secrets/stray",
            "rm /var/lib/ezmail/secrets/stray",
        ),
    ];
    for (id, break_it, repair) in faults {
        let area = id.split('.').next().unwrap();
        let state = || check(setting, area)[id].clone();
        assert_eq!(state().0, "ok", "{id} before");
        setting.appliance.run(break_it).unwrap();
        let found = state();
        // repaired whatever was found, for the tests that follow
        setting.appliance.run(repair).unwrap();
        assert_eq!(found.0, "error", "{id}: {}", found.1);
        eventually(id, Duration::from_secs(120), || {
            (state().0 == "ok").then_some(())
        });
    }
}

#[test]
fn a_failed_unit_and_a_stranger_at_a_port_are_named() {
    let (setting, _guard) = alone();
    let run = |script: &str| setting.appliance.run(script).unwrap();
    run("systemd-run --unit=broken --wait false || true");
    let failed = check(setting, "units");
    run("systemctl reset-failed broken");
    assert_eq!(failed["units.failed"].0, "warning");
    assert!(failed["units.failed"].1.contains("broken.service"));

    run("systemd-run --unit=stranger systemd-socket-activate -l 0.0.0.0:2525 /bin/false");
    let found = eventually("listening at 2525", Duration::from_secs(30), || {
        let found = check(setting, "ports");
        (found["ports.others"].0 == "warning").then_some(found)
    });
    run("systemctl stop stranger");
    assert!(found["ports.others"].1.contains("tcp 2525"));
}
