//! `mailctl dns`. What it finds in a real DNS is tested by `tests/dns_faults`.

use crate::{server::Server, world::masked};

#[test]
fn the_records_are_shown_once_there_are_some() {
    let server = Server::small();
    let text = server.good(&["dns", "show"]);
    assert!(
        text.contains("example.org. 3600 IN MX     10 mail.example.org."),
        "{text}"
    );
    assert_eq!(
        text,
        server.world.read("var/lib/ezmail/dns-records.txt"),
        "as the agent wrote it"
    );
    insta::assert_snapshot!(masked(&text));
    insta::assert_snapshot!(
        Server::bare().bad(1, &["dns", "show"]),
        @"mailctl: there are no answers yet: this server was not set up; 'mailctl status' tells more"
    );
}

#[test]
fn the_records_come_in_every_form() {
    let server = Server::small();
    let of = |form: &str| server.good(&["dns", "show", "--format", form]);
    let table = of("table");
    assert!(
        table.lines().all(|line| line.chars().count() <= 80),
        "{table}"
    );
    let script = of("nsupdate");
    assert!(
        script.contains("update add example.org. 3600 MX 10 mail.example.org."),
        "{script}"
    );
    let list: serde_json::Value = serde_json::from_str(&of("json")).unwrap();
    let mx = list
        .as_array()
        .unwrap()
        .iter()
        .find(|r| r["type"] == "MX")
        .unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(mx).unwrap());
    // of one domain, in any spelling
    let one = server.good(&["dns", "show", "Example.ORG"]);
    assert!(
        one.contains("_dmarc.example.org.") && !one.contains("v=spf1 a"),
        "{one}"
    );
    insta::assert_snapshot!(
        server.bad(1, &["dns", "show", "example.com"]),
        @"mailctl: example.com is not a domain of this server, which has example.org"
    );
}

#[test]
fn without_a_resolver_nothing_is_compared() {
    let server = Server::small();
    insta::assert_snapshot!(
        server.bad(1, &["dns", "check", "--resolver", "127.0.0.1:1"]),
        @"mailctl: nothing could be compared ('mailctl status' tells whether the resolver runs; --resolver asks another): asking the resolver 127.0.0.1:1 for mail.example.org SOA: no answer in time"
    );
    let said = server.bad(2, &["dns", "check", "--resolver", "nine"]);
    assert!(said.contains("invalid socket address syntax"), "{said}");
    insta::assert_snapshot!(server.good(&["dns", "check", "--help"]));
    insta::assert_snapshot!(server.good(&["dns", "show", "--help"]));
}
