//! `mailctl dkim`: the commands, and a rotation from its beginning to its end.

mod rotation;

use std::fs;

use ezmail::mail::dkim::{Algorithm, generate};

use crate::server::Server;
use rotation::{Rotation, SIGNING};

const DAY: i64 = 24 * 60 * 60;

/// Texts without what is different at every run: keys, days, minutes.
fn masked(text: &str) -> String {
    let mut out = text.to_owned();
    for (pattern, with) in [
        (
            r"p=MII[A-Za-z0-9+/=]+(\\?. \\?.[A-Za-z0-9+/=]+)?",
            "p=[rsa]",
        ),
        (r"p=[A-Za-z0-9+/]{43}=", "p=[ed25519]"),
        (r"-20\d{6}", "-[day]"),
        (r"\d{4}-\d\d-\d\d", "[date]    "),
        (r"\[date\]     \d\d:\d\d UTC", "[time]"),
        (r"1\d{9}", "[seconds]"),
    ] {
        let pattern = regex::Regex::new(pattern).unwrap();
        out = pattern.replace_all(&out, with).into_owned();
    }
    out
}

#[test]
fn a_rotation_from_its_beginning_to_its_end() {
    let r = Rotation::new();
    let before = r.signing();
    insta::assert_snapshot!(masked(&r.rotate(&["--domain", "Example.org"])));
    assert_eq!(r.signing(), before);
    let zone = masked(&r.server.good(&["dns", "show"]));
    assert!(zone.contains("ezmail-rsa-[day]._domainkey"), "{zone}");
    let (name, value) = r.record("ezmail-rsa-");
    let (name2, value2) = r.record("ezmail-ed25519-");

    // whatever the DNS shows that is not the record everywhere: signing stays as it is
    insta::assert_snapshot!(r.said());
    r.publish(&name, [Ok(&[&value]), Ok(&[])]);
    r.publish(&name2, [Ok(&[&value2]), Err("no answer in time")]);
    insta::assert_snapshot!(r.said());
    r.publish(&name, [Ok(&[&value]), Ok(&[&value[..255]])]);
    r.publish(&name2, [Ok(&[&value2, "v=DKIM1; p="]), Ok(&[&value])]);
    insta::assert_snapshot!(r.said());
    insta::assert_snapshot!(masked(&r.server.good(&["dkim", "list"])));
    insta::assert_snapshot!(masked(
        &r.server.good(&["dkim", "rotate", "--status", "--json"])
    ));
    r.dns.lost.set(true);
    insta::assert_snapshot!(r.said());
    r.dns.lost.set(false);
    assert_eq!(r.signing(), before);

    // the one is there, and then the other
    r.publish(&name, [Ok(&[&value]), Ok(&[&value])]);
    insta::assert_snapshot!(r.said());
    insta::assert_snapshot!(r.signing());
    r.publish(&name2, [Ok(&[&value2]), Ok(&[&value2])]);
    r.now.set(r.now.get() + DAY);
    assert_eq!(r.look().unwrap().len(), 1);
    insta::assert_snapshot!(r.signing());
    // a boot, and a look more, change nothing
    let stages = r.stages();
    r.apply().unwrap();
    assert_eq!(r.look().unwrap(), Vec::<String>::new());
    assert_eq!(r.stages(), stages);
    insta::assert_snapshot!(stages);

    // a week after each, it goes, and its record may
    let old = "ezmail-rsa._domainkey.example.org";
    let record = "v=DKIM1; k=rsa; p=AAAA";
    r.publish(old, [Ok(&[record]), Ok(&[record])]);
    r.now.set(r.now.get() + 6 * DAY - 1);
    assert_eq!(r.look().unwrap(), Vec::<String>::new());
    r.now.set(r.now.get() + 1);
    insta::assert_snapshot!(r.said());
    r.now.set(r.now.get() + DAY);
    assert_eq!(r.look().unwrap().len(), 1);
    insta::assert_snapshot!(masked(&r.server.good(&["dkim", "list"])));
    assert_eq!(
        r.files(),
        [
            "ezmail-ed25519-[day].key",
            "ezmail-ed25519-[day].pem",
            "ezmail-rsa-[day].pem"
        ]
    );
    // told until nobody shows it any more; it stays told where one does not answer
    r.publish(old, [Ok(&[record]), Ok(&[])]);
    r.look().unwrap();
    assert_eq!(
        r.summary(),
        "DKIM example.org: the record ezmail-rsa._domainkey may go from the DNS"
    );
    r.publish(old, [Ok(&[]), Err("no answer in time")]);
    r.look().unwrap();
    assert_ne!(r.summary(), "");
    r.publish(old, [Ok(&[]), Ok(&[])]);
    r.look().unwrap();
    assert_eq!(r.summary(), "");
    // and all over again
    r.rotate(&[]);
    assert_eq!(r.stages().lines().count(), 5);
}

