//! Messages that wait in smtpd's queue, by `smtpctl show queue`.

use anyhow::Result;
use serde::Serialize;

use super::system::span;
use crate::ctl::{
    check::{
        Context,
        finding::{Area, Finding},
    },
    queue::{self, Envelope},
};

const AREA: Area = Area::Queue;
const HOUR: i64 = 3600;

/// What waits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Queue {
    /// How many deliveries there are still to make.
    pub count: usize,
    /// When the oldest of them came in, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest: Option<i64>,
    /// What was said at the last try to deliver that one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub said: Option<String>,
}

pub(super) fn check(cx: &Context) -> Result<Vec<Finding>> {
    Ok(vec![judge(&ask()?, cx.now)])
}

/// Asks smtpd.
///
/// # Errors
/// When smtpctl cannot be run, or says what it did not in 7.6 to 7.8.
pub fn ask() -> Result<Queue> {
    Ok(summary(&queue::queue()?))
}

/// `envelopes` are sorted by age, the oldest first.
fn summary(envelopes: &[Envelope]) -> Queue {
    let oldest = envelopes.first();
    let said = oldest.map(|e| e.error.clone());
    Queue {
        count: envelopes.len(),
        oldest: oldest.map(|e| e.created),
        said: said.filter(|text| !text.is_empty()),
    }
}

fn judge(queue: &Queue, now: i64) -> Finding {
    let Some(oldest) = queue.oldest else {
        return Finding::ok(AREA, "", "No message waits.");
    };
    let age = (now - oldest).max(0);
    let count = match queue.count {
        1 => "1 delivery waits".to_owned(),
        n => format!("{n} deliveries wait"),
    };
    let mut reason = format!("{count}, the oldest for {}.", span(age.unsigned_abs()));
    if let Some(said) = &queue.said {
        reason += &format!(" At its last try: {said}");
    }
    let todo = "'mailctl queue list' names them; 'mailctl queue retry --all' tries again at once.";
    match age {
        a if a > 24 * HOUR => Finding::error(AREA, "", reason, todo),
        a if a > 4 * HOUR || queue.count > 200 => Finding::warning(AREA, "", reason, todo),
        _ => Finding::ok(AREA, "", reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctl::check::finding::State;

    const TWO: &str = "\
1e7f0c3d5a8b9c01|local|mta|auth|alice@example.org|bob@example.com|bob@example.com|1700003600|1700435600|1700007200|3|pending|400|451 4.7.1 Greylisted|later
2b7f0c3d5a8b9c02|inet4|mda||x|y@example.com|al@example.org|al@example.org|1700000000|1700432000|0|0|inflight|2|
";

    fn parse(text: &str) -> Queue {
        let mut envelopes = queue::parse(text).unwrap();
        envelopes.sort_by_key(|e| e.created);
        summary(&envelopes)
    }

    #[test]
    fn the_oldest_is_found() {
        let queue = parse(TWO);
        assert_eq!((queue.count, queue.oldest), (2, Some(1_700_000_000)));
        assert_eq!(queue.said, None);
        let one = parse(TWO.lines().next().unwrap());
        assert_eq!(one.said.as_deref(), Some("451 4.7.1 Greylisted|later"));
        assert_eq!(parse(""), Queue::default());
    }

    #[test]
    fn what_waits_long_is_told() {
        let queue = parse(TWO);
        let after = |hours: i64| judge(&queue, 1_700_000_000 + hours * HOUR);
        assert_eq!(after(1).state, State::Ok);
        assert_eq!(after(5).state, State::Warning);
        assert_eq!(after(30).state, State::Error);
        assert_eq!(judge(&Queue::default(), 0).state, State::Ok);
        insta::assert_snapshot!(after(5).reason, @"2 deliveries wait, the oldest for 5 hours.");
    }
}
