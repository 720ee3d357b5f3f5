//! The way from a server that has just been set up to its first mail: what is still missing.
//!
//! The page is too confined to ask the DNS. A timer has `mailctl guide` do that and leave a file,
//! which is read here.

pub mod text;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Where `mailctl guide` leaves it: gone with the boot, as addresses and providers may be.
pub const FILE: &str = "/run/ezmail/guide.json";

/// A look that is older than this, in seconds, says nothing any more: it is repeated every hour at
/// least.
pub const STALE: i64 = 3 * 3600;

/// How a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be.
    Right,
    /// It comes by itself.
    Waits,
    /// It could not be found out.
    Unknown,
    /// A person has to do it.
    Missing,
    /// A person did it, or somebody else, and it is not right.
    Wrong,
}

/// A step on the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What it is about, such as `MX`.
    pub name: String,
    /// How it is.
    pub state: State,
    /// What there is to say about it, where it is not right: sentences that stand alone.
    pub items: Vec<String>,
}

/// All steps, in their order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guide {
    /// When it was looked, in seconds since 1970.
    pub looked: i64,
    /// Since when the steps are what they are.
    pub changed: i64,
    /// When a server outside was last asked whether port 25 is open.
    pub outside: i64,
    /// Up to when the journal was read for mail that has flowed; 0 if it was not.
    #[serde(default)]
    pub read: i64,
    /// When each step was last found out, by its name.
    #[serde(default)]
    pub known: BTreeMap<String, i64>,
    /// The steps.
    pub steps: Vec<Step>,
}

impl Guide {
    /// Whether something is left before mail goes in and out as it should.
    pub fn is_open(&self) -> bool {
        self.steps.iter().any(|step| step.state != State::Right)
    }

    /// How a step is; none if there is no such step.
    pub fn state_of(&self, name: &str) -> Option<State> {
        let step = self.steps.iter().find(|step| step.name == name);
        step.map(|step| step.state)
    }
}

/// What the page knows of the guide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// Nobody has looked since this boot.
    Nothing,
    /// The last look was too long ago.
    Stale,
    /// What was left cannot be read, and why. The next look writes it anew.
    Damaged(String),
    /// What was found.
    Told(Guide),
}

impl Known {
    /// From the text of [`FILE`], which is empty if there is none. `now` is in seconds since 1970; a
    /// look that seems to lie ahead of it was taken before the clock was set, and is none of long ago.
    pub fn read(text: &str, now: i64) -> Self {
        if text.is_empty() {
            return Self::Nothing;
        }
        match serde_json::from_str::<Guide>(text) {
            Ok(guide) if now - guide.looked > STALE => Self::Stale,
            Ok(guide) => Self::Told(guide),
            Err(error) => Self::Damaged(error.to_string()),
        }
    }

    /// What was found, if anything was and something is left.
    pub fn open(&self) -> Option<&Guide> {
        match self {
            Self::Told(guide) if guide.is_open() => Some(guide),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_told_apart_from_an_old_and_a_damaged_one() {
        let guide = Guide {
            looked: 10_000,
            changed: 9_000,
            outside: 0,
            read: 0,
            known: BTreeMap::new(),
            steps: vec![Step {
                name: "MX".to_owned(),
                state: State::Right,
                items: Vec::new(),
            }],
        };
        let text = serde_json::to_string(&guide).unwrap();
        assert_eq!(Known::read("", 10_000), Known::Nothing);
        assert_eq!(
            Known::read(&text, 10_000 + STALE),
            Known::Told(guide.clone())
        );
        assert_eq!(Known::read(&text, 10_001 + STALE), Known::Stale);
        assert_eq!(Known::read(&text, 0), Known::Told(guide.clone()));
        assert_eq!(Known::read(&text, 0).open(), None);
        assert_eq!(guide.state_of("MX"), Some(State::Right));
        assert_eq!(guide.state_of("SPF"), None);
        for damaged in ["{", "[]", &text[..text.len() / 2]] {
            let read = Known::read(damaged, 10_000);
            assert!(matches!(read, Known::Damaged(_)), "{damaged}: {read:?}");
        }
    }
}
