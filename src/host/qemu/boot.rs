//! `ezmail boot`: runs a machine, watches it, and says in one last line how it went.

use std::{
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use serde_json::json;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};

use super::{
    args::BootArgs, config::Network, ending::Ending, machine::Machine, terminal::Terminal,
    volume::answers_volume,
};
use crate::{host::print, util::files};

const PERIOD: Duration = Duration::from_millis(50);

/// Without --timeout, the limit of a run that waits for something.
const DEFAULT_LIMIT: Duration = Duration::from_secs(600);

/// After Ctrl-C, how long the guest may take to power off.
const POWER_OFF_LIMIT: Duration = Duration::from_secs(90);

/// Why the run is over; what the exit status and the last line are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    /// --until was shown: the text.
    Shown(String),
    /// The guest ended the run, or QEMU did.
    Ended(Ending),
    /// The limit passed; perhaps with a hint why.
    Timeout(Duration, String),
    /// Ctrl-] on the console.
    Left,
    /// A signal: its number.
    Signal(u8),
}

impl Outcome {
    fn status(&self, waits: bool) -> u8 {
        match self {
            Self::Shown(_) | Self::Left => 0,
            Self::Ended(Ending::PoweredOff | Ending::Rebooted) if !waits => 0,
            Self::Timeout(..) => 2,
            Self::Ended(_) => 3,
            Self::Signal(number) => 128 + number,
        }
    }

    fn sentence(&self, waits: bool) -> String {
        match self {
            Self::Shown(text) => format!("the console shows \"{}\"", text.trim()),
            Self::Ended(ending @ (Ending::PoweredOff | Ending::Rebooted)) if waits => {
                format!("{ending} before the console showed what --until waits for")
            }
            Self::Ended(ending) => ending.to_string(),
            Self::Timeout(limit, hint) if waits => format!(
                "the console did not show what --until waits for within {} s{hint}",
                limit.as_secs()
            ),
            Self::Timeout(limit, hint) => {
                format!("still running after {} s{hint}", limit.as_secs())
            }
            Self::Left => "left with Ctrl-]".to_owned(),
            Self::Signal(number) => format!("stopped by signal {number}"),
        }
    }
}

/// Runs the machine that `args` describes; see their help for the exit status.
///
/// # Errors
/// What is wrong with the arguments or the host (exit status 1).
pub fn boot(args: BootArgs) -> Result<ExitCode> {
    let mut config = args.config()?;
    files::create_dir_all(match config.serial_log.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    })?;
    // the guest needs it as long as it runs
    let folder = tempfile::tempdir().context("creating a temporary folder")?;
    if let Some(answers) = &args.answers {
        let image = folder.path().join("answers.img");
        answers_volume(answers, &args.answers_file, &image)?;
        config.volumes.push(image);
    }
    let signals = Signals::register()?;
    let mut machine = Machine::start(&config)?;
    print::aside(machine.accel());
    if let Network::User { forwards, .. } = &config.network {
        for f in forwards {
            print::aside(format_args!(
                "{}:{} -> port {} of the guest",
                f.address, f.host, f.guest
            ));
        }
    }
    let terminal = match args.console {
        true => Some(Terminal::connect(machine.serial()?)?),
        false => None,
    };
    let mut session = Session {
        limit: args
            .timeout
            .map(Duration::from_secs)
            .or(args.until.as_ref().map(|_| DEFAULT_LIMIT)),
        shots: Shots::new(&args),
        args: &args,
        signals,
        terminal,
        started: Instant::now(),
        shown: 0,
    };
    let outcome = session.watch(&mut machine)?;
    let seconds = session.started.elapsed().as_secs_f64();
    session.shots.at_the_end(&mut machine, &outcome)?;
    machine.quit()?;
    if let Some(terminal) = session.terminal.take() {
        terminal.finish();
    }
    let waits = args.until.is_some();
    let status = outcome.status(waits);
    print::aside(format_args!(
        "ezmail boot: {} after {seconds:.1} s: {}; serial log: {}",
        match status {
            0 => "OK",
            2 => "TIMEOUT",
            3 => "FAILED",
            _ => "STOPPED",
        },
        outcome.sentence(waits),
        config.serial_log.display()
    ));
    Ok(ExitCode::from(status))
}

struct Session<'a> {
    args: &'a BootArgs,
    limit: Option<Duration>,
    shots: Shots,
    signals: Signals,
    terminal: Option<Terminal>,
    started: Instant,
    /// How much of the console has been printed, in bytes.
    shown: usize,
}

