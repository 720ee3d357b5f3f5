//! Domains, users and aliases.

use super::{ADDRESS, FILE, SIZE};
use crate::answers::schema::{Key, Kind};

pub const MAIL: &[Key] = &[
    Key::new("domain", Kind::Tables, "a mail domain")
        .required()
        .doc("One table for each domain that the server receives mail for."),
    Key::new("domain.name", Kind::String, "a domain name")
        .required()
        .example("\"example.org\"")
        .doc(
            "The domain. Letters beyond ASCII may be written as they are (`bücher.example`); \
             the server keeps the name in its DNS form (`xn--bcher-kva.example`).",
        ),
    Key::new(
        "domain.dmarc",
        Kind::Choice(&["none", "quarantine", "reject"]),
        "a word",
    )
    .default("`\"quarantine\"`")
    .example("\"reject\"")
    .doc(
        "What other servers shall do with mail that claims to be from this domain and is not: \
         the policy in the DMARC record to publish (RFC 7489). `none` only asks for reports.",
    ),
    Key::new("domain.quota", Kind::String, "a size")
        .default("`\"15G\"`")
        .pattern(SIZE)
        .example("\"5G\"")
        .doc("The `quota` of those users of this domain who have none of their own."),
    Key::new("domain.dkim", Kind::Tables, "a DKIM key")
        .default("an RSA key of 2048 bits and an Ed25519 key are created and kept")
        .doc(
            "A signing key that exists already, to bring one along from another server. Every \
             key given here signs; for an algorithm of which none is given, one is created.",
        ),
    Key::new("domain.dkim.selector", Kind::String, "a DKIM selector")
        .required()
        .example("\"s2026\"")
        .doc("The name under `_domainkey` of the key's DNS record."),
    Key::new("domain.dkim.key", Kind::String, "a private key in PEM form")
        .secret()
        .example("\"\"\"\n-----BEGIN PRIVATE KEY-----\n…\n-----END PRIVATE KEY-----\n\"\"\"")
        .doc(
            "The key itself: RSA of 2048 to 4096 bits (PKCS#8 or PKCS#1) or Ed25519 (PKCS#8), \
             without a passphrase. Either this or `key_file`.",
        ),
    Key::new("domain.dkim.key_file", Kind::String, "a file name")
        .pattern(FILE)
        .example("\"example.org.s2026.pem\"")
        .doc("The name of a file beside the answers that holds the key. No folders."),
    Key::new("user", Kind::Tables, "a mailbox").doc("One table for each person with a mailbox."),
    Key::new("user.address", Kind::String, "a mail address")
        .required()
        .pattern(ADDRESS)
        .example("\"alice@example.org\"")
        .doc(
            "The main address, and the name to log in with. Before the `@` stand letters, \
             digits, `.`, `_` and `-`; capitals make no difference. Mail to \
             `alice+anything@example.org` arrives here as well.",
        ),
    Key::new("user.name", Kind::String, "a name")
        .example("\"Alice Example\"")
        .doc("The name of the person, for display. At most 100 characters."),
    Key::new("user.password_hash", Kind::String, "an argon2id hash")
        .secret()
        .pattern(r"^\$argon2id\$v=19\$")
        .example("\"$argon2id$v=19$m=19456,t=2,p=1$…$…\"")
        .doc(
            "What `ezmail hash-password` prints. At most 256 MiB of memory, 10 passes and 4 \
             lanes. Either this or `password`.",
        ),
    Key::new("user.password", Kind::String, "a password")
        .secret()
        .example("\"wood stapler under rain\"")
        .doc(
            "The password itself, for those who accept that it stands in a file; it is hashed \
             at the first boot. 10 to 256 characters, and not easy to guess. Better is \
             `password_hash`.",
        ),
    Key::new("user.quota", Kind::String, "a size")
        .default("the `quota` of the domain")
        .pattern(SIZE)
        .example("\"5G\"")
        .doc(
            "How much mail the mailbox holds: a whole number and `M`, `G` or `T` (powers of \
             1024), at least `\"100M\"`.",
        ),
    Key::new("user.aliases", Kind::Strings, "mail addresses")
        .default("none")
        .pattern(ADDRESS)
        .example("[\"al@example.org\", \"alice@example.net\"]")
        .doc("Further addresses of this person, to receive with and to send from."),
    Key::new("alias", Kind::Tables, "a forwarding address")
        .doc("One table for each address that leads to other addresses."),
    Key::new("alias.address", Kind::String, "a mail address")
        .required()
        .pattern(r"^[^@\s]*@[^@\s]+$")
        .example("\"info@example.org\"")
        .doc(
            "The address, in one of the listed domains. `\"@example.org\"` is the catch-all: \
             every address of the domain that does not exist.",
        ),
    Key::new("alias.to", Kind::Strings, "mail addresses")
        .required()
        .pattern(ADDRESS)
        .example("[\"alice@example.org\", \"bob@example.net\"]")
        .doc(
            "Where the mail goes: users, other aliases, addresses elsewhere. An address in a \
             listed domain has to exist.",
        ),
];
