//! A command that runs when this process ends, however it ends.

use std::{
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

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
                &format!("trap '' INT TERM HUP; cat > /dev/null; {script}"),
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = command.spawn().context("starting a shell to wait")?;
        Ok(Self { child })
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let begun = Instant::now();
        // it runs on by itself if it takes longer
        while begun.elapsed() < PATIENCE && matches!(self.child.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_millis(10));
        }
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
}
