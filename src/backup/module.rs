//! The parts of the state, as `--module` chooses them.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// A part of the state.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Module {
    /// The answers, and the format of the state
    Config,
    /// DKIM keys, SSH keys, rspamd's password
    Keys,
    /// The server's certificate, and the account at the authority that issues it
    Certificates,
    /// Domains, users, aliases, passwords
    Database,
    /// The mailboxes
    Mail,
    /// What the spam filter has learnt
    Spam,
    /// Mail that is under way
    Queue,
}

/// A file or folder of the state that belongs to a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its path on the state volume, without a slash at either end.
    pub path: &'static str,
    /// Whether the folder itself is mounted elsewhere and cannot be exchanged: what is in it is.
    pub mounted: bool,
}

const fn place(path: &'static str) -> Place {
    Place {
        path,
        mounted: false,
    }
}

const fn mounted(path: &'static str) -> Place {
    Place {
        path,
        mounted: true,
    }
}

impl Module {
    /// All, in the order in which they are told.
    pub const ALL: [Self; 7] = [
        Self::Config,
        Self::Keys,
        Self::Certificates,
        Self::Database,
        Self::Mail,
        Self::Spam,
        Self::Queue,
    ];

    /// Its name on the command line and in a manifest.
    pub fn name(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Keys => "keys",
            Self::Certificates => "certificates",
            Self::Database => "database",
            Self::Mail => "mail",
            Self::Spam => "spam",
            Self::Queue => "queue",
        }
    }

    /// Where it lies on the state volume.
    pub fn places(self) -> &'static [Place] {
        const CONFIG: &[Place] = &[place("state.json"), place("answers")];
        const KEYS: &[Place] = &[place("dkim"), place("ssh"), place("secrets")];
        const CERTIFICATES: &[Place] = &[place("tls"), place("acme")];
        const DATABASE: &[Place] = &[place("mail.sqlite")];
        const MAIL: &[Place] = &[mounted("mail")];
        const SPAM: &[Place] = &[mounted("valkey"), mounted("rspamd")];
        const QUEUE: &[Place] = &[mounted("queue")];
        match self {
            Self::Config => CONFIG,
            Self::Keys => KEYS,
            Self::Certificates => CERTIFICATES,
            Self::Database => DATABASE,
            Self::Mail => MAIL,
            Self::Spam => SPAM,
            Self::Queue => QUEUE,
        }
    }

    /// The module that a path on the state volume belongs to; `None` for what is in no backup.
    pub fn of(path: &Path) -> Option<Self> {
        let belongs = |module: &Self| module.places().iter().any(|p| path.starts_with(p.path));
        Self::ALL.into_iter().find(belongs)
    }
}

impl Place {
    /// Where it lies when the state volume is at `state`.
    pub fn below(self, state: &Path) -> PathBuf {
        state.join(self.path)
    }

    /// The path of something that is exchanged with it: itself, or what is in it.
    pub fn inside(self) -> PathBuf {
        let path = Path::new(self.path);
        match self.mounted {
            true => path.join("x"),
            false => path.to_path_buf(),
        }
    }
}

impl fmt::Display for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_module() {
        let of = |path: &str| Module::of(Path::new(path));
        assert_eq!(of("mail/example.org/alice"), Some(Module::Mail));
        assert_eq!(of("mail.sqlite"), Some(Module::Database));
        assert_eq!(of("mail.sqlite-journal"), None);
        assert_eq!(of("journal/x"), None);
    }

    #[test]
    fn names_are_those_of_the_command_line() {
        for module in Module::ALL {
            let value = module.to_possible_value().unwrap();
            assert_eq!(value.get_name(), module.name());
            let json = serde_json::to_string(&module).unwrap();
            assert_eq!(json, format!("\"{module}\""));
        }
    }
}
