//! What a person sees while a build runs: a line a step, with its time.
//!
//! On a terminal the running step has a spinner and its elapsed time; elsewhere every step
//! prints a line when it starts to take long work and one when it ends. All of it goes to
//! standard error: standard output is for results.

use std::{
    io::IsTerminal,
    sync::Mutex,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

/// Collects the steps of one run.
#[derive(Debug)]
pub struct Progress {
    terminal: bool,
    quiet: bool,
    start: Instant,
    steps: Mutex<Vec<Step>>,
}

/// A step that has ended.
#[derive(Debug, Clone)]
pub struct Step {
    /// The stage it belongs to: base, package, repo, profile, image.
    pub stage: String,
    /// What was done.
    pub what: String,
    /// How long it took.
    pub time: Duration,
}

/// A step under way.
#[derive(Debug)]
pub struct Running<'a> {
    progress: &'a Progress,
    stage: &'static str,
    what: String,
    start: Instant,
    bar: Option<ProgressBar>,
    ended: bool,
}

impl Progress {
    /// `quiet` prints nothing but what fails.
    pub fn new(quiet: bool) -> Self {
        Self {
            terminal: std::io::stderr().is_terminal(),
            quiet,
            start: Instant::now(),
            steps: Mutex::new(Vec::new()),
        }
    }

    /// Starts a step; it ends with [`Running::done`].
    pub fn start(&self, stage: &'static str, what: impl Into<String>) -> Running<'_> {
        let what = what.into();
        let bar = (self.terminal && !self.quiet).then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) =
                ProgressStyle::with_template("{spinner} {prefix:<8} {msg} {elapsed:.dim}")
            {
                bar.set_style(style);
            }
            bar.set_prefix(stage);
            bar.set_message(what.clone());
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        if bar.is_none() && !self.quiet {
            eprintln!("  {stage:<8} {what} ...");
        }
        Running {
            progress: self,
            stage,
            what,
            start: Instant::now(),
            bar,
            ended: false,
        }
    }

    /// A line about something that took no time: a cached result, a decision.
    pub fn note(&self, stage: &'static str, what: impl AsRef<str>) {
        if !self.quiet {
            eprintln!("  {stage:<8} {}", what.as_ref());
        }
    }

    /// The steps that have ended, in order.
    pub fn steps(&self) -> Vec<Step> {
        self.steps.lock().map(|s| s.clone()).unwrap_or_default()
    }

    /// Time since the run began.
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}

impl Running<'_> {
    /// Ends the step; `result` is what became of it, such as "built, 2.1 MB".
    pub fn done(mut self, result: impl AsRef<str>) {
        self.ended = true;
        let time = self.start.elapsed();
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        if !self.progress.quiet {
            let text = format!("{}: {}", self.what, result.as_ref());
            eprintln!(
                "  {:<8} {text:<58} {:>7.1} s",
                self.stage,
                time.as_secs_f64()
            );
        }
        if let Ok(mut steps) = self.progress.steps.lock() {
            steps.push(Step {
                stage: self.stage.into(),
                what: self.what.clone(),
                time,
            });
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        if !self.ended {
            let time = self.start.elapsed().as_secs_f64();
            eprintln!(
                "  {:<8} {}: failed after {time:.1} s",
                self.stage, self.what
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ended_steps_are_kept_and_failed_ones_not() {
        let progress = Progress::new(true);
        progress.start("base", "composing").done("ok");
        drop(progress.start("image", "writing"));
        let steps = progress.steps();
        assert_eq!(steps.len(), 1);
        assert_eq!(steps[0].what, "composing");
    }
}
