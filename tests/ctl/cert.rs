//! `mailctl cert` on a server in a folder.

use std::fs;

use ezmail::mail::certificate;

use crate::server::Server;

const PLACE: &str = "var/lib/ezmail/tls/cert.pem";

/// A certificate for `host` and its key, in files of that name.
fn made(server: &Server, name: &str, host: &str) -> [String; 2] {
    let names = [host.to_owned()].into();
    let made = certificate::self_signed(&host.parse().unwrap(), &names, None).unwrap();
    let [cert, key] = ["pem", "key"].map(|end| server.world.path(&format!("{name}.{end}")));
    fs::write(&cert, made.certificate).unwrap();
    fs::write(&key, made.key.expose()).unwrap();
    [cert, key].map(|path| path.display().to_string())
}

#[test]
fn a_certificate_is_installed_if_it_fits() {
    let server = Server::small();
    let before = server.world.read(PLACE);
    let [cert, key] = made(&server, "own", "mail.example.org");
    let [other, other_key] = made(&server, "other", "mail.example.com");
    for (cert, key, why) in [
        (&cert, &other_key, "is not the key of"),
        (
            &other,
            &other_key,
            "is for mail.example.com, not for mail.example.org",
        ),
        (
            &key,
            &key,
            "there is a `PRIVATE KEY` among the certificates",
        ),
        (&cert, &cert, "this is a `CERTIFICATE`, not a private key"),
    ] {
        let said = server.bad(1, &["cert", "install", cert, key]);
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains(why), "{said}");
        assert_eq!(server.world.read(PLACE), before);
    }
    let called = server.call(&["cert", "install", &cert, &key]);
    assert_eq!(called.status, 0, "{}", called.stderr);
    assert_eq!(called.stdout, "the certificate is in place\n");
    assert!(called.stderr.contains("TLSA record"), "{}", called.stderr);
    assert_eq!(server.world.read(PLACE), fs::read_to_string(&cert).unwrap());
    let status = server.good(&["cert", "status", "--json"]);
    assert!(status.contains("\"origin\": \"installed\""), "{status}");
}

#[test]
fn a_server_in_a_folder_asks_nobody() {
    let server = Server::small();
    insta::assert_snapshot!("cert_issue", server.bad(1, &["cert", "issue"]));
    insta::assert_snapshot!("cert_status", server.good(&["cert", "status"]));
}
