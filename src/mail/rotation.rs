//! When a DKIM key goes from one stage of its life to the next: what the DNS shows and what the
//! clock says come in, what is due comes out.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::database::keys::{Key, Stage};

/// How long the record of a key stays that signs no more, in seconds: a week. smtpd tries for five
/// days to hand on what was signed before (`queue ttl`), and whoever gets it verifies it then.
pub const KEEP: i64 = 7 * 24 * 60 * 60;

/// What one authoritative server says of a key's record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// The server, as a person would name it.
    pub server: String,
    /// Its answer.
    pub answer: Answer,
}

/// An answer, judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// Exactly the record that it should be, and no other.
    Right,
    /// There is no TXT record of that name.
    Missing,
    /// There is something else: what.
    Wrong(String),
    /// There was no answer: why.
    Silent(String),
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Right => f.write_str("shows it"),
            Self::Missing => f.write_str("does not show it yet"),
            Self::Wrong(what) => write!(f, "shows {what}"),
            Self::Silent(why) => write!(f, "does not answer: {why}"),
        }
    }
}

/// Judges the TXT records, each with its strings joined, that a server has under a key's name.
pub fn judge(expected: &str, records: &[String]) -> Answer {
    let record = match records {
        [] => return Answer::Missing,
        [one] => one,
        many => return Answer::Wrong(format!("{} records where one has to be", many.len())),
    };
    if record == expected {
        return Answer::Right;
    }
    let (is, should) = (record.len(), expected.len());
    let plain: String = record
        .chars()
        .filter(|c| *c != '"' && !c.is_whitespace())
        .collect();
    let wanted: String = expected.chars().filter(|c| !c.is_whitespace()).collect();
    Answer::Wrong(
        if !record.is_empty() && expected.starts_with(record.as_str()) {
            format!("it cut off: {is} of {should} characters")
        } else if plain == wanted && record.contains('"') {
            "it with quotes in the value".to_owned()
        } else if plain == wanted {
            "it with other spaces in the value".to_owned()
        } else {
            "another record".to_owned()
        },
    )
}

/// What is known of a key when its next step is decided.
#[derive(Debug, Clone, Copy)]
pub struct Fact<'a> {
    /// The key.
    pub key: &'a Key,
    /// Whether its private half is on the disk and can be read.
    pub has_file: bool,
    /// What the authoritative servers of its domain say; nothing where nobody was asked.
    pub looks: &'a [Look],
}

/// What is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The key signs from now on, in place of those of its domain and algorithm that do.
    Sign(Key),
    /// Its time is over: file and row go, and then the record may.
    Remove(Key),
    /// It never signed and can never, as its file is lost: the row goes.
    Forget(Key),
}

impl Step {
    /// The key that it is about.
    pub fn key(&self) -> &Key {
        match self {
            Self::Sign(key) | Self::Remove(key) | Self::Forget(key) => key,
        }
    }
}

/// The step of each key for which it is time; most have none.
pub fn due(facts: &[Fact<'_>], now: i64) -> Vec<Step> {
    facts.iter().filter_map(|fact| step(fact, now)).collect()
}

fn step(fact: &Fact<'_>, now: i64) -> Option<Step> {
    let key = fact.key;
    match key.stage {
        Stage::Next if !fact.has_file => Some(Step::Forget(key.clone())),
        Stage::Next if is_shown(fact.looks) => Some(Step::Sign(key.clone())),
        Stage::Old if now - key.since >= KEEP => Some(Step::Remove(key.clone())),
        Stage::Next | Stage::Active | Stage::Old => None,
    }
}

/// Whether there are servers, and all of them show the record.
pub fn is_shown(looks: &[Look]) -> bool {
    !looks.is_empty() && looks.iter().all(|look| look.answer == Answer::Right)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::dkim::Algorithm;

    fn key(stage: Stage, since: i64) -> Key {
        Key {
            domain: "example.org".to_owned(),
            selector: "s".to_owned(),
            algorithm: Algorithm::Rsa,
            stage,
            since,
        }
    }

    fn looks(answers: &[Answer]) -> Vec<Look> {
        let look = |(n, answer): (usize, &Answer)| Look {
            server: format!("ns{n}"),
            answer: answer.clone(),
        };
        answers.iter().enumerate().map(look).collect()
    }

    fn one(stage: Stage, since: i64, has_file: bool, answers: &[Answer], now: i64) -> Option<Step> {
        let (key, looks) = (key(stage, since), looks(answers));
        let fact = Fact {
            key: &key,
            has_file,
            looks: &looks,
        };
        let mut steps = due(&[fact], now);
        assert!(steps.len() <= 1);
        steps.pop()
    }

    /// Every stage, with and without its file, with every mix of two servers' answers, now and
    /// after a year: only one mix lets a key sign, and only time lets one go.
    #[test]
    fn every_state_has_its_step() {
        let answers = [
            Answer::Right,
            Answer::Missing,
            Answer::Wrong("another record".to_owned()),
            Answer::Silent("time-out".to_owned()),
        ];
        let mut mixes: Vec<Vec<Answer>> = vec![Vec::new()];
        for a in &answers {
            mixes.push(vec![a.clone()]);
            mixes.extend(answers.iter().map(|b| vec![a.clone(), b.clone()]));
        }
        for mix in &mixes {
            for (has_file, age) in [(false, 0), (true, 0), (false, 2 * KEEP), (true, 2 * KEEP)] {
                let step = |stage| one(stage, 1000, has_file, mix, 1000 + age);
                let all = !mix.is_empty() && mix.iter().all(|a| *a == Answer::Right);
                let next = key(Stage::Next, 1000);
                assert_eq!(
                    step(Stage::Next),
                    match (has_file, all) {
                        (false, _) => Some(Step::Forget(next)),
                        (true, true) => Some(Step::Sign(next)),
                        (true, false) => None,
                    },
                    "{mix:?}"
                );
                assert_eq!(step(Stage::Active), None);
                let over = (age > 0).then(|| Step::Remove(key(Stage::Old, 1000)));
                assert_eq!(step(Stage::Old), over);
            }
        }
    }

    #[test]
    fn a_week_is_a_week() {
        let old = |now| one(Stage::Old, 1000, true, &[], now);
        assert_eq!(old(1000 + KEEP - 1), None);
        assert!(matches!(old(1000 + KEEP), Some(Step::Remove(_))));
        // a clock that was wrong
        assert_eq!(old(0), None);
    }

    #[test]
    fn answers_are_judged_byte_by_byte() {
        let right = "v=DKIM1; k=rsa; p=AAAA";
        let say = |records: &[&str]| {
            let records: Vec<String> = records.iter().map(|r| (*r).to_owned()).collect();
            judge(right, &records).to_string()
        };
        assert_eq!(say(&[right]), "shows it");
        assert_eq!(say(&[]), "does not show it yet");
        assert_eq!(say(&[right, right]), "shows 2 records where one has to be");
        assert_eq!(
            say(&[&right[..20]]),
            "shows it cut off: 20 of 22 characters"
        );
        assert_eq!(
            say(&["v=DKIM1;k=rsa;p=AAAA"]),
            "shows it with other spaces in the value"
        );
        assert_eq!(
            say(&["\"v=DKIM1; k=rsa; p=AAAA\""]),
            "shows it with quotes in the value"
        );
        assert_eq!(say(&["v=DKIM1; k=rsa; p=AAAB"]), "shows another record");
        assert_eq!(say(&[""]), "shows another record");
    }
}
