//! Who logs in to the server, and what it proves itself by.

use super::FILE;
use crate::answers::schema::{Key, Kind};

pub const ACCESS: &[Key] = &[
    Key::new("ssh", Kind::Table, "the administrator's access")
        .doc("Logging in as administrator. There is no password for it."),
    Key::new("ssh.authorized_keys", Kind::Strings, "SSH public keys")
        .default("none: nobody can log in from outside")
        .example("[\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI… alice\"]")
        .doc(
            "The lines of the `.pub` files of those who may: Ed25519, ECDSA, security keys \
             (`sk-…`), or RSA of 2048 bits and more. Without options before the key.",
        ),
    Key::new("console", Kind::Table, "the password of the console")
        .default("nobody can log in at the console")
        .doc(
            "A password for `root` at the machine's own console (screen and serial line), for \
             when the network is what is broken. SSH never takes it.",
        ),
    Key::new("console.password_hash", Kind::String, "a crypt(5) hash")
        .secret()
        .pattern(r"^\$(6|y)\$")
        .example("\"$6$rounds=200000$…$…\"")
        .doc(
            "What `ezmail hash-password --console` prints: SHA-512 (`$6$`) of at most 1000000 \
             rounds, or yescrypt (`$y$`) of at most 256 MiB. The console cannot check the \
             argon2id hashes of mailboxes. Either this or `password`.",
        ),
    Key::new("console.password", Kind::String, "a password")
        .secret()
        .example("\"wood stapler under rain\"")
        .doc(
            "The password itself, hashed at the first boot. 10 to 256 characters, and not easy \
             to guess. Better is `password_hash`.",
        ),
    Key::new("tls", Kind::Table, "a certificate of your own")
        .default("an authority is asked: `[acme]`")
        .doc(
            "A certificate that you have already, for SMTP, IMAP and the rest. Removed from the \
             answers, the server asks an authority again. Before it expires, put \
             the next one into the answers: an expired one is a warning and stays in use, because \
             a server without any would be worse.",
        ),
    Key::new("tls.certificate", Kind::String, "certificates in PEM form")
        .example("\"\"\"\n-----BEGIN CERTIFICATE-----\n…\n-----END CERTIFICATE-----\n\"\"\"")
        .doc(
            "The server's certificate, which has to carry `hostname`, and after it each that \
             signed the one before, without the root. Either this or `certificate_file`.",
        ),
    Key::new("tls.certificate_file", Kind::String, "a file name")
        .pattern(FILE)
        .example("\"fullchain.pem\"")
        .doc("The name of a file beside the answers that holds the certificates."),
    Key::new("tls.key", Kind::String, "a private key in PEM form")
        .secret()
        .example("\"\"\"\n-----BEGIN PRIVATE KEY-----\n…\n-----END PRIVATE KEY-----\n\"\"\"")
        .doc(
            "The certificate's key: ECDSA on P-256 or P-384, or RSA of 2048 to 4096 bits (PKCS#8, \
             SEC 1 or PKCS#1), without a passphrase. Either this or `key_file`.",
        ),
    Key::new("tls.key_file", Kind::String, "a file name")
        .pattern(FILE)
        .example("\"privkey.pem\"")
        .doc("The name of a file beside the answers that holds the key."),
    Key::new("acme", Kind::Table, "certificates from an authority")
        .default("Let's Encrypt is asked, unless there is `[tls]`")
        .doc(
            "How the server gets a certificate that everybody trusts (ACME, RFC 8555): as soon as \
             its name leads to it in the DNS, and again before the end of each. Until then it has \
             a self-signed one. To let it ask an authority is to accept that authority's terms.",
        ),
    Key::new("acme.enabled", Kind::Boolean, "true or false")
        .default("`true`")
        .example("false")
        .doc("`false` keeps the self-signed certificate."),
    Key::new("acme.directory", Kind::String, "an https address")
        .default("Let's Encrypt's")
        .pattern("^https://")
        .example("\"https://acme.example.net/directory\"")
        .doc("The ACME directory of another authority."),
    Key::new("acme.ca", Kind::String, "certificates in PEM form")
        .default("what Arch Linux trusts")
        .example("\"\"\"\n-----BEGIN CERTIFICATE-----\n…\n-----END CERTIFICATE-----\n\"\"\"")
        .doc(
            "What the directory's own certificate is signed by, for an authority of your own that \
             nobody else trusts. Either this or `ca_file`.",
        ),
    Key::new("acme.ca_file", Kind::String, "a file name")
        .pattern(FILE)
        .example("\"ca.pem\"")
        .doc("The name of a file beside the answers that holds these certificates."),
];
