//! What a check found.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// How a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be.
    Ok,
    /// It could not be found out.
    Unknown,
    /// Mail flows, but not as well as it could, or not for long.
    Warning,
    /// Mail, or what is kept, is in danger.
    Error,
}

impl State {
    /// The word for it; what needs a person is in capitals.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unknown => "unknown",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
        }
    }

    /// Whether a person has to do something.
    pub fn is_trouble(self) -> bool {
        self >= Self::Warning
    }
}

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Area {
    /// Whether the answers were applied
    Answers,
    /// The mail services, and units that failed
    Units,
    /// The ports, from inside
    Ports,
    /// The firewall of the provider: outgoing port 25
    Port25,
    /// Whether this machine has its addresses itself
    Nat,
    /// The names of this machine's addresses, and whether they lead back
    Ptr,
    /// The records in the DNS
    Dns,
    /// DKIM keys that wait for something
    Dkim,
    /// Whether block lists have this machine's addresses
    Dnsbl,
    /// The certificate: names, chain, expiry
    Certificate,
    /// The TLS policies of other domains
    Sts,
    /// Messages that wait
    Queue,
    /// Users who have sent more messages than one may
    Limits,
    /// Passwords that are guessed, and who is banned for it
    Abuse,
    /// Whether the clock is right
    Clock,
    /// Memory, and processes that it was not enough for
    Memory,
    /// The state volume
    State,
    /// Space, files, and the sum of the quotas
    Disk,
    /// Owners and modes of what the agent has written
    Permissions,
    /// Backups
    Backup,
    /// The kernel, and since when it runs
    System,
}

impl Area {
    /// Its title.
    pub fn title(self) -> &'static str {
        match self {
            Self::Answers => "Answers",
            Self::Units => "Services",
            Self::Ports => "Ports from inside",
            Self::Port25 => "Outgoing port 25",
            Self::Nat => "Addresses",
            Self::Ptr => "Names of the addresses",
            Self::Dns => "DNS records",
            Self::Dkim => "DKIM keys",
            Self::Dnsbl => "Block lists",
            Self::Certificate => "Certificate",
            Self::Sts => "TLS policies of others",
            Self::Queue => "Queue",
            Self::Limits => "Limits of sending",
            Self::Abuse => "Abuse",
            Self::Clock => "Clock",
            Self::Memory => "Memory",
            Self::State => "State volume",
            Self::Disk => "Disk",
            Self::Permissions => "Permissions",
            Self::Backup => "Backup",
            Self::System => "System",
        }
    }

    /// Its name, as it is typed.
    pub fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |v| v.get_name().to_owned())
    }
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Which check: the same name for the same thing, whatever was found.
    pub id: String,
    /// What it is about.
    pub area: Area,
    /// How it is.
    pub state: State,
    /// The things that are in trouble, where one finding is about several of them: names that stay
    /// the same for as long as the trouble does.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub about: Vec<String>,
    /// Why, in words.
    pub reason: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub todo: Option<String>,
}

impl Finding {
    fn new(area: Area, id: &str, state: State, reason: String, todo: Option<String>) -> Self {
        let id = match id.is_empty() {
            true => area.name(),
            false => format!("{}.{id}", area.name()),
        };
        Self {
            id,
            area,
            state,
            about: Vec::new(),
            reason,
            todo,
        }
    }

    /// With the things that it is about.
    #[must_use]
    pub fn about<T: ToString>(mut self, things: impl IntoIterator<Item = T>) -> Self {
        self.about = things.into_iter().map(|thing| thing.to_string()).collect();
        self
    }

    /// All is well. The `id` goes behind the area's name.
    pub fn ok(area: Area, id: &str, reason: impl Into<String>) -> Self {
        Self::new(area, id, State::Ok, reason.into(), None)
    }

    /// It could not be found out, because of `reason`.
    pub fn unknown(area: Area, id: &str, reason: impl Into<String>) -> Self {
        Self::new(area, id, State::Unknown, reason.into(), None)
    }

    /// Something is not as it should be; `todo` says what helps.
    pub fn warning(
        area: Area,
        id: &str,
        reason: impl Into<String>,
        todo: impl Into<String>,
    ) -> Self {
        Self::new(area, id, State::Warning, reason.into(), Some(todo.into()))
    }

    /// Something is broken; `todo` says what helps.
    pub fn error(area: Area, id: &str, reason: impl Into<String>, todo: impl Into<String>) -> Self {
        Self::new(area, id, State::Error, reason.into(), Some(todo.into()))
    }
}
