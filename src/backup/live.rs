//! The services of the running server, while a backup is made.

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use super::create::{Hold, NoServices, Services};
use crate::util::{guard::Guard, run::Task};

/// How long SMTP sessions that are under way may take to end: some say nothing for minutes.
const SESSIONS: Duration = Duration::from_secs(10);
/// How long deliveries may take to end; each comes to an end by itself.
const DELIVERIES: Duration = Duration::from_secs(60);
/// How long the last of it may take to be done with.
const SETTLING: Duration = Duration::from_millis(500);
/// How long valkey may take to write its memory to the disk.
const SAVING: Duration = Duration::from_secs(120);

/// Where valkey listens.
const VALKEY: &str = "/run/valkey/valkey.sock";

/// What of smtpd is paused: taking mail, delivering it here, sending it elsewhere; smtpctl's words.
const SUBSYSTEMS: [&str; 3] = ["smtp", "mda", "mta"];

/// The services of this machine.
#[derive(Debug)]
pub struct Live;

impl Services for Live {
    fn save_spam(&self) -> Result<()> {
        if !is_active("valkey.service")? {
            return Ok(());
        }
        save(VALKEY).context("having valkey write to the disk what the spam filter has learnt")
    }

    fn hold(&self) -> Result<Box<dyn Hold>> {
        if !is_active("smtpd.service")? {
            return NoServices.hold();
        }
        Ok(Box::new(Held::new()?))
    }
}

/// Has smtpd go on, whatever of it was paused: for what runs after a backup that was killed.
///
/// # Errors
/// When smtpd does not take the order.
pub fn release() -> Result<()> {
    if !is_active("smtpd.service")? {
        return Ok(());
    }
    let status = smtpctl(&["show", "status"], "asking smtpd what is paused")?;
    for subsystem in paused(&status) {
        smtpctl(&["resume", subsystem], "having smtpd go on")?;
    }
    Ok(())
}

struct Held {
    under_way: Option<String>,
    _guard: Guard,
}

impl Held {
    fn new() -> Result<Self> {
        let status = smtpctl(&["show", "status"], "asking smtpd what is paused")?;
        let already = paused(&status);
        let running = SUBSYSTEMS.into_iter().filter(|s| !already.contains(s));
        // what was paused by hand stays so
        let running: Vec<&str> = running.collect();
        let resume: Vec<String> = running
            .iter()
            .map(|s| format!("smtpctl resume {s}"))
            .collect();
        let guard = Guard::new(&resume.join("; "))?;
        for subsystem in running {
            smtpctl(&["pause", subsystem], "having smtpd hold mail for a moment")?;
        }
        let begun = Instant::now();
        let mut busy = Busy::now()?;
        while busy.is_worth_waiting(begun.elapsed()) {
            thread::sleep(Duration::from_millis(100));
            busy = Busy::now()?;
        }
        // what has just been delivered leaves the queue
        thread::sleep(SETTLING);
        Ok(Self {
            under_way: busy.text(),
            _guard: guard,
        })
    }
}

impl Hold for Held {
    fn under_way(&self) -> Option<&str> {
        self.under_way.as_deref()
    }
}

/// What is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Busy {
    sessions: u64,
    deliveries: u64,
}

impl Busy {
    fn now() -> Result<Self> {
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
        Self {
            sessions: value("smtp.session"),
            // an envelope "in flight" may be one that waits until mda or mta go on
            deliveries: value("mda.running") + value("mta.task.running"),
        }
    }

    fn is_worth_waiting(self, waited: Duration) -> bool {
        self.sessions > 0 && waited < SESSIONS || self.deliveries > 0 && waited < DELIVERIES
    }

    /// For people; `None` if there is nothing.
    fn text(self) -> Option<String> {
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

/// The subsystems that `smtpctl show status` says are paused.
fn paused(status: &str) -> Vec<&'static str> {
    let is_paused = |name: &&str| {
        let mut lines = status.lines().map(str::to_ascii_lowercase);
        lines.any(|l| l.starts_with(*name) && l.contains("paused"))
    };
    SUBSYSTEMS.into_iter().filter(is_paused).collect()
}

fn smtpctl(words: &[&str], what: &str) -> Result<String> {
    let mut command = Command::new("smtpctl");
    command.args(words);
    Task::new(what, command).output()
}

fn is_active(unit: &str) -> Result<bool> {
    let mut command = Command::new("systemctl");
    command.args(["is-active", "--quiet", unit]);
    // 3: it does not run, 4: there is no such unit
    let status = Task::new(format!("asking whether {unit} runs"), command).status(&[0, 3, 4])?;
    Ok(status == 0)
}

/// The command SAVE of valkey's protocol (RESP), which answers `+OK` when all is on the disk.
fn save(socket: &str) -> Result<()> {
    let mut stream = UnixStream::connect(socket).with_context(|| format!("opening {socket}"))?;
    stream.set_read_timeout(Some(SAVING))?;
    stream.write_all(b"SAVE\r\n")?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    match answer.trim_end() {
        "+OK" => Ok(()),
        other => bail!("valkey says: {}", other.trim_start_matches('-')),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn what_is_under_way_is_said() {
        let stats =
            "mda.running=1\nmta.task=3\nmta.task.running=1\nsmtp.session=1\nsmtp.session.inet4=9\n";
        assert_eq!(
            Busy::of(stats).text().as_deref(),
            Some("1 SMTP session and 2 deliveries")
        );
        assert_eq!(Busy::of("smtp.session=0\nuptime=5\n").text(), None);
    }

    #[test]
    fn a_session_is_waited_for_less_than_a_delivery() {
        let waits = |sessions, deliveries, seconds| {
            let busy = Busy {
                sessions,
                deliveries,
            };
            busy.is_worth_waiting(Duration::from_secs(seconds))
        };
        assert!(waits(1, 0, 9) && !waits(1, 0, 10));
        assert!(waits(1, 1, 30) && waits(0, 1, 59) && !waits(0, 1, 60));
        assert!(!waits(0, 0, 0));
    }

    #[test]
    fn what_is_paused_is_read() {
        assert_eq!(paused("MDA running\nMTA paused\nSMTP running\n"), ["mta"]);
        assert!(paused("MDA running\nMTA running\nSMTP running\n").is_empty());
    }

    #[test]
    fn valkey_is_asked_and_its_answer_believed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let listener = UnixListener::bind(&path).unwrap();
        let answering = thread::spawn(move || {
            for answer in ["+OK\r\n", "-ERR no space\r\n"] {
                let (mut stream, _) = listener.accept().unwrap();
                let mut line = String::new();
                BufReader::new(&stream).read_line(&mut line).unwrap();
                assert_eq!(line, "SAVE\r\n");
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        let path = path.to_str().unwrap();
        save(path).unwrap();
        assert_eq!(
            save(path).unwrap_err().to_string(),
            "valkey says: ERR no space"
        );
        answering.join().unwrap();
    }
}
