//! `mailctl domain`.

use crate::{
    accounts::{PASSWORD, changed, changed_with, leads, message, shown, smtpd, survives_a_boot},
    server::Server,
};

#[test]
fn a_domain_is_served_with_keys_and_records() {
    let server = Server::small();
    assert_eq!(smtpd(&server, "domain", "example.net"), "");
    insta::assert_snapshot!(changed(&server, &["domain", "add", "Example.NET"]), @"");
    assert_eq!(smtpd(&server, "domain", "example.net"), "example.net");
    assert_eq!(leads(&server, "postmaster@example.net"), "bob@example.org");
    assert!(server.world.path("var/lib/ezmail/dkim/example.net").is_dir());
    let records = server.good(&["dns", "show"]);
    assert!(records.contains("ezmail-rsa._domainkey.example.net."), "{records}");
    insta::assert_snapshot!("domain-list", changed(&server, &["domain", "list"]));
    insta::assert_snapshot!("domain-list-json", changed(&server, &["domain", "list", "--json"]));
    survives_a_boot(&server);

    let add = ["user", "add", "dave@example.net"];
    changed_with(&server, &add, PASSWORD);
    message(&server, "example.net/dave/Maildir/new/1.a");
    insta::assert_snapshot!(server.bad(1, &["domain", "remove", "example.net"]), @"");
    assert_eq!(leads(&server, "dave@example.net"), "vmail");
    let remove = ["domain", "remove", "example.net", "--yes"];
    insta::assert_snapshot!(changed(&server, &remove), @"");
    assert_eq!(smtpd(&server, "domain", "example.net"), "");
    assert!(!server.good(&["dns", "show"]).contains("example.net"));
    assert!(server.world.path("var/vmail/example.net/dave/Maildir/new/1.a").exists());
    survives_a_boot(&server);
}

#[test]
fn what_others_need_stays() {
    let server = Server::small();
    insta::assert_snapshot!(server.bad(1, &["domain", "remove", "example.org", "--yes"]), @"");
    changed(&server, &["domain", "add", "example.net"]);
    // the postmaster's
    insta::assert_snapshot!(server.bad(1, &["domain", "remove", "example.org", "--yes"]), @"");
    changed(&server, &["alias", "add", "away@example.org", "root@example.net"]);
    insta::assert_snapshot!(server.bad(1, &["domain", "remove", "example.net", "--yes"]), @"");
    insta::assert_snapshot!(server.bad(1, &["domain", "add", "example.net"]), @"");
    // family@example.org leads to somebody there
    insta::assert_snapshot!(server.bad(1, &["domain", "add", "example.com"]), @"");
    insta::assert_snapshot!(server.bad(2, &["domain", "add", "example"]), @"");
}

/// When keys and files cannot be written, the domain is not there either.
#[test]
fn a_domain_that_cannot_be_applied_is_not_added() {
    let server = Server::small();
    let before = server.world.database();
    std::fs::remove_file(server.world.path("usr/share/ezmail/templates")).unwrap();
    let error = server.bad(1, &["domain", "add", "example.net"]);
    assert!(error.starts_with("mailctl: example.net was not added: "), "{error}");
    assert_eq!(server.world.database(), before);
}

#[test]
fn the_help_has_examples() {
    let server = Server::bare();
    for command in ["add", "remove", "list"] {
        let help = server.call(&["domain", command, "--help"]);
        insta::assert_snapshot!(format!("domain-help-{command}"), shown(&help));
    }
}
