//! The one module that runs other programs.
//!
//! Commands are written with [`xshell::cmd!`] (or come from [`super::sandbox`]) and run as a
//! [`Task`]: quiet while all is well; when one fails, the error has the command line as a person
//! would type it, how it ended, and the tail of what it said.

mod foreground;
mod lines;
mod path;
mod stream;
mod tee;

use std::{
    fs::{File, OpenOptions},
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Output, Stdio},
};

use anyhow::{Context, Result, bail};

pub use foreground::Ended;
pub use path::{find_program, search_path};
pub use stream::Stream;
pub use tee::set_verbose;

/// How much of a failed command's output the error carries.
const TAIL: u64 = 2048;

/// One command with what it is for.
#[derive(Debug)]
pub struct Task {
    what: String,
    command: Command,
    log: Option<PathBuf>,
    input: Option<Vec<u8>>,
}

impl Task {
    /// `what` completes the sentence "… failed", such as "composing the stand-in base".
    pub fn new(what: impl Into<String>, command: impl Into<Command>) -> Self {
        Self {
            what: what.into(),
            command: command.into(),
            log: None,
            input: None,
        }
    }

    /// Appends all that the command prints to `log`, and names the file in the error.
    #[must_use]
    pub fn log(mut self, log: &Path) -> Self {
        self.log = Some(log.to_path_buf());
        self
    }

