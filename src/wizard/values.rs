//! What is typed and chosen.

use super::{disks::Target, line::Line};

/// The most bytes of a name, and of an SSH key: RSA of 16384 bits has 2800.
const NAME: usize = 320;
const KEY: usize = 4096;
/// One byte more than a password may have, so that one that is too long is told of.
const PASSWORD: usize = crate::mail::password::MAX_PASSWORD + 1;

/// A text that is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// The server's name.
    Hostname,
    /// Its mail domain.
    Domain,
    /// What stands before the `@` of the first user.
    Local,
    /// That user's password.
    Password,
    /// The same once more.
    Again,
    /// An SSH public key, or nothing.
    SshKey,
    /// Where the server is to live, with the question whether to erase what is there.
    Target,
    /// The disk of another machine.
    Device,
}

/// All that is asked for.
#[derive(Debug, Clone)]
pub struct Values {
    /// See [`Field`].
    pub hostname: Line,
    /// See [`Field`].
    pub domain: Line,
    /// See [`Field`].
    pub local: Line,
    /// See [`Field`].
    pub password: Line,
    /// See [`Field`].
    pub again: Line,
    /// See [`Field`].
    pub ssh_key: Line,
    /// Whether root logs in at the console with the same password.
    pub console: bool,
    /// What can be chosen.
    pub targets: Vec<Target>,
    /// Which of them is.
    pub target: Option<usize>,
    /// Whether what is on that disk may go.
    pub erase: bool,
    /// See [`Field`].
    pub device: Line,
}

impl Values {
    /// Nothing typed yet. The first disk that is blank is chosen, or the one that is to be named.
    pub fn new(targets: Vec<Target>) -> Self {
        let easy = |t: &Target| t.is_free() && t.to_erase().is_none() && *t != Target::Memory;
        Self {
            hostname: Line::new(NAME),
            domain: Line::new(NAME),
            local: Line::new(NAME),
            password: Line::new(PASSWORD),
            again: Line::new(PASSWORD),
            ssh_key: Line::new(KEY),
            console: true,
            target: targets.iter().position(easy),
            targets,
            erase: false,
            device: Line::of(NAME, "/dev/vda"),
        }
    }

    /// The line of a field; none for what is chosen.
    pub fn line(&self, field: Field) -> Option<&Line> {
        Some(match field {
            Field::Hostname => &self.hostname,
            Field::Domain => &self.domain,
            Field::Local => &self.local,
            Field::Password => &self.password,
            Field::Again => &self.again,
            Field::SshKey => &self.ssh_key,
            Field::Device => &self.device,
            Field::Target => return None,
        })
    }

    /// The same, to type in.
    pub fn line_mut(&mut self, field: Field) -> Option<&mut Line> {
        Some(match field {
            Field::Hostname => &mut self.hostname,
            Field::Domain => &mut self.domain,
            Field::Local => &mut self.local,
            Field::Password => &mut self.password,
            Field::Again => &mut self.again,
            Field::SshKey => &mut self.ssh_key,
            Field::Device => &mut self.device,
            Field::Target => return None,
        })
    }

    /// What is chosen.
    pub fn chosen(&self) -> Option<&Target> {
        self.targets.get(self.target?)
    }

    /// The disk to install to, and whether it may be erased; none: memory, or nothing chosen yet.
    pub fn install(&self) -> Option<(&str, bool)> {
        match self.chosen()? {
            Target::Disk(disk) => Some((&disk.path, disk.holds.is_some() && self.erase)),
            Target::Named => Some((self.device.trimmed(), false)),
            Target::Memory => None,
        }
    }
}
