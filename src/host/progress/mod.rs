//! What a person or a program sees while a build runs.
//!
//! On a terminal: a line for each step that has ended, below it the running one with how far it
//! is, and the stages. Elsewhere: a line when a step begins, one when it ends, and one a minute
//! between. With `--json`: an event a line on standard output (see [`event`]). Else all of it goes
//! to standard error, since standard output is for results.

mod detail;
pub mod event;
mod ticker;
mod view;

use std::{
    io::IsTerminal,
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use self::{
    detail::{Detail, Sources},
    event::Event,
    ticker::Ticker,
    view::View,
};
use super::print;

/// The stages of a build, in order; every step belongs to one.
pub const STAGES: [&str; 5] = ["base", "package", "repo", "profile", "image"];

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Nothing but what fails.
    Quiet,
    /// Lines.
    Plain,
    /// Lines, and a part that changes.
    Terminal,
    /// Events.
    Json,
}

/// Collects the steps of one run; clones are the same.
#[derive(Debug, Clone)]
pub struct Progress(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    style: Style,
    start: Instant,
    view: Mutex<View>,
}

/// A step under way.
#[derive(Debug)]
pub struct Running {
    progress: Progress,
    stage: &'static str,
    what: String,
    start: Instant,
    sources: Arc<Sources>,
    ticker: Option<Ticker>,
    ended: bool,
}

impl Progress {
    /// Shows progress in that style.
    pub fn new(style: Style) -> Self {
        Self(Arc::new(Inner {
            style,
            start: Instant::now(),
            view: Mutex::new(View::new(style == Style::Terminal)),
        }))
    }

    /// For a person who sees standard error.
    pub fn detect() -> Self {
        Self::new(match std::io::stderr().is_terminal() {
            true => Style::Terminal,
            false => Style::Plain,
        })
    }

    /// Tells of what fails alone.
    pub fn quiet() -> Self {
        Self::new(Style::Quiet)
    }

    /// Tells that `stage` will have so many steps.
    pub fn expect(&self, stage: &'static str, steps: usize) {
        self.view(|view| view.expect(stage, steps));
    }

    /// Starts a step, whose tools write to `log`; it ends with [`Running::done`].
    pub fn start(
        &self,
        stage: &'static str,
        what: impl Into<String>,
        log: Option<&Path>,
    ) -> Running {
        let what = what.into();
        let sources = Arc::new(Sources::new(log));
        self.event(&Event::Started {
            stage,
            what: &what,
            log,
        });
        match self.0.style {
            Style::Plain => print::aside(format_args!("  {stage:<8} {what} ...")),
            Style::Terminal => self.view(|view| view.begin(stage, &what)),
            Style::Quiet | Style::Json => {}
        }
        let start = Instant::now();
        let ticker = match self.0.style {
            Style::Quiet => None,
            Style::Plain => Some(Duration::from_secs(60)),
            Style::Json => Some(Duration::from_secs(1)),
            Style::Terminal => Some(Duration::from_millis(200)),
        }
        .map(|period| {
            let (progress, what, sources) = (self.clone(), what.clone(), Arc::clone(&sources));
            Ticker::start(period, move || {
                progress.tick(stage, &what, start.elapsed(), &sources.now());
            })
        });
        Running {
            progress: self.clone(),
            stage,
            what,
            start,
            sources,
            ticker,
            ended: false,
        }
    }

    /// A step whose result was there already.
    pub fn cached(&self, stage: &'static str, what: &str) {
        self.event(&Event::Cached { stage, what });
        self.line(&format!("  {stage:<8} {what}: cached"));
        self.view(|view| view.end(stage));
    }

    /// A step that `--dry-run` would do.
    pub fn planned(&self, stage: &'static str, what: &str) {
        self.event(&Event::Planned { stage, what });
        self.line(&format!("  {stage:<8} would {what}"));
    }

    /// A line about something that took no time: a decision, a hint.
    pub fn note(&self, stage: &'static str, what: impl AsRef<str>) {
        let what = what.as_ref();
        self.event(&Event::Note { stage, what });
        self.line(&format!("  {stage:<8} {what}"));
    }

    /// Time since the run began.
    pub fn elapsed(&self) -> Duration {
        self.0.start.elapsed()
    }

    /// Whether events are printed.
    pub fn is_json(&self) -> bool {
        self.0.style == Style::Json
    }

    /// Prints an event, where events are asked for.
    pub fn event(&self, event: &Event) {
        if self.is_json() {
            print::event(event.line());
        }
    }

    /// Takes away the part of a terminal that changes: before an error is printed.
    pub fn clear(&self) {
        self.view(View::clear);
    }

    fn tick(&self, stage: &'static str, what: &str, elapsed: Duration, detail: &Detail) {
        match self.0.style {
            Style::Quiet => {}
            Style::Plain => {
                let far = detail
                    .far()
                    .map_or_else(String::new, |far| format!(" {far},"));
                print::aside(format_args!(
                    "  {stage:<8} {what} ...{far} {}",
                    view::clock(elapsed)
                ));
            }
            Style::Json => self.event(&Event::Progress {
                stage,
                what,
                seconds: elapsed.as_secs_f64(),
                percent: detail.percent,
                bytes: detail.bytes,
            }),
            Style::Terminal => {
                self.view(|view| view.tick(stage, what, elapsed, self.elapsed(), detail));
            }
        }
    }

    fn line(&self, text: &str) {
        match self.0.style {
            Style::Quiet | Style::Json => {}
            Style::Plain => print::aside(text),
            Style::Terminal => self.view(|view| view.line(text)),
        }
    }

    fn view(&self, change: impl FnOnce(&mut View)) {
        if let Ok(mut view) = self.0.view.lock() {
            change(&mut view);
        }
    }
}

impl Running {
    /// Tells how far it is by the size of `file`, of `total` bytes where that is known.
    pub fn watch(&self, file: &Path, total: Option<u64>) {
        self.sources.watch(file, total);
    }

    /// Ends the step; `result` is what became of it, such as "built, 2.1 MB".
    pub fn done(mut self, result: impl AsRef<str>) {
        self.ended = true;
        self.ticker = None;
        let (stage, what, result) = (self.stage, &self.what, result.as_ref());
        let time = self.start.elapsed().as_secs_f64();
        self.progress.event(&Event::Done {
            stage,
            what,
            result,
            seconds: time,
        });
        let text = format!("{what}: {result}");
        let line = format!("  {stage:<8} {text:<58} {time:>7.1} s");
        self.progress.view(|view| view.end(stage));
        self.progress.line(&line);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.ticker = None;
        if self.ended {
            return;
        }
        let (stage, what) = (self.stage, &self.what);
        let time = self.start.elapsed().as_secs_f64();
        self.progress.event(&Event::Failed {
            stage,
            what,
            seconds: time,
        });
        self.progress.view(View::clear);
        if !self.progress.is_json() {
            print::aside(format_args!(
                "  {stage:<8} {what}: failed after {time:.1} s"
            ));
        }
    }
}
