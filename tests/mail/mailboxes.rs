//! What dovecot does by itself: warnings of a full mailbox, the Sieve script of who has none, what is
//! thrown away with time, and logins by ManageSieve.

use std::time::Duration;

use serde_json::json;

use crate::{
    ARRIVAL, alone, eventually, together,
    world::{
        Knock,
        addresses::{FAMILIES, Family, appliance},
        appliance::{ALICE, BOB},
        client::Login,
        message::{Mail, headers},
    },
};

const PEER: &str = "peer@example.com";
const DAVE: Login<'static> = ("dave@example.org", "a kettle under four old maps");
/// How long it may take to store some tens of megabytes.
const STORING: Duration = Duration::from_secs(600);

#[test]
fn a_mailbox_that_gets_full_is_told_of_at_80_and_at_95_percent() {
    let (setting, _guard) = alone();
    let run = |script: &str| {
        let ran = setting.appliance.shell().run(script, STORING).unwrap();
        assert_eq!(ran.status, 0, "{script}: {}", ran.output);
    };
    let subjects = || -> Vec<String> {
        let inbox = setting.reader().fetch(DAVE, "INBOX").unwrap();
        inbox
            .iter()
            .flat_map(|mail| headers(&mail.raw, "Subject"))
            .collect()
    };
    let warned = |count: usize| {
        eventually("a warning", ARRIVAL, || {
            Some(subjects()).filter(|subjects| subjects.len() >= count)
        })
    };
    run(&format!(
        "echo '{}' | mailctl user add {} --quota 100M",
        DAVE.1, DAVE.0
    ));
    // 17 of 104 million bytes at a time, which take no room on the disk; a line end counts as two
    run(
        "{ printf 'Subject: big\n\n'; yes '0123456789012345678901234567890123456789012345678901234567890123456789' \
         | head -c 17000000; } >/tmp/big",
    );
    let save = format!("doveadm save -u {} -m Archive /tmp/big", DAVE.0);
    run(&[save.as_str(); 4].join(" && "));
    assert!(subjects().is_empty());
    run(&save);
    assert_eq!(warned(1), ["Your mailbox is 80 % full"]);
    run(&save);
    let both = ["Your mailbox is 80 % full", "Your mailbox is 95 % full"];
    assert_eq!(warned(2), both);
    // and a mail still gets in
    setting.arrives(Mail::new(PEER, DAVE.0, "quota-nearly"), DAVE, "INBOX");
    run(&format!(
        "rm /tmp/big; mailctl user remove {} --yes --purge-mail",
        DAVE.0
    ));
}

#[test]
fn mail_to_a_plus_address_goes_to_its_folder_if_there_is_one() {
    let (setting, _guard) = together();
    let reader = setting.reader();
    let made = reader.imap(BOB, json!([["fill", "lists", "plus-seed", 1]]));
    assert_eq!(made.unwrap().ended, None);
    let to = |detail: &str| format!("bob+{detail}@example.net");
    for (detail, folder) in [
        ("lists", "lists"),
        ("other", "INBOX"),
        // strangers choose the address
        ("Trash", "INBOX"),
    ] {
        let mail = Mail::new(PEER, &to(detail), &format!("plus-{detail}"));
        setting.arrives(mail, BOB, folder);
    }
}

#[test]
fn trash_and_junk_are_emptied_after_thirty_days() {
    let (setting, _guard) = together();
    let settings = setting.appliance.run("doveconf -n").unwrap();
    let mut mailbox = "";
    let mut found = Vec::new();
    for line in settings.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("mailbox ") {
            mailbox = name.trim_end_matches(" {");
        }
        if let Some(time) = line.strip_prefix("autoexpunge = ") {
            found.push((mailbox, time));
        }
    }
    assert_eq!(found, [("Trash", "30d"), ("Junk", "30d")]);
}

#[test]
fn managesieve_takes_a_password_over_tls_only() {
    let (setting, _guard) = together();
    for family in FAMILIES {
        let client = setting.world.client(85, family);
        let clear = client.sieve(ALICE, false).unwrap();
        assert_eq!(clear.offered, "");
        assert!(clear.login.starts_with("NO (ENCRYPT-NEEDED)"), "{clear:?}");
        let tls = client.sieve(ALICE, true).unwrap();
        assert!(tls.login.starts_with("OK"), "{tls:?}");
        // hers would have that name, if she had one
        assert_eq!(tls.scripts.unwrap(), ["\"standard\" ACTIVE"]);
        let imap = setting.world.knock(None, appliance(family), 143, 1);
        assert_eq!(imap.unwrap(), [Knock::Silent]);
    }
    let wrong = setting.world.client(86, Family::V4);
    let wrong = wrong.sieve((ALICE.0, BOB.1), true).unwrap();
    assert!(wrong.login.starts_with("NO"), "{wrong:?}");
}
