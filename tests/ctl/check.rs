//! `mailctl check`.

use std::{
    fs,
    io::{Read, Write},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    thread,
};

use serde_json::Value;

use crate::server::Server;

/// A mail server on loopback that says `greeting` to whoever comes and waits for the end;
/// without one, it hangs up.
fn greeting(greeting: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            stream.write_all(greeting.as_bytes()).unwrap();
            if !greeting.is_empty() {
                let _ = stream.read(&mut [0; 64]);
            }
        }
    });
    address
}

/// A port of loopback where nobody listens.
fn closed() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

/// The finding `id` of `mailctl check --json` with `arguments`.
fn finding(server: &Server, arguments: &[&str], id: &str) -> Value {
    let called = server.call(&[&["check", "--json"], arguments].concat());
    let all: Vec<Value> = serde_json::from_str(&called.stdout).unwrap();
    let found = all.into_iter().find(|f| f["id"] == id);
    found.unwrap_or_else(|| panic!("no {id} in {}{}", called.stdout, called.stderr))
}

#[test]
fn files_are_checked_in_a_folder_too() {
    let server = Server::small();
    let called = server.call(&[
        "check",
        "answers",
        "certificate",
        "permissions",
        "backup",
        "clock",
    ]);
    assert_eq!((called.status, called.stderr.as_str()), (3, ""));
    insta::assert_snapshot!(called.stdout);
}

#[test]
fn a_secret_that_others_can_read_is_found_and_repaired() {
    let server = Server::small();
    let key = server.world.path("var/lib/ezmail/tls/key.pem");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let stray = server.world.path("var/lib/ezmail/secrets/old");
    fs::write(&stray, "x").unwrap();
    fs::set_permissions(&stray, fs::Permissions::from_mode(0o644)).unwrap();
    let called = server.call(&["check", "permissions"]);
    assert_eq!((called.status, called.stderr.as_str()), (3, ""));
    insta::assert_snapshot!(called.stdout);
    fs::remove_file(&stray).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    server.good(&["check", "permissions"]);
}

#[test]
fn a_missing_file_is_found() {
    let server = Server::small();
    fs::remove_file(server.world.path("etc/smtpd/smtpd.conf")).unwrap();
    let found = finding(&server, &["permissions"], "permissions.planned");
    assert_eq!(found["state"], "error");
    assert_eq!(
        found["reason"],
        "Not as the agent has them:\n/etc/smtpd/smtpd.conf: it is missing"
    );
}

#[test]
fn without_answers_it_says_so() {
    let server = Server::bare();
    let called = server.call(&["check", "answers", "state", "certificate", "permissions"]);
    assert_eq!((called.status, called.stderr.as_str()), (3, ""));
    insta::assert_snapshot!(called.stdout);
}

#[test]
fn outgoing_mail_is_tried_with_a_server() {
    let server = Server::bare();
    let tried = |target: &str| {
        let found = finding(&server, &["port25", "--target", target], "port25.ipv4");
        let reason = found["reason"].as_str().unwrap().replace(target, "TARGET");
        format!("{}: {reason}", found["state"].as_str().unwrap())
    };
    insta::assert_snapshot!(tried(&greeting("220 mx.example.net ESMTP\r\n")), @"ok: TARGET greets by IPv4.");
    insta::assert_snapshot!(tried(&greeting("554 5.7.1 you are listed\r\n")), @"warning: Port 25 is open by IPv4, but TARGET says: 554 5.7.1 you are listed");
    insta::assert_snapshot!(tried(&greeting("")), @"warning: TARGET takes a connection by IPv4, but does not greet.");
    insta::assert_snapshot!(tried(&closed()), @r"
    error: No mail server can be reached by IPv4: the provider blocks port 25.
    TARGET: Connection refused (os error 111)
    ");
}

#[test]
fn one_server_that_greets_is_enough() {
    let server = Server::bare();
    let (dead, alive) = (closed(), greeting("220 hello\r\n"));
    server.good(&["check", "port25", "--target", &dead, "--target", &alive]);
}

#[test]
fn the_help_and_a_wrong_area() {
    let server = Server::bare();
    insta::assert_snapshot!("check-help", server.good(&["check", "--help"]));
    insta::assert_snapshot!("check-wrong-area", server.bad(2, &["check", "moon"]));
}

#[test]
fn scripts_get_json() {
    let server = Server::small();
    fs::remove_file(server.world.path("etc/smtpd/smtpd.conf")).unwrap();
    let called = server.call(&["check", "--json", "answers", "permissions", "clock"]);
    assert_eq!((called.status, called.stderr.as_str()), (3, ""));
    insta::assert_snapshot!("check-json", called.stdout);
}
