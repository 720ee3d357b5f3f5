//! A command that has this program's terminal.

use std::process::{ExitStatus, Stdio};

use anyhow::{Context, Result};
use signal_hook::{
    consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM},
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
    /// Runs the command to its end; what it prints goes where this program's output goes, and it
    /// has no input. SIGINT, SIGTERM and SIGHUP kill it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn foreground(mut self) -> Result<Ended> {
        let waiting = || format!("{}: waiting for it", self.what);
        // before the start, so that no signal comes between
        let mut signals =
            Signals::new([SIGCHLD, SIGINT, SIGTERM, SIGHUP]).context("listening for signals")?;
        self.command.stdin(Stdio::null());
        let mut child = self.command.spawn().map_err(|e| self.not_started(e))?;
        for signal in signals.forever() {
            if signal == SIGCHLD {
                if let Some(status) = child.try_wait().with_context(waiting)? {
                    return Ok(Ended::Exited(status));
                }
            } else {
                // it may have ended by itself
                child.kill().ok();
                child.wait().with_context(waiting)?;
                return Ok(Ended::Interrupted(signal));
            }
        }
        child.wait().with_context(waiting).map(Ended::Exited)
    }
}