#[test]
fn power_fails_between_commit_and_services() {
    let r = Rotation::new();
    let before = r.signing();
    r.rotate(&["--algorithm", "rsa"]);
    let (name, value) = r.record("ezmail-rsa-");
    r.publish(&name, [Ok(&[&value]), Ok(&[&value])]);
    r.cut.set(true);
    let error = format!("{:#}", r.look().unwrap_err());
    assert_eq!(error, "the change is noted and not in effect yet: no power");
    assert_eq!(r.signing(), before);
    // nothing else happens before it is in effect, however long that takes
    r.now.set(r.now.get() + 30 * DAY);
    r.look().unwrap_err();
    assert!(
        r.summary()
            .starts_with("DKIM: a change of keys is not in effect yet")
    );
    assert!(r.files().contains(&"ezmail-rsa.pem".to_owned()));
    r.cut.set(false);
    let stages = r.stages();
    r.apply().unwrap();
    assert_ne!(r.signing(), before);
    assert_eq!(r.stages(), stages);
    assert_eq!(
        r.look().unwrap(),
        [
            "a change of keys that was not in effect yet is now",
            "example.org: ezmail-rsa is removed"
        ]
    );
}

#[test]
fn power_fails_between_file_and_row() {
    let r = Rotation::new();
    let folder = r.server.world.path("var/lib/ezmail/dkim/example.org");
    // a key that was being made
    let key = generate(Algorithm::Ed25519).unwrap();
    fs::write(folder.join("ezmail-ed25519-20200101.pem"), key.expose()).unwrap();
    // an administrator's own file is none of ours
    fs::write(folder.join("kept.pem"), key.expose()).unwrap();
    assert_eq!(
        r.look().unwrap(),
        ["example.org: the file of ezmail-ed25519-20200101 is removed: no key is known to it"]
    );
    assert_eq!(
        r.files(),
        [
            "ezmail-ed25519.key",
            "ezmail-ed25519.pem",
            "ezmail-rsa.pem",
            "kept.pem"
        ]
    );
    // a key that was being dropped, and one that was damaged
    let before = r.signing();
    r.rotate(&[]);
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        if name.starts_with("ezmail-rsa-") {
            fs::remove_file(&path).unwrap();
        } else if name.starts_with("ezmail-ed25519-") {
            fs::write(&path, "damaged").unwrap();
        }
    }
    insta::assert_snapshot!(r.said());
    assert_eq!(r.signing(), before);
    assert_eq!(r.stages().lines().count(), 3);
    assert_eq!(r.look().unwrap(), Vec::<String>::new());
    // an old key whose file went before its row
    r.rotate(&["--algorithm", "rsa"]);
    let (name, value) = r.record("ezmail-rsa-");
    r.publish(&name, [Ok(&[&value]), Ok(&[&value])]);
    r.look().unwrap();
    fs::remove_file(folder.join("ezmail-rsa.pem")).unwrap();
    r.apply().unwrap();
    r.now.set(r.now.get() + 7 * DAY);
    assert_eq!(r.look().unwrap(), ["example.org: ezmail-rsa is removed"]);
}

#[test]
fn keys_are_listed_and_shown() {
    let server = Server::small();
    insta::assert_snapshot!(masked(&server.good(&["dkim", "list"])));
    insta::assert_snapshot!(masked(&server.good(&["dkim", "list", "--json"])));
    insta::assert_snapshot!(masked(&server.good(&[
        "dkim",
        "show",
        "example.org",
        "ezmail-rsa"
    ])));
    insta::assert_snapshot!(masked(&server.good(&["dkim", "show", "--json"])));
    insta::assert_snapshot!(
        server.bad(1, &["dkim", "show", "example.org", "mine"]),
        @"mailctl: example.org has no key mine; it has ezmail-rsa, ezmail-ed25519"
    );
    insta::assert_snapshot!(
        server.bad(1, &["dkim", "show", "example.com"]),
        @"mailctl: example.com is not a domain of this server; it has example.org; nothing was changed"
    );
    insta::assert_snapshot!(
        server.good(&["dkim", "rotate", "--status"]),
        @"No rotation is on its way. 'mailctl dkim rotate' begins one."
    );
}

