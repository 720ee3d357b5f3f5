//! Every key of the answers file. The order is that of the reference.

use super::{Key, Kind, Pair};

const PORT: Kind = Kind::Integer { min: 1, max: 65535 };
/// How many backups of a kind are kept.
const COUNT: Kind = Kind::Integer { min: 0, max: 1000 };

const ADDRESS: &str = r"^[^@\s]+@[^@\s]+$";
const FILE: &str = r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}$";
const SIZE: &str = r"^[0-9]+[MGT]$";

/// Keys of which a table has one or the other.
pub const PAIRS: &[Pair] = &[
    pair("domain.dkim", ["key", "key_file"], true),
    pair("user", ["password_hash", "password"], true),
    pair("console", ["password_hash", "password"], true),
    pair("tls", ["certificate", "certificate_file"], true),
    pair("tls", ["key", "key_file"], true),
    pair("acme", ["ca", "ca_file"], false),
    pair("smarthost", ["password", "password_file"], false),
    pair("network", ["interface", "mac"], false),
    pair("backup", ["passphrase", "passphrase_file"], false),
    pair("backup", ["ssh_key", "ssh_key_file"], false),
    pair("backup", ["secret_key", "secret_key_file"], false),
];

const fn pair(table: &'static str, names: [&'static str; 2], needed: bool) -> Pair {
    Pair {
        table,
        names,
        needed,
    }
}

