//! A command that runs when this process ends, however it ends.

use std::{
    os::unix::process::CommandExt,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

/// Runs a command when it is dropped, or when this process is killed.
#[derive(Debug)]
pub struct Guard {
    child: Child,
}

/// How long the command may take.
const PATIENCE: Duration = Duration::from_secs(30);

impl Guard {
    /// Sets up the shell command `script`: a shell waits for this process to end.
    ///
    /// # Errors
    /// When no shell can be started.
    pub fn new(script: &str) -> Result<Self> {
        // the shell's standard input ends when nobody holds the other end any more
        let mut command = Command::new("sh");
        command
            .args([
                "-c",
                &format!("trap '' INT TERM HUP QUIT; cat > /dev/null; {script}"),
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // what is typed on the terminal is not for it
            .process_group(0);
        let child = command.spawn().context("starting a shell to wait")?;
        Ok(Self { child })
    }

    /// Runs the command now.
    ///
    /// # Errors
    /// When it fails, or takes longer than it may.
    pub fn end(mut self) -> Result<()> {
        let status = self.wait()?.context("it has not ended yet")?;
        ensure!(status.success(), "it ended with {status}");
        Ok(())
    }

    /// Runs the command; how it ended, `None` if it runs on by itself.
    fn wait(&mut self) -> Result<Option<ExitStatus>> {
        drop(self.child.stdin.take());
        let begun = Instant::now();
        loop {
            let status = self.child.try_wait().context("waiting for a shell")?;
            if status.is_some() || begun.elapsed() > PATIENCE {
                return Ok(status);
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // whoever wants to know how it ended calls `end`; after it there is nothing to wait for
        let _ = self.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_runs_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f");
        let guard = Guard::new(&format!("touch '{}'", file.display())).unwrap();
        thread::sleep(Duration::from_millis(100));
        assert!(!file.exists());
        drop(guard);
        assert!(file.exists());
    }

    #[test]
    fn a_command_that_fails_is_told() {
        Guard::new("true").unwrap().end().unwrap();
        let error = Guard::new("false").unwrap().end().unwrap_err();
        assert_eq!(error.to_string(), "it ended with exit status: 1");
    }
}
