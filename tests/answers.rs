//! The answers file from outside: every rule by a file that breaks it, every key by one that
//! uses it, and the command line.
//!
//! `tests/answers/bad/*.toml`: one file, one snapshot of the whole report.
//! `tests/answers/good/*.toml`: the normalised answers as JSON, secrets redacted.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::{
    collections::BTreeSet,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use ezmail::{
    answers::{self, Answers, Level, Report, Rule, example, json_schema, schema},
    mail::{crypt, password},
};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/answers")
        .join(name)
}

fn files(name: &str) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder(name))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "toml"))
        .collect();
    files.sort();
    files
}

fn read(path: &Path) -> (Option<Answers>, Report) {
    let bytes = fs::read(path).unwrap();
    let beside = |name: &str| fs::read(path.with_file_name(name));
    let name = path.file_name().unwrap().to_str().unwrap();
    answers::read(&bytes, name, Some(&beside))
}

/// Texts of the bad files that must not turn up in a report.
const SECRETS: [&str; 20] = [
    "hunter2",
    "hunter3",
    "password123",
    "aaaaaaaa",
    "qwertyuiop",
    "and more",
    "wood stapler",
    "secret text",
    "$2b$12",
    "HtKaUpKsz7K46",
    "MC4CA",
    "b3BlbnNzaC1rZXk",
    "MIGHAgEA",
    "PelHGjdG64DEDj",
    "zdWPyDSp2wVzD",
    "tnSYvahCwPBHK",
    "wood stapler rain",
    "5f0c7a1e9d2b",
    "aaaaaaaaaaaaaaaaaaaaaaaa",
    "MHcCAQEE",
];

#[test]
fn every_bad_file_has_its_report() {
    insta::glob!("answers/bad/*.toml", |path| {
        let (answers, report) = read(path);
        assert!(answers.is_none(), "{} was taken", path.display());
        assert!(report.errors() > 0);
        let text = report.to_string();
        for secret in SECRETS {
            assert!(!text.contains(secret), "{secret} is in the report:\n{text}");
            assert!(!report.to_json().to_string().contains(secret));
        }
        insta::assert_snapshot!(text);
    });
}

#[test]
fn there_are_many_bad_files_and_every_rule_is_broken_by_one() {
    let files = files("bad");
    assert!(files.len() >= 40, "only {} files", files.len());
    let mut broken: BTreeSet<Rule> = files
        .iter()
        .flat_map(|f| read(f).1.findings().to_vec())
        .map(|finding| finding.rule)
        .collect();
    // a file for this one would be too large for the repository
    let (answers, report) = answers::read(&vec![b'#'; answers::MAX_SIZE + 1], "large.toml", None);
    assert!(answers.is_none());
    broken.insert(report.findings()[0].rule);
    insta::assert_snapshot!(report, @r"
    error: the file has 1048577 bytes; 1 MiB is the most
    --> large.toml:1:1
     = help: is this the answers file, or perhaps an image?

    large.toml: 1 error
    ");
    let missing: Vec<_> = Rule::ALL.iter().filter(|r| !broken.contains(r)).collect();
    assert!(missing.is_empty(), "no bad file breaks {missing:?}");
}

#[test]
fn findings_stand_in_the_order_of_the_file() {
    for file in files("bad") {
        let (_, report) = read(&file);
        let places: Vec<_> = report
            .findings()
            .iter()
            .map(|f| (f.line, f.column))
            .collect();
        assert!(places.is_sorted(), "{}: {places:?}", file.display());
    }
}

#[test]
fn every_good_file_is_read() {
    insta::glob!("answers/good/*.toml", |path| {
        let (answers, report) = read(path);
        let answers = answers.unwrap_or_else(|| panic!("{report}"));
        let keys: Vec<_> = answers
            .domains
            .iter()
            .flat_map(|d| &d.dkim)
            .map(|k| k.info.clone())
            .collect();
        let all = serde_json::json!({
            "answers": answers,
            "keys": keys,
            "report": report.to_string().lines().collect::<Vec<_>>(),
        });
        insta::assert_snapshot!(format!("{all:#}"));
    });
}

#[test]
fn the_good_files_use_every_key() {
    fn collect(path: &str, table: &toml::Table, used: &mut BTreeSet<String>) {
        for (name, value) in table {
            let path = schema::join(path, name);
            match value {
                toml::Value::Table(t) => collect(&path, t, used),
                toml::Value::Array(a) => {
                    for table in a.iter().filter_map(|v| v.as_table()) {
                        collect(&path, table, used);
                    }
                }
                _ => {}
            }
            used.insert(path);
        }
    }
    let mut used = BTreeSet::new();
    for file in files("good") {
        let table = fs::read_to_string(file).unwrap().parse().unwrap();
        collect("", &table, &mut used);
    }
    let unused: Vec<_> = schema::KEYS
        .iter()
        .filter(|k| !used.contains(k.path))
        .collect();
    assert!(unused.is_empty(), "{unused:?}");
}

#[test]
fn exported_answers_read_back_the_same() {
    for file in files("good") {
        let mut answers = read(&file).0.unwrap();
        let toml = answers.to_toml().unwrap();
        let again = answers::parse(toml.expose(), "export").unwrap_or_else(|e| panic!("{e}"));
        // what came from a file is inline now
        for key in answers.domains.iter_mut().flat_map(|d| &mut d.dkim) {
            key.key_file = None;
        }
        if let Some(relay) = &mut answers.smarthost {
            relay.password_file = None;
        }
        if let Some(tls) = &mut answers.tls {
            (tls.certificate_file, tls.key_file) = (None, None);
        }
        if let Some(acme) = &mut answers.acme {
            acme.ca_file = None;
        }
        if let Some(backup) = &mut answers.backup {
            backup.passphrase_file = None;
            backup.ssh_key_file = None;
            backup.secret_key_file = None;
        }
        assert_eq!(again, answers, "{}", file.display());
    }
}

/// Thousands of findings must not take minutes: the agent reads this at boot.
#[test]
fn a_large_file_full_of_mistakes_is_reported_whole() {
    let text: String = (0..50_000).map(|n| format!("key{n} = {n}\n")).collect();
    let report = answers::parse(&text, "x").unwrap_err();
    assert!(report.errors() > 50_000);
}

#[test]
fn neither_debug_nor_json_of_answers_shows_a_secret() {
    for file in files("good") {
        let answers = read(&file).0.unwrap();
        let shown = format!("{answers:?}{}", serde_json::to_string(&answers).unwrap());
        let shown = shown.replace("-----BEGIN CERTIFICATE-----", "");
        for secret in [
            "$argon2id$v=19",
            "$6$",
            "stapler",
            "BEGIN",
            "relay-password",
            "aaf0d3b7c4e6185923",
            "5f0c7a1e9d2b",
            "wJalrXUtnFEMI",
        ] {
            assert!(!shown.contains(secret), "{}: {secret}", file.display());
        }
    }
}

#[test]
fn the_reference_is_that_of_the_schema() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/answers.md");
    let written = fs::read_to_string(path).unwrap();
    assert!(
        written == answers::docs::markdown(),
        "docs/answers.md is not what the schema says: run `ezmail answers docs > docs/answers.md`"
    );
}

