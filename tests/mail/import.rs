//! Moving in, on the running server: by IMAP from itself, from a Maildir while its user is logged in,
//! and from a backup of archmailbox, whose user then signs in and whose key then signs.

use std::{io::Write, thread, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use ezmail::{
    encpipe::{Encryptor, Key, Passphrase},
    mail::{dkim, password},
};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::{
    ARRIVAL, Setting, alone, eventually,
    world::{
        addresses::{Family, HOSTNAME},
        client::{Client, Login, Port},
        message::Mail,
        shell::Ran,
    },
};

/// On the "other" server, which is this one under another login.
const OLD: Login<'static> = ("leaver@example.net", "an empty house with open doors");
const NEW: Login<'static> = ("mover@example.org", "a van full of brown boxes");
/// Of a domain that only the backup has.
const CARLA: Login<'static> = ("carla@second.org", "the last ferry of the evening");
const PEER: &str = "peer@example.com";
const PHRASE: &str = "five ducks on a lake";
/// In an emulated machine.
const LONG: Duration = Duration::from_secs(900);

/// The folders there, and how many messages each gets.
const FOLDERS: [(&str, u32); 3] = [("INBOX", 7), ("Old/2026", 12), ("Sent", 3)];

fn ran(setting: &Setting, script: &str) -> Ran {
    setting.appliance.shell().run(script, LONG).unwrap()
}

/// What a call prints; what it says besides, such as how far it is, only if it fails.
fn called(setting: &Setting, call: &str) -> Ran {
    let or = "|| { status=$?; cat said; exit $status; }";
    ran(setting, &format!("{call} 2>said {or}"))
}

/// `mailctl import imap`, called with a password; who vouches for the other server is in `ca`.
fn by_imap_trusting(setting: &Setting, ca: &str, password: &str, more: &str) -> Ran {
    let call = format!(
        "echo '{password}' | mailctl import imap {} --from {HOSTNAME} --login {} --ca-file {ca} {more}",
        NEW.0, OLD.0
    );
    called(setting, &call)
}

/// The same; the server has signed its certificate itself.
fn by_imap(setting: &Setting, password: &str, more: &str) -> Ran {
    by_imap_trusting(setting, "/var/lib/ezmail/tls/cert.pem", password, more)
}

/// The report of a call that has brought all there was.
fn report(ran: Ran) -> Value {
    assert_eq!(ran.status, 0, "{}", ran.output);
    serde_json::from_str(&ran.output).unwrap()
}

fn reader(setting: &Setting) -> Client<'_> {
    setting.world.client(95, Family::V6)
}

fn steps(setting: &Setting, login: Login<'_>, steps: Value) -> Vec<Value> {
    let done = reader(setting).imap(login, steps).unwrap();
    assert_eq!(
        (done.login.as_deref(), &done.ended),
        (Some("OK"), &None),
        "{}",
        login.0
    );
    done.results
}

/// The messages of each folder with their flags, in an order of our own.
fn marks(setting: &Setting, login: Login<'_>) -> Vec<Vec<String>> {
    let ask = FOLDERS.map(|(folder, _)| json!(["marks", folder]));
    let found = steps(setting, login, json!(ask));
    let lines = |folder: &Value| {
        let all = folder.as_array().unwrap().iter();
        let mut lines: Vec<String> = all.map(ToString::to_string).collect();
        lines.sort();
        lines
    };
    found.iter().map(lines).collect()
}

fn add_user(setting: &Setting, login: Login<'_>) {
    let script = format!("echo '{}' | mailctl user add {}", login.1, login.0);
    setting.appliance.run(&script).unwrap();
}

fn remove_user(setting: &Setting, login: Login<'_>) {
    let script = format!("mailctl user remove {} --yes --purge-mail", login.0);
    setting.appliance.run(&script).unwrap();
}

