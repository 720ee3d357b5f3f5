//! smtpd as it runs: what it is doing, and what of it is paused. All by smtpctl(8).

use std::{fs::File, path::Path, process::Command, time::Duration};

use anyhow::Result;

use crate::util::{lock, run::Task};

/// What of smtpd can be paused: taking mail, delivering it here, sending it elsewhere; smtpctl's words.
pub const SUBSYSTEMS: [&str; 3] = ["smtp", "mda", "mta"];

/// Held by whoever pauses smtpd, so that nobody lets go on what another has paused.
const LOCK: &str = "/run/ezmail/smtpd-hold";

/// Takes the lock for pausing smtpd, for which `patience` is waited; it ends with the file. `None` while
/// somebody else has it.
///
/// # Errors
/// When it cannot be made.
pub fn hold(patience: Duration) -> Result<Option<File>> {
    lock::take(Path::new(LOCK), patience)
}

/// What is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Busy {
    /// Sessions of clients.
    pub sessions: u64,
    /// Deliveries, here and elsewhere, until the queue knows how they ended.
    pub deliveries: u64,
}

impl Busy {
    /// Asks.
    ///
    /// # Errors
    /// When smtpd does not answer.
    pub fn now() -> Result<Self> {
        let stats = smtpctl(&["show", "stats"], "asking smtpd what is under way")?;
        Ok(Self::of(&stats))
    }

    /// As `smtpctl show stats` has it.
    fn of(stats: &str) -> Self {
        let value = |key: &str| {
            let line = stats
                .lines()
                .find_map(|l| l.strip_prefix(key)?.strip_prefix('='));
            line.and_then(|v| v.trim().parse::<u64>().ok()).unwrap_or(0)
        };
        // An envelope "in flight" may be one that waits until mda or mta go on: each has its own
        // count of those. What is in flight and in none has ended, and is still in the queue.
        let waiting = value("mda.envelope") + value("mta.envelope") + value("bounce.envelope");
        let ended = value("scheduler.envelope.inflight").saturating_sub(waiting);
        Self {
            sessions: value("smtp.session"),
            deliveries: value("mda.running") + value("mta.task.running") + ended,
        }
    }

    /// Whether there is nothing.
    pub fn is_idle(self) -> bool {
        self.sessions == 0 && self.deliveries == 0
    }

    /// For people; `None` if there is nothing.
    pub fn text(self) -> Option<String> {
        let counted = |count: u64, one: &str, many: &str| match count {
            0 => None,
            1 => Some(format!("1 {one}")),
            n => Some(format!("{n} {many}")),
        };
        let found = [
            counted(self.sessions, "SMTP session", "SMTP sessions"),
            counted(self.deliveries, "delivery", "deliveries"),
        ];
        let found: Vec<String> = found.into_iter().flatten().collect();
        (!found.is_empty()).then(|| found.join(" and "))
    }
}

/// The subsystems that are paused at this moment.
///
/// # Errors
/// When smtpd does not answer.
pub fn paused() -> Result<Vec<&'static str>> {
    let status = smtpctl(&["show", "status"], "asking smtpd what is paused")?;
    Ok(paused_in(&status))
}

/// Those that `smtpctl show status` says are paused.
fn paused_in(status: &str) -> Vec<&'static str> {
    let is_paused = |name: &&str| {
        let mut lines = status.lines().map(str::to_ascii_lowercase);
        lines.any(|l| l.starts_with(*name) && l.contains("paused"))
    };
    SUBSYSTEMS.into_iter().filter(is_paused).collect()
}

/// Runs smtpctl and returns what it prints; `what` says what for.
///
/// # Errors
/// When it fails, as it does when smtpd does not run.
pub fn smtpctl(words: &[&str], what: &str) -> Result<String> {
    let mut command = Command::new("smtpctl");
    command.args(words);
    Task::new(what, command).output()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_under_way_is_said() {
        let stats =
            "mda.running=1\nmta.task=3\nmta.task.running=1\nsmtp.session=1\nsmtp.session.inet4=9\n";
        let busy = Busy::of(stats);
        let text = busy.text();
        assert_eq!(text.as_deref(), Some("1 SMTP session and 2 deliveries"));
        assert!(!busy.is_idle());
        let idle = Busy::of("smtp.session=0\nuptime=5\n");
        assert_eq!((idle.text(), idle.is_idle()), (None, true));
    }

    #[test]
    fn what_has_ended_is_under_way_until_the_queue_knows() {
        let stats = |inflight: u64| {
            format!("mda.envelope=2\nmta.envelope=1\nscheduler.envelope.inflight={inflight}\n")
        };
        assert_eq!(Busy::of(&stats(4)).deliveries, 1);
        assert!(Busy::of(&stats(3)).is_idle());
        // the counts are not of one moment
        assert!(Busy::of(&stats(2)).is_idle());
    }

    #[test]
    fn what_is_paused_is_read() {
        assert_eq!(
            paused_in("MDA running\nMTA paused\nSMTP running\n"),
            ["mta"]
        );
        assert!(paused_in("MDA running\nMTA running\nSMTP running\n").is_empty());
    }
}