#[test]
fn the_json_schema_is_that_of_the_schema() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/answers.schema.json");
    let written = fs::read_to_string(path).unwrap();
    assert!(
        written == json_schema::text().unwrap(),
        "docs/answers.schema.json is not what the schema says: run \
         `ezmail answers schema > docs/answers.schema.json`"
    );
}

/// What an editor says: nothing about a good file, something about a slip of the pen.
#[test]
fn the_json_schema_takes_the_good_files_and_not_the_slips() {
    let schema = json_schema::document();
    jsonschema::meta::validate(&schema).unwrap();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let problems = |text: &str| -> Vec<String> {
        let table: toml::Table = text.parse().unwrap();
        let value = serde_json::to_value(table).unwrap();
        let errors = validator.iter_errors(&value);
        errors
            .map(|e| format!("{}: {e}", e.instance_path()))
            .collect()
    };
    for file in files("good") {
        let found = problems(&fs::read_to_string(&file).unwrap());
        assert_eq!(found, [""; 0], "{}", file.display());
        let exported = read(&file).0.unwrap().to_toml().unwrap();
        assert_eq!(problems(exported.expose()), [""; 0], "{}", file.display());
    }
    assert_eq!(problems(&example::toml()), [""; 0]);
    for (file, at) in [
        ("unknown-key", ""),
        ("missing-hostname", ""),
        ("empty", ""),
        ("wrong-type", ""),
        ("unknown-word", "/"),
        ("out-of-range", "/smarthost/port"),
        ("user-one-of", "/user/"),
        ("tls-one-of", "/tls"),
        ("network-one-of", "/network"),
        ("domain-settings", "/domain/0/dmarc"),
        ("console-argon2id", "/console/password_hash"),
        ("backup-schedule", "/backup/schedule"),
        ("backup-keep-range", "/backup/keep/daily"),
        ("acme-directory", "/acme/directory"),
        ("user-quota", "/user/0/quota"),
        ("install-device", "/install/device"),
    ] {
        let path = folder("bad").join(format!("{file}.toml"));
        let found = problems(&fs::read_to_string(path).unwrap());
        assert!(
            found.iter().any(|problem| problem.starts_with(at)),
            "{file}: {found:?}"
        );
    }
}

