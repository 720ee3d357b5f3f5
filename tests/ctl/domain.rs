//! `mailctl domain`.

use crate::{
    accounts::{PASSWORD, changed, changed_with, leads, message, shown, smtpd, survives_a_boot},
    server::Server,
};

#[test]
fn a_domain_is_served_with_keys_and_records() {
    let server = Server::small();
    assert_eq!(smtpd(&server, "domain", "example.net"), "");
    insta::assert_snapshot!(changed(&server, &["domain", "add", "Example.NET"]), @r"
    domain example.net added
    note: publish the records of example.net next: 'mailctl dns show' has them; until then its mail goes elsewhere
    ");
    assert_eq!(smtpd(&server, "domain", "example.net"), "example.net");
    assert_eq!(leads(&server, "postmaster@example.net"), "bob@example.org");
    assert!(
        server
            .world
            .path("var/lib/ezmail/dkim/example.net")
            .is_dir()
    );
    let records = server.good(&["dns", "show"]);
    assert!(
        records.contains("ezmail-rsa._domainkey.example.net."),
        "{records}"
    );
    insta::assert_snapshot!("domain-list", changed(&server, &["domain", "list"]));
    insta::assert_snapshot!(
        "domain-list-json",
        changed(&server, &["domain", "list", "--json"])
    );
    survives_a_boot(&server);

    let add = ["user", "add", "dave@example.net"];
    changed_with(&server, &add, PASSWORD);
    message(&server, "example.net/dave/Maildir/new/1.a");
    insta::assert_snapshot!(server.bad(1, &["domain", "remove", "example.net"]), @"mailctl: Remove the domain example.net and its users dave@example.net? Their mail stays on the disk. Nobody is there to ask: say --yes; nothing was changed");
    assert_eq!(leads(&server, "dave@example.net"), "vmail");
    let remove = ["domain", "remove", "example.net", "--yes"];
    insta::assert_snapshot!(changed(&server, &remove), @r"
    domain example.net removed
    note: user dave@example.net removed
    note: the mail is kept in /var/vmail/example.net
    note: remove its records from the DNS: MX first, then the others
    ");
    assert_eq!(smtpd(&server, "domain", "example.net"), "");
    assert!(!server.good(&["dns", "show"]).contains("example.net"));
    assert!(
        server
            .world
            .path("var/vmail/example.net/dave/Maildir/new/1.a")
            .exists()
    );
    survives_a_boot(&server);
}

#[test]
fn what_others_need_stays() {
    let server = Server::small();
    insta::assert_snapshot!(server.bad(1, &["domain", "remove", "example.org", "--yes"]), @"mailctl: example.org is the only domain of this server, and it needs one: add another one first");
    changed(&server, &["domain", "add", "example.net"]);
    // the postmaster's
    insta::assert_snapshot!(server.bad(1, &["domain", "remove", "example.org", "--yes"]), @"mailctl: the answers name bob@example.org as the postmaster: apply answers with another one first, with 'ezmail-agent apply --answers FILE'");
    changed(
        &server,
        &["alias", "add", "away@example.org", "root@example.net"],
    );
    insta::assert_snapshot!(server.bad(1, &["domain", "remove", "example.net", "--yes"]), @"mailctl: the alias away@example.org leads into example.net: change that first, with 'mailctl alias remove'");
    insta::assert_snapshot!(server.bad(1, &["domain", "add", "example.net"]), @"mailctl: example.net is a domain of this server already");
    // family@example.org leads to somebody there
    insta::assert_snapshot!(server.bad(1, &["domain", "add", "example.com"]), @"mailctl: the alias family@example.org would lead to Aunt.Carol+mail@example.com, and nobody has that address; nothing was changed");
    insta::assert_snapshot!(server.bad(2, &["domain", "add", "example"]), @r"
    error: invalid value 'example' for '<DOMAIN>': the name has one label only; a full domain name has at least two, as in `example.org`

    For more information, try '--help'.
    ");
}

/// When keys and files cannot be written, the domain is not there either.
#[test]
fn a_domain_that_cannot_be_applied_is_not_added() {
    let server = Server::small();
    let before = server.world.database();
    std::fs::remove_file(server.world.path("usr/share/ezmail/templates")).unwrap();
    let error = server.bad(1, &["domain", "add", "example.net"]);
    assert!(
        error.starts_with(
            "mailctl: example.net was not added, but may still be in files: try 'ezmail-agent \
             apply --kept': "
        ),
        "{error}"
    );
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
