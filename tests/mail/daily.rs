//! The daily mail: what is not well, once.

use crate::{ARRIVAL, alone, world::appliance::ALICE};

#[test]
fn the_postmaster_is_told_once_that_the_server_runs_from_memory() {
    // what others do beside it would be a change to tell
    let (setting, _guard) = alone();
    // what the timer does
    setting
        .appliance
        .run(
            "systemctl start ezmail-daily.service || {
               journalctl --no-pager -u ezmail-daily -u smtpd -n 40; exit 1; }",
        )
        .unwrap();
    let header = ("Subject", "mail.example.org: what has changed");
    let found = setting
        .reader()
        .wait_for_mail(ALICE, "INBOX", header, ARRIVAL)
        .unwrap();
    // other tests have other things told
    let memory = "no state volume: this server runs from memory";
    let texts = found
        .iter()
        .map(|m| String::from_utf8_lossy(&m.raw).into_owned());
    let texts: Vec<String> = texts.filter(|text| text.contains(memory)).collect();
    assert_eq!(texts.len(), 1, "{found:?}");
    let text = &texts[0];
    assert!(
        text.contains("From: mail.example.org <root@example.org>"),
        "{text}"
    );
    let told = || {
        setting
            .appliance
            .run("cat /var/lib/ezmail/daily.json")
            .unwrap()
    };
    let before = told();
    let again = setting.appliance.run("mailctl daily").unwrap();
    assert_eq!(
        again,
        "nothing has changed: no mail\n",
        "{before}\n{}",
        told()
    );
    let timer = setting
        .appliance
        .run("systemctl is-active ezmail-daily.timer")
        .unwrap();
    assert_eq!(timer, "active\n");
}
