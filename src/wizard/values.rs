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
        Self {
            hostname: Line::new(NAME),
            domain: Line::new(NAME),
            local: Line::new(NAME),
            password: Line::new(PASSWORD),
            again: Line::new(PASSWORD),
            ssh_key: Line::new(KEY),
            console: true,
            target: easiest(&targets),
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

    /// Puts a new list of what can be chosen in the place of the one before. The choice stays where it
    /// can; the word that a disk may be erased, where that is the same with the same on it.
    pub fn offer(&mut self, targets: Vec<Target>) {
        let before = self.chosen().cloned();
        let still = |b: &Target| targets.iter().position(|t| t.is_free() && t.is_at(b));
        let kept = before.as_ref().and_then(still);
        self.target = kept.or_else(|| easiest(&targets));
        self.targets = targets;
        self.erase = self.erase && self.chosen() == before.as_ref();
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

/// The first disk that is blank, or the one that is to be named.
fn easiest(targets: &[Target]) -> Option<usize> {
    let easy = |t: &Target| t.is_free() && t.to_erase().is_none() && *t != Target::Memory;
    targets.iter().position(easy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wizard::tests::{disk, targets};

    #[test]
    fn a_new_list_keeps_what_was_chosen() {
        let mut values = Values::new(Vec::new());
        assert_eq!(values.target, None);
        values.offer(targets());
        assert_eq!(values.target, Some(0), "the blank one");
        values.target = Some(1);
        values.erase = true;
        // one more, which comes first
        let mut more = targets();
        more.insert(0, disk("/dev/sda", None, None));
        values.offer(more.clone());
        assert_eq!(values.install(), Some(("/dev/vdb", true)));
        // another one by the same name
        more[2] = disk("/dev/vdb", Some("/dev/vdb (xfs, 10.74 GB)"), None);
        values.offer(more.clone());
        assert_eq!(values.install(), Some(("/dev/vdb", false)));
        // it is gone
        more.remove(2);
        values.offer(more);
        assert_eq!(values.install(), Some(("/dev/sda", false)));
        values.target = Some(values.targets.len() - 1);
        values.offer(targets());
        assert_eq!(values.chosen(), Some(&Target::Memory));
    }
}
