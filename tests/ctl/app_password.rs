//! `mailctl app-password`.

use crate::{
    accounts::{changed, opens, shown, smtpd, survives_a_boot},
    server::Server,
};

const ALICE: &str = "alice@example.org";
const PHONE: &str = "alice+phone@example.org";

#[test]
fn a_device_has_its_own_password() {
    let server = Server::small();
    let added = server.good(&["app-password", "add", ALICE, "Phone"]);
    let password = added.split("password  ").nth(1).unwrap();
    let password = password.lines().next().unwrap().to_owned();
    let as_shown = added.replace(&password, "[password]");
    insta::assert_snapshot!("app-password-add", as_shown);
    assert!(opens(&server, PHONE, &password));
    assert!(opens(&server, "Alice+PHONE@example.org", &password));
    assert!(!opens(&server, ALICE, &password));
    survives_a_boot(&server);
    let json = server.good(&["app-password", "add", "bob@example.org", "tablet", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let (login, password) = (json["login"].as_str(), json["password"].as_str());
    assert!(opens(&server, login.unwrap(), password.unwrap()));
    insta::assert_snapshot!(
        "app-password-list",
        changed(&server, &["app-password", "list"])
    );
    let of_alice = ["app-password", "list", ALICE, "--json"];
    insta::assert_snapshot!("app-password-list-json", changed(&server, &of_alice));
    insta::assert_snapshot!(
        "app-password-show",
        changed(&server, &["user", "show", ALICE])
    );
    let remove = ["app-password", "remove", ALICE, "phone"];
    insta::assert_snapshot!(changed(&server, &remove), @"app password phone of alice@example.org removed");
    assert_eq!(smtpd(&server, "credentials", PHONE), "");
}

#[test]
fn labels_are_what_a_login_can_carry() {
    let server = Server::small();
    for label in ["my phone", "a+b", "ü", "", &"a".repeat(33)] {
        server.bad(2, &["app-password", "add", ALICE, label]);
    }
    insta::assert_snapshot!(server.bad(2, &["app-password", "add", ALICE, "my phone"]), @r"
    error: invalid value 'my phone' for '<LABEL>': ` ` cannot stand in a login: only letters, digits, `.`, `_` and `-` can

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(server.bad(1, &["app-password", "remove", ALICE, "phone"]), @"mailctl: alice@example.org has no app password phone; it has none at all");
    changed(&server, &["user", "disable", ALICE]);
    let added = changed(&server, &["app-password", "add", ALICE, "phone"]);
    assert!(
        added.contains("is locked out, so it opens nothing for now"),
        "{added}"
    );
    insta::assert_snapshot!(server.bad(1, &["app-password", "add", ALICE, "PHONE"]), @"mailctl: alice@example.org has an app password phone already: 'mailctl app-password remove alice@example.org phone' removes it, or choose another name");
}

#[test]
fn the_help_has_examples() {
    let server = Server::bare();
    for command in ["add", "remove", "list"] {
        let help = server.call(&["app-password", command, "--help"]);
        insta::assert_snapshot!(format!("app-password-help-{command}"), shown(&help));
    }
}
