//! How far a long work is: on a terminal in one line that changes, elsewhere a line now and then.

use std::{
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

use crate::util::size::size;

/// How often a terminal is written to.
const QUICK: Duration = Duration::from_millis(200);
/// How often a line is written elsewhere.
const SLOW: Duration = Duration::from_secs(10);

/// Something that is counted while it is done. It writes to standard error.
#[derive(Debug)]
pub struct Progress {
    what: &'static str,
    total: u64,
    done: u64,
    bytes: u64,
    begun: Instant,
    told: Instant,
    terminal: bool,
    shown: bool,
}

impl Progress {
    /// Nothing of `total` things is done yet.
    pub fn new(what: &'static str, total: u64) -> Self {
        let now = Instant::now();
        Self {
            what,
            total,
            done: 0,
            bytes: 0,
            begun: now,
            told: now,
            terminal: io::stderr().is_terminal(),
            shown: false,
        }
    }

    /// One more is done, of so many bytes.
    pub fn step(&mut self, bytes: u64) {
        self.done += 1;
        self.bytes += bytes;
        self.tell();
    }

    /// So many are done.
    pub fn reached(&mut self, done: u64) {
        self.done = done;
        self.tell();
    }

    /// Says how far it is, if that was not said just now.
    pub fn tell(&mut self) {
        let every = if self.terminal { QUICK } else { SLOW };
        if self.told.elapsed() < every {
            return;
        }
        self.told = Instant::now();
        self.shown = true;
        let line = line(
            self.what,
            self.done,
            self.total,
            self.bytes,
            self.begun.elapsed(),
        );
        // that nobody reads it is no reason to stop
        let _ = match self.terminal {
            true => write!(io::stderr(), "\r\x1b[K{line}"),
            false => writeln!(io::stderr(), "{line}"),
        };
    }

    /// Ends it: the line is gone from the terminal.
    pub fn end(&mut self) {
        if self.terminal && self.shown {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

fn line(what: &str, done: u64, total: u64, bytes: u64, elapsed: Duration) -> String {
    let seconds = elapsed.as_secs_f64().max(0.001);
    let mut line = format!("{done} of {total} {what}");
    if bytes > 0 {
        let rate = (bytes as f64 / seconds) as u64;
        line += &format!(", {}/s", size(rate));
    }
    if done > 0 && total > done {
        let left = seconds / done as f64 * (total - done) as f64;
        let left = left as u64;
        line += &match left {
            0..60 => format!(", {left} s left"),
            60..3600 => format!(", {} min left", left.div_ceil(60)),
            _ => format!(", {} h {} min left", left / 3600, left % 3600 / 60),
        };
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_rate_and_rest() {
        let line = |done, bytes| line("messages", done, 100, bytes, Duration::from_secs(10));
        assert_eq!(line(0, 0), "0 of 100 messages");
        assert_eq!(
            line(50, 20_000_000),
            "50 of 100 messages, 2.0 MB/s, 10 s left"
        );
        assert_eq!(line(5, 0), "5 of 100 messages, 4 min left");
    }
}
