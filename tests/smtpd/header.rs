//! What smtpd does to a header: an address without a domain gets one.

use crate::{
    client::{Client, Sink},
    server::Server,
};

#[test]
fn addresses_without_a_domain_get_one() {
    let server = Server::start("");
    let sink = Sink::start(server.sink);
    let mut client = Client::connect(server.port);
    client.begin();
    // a long one first: of what was read before nothing may be left
    let long = "x".repeat(900);
    client.send(
        format!(
            "From: a@example.net\r\nTo: {long}, b,\r\n c@example.org, \"d, e\" <f>,(g) h\r\n\
             Cc: i\r\nX-List: j, k\r\nSubject: s\r\n\r\ntext\r\n"
        )
        .as_bytes(),
    );
    let reply = client.patiently(b".\r\n");
    assert!(reply.starts_with("250 "), "{reply}");
    let message = String::from_utf8(sink.message()).unwrap();
    for line in [
        &*format!("To: {long}@mx.example.org, b@mx.example.org,"),
        " c@example.org, \"d, e\" <f@mx.example.org>,(g) h@mx.example.org",
        "Cc: i@mx.example.org",
        "X-List: j, k",
    ] {
        assert!(message.lines().any(|l| l == line), "{line}: {message}");
    }
}
