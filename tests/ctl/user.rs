//! `mailctl user`.

use ezmail::mail::accounts::{Roles, rename};

use crate::{
    accounts::{
        PASSWORD, changed, changed_with, leads, message, opens, shown, smtpd, survives_a_boot,
    },
    server::Server,
};

const ALICE: &str = "alice@example.org";
const CAROL: &str = "carol@example.org";

fn add_carol(server: &Server) -> String {
    let name = ["--name", "Carol Example", "--quota", "5G"];
    let call = [&["user", "add", "Carol@example.org"][..], &name].concat();
    changed_with(server, &call, &format!("{PASSWORD}\n"))
}

#[test]
fn a_user_is_added_and_can_log_in_at_once() {
    let server = Server::small();
    assert_eq!(leads(&server, CAROL), "");
    insta::assert_snapshot!(add_carol(&server), @"");
    assert_eq!(leads(&server, CAROL), "vmail");
    assert!(opens(&server, CAROL, PASSWORD));
    assert!(!opens(&server, CAROL, "another one"));
    insta::assert_snapshot!("user-list", changed(&server, &["user", "list"]));
    insta::assert_snapshot!("user-list-json", changed(&server, &["user", "list", "--json"]));
    insta::assert_snapshot!("user-show", changed(&server, &["user", "show", ALICE]));
    survives_a_boot(&server);
    assert!(opens(&server, CAROL, PASSWORD));
}

#[test]
fn a_password_is_changed_and_the_answers_do_not_undo_it() {
    let server = Server::small();
    let call = ["user", "passwd", ALICE];
    insta::assert_snapshot!(changed_with(&server, &call, PASSWORD), @"");
    assert!(opens(&server, ALICE, PASSWORD));
    survives_a_boot(&server);
    // a weak one, and none
    let weak = server.call_with(&call, "alice-example\n");
    assert_eq!(weak.status, 1);
    insta::assert_snapshot!(weak.stderr, @"");
    let none = server.call_with(&call, "");
    assert_eq!(none.status, 1);
    insta::assert_snapshot!(none.stderr, @"");
    assert!(opens(&server, ALICE, PASSWORD));
}

#[test]
fn a_quota_is_changed() {
    let server = Server::small();
    insta::assert_snapshot!(changed(&server, &["user", "quota", "bob@example.org", "20G"]), @"");
    // as the answers have it
    insta::assert_snapshot!(changed(&server, &["user", "quota", "bob@example.org", "2G"]), @"");
    survives_a_boot(&server);
    insta::assert_snapshot!(server.bad(2, &["user", "quota", ALICE, "5"]), @"");
}

#[test]
fn who_is_locked_out_gets_mail_and_no_login() {
    let server = Server::small();
    add_carol(&server);
    insta::assert_snapshot!(changed(&server, &["user", "disable", CAROL]), @"");
    insta::assert_snapshot!(changed(&server, &["user", "disable", CAROL, "--json"]), @"");
    assert_eq!(leads(&server, CAROL), "vmail");
    assert_eq!(smtpd(&server, "credentials", CAROL), "");
    assert_eq!(smtpd(&server, "mailaddrmap", CAROL), "");
    survives_a_boot(&server);
    assert_eq!(smtpd(&server, "credentials", CAROL), "");
    insta::assert_snapshot!(changed(&server, &["user", "enable", CAROL]), @"");
    assert!(opens(&server, CAROL, PASSWORD));
}

#[test]
fn a_removed_user_leaves_mail_that_the_next_one_gets_on_request_only() {
    let server = Server::small();
    message(&server, "example.org/alice/Maildir/cur/1.a:2,S");
    insta::assert_snapshot!(server.bad(1, &["user", "remove", ALICE]), @"");
    assert_eq!(leads(&server, ALICE), "vmail");
    insta::assert_snapshot!(changed(&server, &["user", "remove", ALICE, "--yes"]), @"");
    assert_eq!(leads(&server, ALICE), "");
    assert_eq!(leads(&server, "al@example.org"), "");
    survives_a_boot(&server);
    insta::assert_snapshot!(server.bad(1, &["user", "add", ALICE]), @"");
    let again = ["user", "add", ALICE, "--with-mail"];
    insta::assert_snapshot!(changed_with(&server, &again, PASSWORD), @"");
    let purge = ["user", "remove", ALICE, "--purge-mail", "--yes"];
    insta::assert_snapshot!(changed(&server, &purge), @"");
    assert!(!server.world.path("var/vmail/example.org/alice").exists());
}

