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
    insta::assert_snapshot!(add_carol(&server), @"user carol@example.org added, with a quota of 5G");
    assert_eq!(leads(&server, CAROL), "vmail");
    assert!(opens(&server, CAROL, PASSWORD));
    assert!(!opens(&server, CAROL, "another one"));
    insta::assert_snapshot!("user-list", changed(&server, &["user", "list"]));
    insta::assert_snapshot!(
        "user-list-json",
        changed(&server, &["user", "list", "--json"])
    );
    insta::assert_snapshot!("user-show", changed(&server, &["user", "show", ALICE]));
    survives_a_boot(&server);
    assert!(opens(&server, CAROL, PASSWORD));
}

#[test]
fn a_password_is_changed_and_the_answers_do_not_undo_it() {
    let server = Server::small();
    let call = ["user", "passwd", ALICE];
    insta::assert_snapshot!(changed_with(&server, &call, PASSWORD), @r"
    user alice@example.org has another password
    note: the answers still have the earlier password of alice@example.org: when new ones say otherwise, they win; 'mailctl answers export' writes a file that has your change
    ");
    assert!(opens(&server, ALICE, PASSWORD));
    survives_a_boot(&server);
    // a weak one, and none
    let weak = server.call_with(&call, "password123\n");
    assert_eq!(weak.status, 1);
    insta::assert_snapshot!(weak.stderr, @"mailctl: the password is easy to guess: This is a very common password; nothing was changed. Four or more words that do not belong together are good");
    let none = server.call_with(&call, "");
    assert_eq!(none.status, 1);
    insta::assert_snapshot!(none.stderr, @"mailctl: the password has 0 characters; at least 10 are needed; nothing was changed. Four or more words that do not belong together are good");
    assert!(opens(&server, ALICE, PASSWORD));
}

#[test]
fn a_quota_is_changed() {
    let server = Server::small();
    insta::assert_snapshot!(changed(&server, &["user", "quota", "bob@example.org", "20G"]), @r"
    user bob@example.org has a quota of 20G
    note: the answers still have a quota of 2G for bob@example.org: when new ones say otherwise, they win; 'mailctl answers export' writes a file that has your change
    ");
    // as the answers have it
    insta::assert_snapshot!(changed(&server, &["user", "quota", "bob@example.org", "2G"]), @"user bob@example.org has a quota of 2G");
    survives_a_boot(&server);
    insta::assert_snapshot!(server.bad(2, &["user", "quota", ALICE, "5"]), @r"
    error: invalid value '5' for '<SIZE>': write a whole number and M, G or T, such as 5G; at least 100M, at most 1024T

    For more information, try '--help'.
    ");
}

#[test]
fn who_is_locked_out_gets_mail_and_no_login() {
    let server = Server::small();
    add_carol(&server);
    insta::assert_snapshot!(changed(&server, &["user", "disable", CAROL]), @"user carol@example.org is locked out; mail still arrives");
    insta::assert_snapshot!(changed(&server, &["user", "disable", CAROL, "--json"]), @r#"
    {
      "done": "user carol@example.org was locked out already"
    }
    "#);
    assert_eq!(leads(&server, CAROL), "vmail");
    assert_eq!(smtpd(&server, "credentials", CAROL), "");
    assert_eq!(smtpd(&server, "mailaddrmap", CAROL), "");
    survives_a_boot(&server);
    assert_eq!(smtpd(&server, "credentials", CAROL), "");
    insta::assert_snapshot!(changed(&server, &["user", "enable", CAROL]), @"user carol@example.org can log in again");
    assert!(opens(&server, CAROL, PASSWORD));
}

#[test]
fn a_removed_user_leaves_mail_that_the_next_one_gets_on_request_only() {
    let server = Server::small();
    message(&server, "example.org/alice/Maildir/cur/1.a:2,S");
    insta::assert_snapshot!(server.bad(1, &["user", "remove", ALICE]), @"mailctl: Remove alice@example.org with all its passwords? These aliases lead there no more: al@example.org, family@example.org. Nobody is there to ask: say --yes; nothing was changed");
    assert_eq!(leads(&server, ALICE), "vmail");
    insta::assert_snapshot!(changed(&server, &["user", "remove", ALICE, "--yes"]), @r"
    user alice@example.org removed; the mail is kept in /var/vmail/example.org/alice
    note: no longer leading there: al@example.org, family@example.org
    note: the answers still have the user alice@example.org, and so would a new server made from them; 'mailctl answers export' writes a file that has your change
    ");
    assert_eq!(leads(&server, ALICE), "");
    assert_eq!(leads(&server, "al@example.org"), "");
    survives_a_boot(&server);
    insta::assert_snapshot!(server.bad(1, &["user", "add", ALICE]), @"mailctl: there is mail of an earlier alice@example.org in /var/vmail/example.org/alice: give it to the new user with --with-mail, or move it away");
    let again = ["user", "add", ALICE, "--with-mail"];
    insta::assert_snapshot!(changed_with(&server, &again, PASSWORD), @r"
    user alice@example.org added, with a quota of 15G
    note: the mail in /var/vmail/example.org/alice is this user's now
    ");
    let purge = ["user", "remove", ALICE, "--purge-mail", "--yes"];
    insta::assert_snapshot!(changed(&server, &purge), @r"
    user alice@example.org and its mail removed
    note: the answers still have the user alice@example.org, and so would a new server made from them; 'mailctl answers export' writes a file that has your change
    ");
    assert!(!server.world.path("var/vmail/example.org/alice").exists());
    // cut off when the user was gone and the mail was not
    insta::assert_snapshot!(server.bad(1, &purge), @"mailctl: there is no user alice@example.org; 'mailctl user list' shows all");
    message(&server, "example.org/alice/Maildir/cur/1.a:2,S");
    server.bad(1, &["user", "remove", ALICE, "--yes"]);
    insta::assert_snapshot!(server.bad(1, &purge[..4]), @"mailctl: There is no user alice@example.org. Remove ALL THE MAIL in /var/vmail/example.org/alice? Nobody is there to ask: say --yes; nothing was changed");
    insta::assert_snapshot!(changed(&server, &purge), @"the mail in /var/vmail/example.org/alice removed");
    assert!(!server.world.path("var/vmail/example.org/alice").exists());
}

#[test]
fn a_rename_takes_mail_aliases_and_passwords_along() {
    let server = Server::small();
    message(&server, "example.org/alice/Maildir/cur/1.a:2,S");
    changed(&server, &["app-password", "add", ALICE, "phone"]);
    changed_with(&server, &["user", "passwd", ALICE], PASSWORD);
    let anna = "anna@example.org";
    insta::assert_snapshot!(changed(&server, &["user", "rename", ALICE, anna]), @r"
    user alice@example.org is anna@example.org now; alice@example.org is an alias of it
    note: the login of the app password phone is anna+phone@example.org now
    note: the answers still have the user alice@example.org, and so would a new server made from them; 'mailctl answers export' writes a file that has your change
    ");
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
    insta::assert_snapshot!(changed(&server, &["user", "rename", anna, ALICE, "--no-alias"]), @r"
    user anna@example.org is alice@example.org now; mail for anna@example.org is refused
    note: the login of the app password phone is alice+phone@example.org now
    ");
    assert_eq!(leads(&server, anna), "");
    // a delivery that began before the rename ends in the old folder
    message(&server, "example.org/anna/Maildir/new/2.b");
    let late = server.call(&["user", "show", ALICE]).stderr;
    insta::assert_snapshot!(late, @"note: mail that arrived for anna@example.org was moved to alice@example.org");
    assert!(mail.join("alice/Maildir/new/2.b").exists());
    assert!(!mail.join("anna").exists());
    message(&server, "example.org/clara/Maildir/cur/1.b");
    insta::assert_snapshot!(server.bad(1, &["user", "rename", ALICE, "clara@example.org"]), @"mailctl: there is mail of an earlier clara@example.org in /var/vmail/example.org/clara: move it away first");
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
                    insta::assert_snapshot!(called.stderr, @"note: the user alice@example.org is anna@example.org now, as was begun");
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
    insta::assert_snapshot!(
        "user-misuse",
        [
            &["user"][..],
            &["user", "add"],
            &["user", "add", "carol"],
            &["user", "add", "a+b@example.org"],
            &["user", "add", CAROL, "--password", "secret"],
            &["user", "add", CAROL, "--name", " "],
            &["user", "rename", ALICE],
        ]
        .map(|call| format!("$ mailctl {}\n{}", call.join(" "), server.bad(2, call)))
        .join("\n")
    );
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
    insta::assert_snapshot!(bare, @"mailctl: there is no database yet, ROOT/var/lib/ezmail/mail.sqlite: it is made when the agent applies the answers; 'mailctl status' tells whether it has");
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
