//! A command whose output is looked at line by line.

use std::{
    io::{BufRead, BufReader, Read, Seek, SeekFrom},
    ops::ControlFlow,
    process::Stdio,
};

use anyhow::{Context, Result, bail};

use super::{TAIL, Task};

/// How much of one line [`Task::lines`] gives.
const LINE: u64 = 256 << 10;

impl Task {
    /// Gives every line of standard output to `each` as it comes, so that none is kept; `each`
    /// may end the command early, which is no failure. A line of more than 256 KiB is cut, and
    /// what is not UTF-8 is replaced.
    ///
    /// # Errors
    /// As [`Task::run`], and those of `each`.
    pub fn lines(mut self, mut each: impl FnMut(&str) -> Result<ControlFlow<()>>) -> Result<()> {
        let mut errors = tempfile::tempfile().context("creating a temporary file")?;
        self.command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(errors.try_clone()?);
        let mut child = self.command.spawn().map_err(|e| self.not_started(e))?;
        let mut result = Ok(ControlFlow::Continue(()));
        let mut output = child.stdout.take().map(BufReader::new);
        while let Some(output) = &mut output {
            result = match line(output) {
                Ok(None) => break,
                Ok(Some(line)) => each(&line),
                Err(e) => Err(e).with_context(|| format!("{}: reading what it printed", self.what)),
            };
            if !matches!(result, Ok(ControlFlow::Continue(()))) {
                // it may have ended by itself
                child.kill().ok();
                break;
            }
        }
        let status = child
            .wait()
            .with_context(|| format!("{}: waiting for it", self.what))?;
        if result?.is_break() || status.success() {
            return Ok(());
        }
        let length = errors.seek(SeekFrom::End(0))?;
        errors.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
        let mut tail = Vec::new();
        errors.read_to_end(&mut tail)?;
        bail!(self.failure(status, &tail))
    }
}

/// The next line without its end; what is longer than [`LINE`] is left out.
fn line(output: &mut impl BufRead) -> std::io::Result<Option<String>> {
    let mut bytes = Vec::new();
    output.by_ref().take(LINE).read_until(b'\n', &mut bytes)?;
    if bytes.is_empty() {
        return Ok(None);
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    } else if bytes.len() as u64 == LINE {
        output.skip_until(b'\n')?;
    }
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn lines_come_one_by_one() {
        let mut seen = Vec::new();
        let mut all = |script: &str, last: &str| {
            Task::new("telling", sh(script)).lines(|line| {
                seen.push(line.to_owned());
                Ok(match line == last {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                })
            })
        };
        all("echo a; echo b", "").unwrap();
        all("while echo c; do :; done", "c").unwrap();
        let error = all("echo d; echo why >&2; exit 1", "").unwrap_err();
        assert!(error.to_string().contains("| why"), "{error}");
        assert_eq!(seen, ["a", "b", "c", "d"]);
    }

    #[test]
    fn a_line_has_its_limit() {
        let mut text = vec![b'x'; LINE as usize];
        let mut seen = Vec::new();
        text.extend(b"yz\n\xff\nlast");
        let mut reader = &text[..];
        while let Some(found) = line(&mut reader).unwrap() {
            seen.push(found);
        }
        assert_eq!(seen[0].len(), LINE as usize);
        assert_eq!(seen[1..], ["\u{fffd}", "last"]);
    }
}
