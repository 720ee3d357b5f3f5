//! Users that mailctl adds, renames, locks out and removes: the daemons know at once.

use serde_json::json;

use crate::{
    ARRIVAL, PATIENCE, Setting, alone, eventually,
    world::{
        addresses::Family,
        client::{Login, Port, Step},
        message::Mail,
    },
};

const CAROL: Login<'static> = ("carol@example.org", "a lantern over the harbour wall");
const CAROLINE: Login<'static> = ("caroline@example.org", CAROL.1);
const PEER: &str = "peer@example.com";

/// Whether dovecot and smtpd let somebody in; they must agree.
fn gets_in(setting: &Setting, login: Login<'_>) -> bool {
    let client = setting.world.client(26, Family::V6);
    let imap = client.imap(login, json!([])).unwrap();
    let imap = imap.login.is_some_and(|answer| answer.starts_with("OK"));
    let client = setting.world.client(27, Family::V4);
    let talk = client
        .encrypted(Port::Submissions, &[Step::Plain(login)])
        .unwrap();
    let smtp = talk.replies.iter().any(|r| r.code == 235);
    assert_eq!(imap, smtp, "{}: {talk:#?}", login.0);
    imap
}

#[test]
fn a_user_comes_is_renamed_and_goes() {
    let (setting, _guard) = alone();
    let run = |script: &str| setting.appliance.run(script).unwrap();
    let arrives = |to: &str, name: &str, login: Login<'_>| {
        let mail = setting.world.sign(Mail::new(PEER, to, name)).unwrap();
        let sender = setting.sender(Family::V4);
        sender.deliver_patiently(&mail, PATIENCE).unwrap();
        setting.find(&mail, login, "INBOX");
    };
    assert!(!gets_in(setting, CAROL));
    run(&format!(
        "echo '{}' | mailctl user add {}",
        CAROL.1, CAROL.0
    ));
    assert!(gets_in(setting, CAROL));
    arrives(CAROL.0, "accounts-first", CAROL);

    // a password for one device, whose use is noted
    let said = run(&format!(
        "mailctl app-password add {} phone --json",
        CAROL.0
    ));
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    let password = said["password"].as_str().unwrap();
    let phone = "carol+phone@example.org";
    assert!(gets_in(setting, (phone, password)));
    eventually("the note of its use", ARRIVAL, || {
        let list = run("mailctl app-password list --json");
        let list: serde_json::Value = serde_json::from_str(&list).unwrap();
        list[0]["last_used"].is_number().then_some(())
    });

    // mail is on its way to the old address while she is renamed
    run("systemctl stop dovecot");
    let mail = Mail::new(PEER, CAROL.0, "accounts-queued");
    let mail = setting.world.sign(mail).unwrap();
    let sender = setting.sender(Family::V4);
    sender.deliver_patiently(&mail, PATIENCE).unwrap();
    run(&format!(
        "mailctl user rename {} {} --no-alias && systemctl start dovecot",
        CAROL.0, CAROLINE.0
    ));
    eventually("dovecot", ARRIVAL, || {
        gets_in(setting, CAROLINE).then_some(())
    });
    run("mailctl queue retry --all");
    setting.find(&mail, CAROLINE, "INBOX");
    let before = ("Subject", "accounts-first");
    let found = setting
        .reader()
        .wait_for_mail(CAROLINE, "INBOX", before, ARRIVAL);
    assert_eq!(found.unwrap().len(), 1);
    assert!(!gets_in(setting, CAROL));

    // an alias
    run("mailctl alias add sales@example.org caroline@example.org");
    arrives("sales@example.org", "accounts-alias", CAROLINE);

    run(&format!("mailctl user disable {}", CAROLINE.0));
    assert!(!gets_in(setting, CAROLINE));
    run(&format!("mailctl user enable {}", CAROLINE.0));
    assert!(gets_in(setting, CAROLINE));
    // what mailctl did is not undone by the answers that are kept
    run("ezmail-agent apply --kept");
    assert!(gets_in(setting, CAROLINE));
    run(&format!(
        "mailctl alias remove sales@example.org && mailctl user remove {} --yes --purge-mail",
        CAROLINE.0
    ));
    assert!(!gets_in(setting, CAROLINE));
    run("[ ! -e /var/vmail/example.org/caroline ]");
}
