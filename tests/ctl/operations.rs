//! `mailctl queue`, `log`, `spam`, `service` and `test` where no service runs: their help, and what
//! they refuse. What they do with services is in `tests/mail/operations.rs`.

use crate::server::Server;

#[test]
fn help_of_the_operations() {
    let server = Server::bare();
    for words in [
        &["queue", "list"][..],
        &["queue", "show"],
        &["queue", "retry"],
        &["queue", "remove"],
        &["log"],
        &["spam", "learn"],
        &["spam", "stats"],
        &["service", "list"],
        &["service", "enable"],
        &["service", "disable"],
        &["service", "restart"],
        &["test"],
    ] {
        let text = server.good(&[words, &["--help"]].concat());
        insta::assert_snapshot!(format!("help-{}", words.join("-")), text);
    }
}

#[test]
fn a_wrong_command_line_says_what_is_right() {
    let server = Server::bare();
    let mut text = String::new();
    for words in [
        &["queue", "show", "12"][..],
        &["queue", "retry"],
        &["queue", "retry", "--all", "c0ffee01"],
        &["queue", "remove"],
        &["log", "--since", "yesterday"],
        &["spam", "learn", "eggs"],
        &["service", "disable", "sshd"],
        &["test", "--wait", "1"],
        &["test", "--to", "nobody"],
    ] {
        text += &format!("$ mailctl {}\n{}\n", words.join(" "), server.bad(2, words));
    }
    insta::assert_snapshot!("operations-misuse", text);
}

#[test]
fn a_server_in_a_folder_has_no_services() {
    let server = Server::small();
    let mut text = String::new();
    for words in [
        &["queue", "list"][..],
        &["log"],
        &["spam", "stats"],
        &["service", "list"],
        &["test"],
    ] {
        text += &server.bad(1, words);
    }
    insta::assert_snapshot!(text, @r"
    mailctl: the queue is that of a running server: leave out --root
    mailctl: the log is that of a running server: leave out --root
    mailctl: rspamd is that of a running server: leave out --root
    mailctl: services are those of a running server: leave out --root
    mailctl: the test is for a running server: leave out --root
    ");
}
