//! The head of the question: HTTP, and what smtpd knows as header fields.

use super::Question;
use crate::filter::session::Source;

/// Builds the head of a request for a message of `size` bytes, up to and with its empty line.
///
/// The length is known, as the message is already in the spool, so the body needs no chunks.
pub(super) fn head(question: &Question<'_>, size: u64) -> Vec<u8> {
    let known = question.known;
    let mut out = Vec::new();
    out.extend_from_slice(b"POST /checkv2 HTTP/1.1\r\n");
    let mut put = |name: &str, value: &[u8]| {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        out.extend(value.iter().map(|&b| safe(b)));
        out.extend_from_slice(b"\r\n");
    };
    put("Host", b"localhost");
    put("User-Agent", b"ezmail-filter");
    put("Connection", b"close");
    put("Content-Type", b"message/rfc822");
    put("Content-Length", size.to_string().as_bytes());
    put("MTA-Name", question.server.as_bytes());
    let client = &known.client;
    match client.source {
        Source::Ip(ip) => put("IP", ip.to_string().as_bytes()),
        Source::Local => put("IP", b"127.0.0.1"),
        Source::Unknown => {}
    }
    if let Some(hostname) = &client.hostname {
        put("Hostname", hostname);
    }
    if let Some(helo) = &client.helo {
        put("Helo", helo);
    }
    if let Some((version, cipher)) = &client.tls {
        put("TLS-Version", version);
        put("TLS-Cipher", cipher);
    }
    if let Some(user) = &client.user {
        put("User", user);
    }
    if let Some(senders) = question.senders {
        // for our rule FORGED_OWN_FROM; no address of ours has a comma in it
        put("Ezmail-Senders", senders.join(",").as_bytes());
    }
    let envelope = &known.envelope;
    if !envelope.id.is_empty() {
        put("Queue-ID", &envelope.id);
    }
    // In brackets, as SMTP has them: rspamd splits a bare list at its commas.
    if let Some(from) = &envelope.from {
        put("From", &path(from, question.server));
    }
    for recipient in &envelope.recipients {
        put("Rcpt", &path(recipient, question.server));
    }
    out.extend_from_slice(b"\r\n");
    out
}

/// An address in brackets. One without a domain, as `Postmaster` (RFC 5321, section 4.5.1), gets
/// the server's: rspamd takes it for a broken header otherwise, which is worth a spam score.
fn path(address: &[u8], server: &str) -> Vec<u8> {
    let mut out = [b"<", address].concat();
    if !address.is_empty() && !address.contains(&b'@') {
        out.push(b'@');
        out.extend_from_slice(server.as_bytes());
    }
    out.push(b'>');
    out
}

/// A byte that may stand in a header value: the client chose these values, and none may end its
/// field. Bytes above ASCII are UTF-8 addresses and pass.
fn safe(byte: u8) -> u8 {
    if byte.is_ascii_control() { b'?' } else { byte }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::session::{Client, Envelope, Known};

    fn text(server: &str, known: &Known, senders: Option<&[String]>, size: u64) -> String {
        let question = Question {
            server,
            known,
            senders,
        };
        String::from_utf8(head(&question, size)).unwrap()
    }

    #[test]
    fn a_full_head() {
        let known = Known {
            client: Client {
                source: Source::Ip("2001:db8::1".parse().unwrap()),
                hostname: Some(b"client.example.org".to_vec()),
                helo: Some(b"evil\r\nUser: admin".to_vec()),
                tls: Some((b"TLSv1.3".to_vec(), b"TLS_AES_256_GCM_SHA384".to_vec())),
                user: Some(b"a@example.org".to_vec()),
            },
            envelope: Envelope {
                id: b"0a1b2c3d".to_vec(),
                from: Some("jö@example.org".into()),
                recipients: vec![b"\"a,b\"@example.net".to_vec(), b"c@example.net".to_vec()],
            },
        };
        let senders = ["a@example.org", "al@example.net"].map(str::to_owned);
        let head = text("mx.example.org", &known, Some(&senders), 123);
        insta::assert_snapshot!(head.replace("\r\n", "\n"), @r#"
        POST /checkv2 HTTP/1.1
        Host: localhost
        User-Agent: ezmail-filter
        Connection: close
        Content-Type: message/rfc822
        Content-Length: 123
        MTA-Name: mx.example.org
        IP: 2001:db8::1
        Hostname: client.example.org
        Helo: evil??User: admin
        TLS-Version: TLSv1.3
        TLS-Cipher: TLS_AES_256_GCM_SHA384
        User: a@example.org
        Ezmail-Senders: a@example.org,al@example.net
        Queue-ID: 0a1b2c3d
        From: <jö@example.org>
        Rcpt: <"a,b"@example.net>
        Rcpt: <c@example.net>
        "#);
    }

    #[test]
    fn an_address_without_a_domain_gets_the_servers() {
        let path = |address: &[u8]| String::from_utf8(path(address, "mx.example.org")).unwrap();
        assert_eq!(path(b"Postmaster"), "<Postmaster@mx.example.org>");
        assert_eq!(path(b"a@b.example"), "<a@b.example>");
        assert_eq!(path(b""), "<>");
    }

    #[test]
    fn a_bounce_from_a_local_program() {
        let mut known = Known::default();
        known.client.source = Source::Local;
        known.envelope.from = Some(Vec::new());
        let head = text("mx", &known, None, 0);
        assert!(
            head.contains("\r\nIP: 127.0.0.1\r\nFrom: <>\r\n\r\n"),
            "{head}"
        );
    }
}