    /// Feeds `bytes` to the command's standard input; without this it has none.
    #[must_use]
    pub fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = Some(bytes.into());
        self
    }

    /// Runs the command to its end.
    ///
    /// # Errors
    /// When it cannot be started or does not exit with 0.
    pub fn run(self) -> Result<()> {
        self.status(&[0]).map(drop)
    }

    /// Runs the command to its end and returns its exit status, one of those `accepted`.
    ///
    /// # Errors
    /// When it cannot be started, ends by a signal, or exits with another status.
    pub fn status(mut self, accepted: &[i32]) -> Result<i32> {
        let mut output = self.open_log()?;
        self.write_command(&mut output)?;
        let start = output.stream_position()?;
        let status = match self.log.is_some() && tee::is_verbose() {
            true => self.shown_and_logged(output.try_clone()?)?,
            false => {
                self.command
                    .stdout(output.try_clone()?)
                    .stderr(output.try_clone()?);
                self.spawn_and_wait()?
            }
        };
        if let Some(code) = status.code().filter(|code| accepted.contains(code)) {
            return Ok(code);
        }
        let length = output.seek(SeekFrom::End(0))?;
        output.seek(SeekFrom::Start(start.max(length.saturating_sub(TAIL))))?;
        let mut tail = Vec::new();
        output.read_to_end(&mut tail)?;
        bail!(self.failure(status, &tail))
    }

    /// Runs the command and returns what it wrote to standard output; a log gets the rest.
    ///
    /// # Errors
    /// As [`Task::run`], and when the output is not UTF-8.
    pub fn output(self) -> Result<String> {
        let what = format!(
            "{}: reading the output of {}",
            self.what,
            shown(&self.command)
        );
        String::from_utf8(self.bytes()?).context(what)
    }

    /// As [`Task::output`], whatever the bytes are.
    ///
    /// # Errors
    /// As [`Task::run`].
    pub fn bytes(mut self) -> Result<Vec<u8>> {
        let (status, mut output, mut errors, start) = self.captured()?;
        if !status.success() {
            let length = errors.seek(SeekFrom::End(0))?;
            errors.seek(SeekFrom::Start(start.max(length.saturating_sub(TAIL))))?;
            let mut tail = Vec::new();
            errors.read_to_end(&mut tail)?;
            bail!(self.failure(status, &tail));
        }
        output.rewind()?;
        let mut bytes = Vec::new();
        output
            .read_to_end(&mut bytes)
            .with_context(|| format!("{}: reading what it printed", self.what))?;
        Ok(bytes)
    }

    /// Runs the command and returns how it ended and what it wrote, for a command whose failures
    /// mean something to the caller.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn outcome(mut self) -> Result<Output> {
        let (status, output, errors, start) = self.captured()?;
        let read = |mut file: File, start: u64| -> Result<Vec<u8>> {
            file.seek(SeekFrom::Start(start))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)
                .with_context(|| format!("{}: reading what it printed", self.what))?;
            Ok(bytes)
        };
        Ok(Output {
            status,
            stdout: read(output, 0)?,
            stderr: read(errors, start)?,
        })
    }

    /// How it ended, the files with its standard output and standard error, and where in the latter
    /// its own words begin.
    fn captured(&mut self) -> Result<(ExitStatus, File, File, u64)> {
        let mut errors = self.open_log()?;
        self.write_command(&mut errors)?;
        let start = errors.stream_position()?;
        let output = tempfile::tempfile().context("creating a temporary file")?;
        self.command.stdout(output.try_clone()?);
        let status = match self.log.is_some() && tee::is_verbose() {
            true => self.errors_shown_and_logged(errors.try_clone()?)?,
            false => {
                self.command.stderr(errors.try_clone()?);
                self.spawn_and_wait()?
            }
        };
        Ok((status, output, errors, start))
    }

    fn write_command(&self, to: &mut File) -> Result<()> {
        match &self.log {
            None => Ok(()),
            Some(log) => writeln!(to, "$ {}", shown(&self.command))
                .with_context(|| format!("writing {}", log.display())),
        }
    }

    fn open_log(&self) -> Result<File> {
        match &self.log {
            None => tempfile::tempfile().context("creating a temporary file"),
            Some(path) => OpenOptions::new()
                .create(true)
                .append(true)
                .read(true)
                .open(path)
                .and_then(|mut f| f.seek(SeekFrom::End(0)).map(|_| f))
                .with_context(|| format!("opening the log {}", path.display())),
        }
    }

    fn spawn_and_wait(&mut self) -> Result<ExitStatus> {
        self.command.stdin(if self.input.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        });
        let mut child = self.command.spawn().map_err(|e| self.not_started(e))?;
        if let (Some(bytes), Some(mut stdin)) = (self.input.take(), child.stdin.take()) {
            // A command that stops reading early says why by its own exit status.
            if let Err(e) = stdin.write_all(&bytes)
                && e.kind() != std::io::ErrorKind::BrokenPipe
            {
                return Err(e).with_context(|| format!("{}: feeding its input", self.what));
            }
        }
        child
            .wait()
            .with_context(|| format!("{}: waiting for it", self.what))
    }

    fn not_started(&self, error: std::io::Error) -> anyhow::Error {
        let program = self.command.get_program().to_string_lossy().into_owned();
        if error.kind() == std::io::ErrorKind::NotFound {
            return anyhow::anyhow!(
                "{}: the program '{program}' was not found; 'ezmail doctor' says how to install it",
                self.what
            );
        }
        anyhow::Error::new(error).context(format!("{}: starting '{program}'", self.what))
    }

    fn failure(&self, status: ExitStatus, tail: &[u8]) -> String {
        let mut text = format!(
            "{} failed: {status}\n  command: {}",
            self.what,
            told(&self.command)
        );
        let tail = String::from_utf8_lossy(tail);
        for line in tail.trim_end().lines() {
            text.push_str("\n  | ");
            text.push_str(line);
        }
        if let Some(log) = &self.log {
            text.push_str(&format!("\n  the whole log: {}", log.display()));
        }
        text
    }
}

/// The command line as a person would type it, quoted where the shell needs it.
pub fn shown(command: &Command) -> String {
    let mut words = vec![quoted(&command.get_program().to_string_lossy())];
    words.extend(command.get_args().map(|a| quoted(&a.to_string_lossy())));
    words.join(" ")
}

