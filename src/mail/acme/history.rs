//! What was asked of the authority before, and what it said: it decides when to ask again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Failure;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// How long to wait after so many failures in a row: soon at first, as most mistakes are mended by
/// somebody who looks on, and then seldom enough for every authority's limits.
const PAUSES: [i64; 6] = [
    10 * MINUTE,
    30 * MINUTE,
    HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
];

/// How long a name is left out that the authority could not verify, after so many times in a row.
const NAME_PAUSES: [i64; 4] = [DAY, 2 * DAY, 4 * DAY, 7 * DAY];

/// How long after a certificate was issued none is asked for because that one ends soon.
const FRESH: i64 = 6 * HOUR;

/// How long to wait where an authority says that it was too much and not until when.
const LIMIT_PAUSE: i64 = DAY;

/// All that is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct History {
    /// The authority's directory.
    pub directory: String,
    /// The newest attempt.
    pub last: Option<Attempt>,
    /// When a certificate was issued last, in seconds since 1970.
    pub issued: Option<i64>,
    /// Attempts that failed since.
    pub failures: u32,
    /// Before this second the authority is not to be asked.
    pub not_before: Option<i64>,
    /// Before this second what lies ready is not put in place once more.
    pub deploy_not_before: Option<i64>,
    /// The names that it could not verify.
    pub refused: BTreeMap<String, Refused>,
}

/// One attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// When, in seconds since 1970.
    pub at: i64,
    /// Why it failed, if it did.
    pub error: Option<String>,
}

/// A name that could not be verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// When, in seconds since 1970.
    pub at: i64,
    /// What the authority said.
    pub why: String,
    /// How often in a row.
    #[serde(default)]
    pub times: u32,
}

impl Refused {
    /// How long the name is left out.
    fn pause(&self) -> i64 {
        let n = usize::try_from(self.times).unwrap_or(usize::MAX);
        NAME_PAUSES[n.saturating_sub(1).min(NAME_PAUSES.len() - 1)]
    }
}

impl History {
    /// Reads what was kept, JSON; `None` before the first attempt. What was kept of another authority
    /// than `directory` counts for nothing.
    ///
    /// # Errors
    /// When it is not what [`History::text`] writes.
    pub fn parse(kept: Option<&str>, directory: &str) -> serde_json::Result<Self> {
        let kept: Self = kept
            .map(serde_json::from_str)
            .transpose()?
            .unwrap_or_default();
        Ok(match kept.directory == directory {
            true => kept,
            false => Self {
                directory: directory.to_owned(),
                ..Self::default()
            },
        })
    }

