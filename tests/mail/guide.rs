//! The way to the first mail: what the console says is missing, live.

use std::time::Duration;

use regex::Regex;

use crate::{Setting, alone};

/// How old a page may be, in an emulated machine.
const PAGE: Duration = Duration::from_secs(60);

/// What is left, as a person asks for it.
fn left(setting: &Setting) -> String {
    // something always is: the well-known mail servers are not in this world
    let script = "mailctl guide || test $? = 3";
    setting.appliance.run(script).unwrap()
}

#[test]
fn a_record_that_is_withdrawn_is_told_until_it_is_back() {
    // other tests look at the records
    let (setting, _guard) = alone();
    let records = setting.appliance.records().unwrap();
    let without: String = records
        .lines()
        .filter(|line| !line.starts_with("_dmarc.example.org."))
        .map(|line| format!("{line}\n"))
        .collect();
    assert_ne!(records, without);
    let before = left(setting);
    assert!(!before.contains("_dmarc."), "{before}");

    setting.world.publish(&without).unwrap();
    let found = left(setting);
    let page = Regex::new("DMARC missing: _dmarc\\.example\\.org\\. TXT").unwrap();
    let shown = setting.appliance.machine().wait_for(&page, PAGE);
    let printed = setting.appliance.run("ezmail-agent console").unwrap();
    // back whatever was found, for the tests that follow
    setting.world.publish(&records).unwrap();
    assert!(found.contains("DMARC missing: "), "{found}");
    assert!(printed.contains("DMARC missing: "), "{printed}");
    shown.unwrap();

    let found = left(setting);
    assert!(!found.contains("DMARC missing"), "{found}");
    let printed = setting.appliance.run("ezmail-agent console").unwrap();
    assert!(!printed.contains("DMARC missing"), "{printed}");
}

#[test]
fn the_timer_looks_within_its_sandbox() {
    let (setting, _guard) = alone();
    let script = "rm -f /run/ezmail/guide.json
         systemctl start ezmail-guide.service || {
           journalctl --no-pager -u ezmail-guide -n 40; exit 1; }
         systemctl is-active ezmail-guide.timer
         cat /run/ezmail/guide.json";
    let said = setting.appliance.run(script).unwrap();
    assert!(said.starts_with("active\n"), "{said}");
    assert!(
        said.contains("\"name\": \"MX\",\n      \"state\": \"right\""),
        "{said}"
    );
    // that it went well is no line in the journal
    let script = "journalctl --no-pager --quiet -b -o cat -u ezmail-guide.service";
    assert_eq!(setting.appliance.run(script).unwrap(), "");
}
