//! `mailctl answers`.

use std::{fs, os::unix::fs::PermissionsExt};

use crate::{
    accounts::{PASSWORD, changed, changed_with, opens, shown},
    server::Server,
};

/// A server made from what another one exports has the same database.
#[test]
fn the_server_as_it_is_now() {
    let server = Server::small();
    let add = ["user", "add", "carol@example.org", "--quota", "5G"];
    changed_with(&server, &add, PASSWORD);
    changed(&server, &["user", "quota", "alice@example.org", "1G"]);
    changed(
        &server,
        &["alias", "add", "@example.org", "bob@example.org"],
    );
    changed(&server, &["domain", "add", "example.net"]);
    let file = server.world.path("answers.toml");
    let name = file.to_str().unwrap();
    let export = ["answers", "export", "--output", name];
    insta::assert_snapshot!(changed(&server, &export), @r"
    ROOT/answers.toml written; it holds secrets
    note: not in it: the DKIM keys that this server made: a new one makes its own
    ");
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let text = fs::read_to_string(&file).unwrap();
    let hash = regex::Regex::new("[$]argon2id[$][^\"']+").unwrap();
    insta::assert_snapshot!("answers-export", hash.replace_all(&text, "[hash]"));

    let other = Server::bare();
    let done = other.world.apply(&file);
    assert!(done.status.success(), "{}", done.text());
    assert!(opens(&other, "carol@example.org", PASSWORD));
    let rows = |server: &Server| {
        let text = server.world.database();
        text.lines()
            .filter(|line| !line.starts_with("answers "))
            .map(|line| format!("{line}\n"))
            .collect::<String>()
    };
    assert_eq!(rows(&other), rows(&server));

    // what is there is not written over
    insta::assert_snapshot!(server.bad(1, &export), @"mailctl: ROOT/answers.toml is there already, and nothing is written over: name a new file");
    insta::assert_snapshot!(server.bad(2, &["answers", "export"]), @r"
    error: the following required arguments were not provided: --output <FILE>

    Usage: mailctl answers export --output <FILE>

    For more information, try '--help'.
    ");
}

#[test]
fn what_is_not_in_it_is_said() {
    let server = Server::small();
    changed(
        &server,
        &["app-password", "add", "alice@example.org", "phone"],
    );
    changed(&server, &["user", "disable", "alice@example.org"]);
    let called = server.call(&["answers", "export", "--output", "-"]);
    assert_eq!(called.status, 0);
    assert!(called.stdout.starts_with("# The answers of this server"));
    insta::assert_snapshot!(called.stderr, @r"
    note: not in it: the app passwords alice+phone@example.org
    note: not in it: that these are locked out: alice@example.org, who could log in on a new server
    note: not in it: the DKIM keys that this server made: a new one makes its own
    ");
}

#[test]
fn the_help_has_examples() {
    let help = Server::bare().call(&["answers", "export", "--help"]);
    insta::assert_snapshot!("answers-help", shown(&help));
}
