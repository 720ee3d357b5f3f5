//! A server in a folder, the world around it, and what the one says about the other.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use ezmail::{
    mail::{
        database::{
            self,
            keys::{self, Key, Stage},
        },
        dkim::{self, Algorithm},
    },
    util::{files, run::Task},
};
use serde_json::Value;

use crate::{
    book::Book,
    cases::Case,
    folder, second,
    world::{
        World,
        addresses::{Family, resolver},
        zones::ZONES,
    },
};

const ANSWERS: &str = r#"
hostname = "mail.example.org"
postmaster = "alice@example.org"

[[domain]]
name = "example.org"

[[domain]]
name = "team.example.net"

[[user]]
address = "alice@example.org"
password_hash = "$argon2id$v=19$m=19456,t=2,p=1$HtKaUpKsz7K46esgPcLogg$YYARhO8rPJMzMa3rp0rZn5AJfv6zTdYNs/CUltaDMeg"

[acme]
enabled = true

[network]
mode = "static"
address = ["198.18.0.10/24", "2001:2::10/64"]
gateway = ["198.18.0.1", "2001:2::1"]
"#;

/// How long the resolver may show what was there before: its cache holds five seconds.
const LIMIT: Duration = Duration::from_secs(20);

/// All of it.
pub struct Setting {
    world: World,
    folder: folder::World,
    published: RefCell<Option<Book>>,
}

impl Setting {
    /// A server of two domains, with a key that has signed before.
    pub fn new() -> Self {
        let folder = folder::World::new();
        let done = folder.apply(&folder.answers("answers.toml", ANSWERS));
        assert!(done.status.success(), "{}", done.text());
        let db = database::open(&folder.path("var/lib/ezmail/mail.sqlite")).unwrap();
        let selector = "ezmail-rsa-2025";
        let key = Key {
            domain: "example.org".into(),
            selector: selector.into(),
            algorithm: Algorithm::Rsa,
            stage: Stage::Old,
            since: 1,
        };
        keys::put(&db, &key).unwrap();
        let pem = dkim::generate(Algorithm::Rsa).unwrap();
        let path = format!("var/lib/ezmail/dkim/example.org/{selector}.pem");
        files::write(&folder.path(&path), pem.expose(), 0o600).unwrap();
        Self {
            world: World::new("dns-faults").unwrap(),
            folder,
            published: RefCell::new(None),
        }
    }

    /// Publishes what `mailctl dns show` prints, and returns all zones.
    pub fn publish_right_zone(&self) -> Book {
        let shown = self.mailctl(&["dns", "show"]);
        self.world
            .publish(&String::from_utf8(shown.stdout).unwrap())
            .unwrap();
        let zones = ZONES.iter().map(|(zone, _)| {
            let text = fs::read_to_string(self.zone_file(zone)).unwrap();
            let mut lines: Vec<String> = text.lines().map(with_ttl).collect();
            // what the world has of the server too
            let mut known = Vec::new();
            lines.retain(|line| {
                let new = !known.contains(line);
                known.push(line.clone());
                new
            });
            (*zone, lines)
        });
        let mut book = Book(zones.collect::<BTreeMap<_, _>>());
        book.add(&format!("ns2.com. A {}", second::ADDRESS));
        // the second server does not sign
        book.del("example.net.", "DS");
        self.publish(&book);
        book
    }

    /// The names of what is found with a mistake in the zones.
    pub fn findings_with(&self, right: &Book, case: &Case) -> Vec<String> {
        let mut book = right.clone();
        (case.make)(&mut book);
        let lines = book.0["example.net."].clone();
        let _second = second::start(&self.world, case.second, &lines);
        self.publish(&book);
        self.findings_until(&[case.id])
    }

    /// The names of what is found, once the resolver has forgotten what was before.
    pub fn findings_until(&self, wanted: &[&str]) -> Vec<String> {
        let deadline = Instant::now() + LIMIT;
        loop {
            let found = self.findings();
            if found == wanted || Instant::now() > deadline {
                return found;
            }
            sleep(Duration::from_millis(500));
        }
    }

    fn findings(&self) -> Vec<String> {
        let server = format!("{}:53", resolver(Family::V4));
        let output = self.mailctl(&["dns", "check", "--json", "--resolver", &server]);
        let text = String::from_utf8_lossy(&output.stdout);
        let report: Value = serde_json::from_str(&text)
            .unwrap_or_else(|e| panic!("{e}: {text}{}", String::from_utf8_lossy(&output.stderr)));
        let findings = report["findings"].as_array().unwrap();
        let status = if findings.is_empty() { 0 } else { 3 };
        assert_eq!(output.status.code(), Some(status));
        let mut ids = Vec::new();
        for finding in findings {
            let word = |key: &str| finding[key].as_str().unwrap().to_owned();
            assert!(
                !word("fix").is_empty() && !word("text").is_empty(),
                "{finding}"
            );
            if !ids.contains(&word("id")) {
                ids.push(word("id"));
            }
        }
        ids
    }

    fn mailctl(&self, words: &[&str]) -> std::process::Output {
        let program = env!("CARGO_BIN_EXE_mailctl");
        let mut command: Command = self.world.namespace().command(program).unwrap();
        command.arg("--root").arg(self.folder.path("")).args(words);
        command.env("COLUMNS", "80").stdin(Stdio::null());
        command.output().unwrap()
    }

    fn zone_file(&self, zone: &str) -> PathBuf {
        let zones = self.world.folder().join("dns/zones");
        zones.join(zone.trim_end_matches('.'))
    }

    /// Writes and loads those zones that are not as they were.
    pub fn publish(&self, book: &Book) {
        let before = self.published.replace(Some(book.clone()));
        for (zone, lines) in &book.0 {
            if before.as_ref().is_some_and(|b| &b.0[zone] == lines) {
                continue;
            }
            let text = lines.join("\n") + "\n";
            files::write(&self.zone_file(zone), text, 0o644).unwrap();
            let config: &Path = &self.world.folder().join("dns/knot.conf");
            let mut command = self.world.namespace().command("knotc").unwrap();
            command.arg("--config").arg(config);
            command.args(["--blocking", "zone-reload", zone]);
            Task::new(format!("publishing {zone}"), command)
                .run()
                .unwrap();
        }
    }
}

/// Every line with a TTL, as [`Book`] wants it.
fn with_ttl(line: &str) -> String {
    match line.split_once(" IN ") {
        Some((owner, rest)) if !owner.contains(' ') => format!("{owner} 5 IN {rest}"),
        _ => line.to_owned(),
    }
}