#[test]
fn a_next_key_is_made_and_dropped() {
    let server = Server::small();
    let made = server.good(&["dkim", "generate", "example.org", "--selector", "S2027"]);
    insta::assert_snapshot!(masked(&made));
    insta::assert_snapshot!(server.bad(1, &["dkim", "generate", "example.org"]));
    let twice = [
        "dkim",
        "generate",
        "example.org",
        "--algorithm",
        "ed25519",
        "--selector",
        "s2027",
    ];
    insta::assert_snapshot!(server.bad(1, &twice));
    let wrong = ["dkim", "generate", "example.org", "--selector", "a_b"];
    insta::assert_snapshot!(server.bad(1, &wrong));
    insta::assert_snapshot!(server.bad(1, &["dkim", "rotate", "--abort"]));
    insta::assert_snapshot!(
        server.good(&["dkim", "rotate", "--abort", "--yes"]),
        @"example.org: s2027 is dropped; its record may go from the DNS"
    );
    insta::assert_snapshot!(
        server.bad(1, &["dkim", "rotate", "--abort", "--yes"]),
        @"mailctl: there is no next key to drop; nothing was changed"
    );
    // a rotation that is begun twice has the same keys
    let first = server.good(&["dkim", "rotate", "--json"]);
    assert_eq!(server.good(&["dkim", "rotate", "--json"]), first);
}

#[test]
fn a_key_of_ones_own_is_taken() {
    let server = Server::small();
    let file = server.world.path("key.pem");
    let key = generate(Algorithm::Rsa).unwrap();
    fs::write(&file, key.expose()).unwrap();
    let path = file.to_str().unwrap();
    let install = |selector: &'static str, more: &[&'static str]| {
        let mut all = vec!["dkim", "install", "example.org", selector, path];
        all.extend(more);
        all.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let words = |all: &[String]| {
        all.iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join("\n")
    };
    let good = |all: &[String]| {
        let text = words(all);
        server.good(&text.split('\n').collect::<Vec<_>>())
    };
    let bad = |status, all: &[String]| {
        let text = words(all);
        server.bad(status, &text.split('\n').collect::<Vec<_>>())
    };
    insta::assert_snapshot!(masked(&good(&install("mine", &[]))));
    insta::assert_snapshot!(bad(1, &install("mine", &[])));
    insta::assert_snapshot!(bad(1, &install("other", &["--now"])));
    insta::assert_snapshot!(masked(&good(&install("other", &["--now", "--yes"]))));
    insta::assert_snapshot!(masked(&server.good(&["dkim", "list"])));
    assert!(server.world.read(SIGNING).contains("selector = \"other\""));
    for (name, text) in [
        ("no-key", "hello"),
        (
            "public",
            "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        ),
        (
            "certificate",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ),
    ] {
        fs::write(&file, text).unwrap();
        insta::assert_snapshot!(name, bad(1, &install("third", &[])));
    }
    fs::remove_file(&file).unwrap();
    insta::assert_snapshot!(bad(1, &install("third", &[])));
}

/// Nobody answers at the port of a resolver that is none: told, and no failure.
#[test]
fn without_dns_nothing_is_done() {
    let server = Server::small();
    let look = ["dkim", "rotate", "--continue", "--resolver", "127.0.0.1:1"];
    insta::assert_snapshot!(
        server.good(&look),
        @"No rotation is on its way: there is nothing to do."
    );
    server.good(&["dkim", "rotate", "--algorithm", "ed25519"]);
    // refused or without an answer, as the machine has it
    let said = server.good(&look).replace("\n  ", " ");
    assert!(
        said.contains("cannot be looked for: asking the resolver 127.0.0.1:1 for"),
        "{said}"
    );
}

#[test]
fn the_helps_fit_and_misuse_is_refused() {
    let server = Server::bare();
    for command in ["list", "show", "generate", "install", "rotate"] {
        let help = server.good(&["dkim", command, "--help"]);
        assert!(help.lines().all(|l| l.chars().count() <= 80), "{help}");
        insta::assert_snapshot!(format!("help-{command}"), help);
    }
    for (name, misuse) in [
        ("misuse-two", &["dkim", "rotate", "--status", "--abort"][..]),
        (
            "misuse-continue",
            &["dkim", "rotate", "--continue", "--domain", "a.example"],
        ),
        ("misuse-yes", &["dkim", "rotate", "--yes"]),
        (
            "misuse-algorithm",
            &["dkim", "generate", "a.example", "--algorithm", "dsa"],
        ),
    ] {
        insta::assert_snapshot!(name, server.bad(2, misuse));
    }
    insta::assert_snapshot!(server.bad(1, &["dkim", "list"]));
}
