//! How often it is looked, and what a look changes. A look costs some dozen questions to the name
//! servers of the domains: every two minutes while somebody is at work there, seldom when nobody is.

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

/// What is known after a look. What could not be found out has not changed, and what was right does not
/// go back because the resolver still has an earlier record. `outside` says when port 25 was tried
/// last.
pub(super) fn settle(last: Option<Guide>, found: Vec<Found>, now: i64, outside: i64) -> Guide {
    let before = last
        .as_ref()
        .map_or(&[] as &[Step], |last| last.steps.as_slice());
    let keeps = |before: &Step, found: &Found| match found.step.state {
        // a reason is better than none
        State::Unknown => before.state != State::Unknown || !before.items.is_empty(),
        State::Waits => found.late && before.state == State::Right,
        State::Right | State::Missing | State::Wrong => false,
    };
    let mut steps: Vec<Step> = Vec::new();
    for found in found {
        let same = before.iter().find(|b| b.name == found.step.name);
        steps.push(match same {
            Some(before) if keeps(before, &found) => before.clone(),
            _ => found.step,
        });
    }
    let changed = match last {
        Some(last) if last.steps == steps => last.changed,
        _ => now,
    };
    Guide {
        looked: now,
        changed,
        outside,
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

    fn guide(state: State) -> Guide {
        settle(None, vec![step(PORT25, state).into()], 1_000_000, 1_000_000)
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
            let last = settle(None, vec![step("MX", before).into()], 10, 5);
            let guide = settle(Some(last), vec![step("MX", now).into()], 20, 15);
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
    fn what_only_the_resolver_does_not_see_stays_right() {
        use State::{Missing, Right, Waits};
        let after = |before| {
            let last = settle(None, vec![step("MX", before).into()], 10, 5);
            let late = Found {
                step: step("MX", Waits),
                late: true,
            };
            let guide = settle(Some(last), vec![late], 20, 15);
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
            let last = settle(None, vec![unknown(before).into()], 10, 5);
            let guide = settle(Some(last), vec![unknown(now).into()], 20, 15);
            guide.steps[0].items.concat()
        };
        assert_eq!(after(&[], &["late"]), "late");
        assert_eq!(after(&["lost"], &["late"]), "lost");
        assert_eq!(after(&["lost"], &[]), "lost");
    }
}
