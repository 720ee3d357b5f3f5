//! A command that has this program's terminal.

use std::{
    process::{ExitStatus, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, getpid, kill_process, kill_process_group};
use signal_hook::{
    consts::{SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGTERM, SIGTSTP},
    flag,
    iterator::Signals,
};

use super::Task;

/// How a command in the foreground ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// By itself.
    Exited(ExitStatus),
    /// Killed, since this program was interrupted by that signal.
    Interrupted(i32),
}

impl Task {
    /// Runs the command, which leads a process group, to its end; what it prints goes where this
    /// program's output goes, and it has no input. SIGINT, SIGTERM and SIGHUP kill it, unless they are
    /// ignored as under nohup(1); SIGTSTP stops it with this program.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn foreground(mut self) -> Result<Ended> {
        let waiting = || format!("{}: waiting for it", self.what);
        let ignored = ignored()?;
        let all = [SIGCHLD, SIGINT, SIGTERM, SIGHUP, SIGTSTP, SIGCONT];
        let wanted = all.iter().filter(|s| ignored >> (**s - 1) & 1 == 0);
        // afterwards a signal ends this program as if nothing had listened
        let over = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP]
            .iter()
            .filter(|s| ignored >> (**s - 1) & 1 == 0)
        {
            flag::register_conditional_default(*signal, Arc::clone(&over))
                .context("listening for signals")?;
        }
        // before the start, so that no signal comes between
        let mut signals = Signals::new(wanted).context("listening for signals")?;
        self.command.stdin(Stdio::null());
        let mut child = self.command.spawn().map_err(|e| self.not_started(e))?;
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let all_get = |signal| {
            // it may have ended by itself
            group.map(|group| kill_process_group(group, signal).ok());
        };
        for signal in signals.forever() {
            match signal {
                SIGCHLD => {
                    if let Some(status) = child.try_wait().with_context(waiting)? {
                        over.store(true, Ordering::SeqCst);
                        return Ok(Ended::Exited(status));
                    }
                }
                SIGTSTP => {
                    all_get(Signal::STOP);
                    kill_process(getpid(), Signal::STOP).context("stopping")?;
                }
                SIGCONT => all_get(Signal::CONT),
                _ => {
                    child.kill().ok();
                    child.wait().with_context(waiting)?;
                    return Ok(Ended::Interrupted(signal));
                }
            }
        }
        child.wait().with_context(waiting).map(Ended::Exited)
    }
}

/// The signals that this process ignores, as a mask (proc(5), `SigIgn`).
fn ignored() -> Result<u64> {
    let text = super::super::files::read_to_string("/proc/self/status".as_ref())?;
    Ok(mask(&text))
}

fn mask(status: &str) -> u64 {
    let line = status.lines().find_map(|l| l.strip_prefix("SigIgn:"));
    line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals_are_known() {
        // SIGHUP is 1, SIGPIPE 13
        assert_eq!(mask("Name:\tx\nSigIgn:\t0000000000001001\n"), 1 | 1 << 12);
        assert_eq!(mask(""), 0);
    }
}