/// As [`shown`], of a command in a [`super::sandbox`] only what runs inside of it: the log has all.
fn told(command: &Command) -> String {
    let words: Vec<String> = command
        .get_args()
        .map(|a| a.to_string_lossy().into_owned())
        .collect();
    let inside = words
        .iter()
        .position(|w| w == "sandbox")
        .and_then(|at| {
            let env = words[at..]
                .iter()
                .position(|w| w == "env" || w.ends_with("/env"))?;
            words.get(at + env + 1..)
        })
        .filter(|_| command.get_program() == "unshare");
    let Some(inside) = inside else {
        return shown(command);
    };
    let is_setting = |w: &&String| *w == "-i" || w.split_once('=').is_some_and(|(n, _)| is_name(n));
    let inside: Vec<String> = inside
        .iter()
        .skip_while(is_setting)
        .map(|w| quoted(w))
        .collect();
    format!("{}  (in a sandbox)", inside.join(" "))
}

fn is_name(word: &str) -> bool {
    word.bytes()
        .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

fn quoted(word: &str) -> String {
    // a script as an argument: its first line tells which
    if let Some((first, rest)) = word.split_once('\n')
        && rest.lines().count() > 2
    {
        return format!("'{} ...'", first.replace('\'', r"'\''"));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+^".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn output_is_returned_and_input_fed() {
        let text = Task::new("echoing", sh("cat"))
            .input("hello")
            .output()
            .unwrap();
        assert_eq!(text, "hello");
    }

    #[test]
    fn a_failure_says_what_how_and_the_tail() {
        let error = Task::new("counting", sh("echo one; echo two >&2; exit 3"))
            .run()
            .unwrap_err();
        insta::assert_snapshot!(format!("{error:#}"), @r"
        counting failed: exit status: 3
          command: sh -c 'echo one; echo two >&2; exit 3'
          | one
          | two
        ");
    }

    #[test]
    fn of_a_sandbox_only_what_is_inside_is_told() {
        let sandbox = crate::util::sandbox::Sandbox::host().env("A_1", "b c");
        let command = sandbox.command("sh", ["-c", "echo no >&2; exit 3"]);
        let error = Task::new("trying", command).run().unwrap_err();
        insta::assert_snapshot!(format!("{error:#}"), @r"
        trying failed: exit status: 3
          command: sh -c 'echo no >&2; exit 3'  (in a sandbox)
          | no
        ");
    }

    #[test]
    fn other_statuses_than_0_can_be_accepted() {
        assert_eq!(Task::new("x", sh("exit 1")).status(&[0, 1]).unwrap(), 1);
        assert_eq!(Task::new("x", sh("exit 0")).status(&[0, 1]).unwrap(), 0);
        assert!(Task::new("x", sh("exit 2")).status(&[0, 1]).is_err());
        assert!(Task::new("x", sh("kill -9 $$")).status(&[0, 9]).is_err());
    }

    #[test]
    fn a_failure_can_be_an_outcome() {
        let done = Task::new("judging", sh("cat; echo two >&2; exit 3"))
            .input("one\n")
            .outcome()
            .unwrap();
        assert_eq!(done.status.code(), Some(3));
        assert_eq!(
            (&done.stdout[..], &done.stderr[..]),
            (&b"one\n"[..], &b"two\n"[..])
        );
    }

    #[test]
    fn a_missing_program_says_how_to_get_it() {
        let error = Task::new("looking", Command::new("no-such-program"))
            .run()
            .unwrap_err();
        insta::assert_snapshot!(format!("{error:#}"), @"looking: the program 'no-such-program' was not found; 'ezmail doctor' says how to install it");
    }

    #[test]
    fn the_log_keeps_every_run() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        Task::new("a", sh("echo first")).log(&log).run().unwrap();
        Task::new("b", sh("echo second; exit 1"))
            .log(&log)
            .run()
            .unwrap_err();
        let text = std::fs::read_to_string(&log).unwrap();
        assert_eq!(
            text,
            "$ sh -c 'echo first'\nfirst\n$ sh -c 'echo second; exit 1'\nsecond\n"
        );
    }
}