#[test]
fn a_mailbox_comes_by_imap_and_then_from_a_maildir() {
    let (setting, _guard) = alone();
    add_user(setting, OLD);
    add_user(setting, NEW);
    let fill = FOLDERS.map(|(folder, count)| {
        let name = folder.replace('/', "-");
        json!(["fill", folder, name, count])
    });
    steps(setting, OLD, json!(fill));
    let all: u32 = FOLDERS.iter().map(|(_, count)| count).sum();

    // nothing comes without the right password, and no password goes to a server that is not known
    let refused = by_imap(setting, "wrong", "");
    assert_eq!(refused.status, 1, "{}", refused.output);
    let text = format!("mailctl: {HOSTNAME} refuses the login {}: ", OLD.0);
    assert!(refused.output.starts_with(&text), "{}", refused.output);
    let others = "/etc/ssl/certs/ca-certificates.crt";
    let unknown = by_imap_trusting(setting, others, OLD.1, "");
    assert_eq!(unknown.status, 1, "{}", unknown.output);
    let text = "mailctl: nobody who is trusted here vouches for the certificate";
    assert!(unknown.output.starts_with(text), "{}", unknown.output);
    let home = "/var/vmail/example.org/mover";
    let kept = format!("if [ -e {home}/import ]; then ls {home}/import; fi");
    assert_eq!(setting.appliance.run(&kept).unwrap(), "");

    let dry = report(by_imap(setting, OLD.1, "--json --dry-run"));
    assert_eq!(dry["dry_run"], true);
    assert_eq!(setting.appliance.run(&kept).unwrap(), "");
    let first = report(by_imap(setting, OLD.1, "--json"));
    assert_eq!(first["brought"], all, "{first}");
    let old = marks(setting, OLD);
    assert_eq!(marks(setting, NEW), old);
    for ((folder, count), found) in FOLDERS.iter().zip(&old) {
        assert_eq!(found.len(), *count as usize, "{folder}: {found:?}");
    }
    assert!(old.concat().iter().any(|mark| mark.contains("$Forwarded")));

    let second = report(by_imap(setting, OLD.1, "--json"));
    assert_eq!(second["brought"], 0, "{second}");
    assert_eq!(marks(setting, NEW), old);

    // what came to the old place meanwhile comes with the next call, and what was removed here since
    // does not
    steps(setting, OLD, json!([["fill", "INBOX", "later", 1]]));
    let found = reader(setting).fetch(NEW, "Sent").unwrap();
    let remove = json!([["move", "Sent", found[0].uid, "Trash"]]);
    steps(setting, NEW, remove);
    let third = report(by_imap(setting, OLD.1, "--json --last"));
    assert_eq!(third["brought"], 1, "{third}");
    let now = marks(setting, NEW);
    assert_eq!(now[0], marks(setting, OLD)[0]);
    assert_eq!(now[2].len() + 1, old[2].len());
    assert_eq!(setting.appliance.run(&kept).unwrap(), "");

    from_a_maildir(setting);
    remove_user(setting, OLD);
    remove_user(setting, NEW);
}

/// The user sees the mail in a session that was there before.
fn from_a_maildir(setting: &Setting) {
    let make = "d=/var/lib/ezmail/restore/old-20260101T000000Z/mail/example.org/mover/Maildir
        mkdir -p $d/cur $d/new $d/tmp $d/.Work/cur
        printf 'Subject: moving-first\\n\\nHello.\\n' >$d/cur/1.a:2,FS
        printf 'Subject: moving-work\\n\\nHello.\\n' >$d/.Work/cur/2.b:2,S
        printf 'Subject: moving-late\\n\\nHello.\\n' >$d/new/3.c
        chown -R vmail:vmail ${d%/example.org*}; chmod -R go= ${d%/example.org*}
        echo $d";
    let from = setting.appliance.run(make).unwrap();
    let from = from.trim();
    let import = || {
        let call = format!("mailctl import maildir {} {from} --json", NEW.0);
        report(called(setting, &call))
    };
    thread::scope(|scope| {
        let session = scope.spawn(|| {
            let header = ("Subject", "moving-late");
            reader(setting).wait_for_mail(NEW, "INBOX", header, ARRIVAL)
        });
        // it is logged in by then, or soon: either way it sees what comes
        thread::sleep(Duration::from_secs(5));
        let first = import();
        assert_eq!(first["brought"], 3, "{first}");
        let found = session.join().unwrap().unwrap();
        assert_eq!(found.len(), 1);
        let again = import();
        assert_eq!((&again["brought"], &again["there"]), (&json!(0), &json!(3)));
    });
    let folders = steps(setting, NEW, json!([["folders"], ["fetch", "Work"]]));
    assert!(folders[0].to_string().contains("Work"), "{}", folders[0]);
    let work = folders[1].as_array().unwrap();
    assert_eq!(work.len(), 1, "{work:?}");
    assert!(work[0]["flags"].to_string().contains("\\Seen"), "{work:?}");
    let script = "cd /var/lib/ezmail/restore && rm -r old-20260101T000000Z
        rmdir --ignore-fail-on-non-empty /var/lib/ezmail/restore";
    setting.appliance.run(script).unwrap();
}

