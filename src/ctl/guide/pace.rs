//! How often it is looked, and what a look changes. A look costs some dozen questions to the name
//! servers of the domains: every two minutes while somebody is at work there, seldom when nobody is.

use std::collections::BTreeMap;

use crate::agent::page::guide::{Guide, State, Step};

use super::steps::{Found, PORT25};

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// The timer does not keep to the second.
const SLACK: i64 = 30;

/// Whether it is time to look again.
pub(super) fn is_due(last: &Guide, now: i64) -> bool {
    let pause = match (last.is_open(), now - last.changed) {
        (false, _) => HOUR,
        (true, ..HOUR) => 2 * MINUTE,
        (true, ..DAY) => 10 * MINUTE,
        // what nobody has done in a day, nobody is doing
        (true, _) => HOUR,
    };
    is_over(last.looked, pause, now)
}

/// Whether it is time to ask servers outside whether port 25 is open. They are others', and asked by
/// the daily check as well.
pub(super) fn is_due_outside(last: &Guide, now: i64) -> bool {
    let pause = match (last.state_of(PORT25), now - last.changed) {
        (Some(State::Right), _) => DAY,
        (_, ..DAY) => HOUR / 2,
        _ => 6 * HOUR,
    };
    is_over(last.outside, pause, now)
}

/// A time that lies ahead was taken before the clock was set.
fn is_over(since: i64, pause: i64, now: i64) -> bool {
    now < since || now - since + SLACK >= pause
}

/// When something is looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    /// Now.
    pub(super) now: i64,
    /// When port 25 was tried last.
    pub(super) outside: i64,
    /// Up to when the journal was read.
    pub(super) read: i64,
    /// For how many seconds what was found out stays, where it cannot be found out any more.
    pub(super) patience: i64,
}

