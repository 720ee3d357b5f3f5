//! The services of the running server, while a backup is made.

use std::{
    fs::File,
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use super::create::{Hold, NoServices, Services};
use crate::{
    smtpd::{self, Busy, SUBSYSTEMS, paused, smtpctl},
    util::{files, guard::Guard, run::Task},
};

/// How long SMTP sessions that are under way may take to end: some say nothing for minutes.
const SESSIONS: Duration = Duration::from_secs(10);
/// How long deliveries may take to end; each comes to an end by itself.
const DELIVERIES: Duration = Duration::from_secs(60);
/// How long the last of it may take to be done with.
const SETTLING: Duration = Duration::from_millis(500);
/// How long valkey may take to write its memory to the disk.
const SAVING: Duration = Duration::from_secs(120);

/// How long another program may take that has paused smtpd.
const TAKEN: Duration = Duration::from_secs(300);

/// How long until valkey is asked again.
const AGAIN: Duration = Duration::from_millis(500);

/// What this program has paused, a line each: only that goes on again.
const MARK: &str = "/run/ezmail/backup-paused";

/// Where valkey listens.
const VALKEY: &str = "/run/valkey/valkey.sock";

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

/// Has smtpd go on where a backup that was killed has paused it, for what runs after one. What was
/// paused by hand stays so.
///
/// # Errors
/// When smtpd does not take the order.
pub fn release() -> Result<()> {
    let mark_file = Path::new(MARK);
    if !mark_file.exists() {
        return Ok(());
    }
    let marked = files::read_to_string(mark_file)?;
    if is_active("smtpd.service")? {
        for subsystem in paused()? {
            if marked.lines().any(|line| line == subsystem) {
                smtpctl(&["resume", subsystem], "having smtpd go on")?;
            }
        }
    }
    mark(None)
}

/// Notes what is paused, or that nothing is any more.
fn mark(subsystems: Option<&[&str]>) -> Result<()> {
    let file = Path::new(MARK);
    match subsystems {
        Some(subsystems) => files::write_with_parents(file, subsystems.join("\n") + "\n", 0o600),
        None => std::fs::remove_file(file).with_context(|| format!("removing {MARK}")),
    }
}

/// Whether to wait on for what is under way.
fn is_worth_waiting(busy: Busy, waited: Duration) -> bool {
    busy.sessions > 0 && waited < SESSIONS || busy.deliveries > 0 && waited < DELIVERIES
}

/// The shell's command that has `subsystems` go on, each whatever becomes of the others, and fails
/// if one does not; then the mark stays.
fn resuming(subsystems: &[&str], mark: &str) -> String {
    let each = |s: &&str| format!("smtpctl resume {s} || failed=1; ");
    let resume: String = subsystems.iter().map(each).collect();
    format!("failed=0; {resume}[ $failed = 0 ] && rm -f {mark}")
}

struct Held {
    under_way: Option<String>,
    guard: Guard,
    // another program that pauses smtpd waits until this one is done
    _lock: File,
}

impl Held {
    fn new() -> Result<Self> {
        let lock = smtpd::hold(TAKEN)?;
        let lock = lock.context("a new certificate is being put in place; try again later")?;
        let already = paused()?;
        let running = SUBSYSTEMS.into_iter().filter(|s| !already.contains(s));
        // what was paused by hand stays so
        let running: Vec<&str> = running.collect();
        mark(Some(&running))?;
        let guard = Guard::new(&resuming(&running, MARK))?;
        for subsystem in running {
            smtpctl(&["pause", subsystem], "having smtpd hold mail for a moment")?;
        }
        let begun = Instant::now();
        let mut busy = Busy::now()?;
        while is_worth_waiting(busy, begun.elapsed()) {
            thread::sleep(Duration::from_millis(100));
            busy = Busy::now()?;
        }
        // what has just been delivered leaves the queue
        thread::sleep(SETTLING);
        Ok(Self {
            under_way: busy.text(),
            guard,
            _lock: lock,
        })
    }
}

impl Hold for Held {
    fn under_way(&self) -> Option<&str> {
        self.under_way.as_deref()
    }

    fn end(self: Box<Self>) -> Result<()> {
        self.guard.end().context("having smtpd go on")
    }
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
    let begun = Instant::now();
    loop {
        let mut stream =
            UnixStream::connect(socket).with_context(|| format!("opening {socket}"))?;
        stream.set_read_timeout(Some(SAVING))?;
        stream.write_all(b"SAVE\r\n")?;
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer)?;
        match answer.trim_end() {
            "+OK" => return Ok(()),
            // it saves by itself now and then, and not twice at a time
            busy if busy.contains("save already in progress") && begun.elapsed() < SAVING => {
                thread::sleep(AGAIN);
            }
            other => bail!("valkey says: {}", other.trim_start_matches('-')),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_session_is_waited_for_less_than_a_delivery() {
        let waits = |sessions, deliveries, seconds| {
            let busy = Busy {
                sessions,
                deliveries,
            };
            is_worth_waiting(busy, Duration::from_secs(seconds))
        };
        assert!(waits(1, 0, 9) && !waits(1, 0, 10));
        assert!(waits(1, 1, 30) && waits(0, 1, 59) && !waits(0, 1, 60));
        assert!(!waits(0, 0, 0));
    }

    #[test]
    fn what_was_paused_goes_on_and_a_failure_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let run = |script: &str| {
            let program = format!(
                "smtpctl() {{ echo $2 >> {}; [ $2 != mda ]; }}; ",
                path("told")
            );
            let mut shell = Command::new("sh");
            let status = shell.args(["-c", &(program + script)]).status().unwrap();
            let told = std::fs::read_to_string(path("told")).unwrap();
            std::fs::remove_file(path("told")).unwrap();
            (status.success(), told)
        };
        let mark = path("mark");
        std::fs::write(&mark, "smtp\nmda\nmta\n").unwrap();
        let (good, told) = run(&resuming(&SUBSYSTEMS, &mark));
        assert_eq!((good, told.as_str()), (false, "smtp\nmda\nmta\n"));
        assert!(Path::new(&mark).exists(), "what runs after it tries again");
        let (good, told) = run(&resuming(&["smtp", "mta"], &mark));
        assert_eq!((good, told.as_str()), (true, "smtp\nmta\n"));
        assert!(!Path::new(&mark).exists());
    }

    #[test]
    fn valkey_is_asked_and_its_answer_believed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let listener = UnixListener::bind(&path).unwrap();
        let answering = thread::spawn(move || {
            for answer in [
                "-ERR Background save already in progress\r\n",
                "+OK\r\n",
                "-ERR no space\r\n",
            ] {
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
