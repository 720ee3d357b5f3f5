//! Looking, with a made-up resolver.

use std::{
    net::{SocketAddr, UdpSocket},
    thread,
    time::Duration,
};

use super::*;
use crate::{
    answers::model::Dmarc,
    ctl::dns::diagnosis::diagnose,
    mail::records::{Offers, records},
};

/// A resolver that says nothing of names with that ending, and of all others that there are no
/// records, but for the root's.
fn resolver(silent_of: &'static [u8]) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    // it ends with the test
    thread::spawn(move || {
        let mut buffer = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let mut end = 12;
            while buffer[end] != 0 {
                end += 1 + usize::from(buffer[end]);
            }
            if buffer[12..end].ends_with(silent_of) || length < end + 5 {
                continue;
            }
            let mut reply = buffer[..end + 5].to_vec();
            reply[2..4].copy_from_slice(&[0x81, 0x80]);
            let root = u8::from(end == 12);
            reply[4..12].copy_from_slice(&[0, 1, 0, root, 0, 0, 0, 0]);
            if root == 1 {
                // ". 0 IN SOA . . 0 0 0 0 0"
                reply.extend([0, 0, 6, 0, 1, 0, 0, 0, 0, 0, 22]);
                reply.extend([0; 22]);
            }
            socket.send_to(&reply, from).unwrap();
        }
    });
    address
}

#[test]
fn a_zone_is_asked_again_of_a_server_that_was_silent() {
    let address = resolver(b"nobody");
    let mut observed = Observed::default();
    for kind in [RecordType::SOA, RecordType::MX] {
        let seen = observed.seen.entry((".".to_owned(), kind)).or_default();
        let server = "ns.example".to_owned();
        let answer = Err(NoAnswer::Timeout);
        seen.servers.push(Asked {
            server,
            address,
            answer,
        });
    }
    let client = Client::new(address, Duration::from_secs(2)).unwrap();
    once_more(&client, &mut observed);
    let came = |kind| observed.at(".", kind).unwrap().servers[0].answer.is_ok();
    assert!(came(RecordType::SOA) && !came(RecordType::MX));
}

#[test]
fn one_dead_zone_is_a_finding_and_a_dead_resolver_an_error() {
    let facts = Facts {
        hostname: "mail.dead.example".parse().unwrap(),
        domains: vec![("dead.example".parse().unwrap(), Dmarc::None)],
        addresses: vec!["203.0.113.10".parse().unwrap()],
        keys: Vec::new(),
        smarthost: None,
        certificate: None,
        issuer: None,
        account: None,
        offers: Offers::default(),
    };
    let list = records(&facts);
    let look = |silent_of| {
        let limit = Duration::from_millis(300);
        let client = Client::new(resolver(silent_of), limit).unwrap();
        observe(&client, &facts, &list)
    };
    let observed = look(b"\x04dead\x07example").unwrap();
    let found = diagnose(&facts, &list, &observed);
    let found: Vec<_> = found.iter().map(|f| (f.id, f.name.as_str())).collect();
    assert_eq!(
        found,
        [
            ("zone-unknown", "dead.example"),
            ("zone-unknown", "mail.dead.example"),
            ("ptr-missing", "10.113.0.203.in-addr.arpa"),
        ]
    );
    look(b"").unwrap_err();
}