    /// As it is kept, JSON.
    ///
    /// # Errors
    /// Never, by its types.
    pub fn text(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self).map(|text| text + "\n")
    }

    /// Notes that a certificate was issued, for these names among others: they are verified.
    pub fn succeeded(&mut self, now: i64, names: &[String]) {
        self.last = Some(Attempt {
            at: now,
            error: None,
        });
        self.issued = Some(now);
        self.failures = 0;
        self.not_before = None;
        self.refused.retain(|name, _| !names.contains(name));
    }

    /// Notes that none was, and why. A name that could not be verified is left out for a day, and
    /// longer each time; if it is `needed`, the whole attempt has failed.
    pub fn failed(&mut self, failure: &Failure, needed: &str, now: i64) {
        self.last = Some(Attempt {
            at: now,
            error: Some(failure.to_string()),
        });
        match failure {
            Failure::Limit { until, .. } => {
                self.failures += 1;
                self.not_before = Some(until.unwrap_or(now + LIMIT_PAUSE).max(now + HOUR));
            }
            Failure::Name { name, detail } if name != needed => {
                let before = self.refused.get(name).map_or(0, |refused| refused.times);
                let refused = Refused {
                    at: now,
                    why: detail.clone(),
                    times: before + 1,
                };
                self.refused.insert(name.clone(), refused);
            }
            _ => self.rest(now),
        }
    }

    /// Why `name` is left out at this moment, if the authority could not verify it.
    pub fn refusal(&self, name: &str, now: i64) -> Option<&Refused> {
        // a clock that was put back must not leave it out for ever
        let fresh = |r: &&Refused| (0..r.pause()).contains(&(now - r.at));
        self.refused.get(name).filter(fresh)
    }

    /// Has the authority left in peace for a while, as after a failure: too many names at once were not
    /// verified.
    pub fn rest(&mut self, now: i64) {
        let n = usize::try_from(self.failures).unwrap_or(usize::MAX);
        self.not_before = Some(now + PAUSES[n.min(PAUSES.len() - 1)]);
        self.failures += 1;
    }

    /// Until when a certificate that was issued a moment ago is not asked for again.
    pub fn fresh(&self, now: i64) -> Option<i64> {
        let issued = self.issued?;
        (0..FRESH)
            .contains(&(now - issued))
            .then_some(issued + FRESH)
    }

    /// The second before which the authority is not asked, if that is to come.
    pub fn pause(&self, now: i64) -> Option<i64> {
        let last = self.last.as_ref()?;
        self.not_before
            .filter(|until| *until > now && last.at <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn other() -> Failure {
        Failure::Other("no".into())
    }

    #[test]
    fn pauses_grow_and_end() {
        let mut history = History::default();
        let mut now = 1_800_000_000;
        let mut pauses = Vec::new();
        for _ in 0..8 {
            history.failed(&other(), "a.example", now);
            let until = history.pause(now).unwrap();
            assert_eq!(history.pause(until), None);
            pauses.push((until - now) / MINUTE);
            now = until;
        }
        assert_eq!(pauses, [10, 30, 60, 180, 360, 720, 720, 720]);
        history.succeeded(now, &[]);
        assert_eq!((history.pause(now), history.failures), (None, 0));
        // a clock that was put back
        history.failed(&other(), "a.example", now);
        assert_eq!(history.pause(now - 10 * DAY), None);
    }

    #[test]
    fn a_limit_is_kept() {
        let mut history = History::default();
        let now = 1_800_000_000;
        let limit = |until| Failure::Limit {
            until,
            detail: "too many".into(),
        };
        history.failed(&limit(None), "a.example", now);
        assert_eq!(history.not_before, Some(now + DAY));
        history.failed(&limit(Some(now + 3 * DAY)), "a.example", now);
        assert_eq!(history.not_before, Some(now + 3 * DAY));
        // never at once
        history.failed(&limit(Some(now - 5)), "a.example", now);
        assert_eq!(history.not_before, Some(now + HOUR));
    }

    #[test]
    fn one_name_delays_itself() {
        let mut history = History::default();
        let now = 1_800_000_000;
        let name = |name: &str| Failure::Name {
            name: name.into(),
            detail: "no answer".into(),
        };
        history.failed(&name("mail.example.org"), "a.example", now);
        assert_eq!((history.pause(now), history.failures), (None, 0));
        assert!(history.refusal("mail.example.org", now + DAY - 1).is_some());
        assert!(history.refusal("mail.example.org", now + DAY).is_none());
        assert!(history.refusal("a.example", now).is_none());
        // longer the next time, until it was verified
        history.failed(&name("mail.example.org"), "a.example", now + DAY);
        assert!(
            history
                .refusal("mail.example.org", now + 3 * DAY - 1)
                .is_some()
        );
        history.succeeded(now + DAY, &["mail.example.org".to_owned()]);
        assert!(history.refusal("mail.example.org", now + DAY).is_none());
        // the server's own name is needed
        history.failed(&name("a.example"), "a.example", now);
        assert!(history.pause(now).is_some());
    }

    #[test]
    fn another_authority_begins_anew() {
        let first = "https://one.example/dir";
        let mut history = History::parse(None, first).unwrap();
        history.failed(&other(), "a.example", 5);
        let kept = history.text().unwrap();
        assert_eq!(History::parse(Some(&kept), first).unwrap(), history);
        let second = History::parse(Some(&kept), "https://two.example/dir").unwrap();
        assert_eq!((second.failures, second.last), (0, None));
        assert!(History::parse(Some("{"), first).is_err());
    }
}
