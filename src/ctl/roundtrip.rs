//! `mailctl test`: a message the whole way round, and where it stopped.

mod stages;
mod visitor;

use std::{
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::Serialize;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::{output, server::Server};
use crate::mail::address::Address;

/// Exit status when the message did not come through.
const STOPPED: u8 = 3;

/// Send a message the whole way round, and say where it stopped
///
/// A user is made for it, logs in on port 465 and writes to itself; the
/// message is judged, signed, delivered and found in the mailbox. Then
/// message, mailbox and user are removed again. With --to, a message goes to
/// an address elsewhere, up to the answer of its server.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  mailctl test                     through every service of this server
  mailctl test --to me@example.com to a mailbox elsewhere
  mailctl test --json              for a script

Exit status: 0 it came through, 1 the test could not be made, 3 it stopped.")]
pub struct Test {
    /// Send to this address elsewhere instead
    #[arg(long, value_name = "ADDRESS")]
    to: Option<Address>,
    /// How long to wait for each step, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = clap::value_parser!(u64).range(5..=3600))]
    wait: u64,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// One step of the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Stage {
    /// What was tried.
    name: &'static str,
    /// Whether it went well.
    well: bool,
    /// How long it took, in milliseconds.
    ms: u64,
    /// What there is to say about it: why it stopped.
    said: String,
    /// What to do about it; empty where it went well.
    advice: &'static str,
}

/// What stops a test.
#[derive(Debug)]
struct Stop {
    reason: String,
    advice: &'static str,
}

/// What every stage knows.
struct Way {
    wait: Duration,
    interrupted: Arc<AtomicBool>,
    json: bool,
    stages: Vec<Stage>,
}

impl Way {
    /// Goes a step; tells of it at once. `None` when it stopped here.
    fn step<T>(
        &mut self,
        name: &'static str,
        go: impl FnOnce(&Self) -> Result<Result<(T, String), Stop>>,
    ) -> Result<Option<T>> {
        let start = Instant::now();
        let done = go(self)?;
        let ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (value, stage) = match done {
            Ok((value, said)) => (Some(value), (true, said, "")),
            Err(stop) => (None, (false, stop.reason, stop.advice)),
        };
        let (well, said, advice) = stage;
        let stage = Stage {
            name,
            well,
            ms,
            said,
            advice,
        };
        if !self.json {
            output::text(&line(&stage))?;
        }
        self.stages.push(stage);
        Ok(value)
    }

    /// Asks again and again until there is something, for as long as a step may take.
    fn until<T>(&self, mut look: impl FnMut() -> Result<Option<T>>) -> Result<Option<T>> {
        let deadline = Instant::now() + self.wait;
        loop {
            if let Some(found) = look()? {
                return Ok(Some(found));
            }
            if self.interrupted.load(Ordering::Relaxed) {
                bail!("interrupted");
            }
            if Instant::now() > deadline {
                return Ok(None);
            }
            thread::sleep(Duration::from_millis(500));
        }
    }

    fn is_well(&self) -> bool {
        self.stages.iter().all(|s| s.well)
    }
}

#[derive(Serialize)]
struct Told<'a> {
    well: bool,
    stages: &'a [Stage],
}

/// Runs `mailctl test`.
///
/// # Errors
/// When the test could not be made, or what was made for it not be removed.
pub fn run(test: &Test, server: &Server) -> Result<ExitCode> {
    if !server.is_live() {
        bail!("the test is for a running server: leave out --root");
    }
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&interrupted))
            .context("listening for an interruption")?;
    }
    let mut way = Way {
        wait: Duration::from_secs(test.wait),
        interrupted,
        json: test.json,
        stages: Vec::new(),
    };
    match &test.to {
        Some(to) => stages::elsewhere(&mut way, to, server)?,
        None => stages::round(&mut way, server)?,
    }
    let well = way.is_well();
    if test.json {
        output::json(&Told {
            well,
            stages: &way.stages,
        })?;
    } else {
        output::text(match well {
            true => "It came through.\n",
            false => "It stopped there.\n",
        })?;
    }
    Ok(match well {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(STOPPED),
    })
}

fn line(stage: &Stage) -> String {
    let state = if stage.well { "ok" } else { "STOPPED" };
    let seconds = Duration::from_millis(stage.ms).as_secs_f64();
    let mut text = format!(
        "{state:<8} {seconds:>5.1} s  {:<10} {}\n",
        stage.name, stage.said
    );
    if !stage.advice.is_empty() {
        text += &format!("{:<18}do: {}\n", "", stage.advice);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way() -> Way {
        Way {
            wait: Duration::ZERO,
            interrupted: Arc::default(),
            json: true,
            stages: Vec::new(),
        }
    }

    #[test]
    fn a_stage_is_a_line() {
        let mut way = way();
        let got = way.step("deliver", |_| Ok(Ok((7, "in INBOX".to_owned()))));
        assert_eq!(got.unwrap(), Some(7));
        assert!(way.is_well());
        let stop = Stop {
            reason: "nothing came".to_owned(),
            advice: "look",
        };
        let got = way.step::<()>("read", |_| Ok(Err(stop))).unwrap();
        assert!(got.is_none() && !way.is_well());
        way.stages.iter_mut().for_each(|s| s.ms = 1234);
        insta::assert_snapshot!(way.stages.iter().map(line).collect::<String>(), @r"
        ok         1.2 s  deliver    in INBOX
        STOPPED    1.2 s  read       nothing came
                          do: look
        ");
    }

    #[test]
    fn waiting_ends() {
        let way = way();
        assert_eq!(way.until(|| Ok(Some(1))).unwrap(), Some(1));
        assert_eq!(way.until::<()>(|| Ok(None)).unwrap(), None);
        way.interrupted.store(true, Ordering::Relaxed);
        assert!(way.until::<()>(|| Ok(None)).is_err());
    }
}
