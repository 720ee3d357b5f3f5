//! The part of a terminal that changes: the running step, what its tool says, and the stages.

use std::time::Duration;

use console::style;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{STAGES, detail::Detail};

/// Characters of a bar.
const BAR: usize = 20;

/// What is shown below the lines of ended steps.
#[derive(Debug)]
pub struct View {
    bars: Option<Bars>,
    stages: [Stage; STAGES.len()],
}

#[derive(Debug)]
struct Bars {
    multi: MultiProgress,
    step: ProgressBar,
    said: ProgressBar,
    stages: ProgressBar,
}

#[derive(Debug, Clone, Copy, Default)]
struct Stage {
    expected: usize,
    ended: usize,
    begun: bool,
}

impl View {
    /// A view that shows something only where `terminal` says so.
    pub fn new(terminal: bool) -> Self {
        Self {
            bars: terminal.then(Bars::new),
            stages: [Stage::default(); STAGES.len()],
        }
    }

    /// `stage` will have so many steps.
    pub fn expect(&mut self, stage: &str, steps: usize) {
        self.change(stage, |s| s.expected = steps);
    }

    /// A step of `stage` begins.
    pub fn begin(&mut self, stage: &str, what: &str) {
        self.change(stage, |s| s.begun = true);
        self.tick(
            stage,
            what,
            Duration::ZERO,
            Duration::ZERO,
            &Detail::default(),
        );
    }

    /// A step of `stage` has ended.
    pub fn end(&mut self, stage: &str) {
        self.change(stage, |s| {
            s.begun = true;
            s.ended += 1;
        });
        if let Some(bars) = &self.bars {
            bars.step.set_message("");
            bars.said.set_message("");
        }
    }

    /// The running step has come so far.
    pub fn tick(
        &mut self,
        stage: &str,
        what: &str,
        step: Duration,
        total: Duration,
        detail: &Detail,
    ) {
        let stages = self.stages_line(total);
        if let Some(bars) = &self.bars {
            bars.step.set_message(step_line(stage, what, step, detail));
            let said = detail.line.as_deref().unwrap_or_default();
            bars.said
                .set_message(format!("           {}", style(said).dim()));
            bars.stages.set_message(stages);
        }
    }

    /// Prints a line above the part that changes.
    pub fn line(&mut self, text: &str) {
        if let Some(bars) = &self.bars {
            // a terminal that is gone is no reason to stop
            bars.multi.println(text).ok();
        }
    }

    /// Takes away the part that changes.
    pub fn clear(&mut self) {
        if let Some(bars) = &self.bars {
            bars.multi.clear().ok();
        }
    }

    fn change(&mut self, stage: &str, change: impl FnOnce(&mut Stage)) {
        let index = STAGES.iter().position(|s| *s == stage);
        if let Some(found) = index.and_then(|i| self.stages.get_mut(i)) {
            change(found);
        }
    }

    /// The stages in order, with how far each is: those before the last that has begun are done.
    fn stages_line(&self, total: Duration) -> String {
        let current = self.stages.iter().rposition(|s| s.begun).unwrap_or(0);
        let words = STAGES
            .iter()
            .zip(&self.stages)
            .enumerate()
            .map(|(i, (name, stage))| {
                let count = match stage.expected {
                    0 => String::new(),
                    all => format!(" {}/{all}", stage.ended.min(all)),
                };
                match i.cmp(&current) {
                    std::cmp::Ordering::Less => style(format!("{name} ok")).green().to_string(),
                    std::cmp::Ordering::Equal => style(format!("{name}{count}")).bold().to_string(),
                    std::cmp::Ordering::Greater => style((*name).to_owned()).dim().to_string(),
                }
            });
        let words: Vec<String> = words.collect();
        format!("  {}   {}", words.join(" > "), clock(total))
    }
}

impl Bars {
    fn new() -> Self {
        let multi = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        let add = || {
            let bar = multi.add(ProgressBar::new_spinner());
            if let Ok(style) = ProgressStyle::with_template("{wide_msg}") {
                bar.set_style(style);
            }
            bar
        };
        Self {
            step: add(),
            said: add(),
            stages: add(),
            multi,
        }
    }
}

/// The running step, with a bar where it is known how far it is.
fn step_line(stage: &str, what: &str, elapsed: Duration, detail: &Detail) -> String {
    let bar = detail.percent.map(|percent| {
        let full = usize::from(percent) * BAR / 100;
        format!("  [{}{}]", "#".repeat(full), ".".repeat(BAR - full))
    });
    let far = detail.far().map(|far| format!("  {far}"));
    format!(
        "  {stage:<8} {what}{}{}  {}",
        bar.unwrap_or_default(),
        far.unwrap_or_default(),
        clock(elapsed)
    )
}

/// A time as `M:SS`, or `H:MM:SS`.
pub fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_shows_how_far_it_is() {
        let detail = Detail {
            percent: Some(64),
            bytes: Some(1),
            line: None,
        };
        let time = Duration::from_secs(192);
        assert_eq!(
            step_line("package", "building rspamd 3.12.1-1", time, &detail),
            "  package  building rspamd 3.12.1-1  [############........]  64 %  3:12"
        );
        assert_eq!(
            step_line("base", "composing", time, &Detail::default()),
            "  base     composing  3:12"
        );
        assert_eq!(clock(Duration::from_secs(3_725)), "1:02:05");
    }

    #[test]
    fn stages_before_the_current_one_are_done() {
        let mut view = View::new(false);
        view.expect("package", 8);
        view.end("base");
        view.end("package");
        view.begin("package", "b");
        let line =
            console::strip_ansi_codes(&view.stages_line(Duration::from_secs(5))).into_owned();
        assert_eq!(
            line,
            "  base ok > package 1/8 > repo > profile > image   0:05"
        );
    }
}
