//! A command whose output is read as it comes.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    process::{Child, ChildStdout, ExitStatus, Stdio},
};

use anyhow::{Context, Result};

use super::{TAIL, Task};

/// The standard output of a running command, which ends with this.
#[derive(Debug)]
pub struct Stream {
    what: String,
    child: Child,
    output: Option<ChildStdout>,
    errors: File,
}

impl Task {
    /// Starts the command, whose standard output is then read from what is returned.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn stream(mut self) -> Result<Stream> {
        let errors = tempfile::tempfile().context("creating a temporary file")?;
        self.command
            .stdin(match self.input {
                Some(_) => Stdio::piped(),
                None => Stdio::null(),
            })
            .stdout(Stdio::piped())
            .stderr(errors.try_clone()?);
        let mut child = self.command.spawn().map_err(|e| self.not_started(e))?;
        let input = child.stdin.take();
        let stream = Stream {
            what: self.what,
            output: child.stdout.take(),
            child,
            errors,
        };
        if let (Some(bytes), Some(mut input)) = (self.input, input) {
            // a command that stops reading early says why by its own exit status
            if let Err(e) = input.write_all(&bytes)
                && e.kind() != io::ErrorKind::BrokenPipe
            {
                return Err(e).with_context(|| format!("{}: feeding its input", stream.what));
            }
        }
        Ok(stream)
    }
}

impl Stream {
    /// Waits until the command has ended: how, and the tail of what it said.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub fn end(mut self) -> Result<(ExitStatus, String)> {
        self.output = None;
        let what = || format!("{}: waiting for it", self.what);
        let status = self.child.wait().with_context(what)?;
        let length = self.errors.seek(SeekFrom::End(0)).with_context(what)?;
        let start = length.saturating_sub(TAIL);
        self.errors
            .seek(SeekFrom::Start(start))
            .with_context(what)?;
        let mut tail = Vec::new();
        self.errors.read_to_end(&mut tail).with_context(what)?;
        Ok((status, String::from_utf8_lossy(&tail).into_owned()))
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.output {
            Some(output) => output.read(buffer),
            None => Ok(0),
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // it may have ended by itself
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn sh(script: &str) -> Task {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Task::new("telling", command)
    }

    #[test]
    fn output_is_read_and_the_end_is_told() {
        let mut stream = sh("cat; echo why >&2; exit 3")
            .input("one")
            .stream()
            .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (status, said) = stream.end().unwrap();
        assert_eq!(
            (text.as_str(), status.code(), said.as_str()),
            ("one", Some(3), "why\n")
        );
    }

    #[test]
    fn a_command_ends_with_its_stream() {
        let mut stream = sh("echo $$; exec sleep 600").stream().unwrap();
        let mut first = [0; 1];
        stream.read_exact(&mut first).unwrap();
        let pid = stream.child.id();
        drop(stream);
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
    }
}
