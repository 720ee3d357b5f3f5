//! Spam: block lists, seals, what is learned by moving mail, and how much a user may send.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    ARRIVAL, PATIENCE, alone, eventually, setting, together,
    world::{
        addresses::Family,
        appliance::{ALICE, BOB},
        client::{Port, Stored},
        message::{Mail, headers},
        zones::{LISTED, UNANSWERED},
    },
};

const PEER: &str = "peer@example.com";

/// How long it may take until messages that were moved are learned: each is two processes, in an
/// emulated machine, and the counts may be a minute old.
const LEARNING: Duration = Duration::from_secs(600);

/// What rspamd's log has about a message: its action, its symbols. Of one that was put off at first,
/// what it says `at_last`.
fn judged(mail: &Mail, at_last: bool) -> String {
    let id = mail.id.trim_matches(['<', '>']);
    let script =
        format!("journalctl --no-pager -u rspamd --output=cat --grep 'id: <{id}>' || true");
    eventually("a line in rspamd's log", ARRIVAL, || {
        let text = setting().appliance.run(&script).unwrap();
        let line = text.lines().last()?;
        let is_put_off = line.contains("(soft reject)");
        (!(at_last && is_put_off)).then(|| line.to_owned())
    })
}

#[test]
fn a_list_that_does_not_answer_lists_nobody() {
    let (setting, _guard) = together();
    let send = |number: u8, name: &str| {
        let mail = Mail::new(PEER, ALICE.0, name);
        let mail = setting.world.sign(mail).unwrap();
        let client = setting.world.client(number, Family::V4);
        // it may well be put off: judged it is
        client.send(Port::Smtp, None, &mail).unwrap();
        judged(&mail, false)
    };
    let listed = send(LISTED, "spam-listed");
    assert!(listed.contains("RBL_SPAMHAUS_SBL(4"), "{listed}");
    let unanswered = send(UNANSWERED, "spam-unanswered");
    assert!(!unanswered.contains("RBL_"), "{unanswered}");
    // but for the list, they are alike
    assert!(unanswered.contains("R_DKIM_ALLOW"), "{unanswered}");
    assert!(listed.contains("R_DKIM_ALLOW"), "{listed}");
}

#[test]
fn what_an_alias_leads_elsewhere_arrives_sealed() {
    let (setting, _guard) = together();
    let forward = "away@example.org";
    let add = format!("mailctl alias add {forward} {PEER}");
    setting.appliance.run(&add).unwrap();
    let mail = Mail::new(PEER, forward, "spam-forwarded");
    let mail = setting.world.sign(mail).unwrap();
    let sender = setting.sender(Family::V4);
    sender.deliver_patiently(&mail, PATIENCE).unwrap();
    let message = setting.world.mx().wait_for(&mail.id, ARRIVAL).unwrap();
    let chain = setting.world.verify_arc(&message.raw).unwrap();
    assert_eq!(chain.verdict, "pass", "{chain:?}");
    assert_eq!(chain.domains, ["example.org"], "{chain:?}");
    let found = headers(&message.raw, "ARC-Authentication-Results");
    assert_eq!(found.len(), 1, "{found:?}");
    for result in ["spf=pass", "dkim=pass", "dmarc=pass"] {
        assert!(found[0].contains(result), "{found:?}");
    }
    // and the sender's own signature has not suffered
    let signatures = setting.world.verify_dkim(&message.raw).unwrap();
    let genuine = signatures.iter().find(|s| s.domain == "example.com");
    assert!(genuine.is_some_and(|s| s.pass), "{signatures:?}");
    setting
        .appliance
        .run(&format!("mailctl alias remove {forward}"))
        .unwrap();
}

/// Words that one kind of the messages has in common.
const SPAM: &str = "cheap castles in the air, mountains of golden pills, lottery winnings without \
                    taxes, millionaire overnight, unbelievable discount, click before midnight";
const HAM: &str = "minutes of the choir, rehearsal on thursday evening, tenor parts of the requiem, \
                   please bring pencils, cake for the soprano, parking behind the parsonage";

/// A message as a client would store it, with words of its own besides those of its kind.
fn text(kind: &str, name: &str, number: usize) -> Vec<u8> {
    let own: Vec<String> = (0..12).map(|n| format!("{name}word{number}x{n}")).collect();
    let mail = Mail::new(PEER, BOB.0, &format!("{name}-{number}"));
    mail.line(kind).line(&own.join(" ")).raw
}

/// Those of Bob's messages in `folder` whose names begin so.
fn named(folder: &str, name: &str) -> Vec<Stored> {
    let all = setting().reader().fetch(BOB, folder).unwrap();
    let is_one = |m: &Stored| {
        let ids = headers(&m.raw, "Message-ID");
        ids.iter().any(|id| id.starts_with(&format!("<{name}-")))
    };
    all.into_iter().filter(is_one).collect()
}

