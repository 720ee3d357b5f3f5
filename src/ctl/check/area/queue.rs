//! Messages that wait in smtpd's queue, by `smtpctl show queue`.

use std::process::Command;

use anyhow::Result;
use serde::Serialize;

use super::system::span;
use crate::{
    ctl::check::{
        Context,
        finding::{Area, Finding},
    },
    util::run::Task,
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
/// When smtpctl cannot be run.
pub fn ask() -> Result<Queue> {
    let mut command = Command::new("smtpctl");
    command.args(["show", "queue"]);
    let text = Task::new("asking smtpd for its queue", command).output()?;
    Ok(parse(&text))
}

/// A line a delivery: `ID|FROM WHERE|BY WHAT|FLAGS|SENDER|RECIPIENT|DESTINATION|CREATED|EXPIRES|
/// LAST TRY|TRIES|STATE|SECONDS|ERROR`. A local part may have a `|` in it, so the four numbers are
/// looked for.
fn parse(text: &str) -> Queue {
    let mut queue = Queue::default();
    for line in text.lines().filter(|line| line.contains('|')) {
        queue.count += 1;
        let fields: Vec<&str> = line.split('|').collect();
        let numbers = fields.windows(4).position(|w| {
            w.iter()
                .all(|f| !f.is_empty() && f.bytes().all(|b| b.is_ascii_digit()))
        });
        let Some((at, created)) = numbers.and_then(|at| Some((at, fields[at].parse().ok()?)))
        else {
            continue;
        };
        if queue.oldest.is_none_or(|oldest| created < oldest) {
            queue.oldest = Some(created);
            let said = fields.get(at + 6..).map(|rest| rest.join("|"));
            queue.said = said.filter(|text| !text.is_empty());
        }
    }
    queue
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
    let todo = "'smtpctl show queue' names them; 'smtpctl schedule all' tries again at once.";
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