fn ezmail(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_ezmail"))
        .args(arguments)
        .current_dir(folder("good"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn the_printed_example_passes_the_check() {
    let new = ezmail(&["answers", "new"], b"");
    assert!(new.status.success());
    assert_eq!(text(&new.stdout), example::toml());
    let check = ezmail(&["answers", "check", "-"], &new.stdout);
    assert_eq!(check.status.code(), Some(0), "{}", text(&check.stdout));
    insta::assert_snapshot!(text(&check.stdout));
}

/// Every key that the example shows in a comment is right as well.
#[test]
fn the_example_passes_with_its_comments_taken_in() {
    let key = |line: &str| {
        let name = line.split(" =").next().unwrap_or("");
        line.starts_with("[[")
            || line.starts_with('[')
            || schema::KEYS.iter().any(|k| k.name() == name)
    };
    let toml: Vec<_> = example::toml()
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(rest) if key(rest) => rest.to_owned(),
            _ => line.to_owned(),
        })
        .collect();
    let toml = toml.join("\n");
    assert!(toml.contains("\n[[alias]]") && toml.contains("\nkey_file"));
    // without files: those that it names are not there
    let (answers, report) = answers::read(toml.as_bytes(), "example", None);
    let answers = answers.unwrap_or_else(|| panic!("{report}"));
    assert!(answers.smarthost.is_some() && !answers.network.address.is_empty());
    assert!(answers.tls.is_some() && answers.console.is_some() && answers.backup.is_some());
}

#[test]
fn check_exits_with_one_and_tells_json() {
    let good = ezmail(&["answers", "check", "small.toml"], b"");
    assert_eq!(good.status.code(), Some(0));
    assert_eq!(text(&good.stdout), "small.toml: good\n");

    let bad = ezmail(
        &[
            "answers",
            "check",
            "../bad/state-device-relative.toml",
            "--json",
        ],
        b"",
    );
    assert_eq!(bad.status.code(), Some(1));
    insta::assert_snapshot!(text(&bad.stdout));

    let absent = ezmail(&["answers", "check", "absent.toml"], b"");
    assert_eq!(absent.status.code(), Some(1));
    insta::assert_snapshot!(text(&absent.stderr), @"ezmail: reading absent.toml: No such file or directory (os error 2)");
}

#[test]
fn check_finds_the_key_files_beside_the_answers() {
    let path = folder("good").join("rich.toml");
    let other = Command::new(env!("CARGO_BIN_EXE_ezmail"))
        .args(["answers", "check"])
        .arg(&path)
        .current_dir("/")
        .output()
        .unwrap();
    assert_eq!(other.status.code(), Some(0), "{}", text(&other.stdout));
}

#[test]
fn hash_password_prints_a_hash_that_the_answers_take() {
    let out = ezmail(
        &["hash-password"],
        b"wood stapler under rain\nsecond line\n",
    );
    assert!(out.status.success(), "{}", text(&out.stderr));
    let hash = text(&out.stdout).trim_end().to_owned();
    assert_eq!(password::verify("wood stapler under rain", &hash), Ok(true));
    let (_, report) = answers::read(
        example::toml().replace(example::HASH, &hash).as_bytes(),
        "x",
        None,
    );
    assert!(
        report
            .findings()
            .iter()
            .all(|f| f.rule == Rule::NoSshKey && f.level == Level::Warning)
    );

    let console = ezmail(
        &["hash-password", "--console"],
        b"wood stapler under rain\n",
    );
    assert!(console.status.success(), "{}", text(&console.stderr));
    let hash = text(&console.stdout).trim_end().to_owned();
    assert!(crypt::verify("wood stapler under rain", &hash), "{hash}");

    let weak = ezmail(&["hash-password"], b"password123\n");
    assert_eq!(weak.status.code(), Some(1));
    assert!(weak.stdout.is_empty());
    insta::assert_snapshot!(text(&weak.stderr), @"ezmail: the password is easy to guess: This is a very common password");
}

/// The passphrase before there is a server: a file beside the answers, and a page for paper.
#[test]
fn a_recovery_sheet_is_printed_and_its_passphrase_made() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("my.toml");
    let backup = "\n[backup]\ntarget = \"sftp://backup@backup.example.net/srv\"\n";
    let named = "passphrase_file = \"backup.passphrase\"\n";
    fs::write(&path, example::toml() + backup + named).unwrap();
    let sheet = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ezmail"));
        command.args(["answers", "recovery-sheet"]).arg(&path);
        let done = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (done.status.code(), text(done.stdout), text(done.stderr))
    };
    let (status, page, said) = sheet();
    assert_eq!(status, Some(0), "{said}");
    assert!(
        said.ends_with("backup.passphrase written: it is a secret\n"),
        "{said}"
    );
    let made = fs::read_to_string(dir.path().join("backup.passphrase")).unwrap();
    let digits: String = page
        .lines()
        .filter_map(|line| line.strip_prefix("    ")?.get(4..23))
        .take(4)
        .flat_map(|line| line.chars().filter(|c| *c != ' '))
        .collect();
    assert_eq!(digits, made.trim());
    assert!(
        page.contains("backups  sftp://backup@backup.example.net/srv\n"),
        "{page}"
    );
    // the same another time
    assert_eq!(sheet(), (Some(0), page, String::new()));

    fs::write(&path, example::toml() + backup).unwrap();
    let (status, page, said) = sheet();
    assert_eq!((status, page.as_str()), (Some(1), ""));
    assert!(
        said.contains("has no passphrase; add passphrase_file"),
        "{said}"
    );
}
