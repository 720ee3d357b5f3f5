//! What an administrator does about mail that waits, and how it is told what became of mail.

use std::time::Duration;

use serde_json::Value;

use crate::{
    ARRIVAL, PATIENCE, Setting, alone, eventually, together,
    world::{addresses::Family, appliance::ALICE, client::Port, message::Mail},
};

const PEER: &str = "peer@example.com";
/// How long a command may take that waits by itself.
const TEST: Duration = Duration::from_secs(400);

fn json(setting: &Setting, command: &str) -> Value {
    let text = setting.appliance.run(command).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The number of the one message in the queue to `PEER`.
fn waiting(setting: &Setting) -> String {
    eventually("a message that waits", ARRIVAL, || {
        let queue = json(setting, "mailctl queue list --json");
        let of_peer = |e: &&Value| {
            e["recipient"] == PEER && e["error"].as_str().is_some_and(|e| e.contains("451"))
        };
        let found = queue.as_array().unwrap().iter().find(of_peer)?;
        Some(found["message"].as_str().unwrap().to_owned())
    })
}

#[test]
fn mail_that_waits_is_listed_retried_and_removed() {
    let (setting, _guard) = alone();
    let user = setting.world.client(75, Family::V4);
    let mx = setting.world.mx();
    let run = |command: &str| setting.appliance.run(command).unwrap();
    let send = |name: &str| {
        let mail = Mail::new(ALICE.0, PEER, name);
        user.deliver(Port::Submissions, Some(ALICE), &mail).unwrap();
        mail
    };
    let refusing = mx.respond("data", "451 4.3.0 later").unwrap();
    let first = send("queue-retried");
    let id = waiting(setting);
    let list = run("mailctl queue list");
    assert!(
        list.contains("next try in ") && list.contains("451 4.3.0 later"),
        "{list}"
    );
    let shown = run(&format!("mailctl queue show {id}"));
    assert!(shown.contains("Subject:"), "{shown}");
    let log = run(&format!("mailctl log --message {id}"));
    assert!(log.contains(&format!("waits for {PEER}")), "{log}");
    // nobody is there to be asked
    let refused = setting.appliance.run(&format!("mailctl queue remove {id}"));
    assert!(format!("{:#}", refused.unwrap_err()).contains("gets no bounce"));
    drop(refusing);
    run(&format!("mailctl queue retry {id}"));
    mx.wait_for(&first.id, ARRIVAL).unwrap();

    let refusing = mx.respond("data", "451 4.3.0 later").unwrap();
    let second = send("queue-removed");
    let id = waiting(setting);
    let removed = run(&format!("mailctl queue remove --yes {id}"));
    assert_eq!(removed, "removed 1 envelope\n");
    assert_eq!(
        run("mailctl queue list"),
        "The queue is empty: no mail waits here.\n"
    );
    drop(refusing);
    assert!(!mx.has(&second.id).unwrap());
}

#[test]
fn the_log_tells_the_way_of_a_message() {
    let (setting, _guard) = together();
    let mail = Mail::new(PEER, ALICE.0, "log-incoming");
    let id = mail.id.clone();
    setting.arrives(mail, ALICE, "INBOX");
    let story = setting
        .appliance
        .run(&format!("mailctl log --message '{id}'"))
        .unwrap();
    for part in [
        "judged good",
        "accepted",
        "over TLS",
        "handed to dovecot for alice@example.org",
        "stored in INBOX of alice@example.org",
    ] {
        assert!(story.contains(part), "{part}: {story}");
    }
    let about = setting
        .appliance
        .run("mailctl log alice@example.org")
        .unwrap();
    assert!(about.contains(id.trim_matches(['<', '>'])), "{about}");
    let unknown = Mail::new(PEER, "nobody@example.org", "log-refused");
    setting
        .sender(Family::V4)
        .send(Port::Smtp, None, &unknown)
        .unwrap();
    let refused = setting
        .appliance
        .run("mailctl log nobody@example.org")
        .unwrap();
    assert!(
        refused.contains("refused RCPT TO:<nobody@example.org>"),
        "{refused}"
    );
}

#[test]
fn spam_is_learned_by_hand() {
    let (setting, _guard) = alone();
    let stats = || json(setting, "mailctl spam stats --json");
    let before = stats()["spam"].as_u64().unwrap();
    // a message of a few words is not enough for rspamd
    let learn = "printf 'Subject: %s\\n\\nbuy a castle in the air now, very cheap today and only \
                 today, with seven towers, a moat, a dragon of good character and a view of the \
                 mountains beyond the forest\\n' castle | mailctl spam learn spam";
    let said = setting.appliance.run(learn).unwrap();
    assert_eq!(said, "learned as spam: 1\n");
    // rspamd asks valkey for its counts every now and then
    eventually("the count", ARRIVAL, || {
        (stats()["spam"].as_u64().unwrap() == before + 1).then_some(())
    });
    let again = setting.appliance.run(learn).unwrap();
    assert_eq!(again, "learned as spam: 0, known already: 1\n");
}

#[test]
fn a_service_is_held_until_it_is_enabled() {
    let (setting, _guard) = alone();
    let run = |command: &str| {
        let ran = setting.appliance.shell().run(command, TEST).unwrap();
        assert_eq!(ran.status, 0, "{command}: {}", ran.output);
        ran.output
    };
    let mail = Mail::new(PEER, ALICE.0, "service-held");
    let mail = setting.world.sign(mail).unwrap();
    run("mailctl service disable smtp --yes");
    let list = run("mailctl service list");
    assert!(list.contains("held by the administrator"), "{list}");
    // as the agent at boot, and an administrator by mistake
    run("ezmail-agent apply --kept && ! systemctl start smtpd");
    assert_eq!(run("systemctl is-active smtpd || true"), "inactive\n");
    run("mailctl service enable smtp");
    setting
        .sender(Family::V4)
        .deliver_patiently(&mail, PATIENCE)
        .unwrap();
    setting.find(&mail, ALICE, "INBOX");
    run("mailctl service restart spam");
    let list = run("mailctl service list");
    assert!(!list.contains("held"), "{list}");
}

#[test]
fn a_message_goes_the_whole_way_round_and_leaves_nothing() {
    let (setting, _guard) = alone();
    let run = |command: &str| {
        let ran = setting.appliance.shell().run(command, TEST).unwrap();
        (ran.status, ran.output)
    };
    let (status, said) = run("mailctl test --wait 180");
    assert_eq!(status, 0, "{said}");
    assert!(said.ends_with("It came through.\n"), "{said}");
    let (status, said) = run(&format!("mailctl test --wait 180 --to {PEER}"));
    assert_eq!(status, 0, "{said}");
    let left = "ls /var/vmail/*/ | grep mailctl-test || true";
    assert_eq!(run(left), (0, String::new()));
    let (status, said) = run("systemctl stop dovecot; mailctl test; s=$?
                              systemctl start dovecot; exit $s");
    assert_eq!(status, 3, "{said}");
    assert!(said.contains("dovecot"), "{said}");
}