#[test]
fn a_rename_takes_mail_aliases_and_passwords_along() {
    let server = Server::small();
    message(&server, "example.org/alice/Maildir/cur/1.a:2,S");
    changed(&server, &["app-password", "add", ALICE, "phone"]);
    changed_with(&server, &["user", "passwd", ALICE], PASSWORD);
    let anna = "anna@example.org";
    insta::assert_snapshot!(changed(&server, &["user", "rename", ALICE, anna]), @"");
    assert_eq!(leads(&server, anna), "vmail");
    assert_eq!(leads(&server, ALICE), anna);
    assert_eq!(leads(&server, "al@example.org"), anna);
    assert!(opens(&server, anna, PASSWORD));
    assert!(!opens(&server, ALICE, PASSWORD));
    let mail = server.world.path("var/vmail/example.org");
    assert!(mail.join("anna/Maildir/cur/1.a:2,S").exists());
    assert!(!mail.join("alice").exists());
    survives_a_boot(&server);
    // back, without the alias; it was the old address
    insta::assert_snapshot!(changed(&server, &["user", "rename", anna, ALICE, "--no-alias"]), @"");
    assert_eq!(leads(&server, anna), "");
    message(&server, "example.org/anna/Maildir/cur/1.b");
    insta::assert_snapshot!(server.bad(1, &["user", "rename", ALICE, anna]), @"");
}

/// Power fails when the rename is written down, or when the folder has moved: the next command
/// finishes it, and so does the agent at boot.
#[test]
fn a_rename_that_was_cut_off_is_finished() {
    let address = |text: &str| text.parse().unwrap();
    for moved in [false, true] {
        for by_agent in [false, true] {
            let server = Server::small();
            message(&server, "example.org/alice/Maildir/new/1.a");
            let path = server.world.path("var/lib/ezmail/mail.sqlite");
            let mut db = ezmail::mail::database::open(&path).unwrap();
            let roles = Roles {
                postmaster: address("bob@example.org"),
                notify: None,
            };
            let (old, new) = (address(ALICE), address("anna@example.org"));
            rename::begin(&mut db, &roles, &old, &new, true).unwrap();
            drop(db);
            let mail = server.world.path("var/vmail/example.org");
            if moved {
                std::fs::rename(mail.join("alice"), mail.join("anna")).unwrap();
            }
            if by_agent {
                let done = server.world.apply(&crate::world::good("small"));
                let said = "the user alice@example.org is anna@example.org now, as was begun";
                assert!(done.stdout().contains(said), "{}", done.text());
            } else {
                let called = server.call(&["user", "show", "anna@example.org"]);
                insta::allow_duplicates! {
                    insta::assert_snapshot!(called.stderr, @"");
                }
            }
            assert_eq!(leads(&server, ALICE), "anna@example.org");
            assert!(mail.join("anna/Maildir/new/1.a").exists());
            assert!(!mail.join("alice").exists());
            server.good(&["user", "show", "anna@example.org"]);
        }
    }
}

#[test]
fn misuse_is_told_with_the_right_usage() {
    let server = Server::small();
    insta::assert_snapshot!("user-misuse", [
        &["user"][..],
        &["user", "add"],
        &["user", "add", "carol"],
        &["user", "add", "a+b@example.org"],
        &["user", "add", CAROL, "--password", "secret"],
        &["user", "add", CAROL, "--name", " "],
        &["user", "rename", ALICE],
    ]
    .map(|call| format!("$ mailctl {}\n{}", call.join(" "), server.bad(2, call)))
    .join("\n"));
    for call in [
        &["user", "show", "alcie@example.org"][..],
        &["user", "add", ALICE],
        &["user", "add", "carol@example.com"],
        &["user", "remove", "bob@example.org", "--yes"],
        &["user", "rename", ALICE, "family@example.org"],
    ] {
        server.bad(1, call);
    }
    let bare = Server::bare().bad(1, &["user", "list"]);
    insta::assert_snapshot!(bare, @"");
}

#[test]
fn the_help_has_examples() {
    let server = Server::bare();
    for command in [
        "", "add", "passwd", "rename", "quota", "disable", "enable", "remove", "list", "show",
    ] {
        let words: Vec<&str> = ["user", command, "--help"]
            .into_iter()
            .filter(|word| !word.is_empty())
            .collect();
        let help = server.call(&words);
        assert_eq!(help.status, 0);
        insta::assert_snapshot!(format!("user-help-{command}"), shown(&help));
    }
}