/// Bob moves them from one folder to the other.
fn move_all(from: &str, to: &str, name: &str) {
    let steps: Vec<Value> = named(from, name)
        .iter()
        .map(|m| json!(["move", from, m.uid, to]))
        .collect();
    assert_eq!(steps.len(), 13, "{name} in {from}");
    let result = setting().reader().imap(BOB, json!(steps)).unwrap();
    assert_eq!(result.ended, None);
}

#[test]
fn messages_moved_into_junk_are_learned_and_unlearned_when_they_come_back() {
    let (setting, _guard) = together();
    let mut steps = Vec::new();
    for number in 0..13 {
        for (folder, kind, name) in [("INBOX", SPAM, "castle"), ("Junk", HAM, "choir")] {
            let raw = text(kind, name, number);
            let raw = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, raw);
            steps.push(json!(["append", folder, raw]));
        }
    }
    let result = setting.reader().imap(BOB, json!(steps)).unwrap();
    assert_eq!(result.ended, None);
    move_all("INBOX", "Junk", "castle");
    move_all("Junk", "INBOX", "choir");
    // ten of each are enough
    eventually("learning enough of each", LEARNING, || {
        let stats = setting.appliance.run("mailctl spam stats").unwrap();
        stats
            .contains("enough: what was learned counts")
            .then_some(())
    });

    let judge = |name: &str, kind: &str| {
        let mail = Mail::new(PEER, BOB.0, name).line(kind);
        let mail = setting.world.sign(mail).unwrap();
        let sender = setting.sender(Family::V4);
        sender.deliver_patiently(&mail, PATIENCE).unwrap();
        judged(&mail, true)
    };
    let spam = judge("spam-bayes", SPAM);
    assert!(spam.contains("BAYES_SPAM("), "{spam}");
    let ham = judge("spam-bayes-ham", HAM);
    assert!(!ham.contains("BAYES_SPAM("), "{ham}");

    move_all("Junk", "INBOX", "castle");
    let mut number = 0;
    eventually("learning the other way round", LEARNING, || {
        number += 1;
        let again = judge(&format!("spam-bayes-again-{number}"), SPAM);
        (!again.contains("BAYES_SPAM(")).then_some(())
    });
}

#[test]
fn a_user_above_the_limit_is_put_off_and_the_postmaster_is_told() {
    let (setting, _guard) = alone();
    let valkey = |words: &str| {
        let script = format!("valkey-cli -s /run/valkey/valkey.sock {words}");
        setting.appliance.run(&script).unwrap()
    };
    let (hour, day) = (
        "ezmail_sent_hour_bob@example.net",
        "ezmail_sent_day_bob@example.net",
    );
    let limit = 100;
    valkey(&format!("setex {hour} 3600 {}", limit - 1));
    let client = setting.world.client(68, Family::V4);
    let submit = |name: &str| {
        let mut mail = Mail::new(BOB.0, PEER, name);
        // three recipients are one message
        mail.envelope_to = ["a", "b", "c"].map(|n| format!("{n}@example.com")).to_vec();
        let talk = client.send(Port::Submissions, Some(BOB), &mail).unwrap();
        talk.last().unwrap().clone()
    };
    let last = submit("limit-last");
    assert_eq!(last.code, 250, "{last:?}");
    assert_eq!(valkey(&format!("get {hour}")).trim(), limit.to_string());
    for _ in 0..2 {
        let over = submit("limit-over");
        assert_eq!(over.code, 451, "{over:?}");
        let said = format!("limit of {limit} messages in an hour");
        assert!(over.text.contains(&said), "{over:?}");
    }
    assert!(!setting.world.mx().has("limit-over").unwrap());

    // the unit that waits for rspamd's file sends the mail
    let told = "bob@example.net has sent 100 messages in an hour";
    let count = || {
        let inbox = setting.reader().fetch(ALICE, "INBOX").unwrap();
        let is_notice = |m: &Stored| String::from_utf8_lossy(&m.raw).contains(told);
        inbox.into_iter().filter(is_notice).count()
    };
    eventually("a notice to the postmaster", PATIENCE, || {
        (count() > 0).then_some(())
    });
    let check = setting
        .appliance
        .run("mailctl check limits || test $? = 3")
        .unwrap();
    assert!(check.contains(told), "{check}");
    // it writes last what it has told
    eventually("the end of the check", PATIENCE, || {
        let status = setting
            .appliance
            .run("mailctl status --json || true")
            .unwrap();
        status.contains("\"limits\"").then_some(())
    });

    // as after that hour
    valkey(&format!("del {hour} {day}"));
    let later = submit("limit-later");
    assert_eq!(later.code, 250, "{later:?}");
    let cleanup =
        "rm /run/ezmail/limits/*; systemctl start ezmail-daily.service; mailctl check limits";
    setting.appliance.run(cleanup).unwrap();
    assert_eq!(count(), 1, "told once");
}