/// The schema: tables stand before the keys in them.
pub const KEYS: &[Key] = &[
    Key::new("hostname", Kind::String, "the full name of the server")
        .required()
        .example("\"mail.example.org\"")
        .doc(
            "The server's name in the DNS, which its MX records, its PTR records and its \
             certificate carry. It may lie in one of the mail domains or elsewhere. A private \
             name (`.local`, `.test`, `.lan`, …) works for trying, with a warning: other mail \
             servers refuse it.",
        ),
    Key::new("postmaster", Kind::String, "a mail address")
        .default("the first user")
        .pattern(ADDRESS)
        .example("\"alice@example.org\"")
        .doc(
            "Who reads what is sent to the role addresses of every domain (`abuse`, \
             `hostmaster`, `mailer-daemon`, `noc`, `postmaster`, `root`, `security`, \
             `webmaster`; RFC 2142) and what the server itself has to say. A user, an alias, \
             or an address elsewhere. An alias or user of that name takes a role address over.",
        ),
    Key::new("notify", Kind::String, "a mail address")
        .default("the postmaster")
        .pattern(ADDRESS)
        .example("\"me@example.net\"")
        .doc(
            "Where the server's own notices go: what failed, what changed, what is left to do. \
             Better an address elsewhere: one of the server's own gets no mail when mail is what \
             is broken.",
        ),
    Key::new("webhook", Kind::String, "an https address")
        .secret()
        .pattern(r"^https://")
        .example("\"https://chat.example.net/hooks/4f1c\"")
        .doc(
            "A web address that is told the same as `notify`, by a POST with JSON in it: `server`, \
             `text` for people, and the findings in `new` and `gone`. It is a way out when mail \
             is what is broken. Who knows the address can write there: keep it to yourself.",
        ),
    Key::new("timezone", Kind::String, "the name of a time zone")
        .default("`\"UTC\"`")
        .pattern(r"^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}$")
        .example("\"Europe/Berlin\"")
        .doc(
            "The time zone of the server's own times, by its name in the IANA database: in logs, \
             in the `Received` headers of mail, in the hour of a backup.",
        ),
    Key::new(
        "messages_per_hour",
        Kind::Integer {
            min: 1,
            max: 1_000_000,
        },
        "a number of messages",
    )
    .default("100")
    .example("300")
    .doc(
        "How many messages a user may send in an hour, and five times as many in a day; a message \
         counts once, however many it is for. What is above is put off, not lost, and the \
         administrator is told: it may be somebody with a stolen password.",
    ),
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
    Key::new("user", Kind::Tables, "a mailbox")
        .doc("One table for each person with a mailbox."),
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
    Key::new("ssh", Kind::Table, "the administrator's access")
        .doc("Logging in as administrator. There is no password for it."),
    Key::new("ssh.authorized_keys", Kind::Strings, "SSH public keys")
        .default("none: nobody can log in")
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
        .default("the server makes one itself")
        .doc(
            "A certificate that you have already, for SMTP, IMAP and the rest. Removed from the \
             answers, the server goes back to one that it makes itself. Before it expires, put \
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
    Key::new("smarthost", Kind::Table, "a relay for outgoing mail")
        .default("mail goes to the recipient's server directly")
        .doc(
            "A server that takes all outgoing mail, for networks that block port 25. The \
             connection is always encrypted and the certificate verified.",
        ),
    Key::new("smarthost.host", Kind::String, "a domain name")
        .required()
        .example("\"smtp.example.net\"")
        .doc("Its name, which its certificate has to carry."),
    Key::new("smarthost.port", PORT, "a port")
        .default("465 for `implicit`, 587 for `starttls`")
        .example("587")
        .doc("The TCP port."),
    Key::new("smarthost.tls", Kind::Choice(&["starttls", "implicit"]), "a word")
        .default("`\"implicit\"` on port 465, else `\"starttls\"`")
        .example("\"starttls\"")
        .doc("How TLS begins: at once (`implicit`) or by command (`starttls`, required)."),
    Key::new("smarthost.username", Kind::String, "a user name")
        .default("no login")
        .example("\"relay-user\"")
        .doc("The name to log in with."),
    Key::new("smarthost.password", Kind::String, "a password")
        .secret()
        .example("\"…\"")
        .doc("The password that goes with `username`. Either this or `password_file`."),
    Key::new("smarthost.password_file", Kind::String, "a file name")
        .pattern(FILE)
        .example("\"smarthost.password\"")
        .doc("The name of a file beside the answers that holds the password in its first line."),
    Key::new("dns", Kind::Table, "name resolution")
        .doc("The server resolves and validates (DNSSEC) itself; this changes how."),
    Key::new("dns.forwarders", Kind::Strings, "IP addresses")
        .default("none: the server asks the authoritative servers")
        .example("[\"192.0.2.53\", \"2001:db8::53\"]")
        .doc(
            "Resolvers to ask instead, where the network allows no others. Block lists refuse \
             queries that come through public resolvers.",
        ),
    Key::new("dns.trust_anchors", Kind::Strings, "DS or DNSKEY records")
        .default("the Internet's root keys")
        .example("[\". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D\"]")
        .doc(
            "Keys to validate with instead of the Internet's, for a private root or a test. DS \
             with SHA-256 or SHA-384; DNSKEY of a key-signing key.",
        ),
    Key::new("network", Kind::Table, "the network interface")
        .default("DHCP and router advertisements on every interface")
        .doc("Needed only where the network does not configure its machines itself."),
    Key::new("network.mode", Kind::Choice(&["auto", "static"]), "a word")
        .default("`\"static\"` if there is an `address`, else `\"auto\"`")
        .example("\"static\"")
        .doc(
            "`auto`: DHCP and router advertisements, and what is listed here in addition. \
             `static`: what is listed here and nothing else.",
        ),
    Key::new("network.interface", Kind::String, "an interface name")
        .default("the first wired interface")
        .example("\"enp1s0\"")
        .doc("The interface by name. Either this or `mac`."),
    Key::new("network.mac", Kind::String, "a hardware address")
        .example("\"52:54:00:12:34:56\"")
        .doc("The interface by its hardware address."),
    Key::new("network.address", Kind::Strings, "IP addresses with prefix length")
        .default("none")
        .example("[\"192.0.2.10/24\", \"2001:db8::10/64\"]")
        .doc("The server's addresses, IPv4 and IPv6."),
    Key::new("network.gateway", Kind::Strings, "IP addresses")
        .default("none")
        .example("[\"192.0.2.1\", \"fe80::1\"]")
        .doc(
            "The routers, at most one for IPv4 and one for IPv6. Each lies in the network of an \
             `address`, or is link-local (`fe80::…`), or the `address` is a single one (`/32`, \
             `/128`): then the router is taken to be on the link.",
        ),
    Key::new("state", Kind::Table, "the state volume")
        .default("the server runs from memory and forgets everything at a reboot")
        .doc("The disk that keeps mail, keys and settings."),
    Key::new("state.device", Kind::String, "the path of a disk")
        .required()
        .pattern("^/dev/.")
        .example("\"/dev/vda\"")
        .doc(
            "The disk or partition, under `/dev/`. An existing state volume is found by its \
             label; on a blank device one is created.",
        ),
    Key::new("state.wipe", Kind::Boolean, "true or false")
        .default("`false`")
        .example("false")
        .doc(
            "`true` lets the server erase a device that holds something else. It never erases a \
             state volume.",
        ),
    Key::new("install", Kind::Table, "installing to disk")
        .default("the server runs from the medium that it was booted from")
        .doc(
            "The disk that the server is installed to, the image itself and a state volume: it \
             boots without the ISO from then on. In place of `[state]`.",
        ),
    Key::new("install.device", Kind::String, "the path of a disk")
        .required()
        .pattern("^/dev/.")
        .example("\"/dev/vda\"")
        .doc(
            "The disk, under `/dev/`, a whole one. A blank one is installed to at the first boot; \
             one that has been installed to is left as it is.",
        ),
    Key::new("install.wipe", Kind::Boolean, "true or false")
        .default("`false`")
        .example("false")
        .doc(
            "`true` lets the server erase a disk that holds something else. It never erases a \
             state volume.",
        ),
    Key::new("backup", Kind::Table, "backups")
        .default("no backup is made")
        .doc(
            "Where backups go, how often, and with what they are encrypted. The first one is made \
             soon after the server was set up.",
        ),
    Key::new("backup.target", Kind::String, "an address of a folder")
        .required()
        .pattern("^(sftp|s3)://")
        .example("\"sftp://backup@backup.example.net/srv/ezmail\"")
        .doc(
            "Where they go: `sftp://USER@HOST[:PORT]/FOLDER`, or a store that speaks S3, \
             `s3://ACCESS_KEY@HOST[:PORT]/BUCKET[/FOLDER]`.",
        ),
    Key::new("backup.schedule", Kind::String, "a word or an hour")
        .default("`\"daily\"`")
        .pattern("^(hourly|daily|weekly|never|([01][0-9]|2[0-3]):[0-5][0-9])$")
        .example("\"03:30\"")
        .doc(
            "How often: `hourly`, `daily` (at 03:30), `weekly` (on Sunday at 03:30), or every day \
             at an hour of `timezone`. `never`: only when `mailctl backup create` is called.",
        ),
    Key::new("backup.keep", Kind::Table, "how many backups are kept")
        .doc("How many backups stay; what is in none of these counts is deleted."),
    Key::new("backup.keep.daily", COUNT, "a number")
        .default("7")
        .example("14")
        .doc("The newest of each of so many days."),
    Key::new("backup.keep.weekly", COUNT, "a number")
        .default("4")
        .example("8")
        .doc("The newest of each of so many weeks."),
    Key::new("backup.keep.monthly", COUNT, "a number")
        .default("6")
        .example("12")
        .doc("The newest of each of so many months."),
    Key::new("backup.passphrase", Kind::String, "a passphrase")
        .secret()
        .default("the server makes one; `mailctl backup passphrase` shows it")
        .example("\"…\"")
        .doc(
            "What backups are encrypted with: at least 20 characters, best what `encpipe -G` \
             prints. Keep a copy where the server is not: nobody opens a backup without it. \
             `ezmail answers recovery-sheet` prints one for paper. Either this or \
             `passphrase_file`.",
        ),
    Key::new("backup.passphrase_file", Kind::String, "a file name")
        .pattern(FILE)
        .example("\"backup.passphrase\"")
        .doc(
            "The name of a file beside the answers that holds the passphrase in its first line. \
             `ezmail answers recovery-sheet` makes it if it is not there.",
        ),
    Key::new("backup.ssh_key", Kind::String, "an SSH private key")
        .secret()
        .default("the server makes one and shows its public half")
        .example("\"\"\"\n-----BEGIN OPENSSH PRIVATE KEY-----\n…\n-----END OPENSSH PRIVATE KEY-----\n\"\"\"")
        .doc(
            "For `sftp://`: the key to log in with, as `ssh-keygen` makes it, without a \
             passphrase. Either this or `ssh_key_file`.",
        ),
    Key::new("backup.ssh_key_file", Kind::String, "a file name")
        .pattern(FILE)
        .example("\"backup_ed25519\"")
        .doc("The name of a file beside the answers that holds the SSH key."),
    Key::new("backup.host_key", Kind::String, "an SSH public key")
        .default("the key that the other machine shows at first is the one that it has to have")
        .example("\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIP4kN02bKad5JFvgb0kscFl71RcEzVsNrCQwv8lcfGMO\"")
        .doc(
            "For `sftp://`: the key by which the other machine is known, without the name that \
             `ssh-keyscan -t ed25519 HOST` prints before it.",
        ),
    Key::new("backup.secret_key", Kind::String, "a secret key")
        .secret()
        .example("\"…\"")
        .doc("For `s3://`: the secret that goes with the access key. Either this or `secret_key_file`."),
    Key::new("backup.secret_key_file", Kind::String, "a file name")
        .pattern(FILE)
        .example("\"s3.secret\"")
        .doc("The name of a file beside the answers that holds the secret key in its first line."),
    Key::new("restore", Kind::Table, "a backup to begin with")
        .doc(
            "A backup that a new server starts from. Passphrase and keys are those of `[backup]`, \
             which has to have a passphrase.",
        ),
    Key::new("restore.source", Kind::String, "an address or a file name")
        .required()
        .example("\"sftp://backup@backup.example.net/srv/ezmail\"")
        .doc(
            "A folder of backups, of which the newest is taken, or one backup, written as \
             `backup.target` is; or the name of a file beside the answers.",
        ),
];
