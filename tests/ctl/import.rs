//! `mailctl import`.

mod archmailbox;
mod maildir;

use crate::server::Server;

#[test]
fn imap_needs_the_running_server() {
    let server = Server::small();
    let error = server.bad(
        1,
        &[
            "import",
            "imap",
            "alice@example.org",
            "--from",
            "imap.example.com",
        ],
    );
    insta::assert_snapshot!(error, @"mailctl: dovecot brings the mail, and it has to run: call this on the server itself");
    let error = server.bad(
        1,
        &[
            "import",
            "imap",
            "nobody@example.org",
            "--from",
            "imap.example.com",
        ],
    );
    insta::assert_snapshot!(error, @"mailctl: there is no user nobody@example.org; 'mailctl user list' shows all");
    let error = server.bad(2, &["import", "imap", "alice@example.org", "--from", "a b"]);
    insta::assert_snapshot!(error, @r#"
    error: invalid value 'a b' for '--from <HOST[:PORT]>': `a b` is no server: write a name, and a port if it is another than usual, such as imap.example.com:1993

    For more information, try '--help'.
    "#);
}

#[test]
fn helps_are_whole() {
    let server = Server::bare();
    for command in ["imap", "maildir", "archmailbox"] {
        let help = server.good(&["import", command, "--help"]);
        insta::assert_snapshot!(format!("import-{command}-help"), help);
    }
}