/// A backup of archmailbox with one domain, its one user and one key.
fn archmailbox() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("smtp.sqlite");
    let db = Connection::open(&database).unwrap();
    let hash = password::hash(CARLA.1).unwrap();
    db.execute_batch(&format!(
        "CREATE TABLE virtuals (email TEXT, destination TEXT);
         CREATE TABLE credentials (email TEXT, password TEXT);
         CREATE TABLE domains (domain TEXT);
         INSERT INTO domains VALUES ('second.org');
         INSERT INTO credentials VALUES ('{0}', '{hash}');
         INSERT INTO virtuals VALUES ('{0}', 'vmail');",
        CARLA.0
    ))
    .unwrap();
    drop(db);
    let key = dkim::generate(dkim::Algorithm::Ed25519).unwrap();
    let files = [
        ("./smtpd/smtp.sqlite", std::fs::read(database).unwrap()),
        ("./dkim/second.org.moved.key", key.expose().into()),
    ];
    let xz = liblzma::write::XzEncoder::new(Vec::new(), 6);
    let mut tar = tar::Builder::new(xz);
    for (path, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o600);
        tar.append_data(&mut header, path, bytes.as_slice())
            .unwrap();
    }
    let packed = tar.into_inner().unwrap().finish().unwrap();
    let phrase = Passphrase::new(PHRASE.as_bytes().to_vec()).unwrap();
    let mut stream = Encryptor::new(Vec::new(), &Key::derive(&phrase).unwrap());
    stream.write_all(&packed).unwrap();
    stream.finish().unwrap()
}

#[test]
fn a_user_of_archmailbox_logs_in_and_signs_with_the_old_key() {
    let (setting, _guard) = alone();
    let backup = STANDARD.encode(archmailbox());
    let import = |more: &str| {
        let call = format!(
            "printf %s '{backup}' | base64 -d >backup.tar.xz.encpipe
             echo '{PHRASE}' | mailctl import archmailbox backup.tar.xz.encpipe {more}"
        );
        called(setting, &call)
    };
    let dry = import("--dry-run");
    assert_eq!(dry.status, 0, "{}", dry.output);
    assert!(
        dry.output.contains("new    user      carla@second.org"),
        "{}",
        dry.output
    );
    let login = |login| reader(setting).imap(login, json!([])).unwrap().login;
    assert_ne!(login(CARLA).as_deref(), Some("OK"));
    let done = report(import("--json"));
    let states: Vec<&Value> = done["items"].as_array().unwrap().iter().collect();
    assert_eq!(states.len(), 3, "{done}");
    assert!(states.iter().all(|item| item["state"] == "new"), "{done}");
    let again = import("");
    assert_eq!(again.status, 0, "{}", again.output);
    assert!(
        again.output.contains("nothing is new; nothing was changed"),
        "{}",
        again.output
    );
    assert_eq!(login(CARLA).as_deref(), Some("OK"));

    let records = setting.appliance.records().unwrap();
    assert!(
        records.contains("moved._domainkey.second.org."),
        "{records}"
    );
    setting.world.publish(&records).unwrap();
    let mut number = 0;
    // rspamd takes new keys while it works, and the DNS shows what is new after some seconds
    eventually("a signature by the key of the backup", ARRIVAL, || {
        number += 1;
        let mail = Mail::new(CARLA.0, PEER, &format!("moved-{number}"));
        let client = setting.world.client(24, Family::V4);
        client
            .deliver(Port::Submissions, Some(CARLA), &mail)
            .unwrap();
        let message = setting.world.mx().wait_for(&mail.id, ARRIVAL).unwrap();
        let found = setting.world.verify_dkim(&message.raw).unwrap();
        let ours = |s: &crate::world::dkim::Signature| {
            s.pass && s.selector == "moved" && s.domain == "second.org"
        };
        found.iter().any(ours).then_some(())
    });
    remove_user(setting, CARLA);
    let script = "mailctl domain remove second.org --yes";
    setting.appliance.run(script).unwrap();
}
