//! Ends of lines: only CRLF is one, inwards and outwards.

use std::{fs, thread, time::Duration};

use crate::{
    client::{Client, Sink},
    server::Server,
};

/// What some server or other takes for the end of a message, and how smtpd refuses it.
const ENDS: [(&[u8], &str); 14] = [
    (b"\n.\n", "bare LF"),
    (b"\n.\r\n", "bare LF"),
    (b"\r\n.\n", "bare LF"),
    (b"\r.\r", "bare CR"),
    (b"\r.\r\n", "bare CR"),
    (b"\r.\n", "bare LF"),
    (b"\n.\r", "bare LF"),
    (b"\r\n.\r", "bare CR"),
    (b"\r\r\n.\r\r\n", "bare CR"),
    (b"\r\n.\0\r\n", "NUL"),
    (b"\r\n\0.\r\n", "NUL"),
    (b"\r\n.\r\0\n", "bare LF"),
    (b"\0\r\n.\r\n", "NUL"),
    (b"\n\n.\n\n", "bare LF"),
];

const SECOND: &[u8] = b"MAIL FROM:<x@example.net>\r\nRCPT TO:<y@example.org>\r\nDATA\r\n\
    Subject: smuggled\r\n\r\nsmuggled\r\n.\r\n";

fn refused(mut client: Client, what: &str, code: &str) {
    let reply = client.reply();
    assert!(reply.starts_with(code), "{what}: {reply}");
    assert!(
        reply.ends_with("lines end with CRLF (RFC 5321 2.3.8)"),
        "{reply}"
    );
    assert!(reply.contains(&format!(": {what} in ")), "{what}: {reply}");
    // not one word more, and no reset: an answer to anything else would be here
    assert_eq!(client.rest(), "");
}

#[test]
fn no_second_message_comes_out_of_one() {
    let server = Server::start("");
    for port in [server.port, server.filtered] {
        for (end, what) in ENDS {
            let mut client = Client::connect(port);
            client.begin();
            let mut text = b"Subject: first\r\n\r\nfirst".to_vec();
            text.extend_from_slice(end);
            text.extend_from_slice(SECOND);
            client.send(&text);
            refused(client, what, "554 5.5.2 ");
        }
        // also where the rest comes when the first has been refused
        let mut client = Client::connect(port);
        client.begin();
        client.send(b"Subject: first\r\n\r\nfirst\n.\n");
        thread::sleep(Duration::from_millis(300));
        client.send(SECOND);
        refused(client, "bare LF", "554 5.5.2 ");
    }
    assert!(server.queue().is_empty(), "{:?}", server.queue());
    // another session is as well as ever
    let mut client = Client::connect(server.filtered);
    client.begin();
    let reply = client.command("Subject: good\r\n\r\n..two dots\r\n.");
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    assert_eq!(server.queue().len(), 1);
}

#[test]
fn commands_end_with_crlf() {
    let server = Server::start("");
    let commands: [(&[u8], &str); 5] = [
        (
            b"MAIL FROM:<a@example.net>\nRCPT TO:<b@example.org>\r\n",
            "bare LF",
        ),
        (
            b"MAIL FROM:<a@example.net>\rRCPT TO:<b@example.org>\r\n",
            "bare CR",
        ),
        (b"NOOP\0hidden\r\n", "NUL"),
        (b"NOOP\n", "bare LF"),
        (b"\n", "bare LF"),
    ];
    for (line, what) in commands {
        let mut client = Client::connect(server.port);
        assert!(client.command("EHLO client.example.net").starts_with("250"));
        client.send(line);
        refused(client, what, "500 5.5.2 ");
    }
    // a transaction that is open is dropped
    let mut client = Client::connect(server.port);
    client.begin();
    let reply = client.command("Subject: first\r\n\r\nfirst\r\n.");
    assert!(reply.starts_with("250"), "{reply}");
    assert!(
        client
            .command("MAIL FROM:<a@example.net>")
            .starts_with("250")
    );
    assert!(client.command("RCPT TO:<b@example.org>").starts_with("250"));
    client.send(b"DATA\n");
    refused(client, "bare LF", "500 5.5.2 ");
    assert_eq!(server.queue().len(), 1);
}

/// The text between the header's end and the final dot.
fn body(message: &[u8]) -> String {
    let text = String::from_utf8(message.to_vec()).unwrap();
    assert_eq!(
        text.replace("\r\n", "").find(['\r', '\n', '\0']),
        None,
        "{text:?}"
    );
    text.split_once("\r\n\r\n").unwrap().1.to_owned()
}

#[test]
fn nothing_else_is_sent() {
    let mut server = Server::start("");
    let mut client = Client::connect(server.port);
    client.begin();
    let reply = client.command("Subject: old\r\n\r\nPLACE\r\n.");
    assert!(reply.starts_with("250"), "{reply}");
    // as a stock smtpd may have left it in the queue
    server.kill();
    let [message] = server.queue().try_into().unwrap();
    let text = fs::read_to_string(&message).unwrap();
    let text = text.replace("PLACE", "a\r.\rMAIL FROM:<x@y>\rb\n.\r\n.\n..\nend\0of\r\r");
    fs::write(&message, text).unwrap();
    let sink = Sink::start(server.sink);
    server.resume();
    assert_eq!(
        body(&sink.message()),
        "a . MAIL FROM:<x@y> b\r\n.. \r\n..\r\n...\r\nend of  \r\n.\r\n"
    );
}

#[test]
fn sendmail_goes_on_working() {
    let mut server = Server::start("");
    let sink = Sink::start(server.sink);
    server.shell(
        r"printf 'Subject: progress\n\n10%%\r20%%\r\n.\n.dot\nlast' | sendmail -f a@example.org b@example.org",
    );
    assert_eq!(
        body(&sink.message()),
        "10% 20%\r\n..\r\n..dot\r\nlast\r\n.\r\n"
    );
}

#[test]
fn dovecot_gets_nothing_else() {
    let mut server = Server::start("");
    let sink = Sink::start(server.sink);
    server.shell(&format!(
        r"printf 'Subject: old\n\na\rb\n.\r\n.\nlast\n' | setpriv --reuid=300 --clear-groups /usr/lib/smtpd/opensmtpd/mail.lmtp -d 127.0.0.1:{} -f a@example.net b@example.org",
        server.sink
    ));
    assert_eq!(body(&sink.message()), "a b\r\n.. \r\n..\r\nlast\r\n.\r\n");
}
