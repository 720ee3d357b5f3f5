//! `mailctl alias`.

use crate::{
    accounts::{changed, leads, shown, survives_a_boot},
    server::Server,
};

#[test]
fn aliases_lead_at_once() {
    let server = Server::small();
    let info = "info@example.org";
    let targets = ["alice@example.org", "Aunt.Carol@example.com"];
    let call = [&["alias", "add", info][..], &targets].concat();
    insta::assert_snapshot!(changed(&server, &call), @"alias info@example.org leads to alice@example.org, Aunt.Carol@example.com");
    assert_eq!(
        leads(&server, info),
        "Aunt.Carol@example.com, alice@example.org"
    );
    let all = ["alias", "add", "@example.org", "bob@example.org"];
    insta::assert_snapshot!(changed(&server, &all), @"alias @example.org leads to bob@example.org");
    assert_eq!(leads(&server, "@example.org"), "bob@example.org");
    insta::assert_snapshot!(server.good(&["alias", "list"]), @r"
    ALIAS               LEADS TO
    @example.org        bob@example.org
    al@example.org      alice@example.org
    family@example.org  Aunt.Carol+mail@example.com, alice@example.org, bob@example.org
    info@example.org    Aunt.Carol@example.com, alice@example.org
    ");
    insta::assert_snapshot!("alias-list-json", server.good(&["alias", "list", "--json"]));
    survives_a_boot(&server);
    let one = ["alias", "remove", info, "alice@example.org"];
    insta::assert_snapshot!(changed(&server, &one), @"alias info@example.org leads to Aunt.Carol@example.com only");
    insta::assert_snapshot!(changed(&server, &["alias", "remove", "@example.org"]), @"alias @example.org removed");
    assert_eq!(
        leads(&server, "@example.org"),
        "error:550 5.1.1 No such mailbox"
    );
}

#[test]
fn what_the_answers_name_is_told_and_stays_changed() {
    let server = Server::small();
    insta::assert_snapshot!(changed(&server, &["alias", "remove", "al@example.org"]), @r"
    alias al@example.org removed
    note: the answers still have the alias al@example.org as it was, and so would a new server made from them; 'mailctl answers export' writes a file that has your change
    ");
    let call = [
        "alias",
        "add",
        "family@example.org",
        "carol@example.com",
        "--json",
    ];
    insta::assert_snapshot!(changed(&server, &call), @r#"
    {
      "done": "alias family@example.org leads to carol@example.com",
      "notes": [
        "the answers still have the alias family@example.org as it was, and so would a new server made from them; 'mailctl answers export' writes a file that has your change"
      ]
    }
    "#);
    survives_a_boot(&server);
    assert_eq!(leads(&server, "al@example.org"), "");
}

#[test]
fn what_the_answers_refuse_is_refused() {
    let server = Server::small();
    let (alice, info) = ("alice@example.org", "info@example.org");
    let before = server.world.database();
    insta::assert_snapshot!(
        "alias-refused",
        [
            &["alias", "add", alice, "bob@example.org"][..],
            &["alias", "add", "info@example.com", alice],
            &["alias", "add", info, "nobody@example.org"],
            &["alias", "add", info, info],
            &["alias", "add", "al@example.org", alice],
            &["alias", "remove", info],
            &["alias", "remove", "al@example.org", "bob@example.org"],
        ]
        .map(|call| format!("$ mailctl {}\n{}", call.join(" "), server.bad(1, call)))
        .join("\n")
    );
    insta::assert_snapshot!(
        "alias-misuse",
        [
            &["alias", "add", info][..],
            &["alias", "add", "*@example.org", alice],
            &["alias", "add", "@", alice],
            &["alias", "add", info, "Alice <alice@example.org>"],
        ]
        .map(|call| format!("$ mailctl {}\n{}", call.join(" "), server.bad(2, call)))
        .join("\n")
    );
    assert_eq!(server.world.database(), before);
}

#[test]
fn the_help_has_examples() {
    let server = Server::bare();
    for command in ["add", "remove", "list"] {
        let help = server.call(&["alias", command, "--help"]);
        insta::assert_snapshot!(format!("alias-help-{command}"), shown(&help));
    }
}