impl Session<'_> {
    fn watch(&mut self, machine: &mut Machine) -> Result<Outcome> {
        // set by the first Ctrl-C
        let mut patience: Option<Instant> = None;
        loop {
            let ending = machine.poll()?.cloned();
            self.print(machine)?;
            if let Some(until) = &self.args.until
                && let Some(found) = machine.find(0, until)
            {
                return Ok(Outcome::Shown(found.text));
            }
            if let Some(ending) = ending {
                return Ok(match patience {
                    Some(_) => Outcome::Signal(signal_number(SIGINT)),
                    None => Outcome::Ended(ending),
                });
            }
            if self.terminal.as_ref().is_some_and(Terminal::was_left) {
                return Ok(Outcome::Left);
            }
            for (flag, number) in [
                (&self.signals.term, SIGTERM),
                (&self.signals.hang_up, SIGHUP),
            ] {
                if flag.load(Ordering::Relaxed) {
                    return Ok(Outcome::Signal(signal_number(number)));
                }
            }
            if self.signals.interrupt.swap(false, Ordering::Relaxed) {
                if patience.is_some() {
                    return Ok(Outcome::Signal(signal_number(SIGINT)));
                }
                print::aside("ezmail boot: pressing the power button; Ctrl-C again pulls the plug");
                machine.qmp("system_powerdown", json!({}))?;
                patience = Some(Instant::now() + POWER_OFF_LIMIT);
            }
            let running = self.started.elapsed();
            if patience.is_some_and(|end| Instant::now() >= end) {
                return Ok(Outcome::Signal(signal_number(SIGINT)));
            }
            if let Some(limit) = self.limit
                && running >= limit
            {
                return Ok(Outcome::Timeout(limit, machine.hint()));
            }
            if self.signals.screenshot.swap(false, Ordering::Relaxed) {
                self.shots.asked_for(machine)?;
            }
            self.shots.on_time(machine, running)?;
            thread::sleep(PERIOD);
        }
    }

    fn print(&mut self, machine: &Machine) -> Result<()> {
        if self.args.quiet || self.args.console {
            return Ok(());
        }
        let text = machine.port(0).text();
        let mut out = std::io::stdout().lock();
        let printed = out
            .write_all(&text.as_bytes()[self.shown..])
            .and_then(|()| out.flush());
        self.shown = text.len();
        match printed {
            // such as `| head`: the run goes on
            Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(()),
            other => other.context("showing the serial console"),
        }
    }
}

/// Which screenshots are still to be taken.
struct Shots {
    path: PathBuf,
    after: Option<Duration>,
    at_end: bool,
    taken: u32,
}

impl Shots {
    fn new(args: &BootArgs) -> Self {
        let after = args.screenshot_after.map(Duration::from_secs);
        Self {
            path: args
                .screenshot
                .clone()
                .unwrap_or_else(|| "screen.png".into()),
            at_end: args.screenshot.is_some() && after.is_none(),
            after,
            taken: 0,
        }
    }

    fn asked_for(&mut self, machine: &mut Machine) -> Result<()> {
        self.taken += 1;
        take(machine, &numbered(&self.path, self.taken))
    }

    fn on_time(&mut self, machine: &mut Machine, running: Duration) -> Result<()> {
        if self.after.is_some_and(|after| running >= after) {
            self.after = None;
            take(machine, &self.path)?;
        }
        Ok(())
    }

    /// A screenshot that was to be taken later is taken now rather than never.
    fn at_the_end(&mut self, machine: &mut Machine, outcome: &Outcome) -> Result<()> {
        if !self.at_end && self.after.is_none() {
            return Ok(());
        }
        if matches!(outcome, Outcome::Ended(Ending::Died(_))) {
            print::aside("ezmail boot: no screenshot: QEMU is gone");
            return Ok(());
        }
        take(machine, &self.path)
    }
}

fn take(machine: &mut Machine, path: &Path) -> Result<()> {
    machine.screenshot(path)?;
    print::aside(format_args!("screenshot: {}", path.display()));
    Ok(())
}

/// `screen.png` and 2 make `screen-2.png`.
fn numbered(path: &Path, number: u32) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{stem}-{number}.png"))
}

fn signal_number(signal: i32) -> u8 {
    u8::try_from(signal).unwrap_or(u8::MAX - 128)
}

/// Flags that signals set.
struct Signals {
    interrupt: Arc<AtomicBool>,
    term: Arc<AtomicBool>,
    hang_up: Arc<AtomicBool>,
    screenshot: Arc<AtomicBool>,
}

impl Signals {
    fn register() -> Result<Self> {
        let flag = |signal| -> Result<Arc<AtomicBool>> {
            let flag = Arc::new(AtomicBool::new(false));
            signal_hook::flag::register(signal, Arc::clone(&flag))
                .with_context(|| format!("watching for signal {signal}"))?;
            Ok(flag)
        };
        Ok(Self {
            interrupt: flag(SIGINT)?,
            term: flag(SIGTERM)?,
            hang_up: flag(SIGHUP)?,
            screenshot: flag(SIGUSR1)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_has_its_status_and_its_sentence() {
        let limit = Duration::from_secs(20);
        let outcomes = [
            Outcome::Shown("mail login:".into()),
            Outcome::Ended(Ending::PoweredOff),
            Outcome::Ended(Ending::Rebooted),
            Outcome::Ended(Ending::Failed("Kernel panic - not syncing: no root".into())),
            Outcome::Ended(Ending::Died("signal: 9 (SIGKILL)".into())),
            Outcome::Timeout(limit, "; the guest has reset itself 4 times".into()),
            Outcome::Left,
            Outcome::Signal(2),
        ];
        let table: String = outcomes
            .iter()
            .flat_map(|outcome| [false, true].map(|waits| (outcome, waits)))
            .map(|(outcome, waits)| {
                format!("{:3} {}\n", outcome.status(waits), outcome.sentence(waits))
            })
            .collect();
        insta::assert_snapshot!(table);
    }

    #[test]
    fn screenshots_are_numbered() {
        assert_eq!(
            numbered(Path::new("out/a.png"), 2),
            Path::new("out/a-2.png")
        );
    }
}
