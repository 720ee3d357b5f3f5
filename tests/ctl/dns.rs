//! `mailctl dns`.

use crate::server::Server;

#[test]
fn the_records_are_shown_once_there_are_some() {
    let server = Server::small();
    let text = server.good(&["dns", "show"]);
    assert!(
        text.contains("example.org. 3600 IN MX     10 mail.example.org."),
        "{text}"
    );
    insta::assert_snapshot!(
        Server::bare().bad(1, &["dns", "show"]),
        @"mailctl: there are no records yet: they are made when the agent applies the answers; 'mailctl status' tells whether it has: reading ROOT/var/lib/ezmail/dns-records.txt: No such file or directory (os error 2)"
    );
}
