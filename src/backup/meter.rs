//! How far it is, for people: a line that is drawn again and again on a terminal, a line every few
//! seconds elsewhere.

use std::{
    io::{self, IsTerminal, Write},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::create::Watch;
use crate::util::size::size;

/// Between two lines.
const LINE: Duration = Duration::from_secs(5);
/// Between two drawings of the same line.
const DRAWN: Duration = Duration::from_millis(200);

/// Prints a line to standard error; that nobody is there to see it is no failure of the work.
pub fn tell(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Tells how far the work is.
pub struct Meter<'a> {
    line: &'a (dyn Fn(&str) + Sync),
    drawn: bool,
    now: Mutex<Now>,
}

struct Now {
    phase: String,
    begun: Instant,
    told: Instant,
    done: u64,
    total: u64,
    is_drawn: bool,
}

impl<'a> Meter<'a> {
    /// Gives lines to `line`; on a terminal, standard error, draws one there instead.
    pub fn new(line: &'a (dyn Fn(&str) + Sync), terminal: bool) -> Self {
        Self {
            line,
            drawn: terminal && io::stderr().is_terminal(),
            now: Mutex::new(Now {
                phase: String::new(),
                begun: Instant::now(),
                told: Instant::now(),
                done: 0,
                total: 0,
                is_drawn: false,
            }),
        }
    }

    /// Takes away what was drawn.
    pub fn end(&self) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        if now.is_drawn {
            // nobody to see it is no failure of the work
            let _ = write!(io::stderr(), "\r\x1b[K");
            now.is_drawn = false;
        }
    }
}

impl Watch for Meter<'_> {
    fn phase(&self, name: &str, total: u64) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        now.phase = name.to_owned();
        now.begun = Instant::now();
        now.told = now.begun;
        (now.done, now.total) = (0, total);
    }

    fn done(&self, bytes: u64) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        now.done += bytes;
        let pause = if self.drawn { DRAWN } else { LINE };
        if now.told.elapsed() < pause {
            return;
        }
        now.told = Instant::now();
        let text = text(now.done, now.total, now.begun.elapsed());
        match self.drawn {
            true => {
                let _ = write!(io::stderr(), "\r{}  {text}\x1b[K", now.phase);
                now.is_drawn = true;
            }
            false => (self.line)(&text),
        }
    }
}

/// `3.1 of 9.8 GB, 42.0 MB/s, 2 min left`
fn text(done: u64, total: u64, took: Duration) -> String {
    let rate = done as f64 / took.as_secs_f64().max(0.001);
    let whole = size(total.max(done));
    let part = size(done);
    // the unit is said once
    let part = match (part.split_once(' '), whole.split_once(' ')) {
        (Some((number, unit)), Some((_, other))) if unit == other => number,
        _ => &part,
    };
    let left = (total.saturating_sub(done)) as f64 / rate.max(1.0);
    let left = match left {
        ..90.0 => format!("{} s left", left.ceil()),
        ..5400.0 => format!("{} min left", (left / 60.0).round()),
        _ => format!("{:.1} h left", left / 3600.0),
    };
    format!("{part} of {whole}, {}/s, {left}", size(rate as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_how_far_how_fast_and_how_long() {
        let at = |done, total, seconds| text(done, total, Duration::from_secs(seconds));
        insta::assert_snapshot!(at(3_100_000_000, 9_800_000_000, 74), @"3.10 of 9.80 GB, 41.9 MB/s, 3 min left");
        insta::assert_snapshot!(at(900_000, 1_000_000, 1), @"900.0 kB of 1.0 MB, 900.0 kB/s, 1 s left");
        insta::assert_snapshot!(at(0, 1 << 40, 10), @"0 B of 1099.51 GB, 0 B/s, 305419896.6 h left");
        insta::assert_snapshot!(at(1 << 30, 1 << 40, 100), @"1.07 of 1099.51 GB, 10.7 MB/s, 28.4 h left");
    }

    #[test]
    fn lines_come_every_few_seconds() {
        let lines = Mutex::new(Vec::new());
        let line = |text: &str| lines.lock().unwrap().push(text.to_owned());
        let meter = Meter::new(&line, false);
        meter.phase("reading", 100);
        meter.done(10);
        meter.now.lock().unwrap().told -= LINE;
        meter.done(10);
        meter.done(10);
        meter.end();
        let lines = lines.lock().unwrap().clone();
        assert_eq!(lines.len(), 1);
        assert!(lines[0].starts_with("20 of 100 B, "), "{}", lines[0]);
    }
}
