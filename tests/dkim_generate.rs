//! `ezmail dkim generate`: keys, records and answers that fit together.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
};

use ezmail::mail::dkim;

fn ezmail(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(env!("CARGO_BIN_EXE_ezmail"))
        .args(arguments)
        .env("COLUMNS", "80")
        .current_dir(folder)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

/// Without the keys, which are others each time.
fn masked(text: &str) -> String {
    let mut out = text.to_owned();
    for (pattern, with) in [
        (r#"p=MII[A-Za-z0-9+/=]+(" "[A-Za-z0-9+/=]+)?"#, "p=[rsa]"),
        (r"p=[A-Za-z0-9+/]{43}=", "p=[ed25519]"),
    ] {
        let pattern = regex::Regex::new(pattern).unwrap();
        out = pattern.replace_all(&out, with).into_owned();
    }
    out
}

#[test]
fn what_is_printed_makes_good_answers() {
    let folder = tempfile::tempdir().unwrap();
    let order = [
        "dkim",
        "generate",
        "example.org",
        "bücher.example",
        "--out",
        "keys",
    ];
    let (status, text, complaint) = ezmail(folder.path(), &order);
    assert_eq!((status, complaint.as_str()), (0, ""));
    insta::assert_snapshot!(masked(&text));
    let (records, lines) = text.split_once("# For the answers file").unwrap();

    // the printed lines, with what every answers file has
    let lines: String = lines.lines().skip(1).map(|l| format!("{l}\n")).collect();
    let answers =
        format!("hostname = \"mail.example.org\"\npostmaster = \"me@example.net\"\n{lines}");
    fs::write(folder.path().join("keys/answers.toml"), answers).unwrap();
    let check = ["answers", "check", "keys/answers.toml"];
    let (status, said, complaint) = ezmail(folder.path(), &check);
    assert_eq!((status, complaint.as_str()), (0, ""), "{said}");

    // the printed records are those of the files
    let mut count = 0;
    for entry in fs::read_dir(folder.path().join("keys")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "pem") {
            count += 1;
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            let info = dkim::parse_pem(&fs::read_to_string(&path).unwrap()).unwrap();
            assert!(records.lines().any(|l| l == info.record()), "{records}");
        }
    }
    assert_eq!(count, 4);
}

#[test]
fn nothing_is_overwritten_and_nothing_half_made() {
    let folder = tempfile::tempdir().unwrap();
    let taken = folder.path().join("b.example.s-ed25519.pem");
    fs::write(&taken, "mine").unwrap();
    let order = [
        "dkim",
        "generate",
        "a.example",
        "b.example",
        "--selector",
        "s",
    ];
    let (status, text, complaint) = ezmail(folder.path(), &order);
    assert_eq!((status, text.as_str()), (1, ""));
    insta::assert_snapshot!(
        complaint.trim_end(),
        @"ezmail: ./b.example.s-ed25519.pem is there already, and no key is overwritten: choose another --out or --selector; nothing was written"
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(fs::read_to_string(taken).unwrap(), "mine");
}

#[test]
fn misuse_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let call = |arguments: &[&str]| {
        let (status, text, complaint) = ezmail(folder.path(), arguments);
        assert_eq!((status, text.as_str()), (1, ""));
        complaint
    };
    insta::assert_snapshot!("no-domain", call(&["dkim", "generate"]));
    insta::assert_snapshot!("a-bad-domain", call(&["dkim", "generate", "not a domain"]));
    insta::assert_snapshot!(
        call(&["dkim", "generate", "example.org", "--selector", "a_b"]).trim_end(),
        @"ezmail: `a_b-rsa` cannot be a DKIM selector: use letters, digits and inner '-' for --selector"
    );
    let (status, help, _) = ezmail(folder.path(), &["dkim", "generate", "--help"]);
    assert_eq!(status, 0);
    assert!(help.lines().all(|l| l.chars().count() <= 80), "{help}");
    insta::assert_snapshot!("help", help);
}
