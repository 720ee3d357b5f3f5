//! Headers of more fields, lines and addresses than any honest message has.

use std::{thread, time::Duration};

use super::{PEER, Watch, holding, offered, taken};
use crate::{
    Setting, together,
    world::{
        addresses::{FAMILIES, Family},
        appliance::ALICE,
        client::Step,
        message::{Mail, body, headers},
    },
};

/// Taken and delivered unchanged once, or refused.
fn whole_or_refused(setting: &Setting, family: Family, mail: &Mail, part: &str) {
    let mail = setting.world.sign(mail.clone()).unwrap();
    let (talk, code) = offered(setting, family, &mail);
    println!("{}: {}", mail.id, talk.story());
    assert!(
        code == 250 || (400..600).contains(&code),
        "{}",
        talk.story()
    );
    if code == 250 {
        let stored = taken(setting, &mail);
        let text = String::from_utf8_lossy(&stored.raw);
        assert!(text.contains(part), "{} has changed", mail.id);
        assert_eq!(body(&stored.raw), body(&mail.raw));
    }
}

#[test]
fn a_header_of_two_megabytes() {
    let (setting, _guard) = together();
    let watch = Watch::begin(setting, "large-header");
    let lines = |start: &str, length: usize| -> String {
        (0..2_000_000 / length)
            .map(|n| format!("{start}X-Filler-{n}: {}\r\n", "f".repeat(length)))
            .collect()
    };
    // many fields
    let fields = lines("", 70);
    let mut mail = Mail::new(PEER, ALICE.0, "large-header-fields");
    mail.raw = [fields.as_bytes(), &mail.raw].concat();
    whole_or_refused(setting, Family::V4, &mail, &fields);
    // and one
    let folded = lines(" ", 900);
    let mail = Mail::new(PEER, ALICE.0, "large-header-field");
    let mail = mail.with("X-Folded", &format!("begin\r\n{}", folded.trim_end()));
    whole_or_refused(setting, Family::V6, &mail, &folded);
    watch.end(setting, Family::V6);
}

#[test]
fn ten_thousand_servers_on_the_way_are_a_loop() {
    let (setting, _guard) = together();
    let watch = Watch::begin(setting, "loop");
    for family in FAMILIES {
        let mut mail = Mail::new(PEER, ALICE.0, &format!("loop-{family:?}"));
        let hops: String = (0..10_000)
            .map(|n| {
                format!(
                    "Received: from a{n}.example.com (a{n}.example.com [198.18.200.9])\r\n\
                     \tby b{n}.example.com with ESMTP id {n};\r\n\
                     \tMon, 1 Jan 2024 00:00:00 +0000\r\n"
                )
            })
            .collect();
        mail.raw = [hops.as_bytes(), &mail.raw].concat();
        let (talk, code) = offered(setting, family, &mail);
        assert!((500..600).contains(&code), "{}", talk.story());
    }
    watch.end(setting, Family::V4);
    assert!(holding(setting, "<loop-").is_empty());
}

#[test]
fn addresses_by_the_thousand_in_a_field_keep_nobody_waiting() {
    let (setting, _guard) = together();
    let watch = Watch::begin(setting, "many-addresses");
    // smtpd unfolds these fields and copies 64 KiB for each address; one is more than it unfolds
    for (number, (field, word, count, times)) in [
        ("To", "user@example.net", 3_500, 1),
        ("Cc", "a", 20_000, 1),
        ("From", "a", 20_000, 1),
        ("To", "user@example.net", 50_000, 1),
        ("Cc", "a", 20_000, 20),
    ]
    .into_iter()
    .enumerate()
    {
        let family = FAMILIES[number % 2];
        let line = vec![word; 50].join(",");
        let list = vec![line; count / 50].join(",\r\n ");
        let name = format!("addresses-{number}");
        let mail = Mail::new(PEER, ALICE.0, &name);
        let mut mail = mail.without(field);
        for _ in 0..times {
            mail = mail.with(field, &list);
        }
        let talk = thread::scope(|scope| {
            let attack = scope.spawn(|| offered(setting, family, &mail));
            // meanwhile others are greeted
            let other = setting.world.client(19, family).impatient(60);
            while !attack.is_finished() {
                let talk = other.talk(25, false, &[Step::line("QUIT")]).unwrap();
                assert_eq!(talk.last().unwrap().code, 221, "{}", talk.story());
                thread::sleep(Duration::from_millis(500));
            }
            attack.join().unwrap()
        });
        println!("{name}: {}", talk.0.story());
        assert!(
            talk.1 == 250 || (400..600).contains(&talk.1),
            "{}",
            talk.0.story()
        );
        if talk.1 == 250 {
            let stored = taken(setting, &mail);
            let kept = headers(&stored.raw, field).join(",");
            let kept = kept.split(',').filter(|a| a.trim().starts_with(word));
            assert_eq!(kept.count(), count * times, "{name}");
        }
    }
    watch.end(setting, Family::V4);
}