/// What is known after a look. What could not be found out has not changed for a while, and what was
/// right does not go back because the resolver still has an earlier record.
pub(super) fn settle(last: Option<Guide>, found: Vec<Found>, look: Look) -> Guide {
    let before = last
        .as_ref()
        .map_or(&[] as &[Step], |last| last.steps.as_slice());
    let mut known = BTreeMap::new();
    let mut steps: Vec<Step> = Vec::new();
    for found in found {
        let name = &found.step.name;
        let since = last.as_ref().and_then(|last| last.known.get(name)).copied();
        let since = match found.step.state {
            State::Unknown => since,
            _ => Some(look.now),
        };
        known.extend(since.map(|since| (name.clone(), since)));
        let is_fresh = since.is_some_and(|since| look.now - since <= look.patience);
        let keeps = |before: &Step| match found.step.state {
            State::Unknown if before.state == State::Unknown => {
                // a reason is better than none
                !before.items.is_empty()
            }
            // without a word: it was not looked at this time
            State::Unknown => is_fresh || found.step.items.is_empty(),
            State::Waits => found.late && before.state == State::Right,
            State::Right | State::Missing | State::Wrong => false,
        };
        let same = before.iter().find(|b| b.name == found.step.name);
        steps.push(match same {
            Some(before) if keeps(before) => before.clone(),
            _ => found.step,
        });
    }
    let changed = match last {
        Some(last) if last.steps == steps => last.changed,
        _ => look.now,
    };
    Guide {
        looked: look.now,
        changed,
        outside: look.outside,
        read: look.read,
        known,
        steps,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(name: &str, state: State) -> Step {
        Step {
            name: name.to_owned(),
            state,
            items: Vec::new(),
        }
    }

    fn at(now: i64) -> Look {
        Look {
            now,
            outside: now - 5,
            read: now,
            patience: 100,
        }
    }

    fn guide(state: State) -> Guide {
        let look = Look {
            outside: 1_000_000,
            ..at(1_000_000)
        };
        settle(None, vec![step(PORT25, state).into()], look)
    }

    #[test]
    fn it_is_looked_often_only_while_something_happens() {
        let due = |state, since_change: i64, since_look: i64| {
            let mut guide = guide(state);
            guide.looked = guide.changed + since_change - since_look;
            is_due(&guide, guide.changed + since_change)
        };
        assert!(!due(State::Missing, 10 * MINUTE, MINUTE));
        assert!(due(State::Missing, 10 * MINUTE, 2 * MINUTE));
        assert!(!due(State::Missing, 2 * HOUR, 2 * MINUTE));
        assert!(due(State::Missing, 2 * HOUR, 10 * MINUTE));
        assert!(!due(State::Missing, 2 * DAY, 10 * MINUTE));
        assert!(due(State::Missing, 2 * DAY, HOUR));
        assert!(!due(State::Right, MINUTE, 59 * MINUTE));
        assert!(due(State::Right, MINUTE, HOUR));
        // the clock was set back
        assert!(due(State::Right, 0, -DAY));
    }

    #[test]
    fn servers_outside_are_left_in_peace() {
        let due = |state, after: i64| is_due_outside(&guide(state), 1_000_000 + after);
        assert!(!due(State::Right, 23 * HOUR));
        assert!(due(State::Right, DAY));
        assert!(!due(State::Wrong, 20 * MINUTE));
        assert!(due(State::Wrong, 30 * MINUTE));
        let mut old = guide(State::Wrong);
        old.changed -= 2 * DAY;
        assert!(!is_due_outside(&old, 1_000_000 + 5 * HOUR));
        assert!(is_due_outside(&old, 1_000_000 + 6 * HOUR));
    }

    #[test]
    fn what_is_not_known_has_not_changed() {
        use State::{Missing, Right, Unknown, Waits, Wrong};
        let after = |before, now| {
            let last = settle(None, vec![step("MX", before).into()], at(10));
            let guide = settle(Some(last), vec![step("MX", now).into()], at(20));
            assert_eq!((guide.looked, guide.outside), (20, 15));
            (guide.steps[0].state, guide.changed)
        };
        assert_eq!(after(Right, Unknown), (Right, 10));
        assert_eq!(after(Missing, Unknown), (Missing, 10));
        assert_eq!(after(Right, Waits), (Waits, 20));
        assert_eq!(after(Missing, Waits), (Waits, 20));
        assert_eq!(after(Right, Wrong), (Wrong, 20));
        assert_eq!(after(Wrong, Right), (Right, 20));
        assert_eq!(after(Wrong, Wrong), (Wrong, 10));
    }

    #[test]
    fn what_is_not_known_for_long_is_said_not_to_be() {
        let found = |state| {
            let mut found = step("MX", state);
            if state == State::Unknown {
                found.items.push("no answer".to_owned());
            }
            vec![found.into()]
        };
        let look = |last, state, now| settle(last, found(state), at(now));
        let right = look(None, State::Right, 10);
        let soon = look(Some(right), State::Unknown, 60);
        assert_eq!((soon.steps[0].state, soon.known["MX"]), (State::Right, 10));
        // a look in between is no better
        let late = look(Some(soon.clone()), State::Unknown, 111);
        assert_eq!((late.steps[0].state, late.changed), (State::Unknown, 111));
        assert!(late.is_open());
        let again = look(Some(late), State::Right, 120);
        assert_eq!((again.is_open(), again.known["MX"]), (false, 120));
        // what was not looked at is another matter
        let not_now = step("MX", State::Unknown);
        let later = settle(Some(soon.clone()), vec![not_now.into()], at(90_000));
        assert_eq!(
            (later.steps[0].state, later.known["MX"]),
            (State::Right, 10)
        );
        // who asks by hand wants to know at once
        let hand = Look {
            patience: 0,
            ..at(61)
        };
        let asked = settle(Some(soon), found(State::Unknown), hand);
        assert_eq!(asked.steps[0].state, State::Unknown);
    }

    #[test]
    fn what_only_the_resolver_does_not_see_stays_right() {
        use State::{Missing, Right, Waits};
        let after = |before| {
            let last = settle(None, vec![step("MX", before).into()], at(10));
            let late = Found {
                step: step("MX", Waits),
                late: true,
            };
            let guide = settle(Some(last), vec![late], at(20));
            (guide.steps[0].state, guide.changed)
        };
        assert_eq!(after(Right), (Right, 10));
        assert_eq!(after(Missing), (Waits, 20));
    }

    #[test]
    fn a_reason_takes_the_place_of_none() {
        let unknown = |items: &[&str]| Step {
            items: items.iter().map(|i| (*i).to_owned()).collect(),
            ..step("PTR", State::Unknown)
        };
        let after = |before: &[&str], now: &[&str]| {
            let last = settle(None, vec![unknown(before).into()], at(10));
            let guide = settle(Some(last), vec![unknown(now).into()], at(20));
            guide.steps[0].items.concat()
        };
        assert_eq!(after(&[], &["late"]), "late");
        assert_eq!(after(&["lost"], &["late"]), "lost");
        assert_eq!(after(&["lost"], &[]), "lost");
    }
}
