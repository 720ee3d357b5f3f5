//! What the tests of the form share.

use super::{
    disks::{Disk, Target},
    form::{Form, Place},
    line::Line,
    text::Credentials,
    values::Values,
};
use crate::util::secret::Secret;

/// A key of nobody.
pub const SSH_KEY: &str = "ssh-ed25519 \
     AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ alice@laptop";

/// A disk.
pub fn disk(path: &str, holds: Option<&str>, refused: Option<&str>) -> Target {
    Target::Disk(Disk {
        path: path.to_owned(),
        size: 10_737_418_240,
        holds: holds.map(str::to_owned),
        refused: refused.map(str::to_owned),
    })
}

/// A blank disk, one with something on it, one that cannot be taken, and memory.
pub fn targets() -> Vec<Target> {
    vec![
        disk("/dev/vda", None, None),
        disk(
            "/dev/vdb",
            Some("/dev/vdb (gpt partition table, 10.74 GB), /dev/vdb1 (ext4, label old, 10.74 GB)"),
            None,
        ),
        disk("/dev/vdc", None, Some("in use, mounted at /mnt")),
        Target::Memory,
    ]
}

/// All of it typed, and right.
pub fn filled() -> Values {
    let mut values = Values::new(targets());
    let line = |text: &str| Line::of(300, text);
    values.hostname = line("mail.example.org");
    values.domain = line("example.org");
    values.local = line("alice");
    values.password = line("wood stapler under rain");
    values.again = line("wood stapler under rain");
    values
}

/// An empty form on a server.
pub fn on_server() -> Form {
    let about = "ezmail 0.1.0 (arch base)".to_owned();
    Form::new(
        Place::Server,
        about,
        Values::new(targets()),
        Vec::new(),
        false,
    )
}

/// An empty form on a build host.
pub fn on_host() -> Form {
    let place = Place::Host("answers.toml".to_owned());
    let values = Values::new(vec![Target::Named, Target::Memory]);
    Form::new(place, "ezmail 0.1.0".to_owned(), values, Vec::new(), true)
}

/// Hashes of no password, as the rules want them.
pub fn hashes(console: bool) -> Credentials {
    let mailbox = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$\
                   AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let crypt = format!("$6$rounds=200000$saltsaltsaltsalt${}", "x".repeat(86));
    Credentials::Hashed {
        mailbox: Secret::new(mailbox),
        console: console.then(|| Secret::new(crypt)),
    }
}
