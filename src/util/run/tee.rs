//! `--verbose`: what tools write to their logs is seen as well.

use std::{
    fs::File,
    io::{self, PipeReader, PipeWriter, Read, Write},
    process::{ExitStatus, Stdio},
    sync::atomic::{AtomicBool, Ordering},
};

use anyhow::{Context, Result};

use super::Task;

static VERBOSE: AtomicBool = AtomicBool::new(false);

/// From now on, whatever a command of this process writes to a log goes to standard error too.
pub fn set_verbose(verbose: bool) {
    VERBOSE.store(verbose, Ordering::Relaxed);
}

pub(super) fn is_verbose() -> bool {
    VERBOSE.load(Ordering::Relaxed)
}

impl Task {
    /// Runs the command with its output in `log` and on standard error.
    pub(super) fn shown_and_logged(&mut self, log: File) -> Result<ExitStatus> {
        let (reader, writer) = io::pipe().context("creating a pipe")?;
        self.command.stdout(writer.try_clone()?);
        self.teed(reader, writer, log)
    }

    /// As [`Task::shown_and_logged`], of its standard error alone.
    pub(super) fn errors_shown_and_logged(&mut self, log: File) -> Result<ExitStatus> {
        let (reader, writer) = io::pipe().context("creating a pipe")?;
        self.teed(reader, writer, log)
    }

    fn teed(&mut self, reader: PipeReader, writer: PipeWriter, log: File) -> Result<ExitStatus> {
        self.command.stderr(writer);
        let what = self.what.clone();
        let copier = std::thread::spawn(move || copy(reader, log, io::stderr()));
        let status = self.spawn_and_wait();
        // the pipe ends when nobody holds its writing end: not this process either
        self.command.stdout(Stdio::null()).stderr(Stdio::null());
        let copied = copier
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("a panic")));
        let status = status?;
        copied.with_context(|| format!("{what}: writing its log"))?;
        Ok(status)
    }
}

/// Copies all of `from` to both; a terminal that is gone does not stop the command.
fn copy(mut from: impl Read, mut log: impl Write, mut shown: impl Write) -> io::Result<()> {
    let mut buffer = [0; 8192];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(()),
            n => {
                log.write_all(&buffer[..n])?;
                shown.write_all(&buffer[..n]).ok();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_get_all_of_it() {
        let (mut log, mut shown) = (Vec::new(), Vec::new());
        copy(&b"one\ntwo"[..], &mut log, &mut shown).unwrap();
        assert_eq!((&log[..], &shown[..]), (&b"one\ntwo"[..], &b"one\ntwo"[..]));
    }

    #[test]
    fn a_failure_has_its_tail_all_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut command = std::process::Command::new("sh");
        command.args(["-c", "echo one; echo two >&2; exit 3"]);
        let mut task = Task::new("counting", command).log(&path);
        let status = task.shown_and_logged(File::create(&path).unwrap()).unwrap();
        assert_eq!(status.code(), Some(3));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\n");
    }
}
