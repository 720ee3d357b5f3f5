//! `mailctl ban` on a server in a folder.

use crate::{accounts::shown, server::Server};

/// The list without its times.
fn networks(server: &Server) -> Vec<(String, String)> {
    let text = server.good(&["ban", "list", "--json"]);
    let list: serde_json::Value = serde_json::from_str(&text).unwrap();
    let bans = list["bans"].as_array().unwrap();
    let field = |ban: &serde_json::Value, name: &str| ban[name].as_str().unwrap().to_owned();
    let mut list: Vec<_> = bans
        .iter()
        .map(|ban| (field(ban, "network"), field(ban, "reason")))
        .collect();
    list.sort();
    list
}

#[test]
fn networks_are_banned_and_let_in_again() {
    let server = Server::small();
    assert_eq!(server.good(&["ban", "list"]), "Nobody is banned.\n");
    let added = server.good(&["ban", "add", "192.0.2.7", "--for", "90m"]);
    assert!(added.starts_with("192.0.2.7 is banned until 20"), "{added}");
    server.good(&[
        "ban",
        "add",
        "198.51.100.9/24",
        "--reason",
        "nothing but spam",
    ]);
    server.good(&["ban", "add", "2001:db8::7", "--json"]);
    let pair = |network: &str, reason: &str| (network.to_owned(), reason.to_owned());
    let all = [
        pair("192.0.2.7/32", "by hand"),
        pair("198.51.100.0/24", "nothing but spam"),
        pair("2001:db8::/64", "by hand"),
    ];
    assert_eq!(networks(&server), all);
    let table = server.good(&["ban", "list"]);
    assert!(
        table.starts_with("NETWORK          SINCE (UTC)       UNTIL (UTC)       TIMES  REASON\n")
    );

    // an apply, as at every boot, leaves them
    let done = server.world.apply(&crate::world::good("small"));
    assert!(done.status.success(), "{}", done.text());
    assert_eq!(networks(&server), all);

    let removed = server.good(&["ban", "remove", "192.0.2.7"]);
    assert_eq!(removed, "let in again: 1 (192.0.2.7)\n");
    assert_eq!(networks(&server), all[1..]);
    let removed = server.good(&["ban", "remove", "--all", "--json"]);
    let removed: serde_json::Value = serde_json::from_str(&removed).unwrap();
    let done = removed["done"].as_str().unwrap();
    assert!(done.starts_with("let in again: 2 ("), "{done}");
    assert_eq!(
        server.good(&["ban", "remove", "--all"]),
        "nobody was banned\n"
    );
    assert_eq!(server.good(&["ban", "list"]), "Nobody is banned.\n");
}

#[test]
fn a_ban_is_kept_for_the_guard_alone() {
    use std::os::unix::fs::PermissionsExt;
    let server = Server::small();
    server.good(&["ban", "add", "192.0.2.7"]);
    let folder = server.world.path("var/lib/ezmail/guard");
    for (path, mode) in [(folder.clone(), 0o700), (folder.join("guard.json"), 0o600)] {
        let found = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(found & 0o777, mode, "{}", path.display());
    }
}

#[test]
fn what_cannot_be_is_refused() {
    let server = Server::small();
    server.good(&["ban", "add", "198.51.100.0/24"]);
    let refused = [
        (2, vec!["ban", "add", "192.0.2"]),
        (2, vec!["ban", "add", "0.0.0.0/0"]),
        (2, vec!["ban", "add", "127.0.0.1"]),
        (2, vec!["ban", "add", "192.0.2.7", "--for", "soon"]),
        (2, vec!["ban", "add", "192.0.2.7", "--for", "400d"]),
        (1, vec!["ban", "add", "192.0.2.7", "--reason", " "]),
        (2, vec!["ban", "remove"]),
        (2, vec!["ban", "remove", "192.0.2.7", "--all"]),
        (1, vec!["ban", "remove", "192.0.2.7"]),
        (1, vec!["ban", "remove", "198.51.100.7"]),
    ];
    let text: Vec<String> = refused
        .iter()
        .map(|(status, words)| {
            let said = server.bad(*status, words);
            format!("$ mailctl {}\n{}\n", words.join(" "), said.trim_end())
        })
        .collect();
    insta::assert_snapshot!("ban-refused", text.join("\n"));
    assert_eq!(networks(&server).len(), 1);
}

#[test]
fn who_is_logged_in_is_not_banned_by_mistake() {
    let server = Server::small();
    let from = [("SSH_CONNECTION", "192.0.2.7 50000 198.51.100.1 22")];
    let called = server.call_in(&from, &["ban", "add", "192.0.2.0/24"]);
    assert_eq!(called.status, 1, "{}", called.stderr);
    insta::assert_snapshot!(called.stderr.trim_end(), @"mailctl: An administrator is logged in from there: 192.0.2.7. SSH stays open, mail does not. Ban 192.0.2.0/24? Nobody is there to ask: say --yes; nothing was changed");
    assert_eq!(networks(&server), []);
    let called = server.call_in(&from, &["ban", "add", "198.51.100.9"]);
    assert_eq!(called.status, 0, "{}", called.stderr);
    let called = server.call_in(&from, &["ban", "add", "192.0.2.0/24", "--yes"]);
    assert_eq!(called.status, 0, "{}", called.stderr);
    assert_eq!(networks(&server).len(), 2);
}

#[test]
fn a_file_that_is_not_understood_is_left_alone() {
    let server = Server::small();
    let file = server.world.path("var/lib/ezmail/guard/guard.json");
    std::fs::write(&file, "{").unwrap();
    let said = server.bad(1, &["ban", "add", "192.0.2.7"]);
    assert!(said.contains("var/lib/ezmail/guard/guard.json"), "{said}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "{");
}

#[test]
fn the_help_has_examples() {
    let server = Server::bare();
    for command in ["list", "add", "remove"] {
        let help = server.call(&["ban", command, "--help"]);
        insta::assert_snapshot!(format!("ban-help-{command}"), shown(&help));
    }
}
