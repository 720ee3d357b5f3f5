//! Every key of the answers file. The order is that of the reference.

mod access;
mod backup;
mod disks;
mod mail;
mod network;
mod server;

use std::sync::LazyLock;

use super::{Key, Pair};

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
pub static KEYS: LazyLock<Vec<Key>> = LazyLock::new(|| {
    [
        server::SERVER,
        mail::MAIL,
        access::ACCESS,
        network::NETWORK,
        disks::DISKS,
        backup::BACKUP,
    ]
    .concat()
});
