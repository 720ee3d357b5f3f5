//! What was found: a list of checks, for people and as JSON.

use std::path::PathBuf;

use serde::Serialize;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// All is as it should be.
    Passed,
    /// Something is not.
    Failed,
    /// Nobody could look, and `found` says why.
    NotChecked,
}

/// A check and what it found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What it is called, such as `boot-catalog`.
    pub name: &'static str,
    /// How it ended.
    pub outcome: Outcome,
    /// What is there, or what is wrong, a line each.
    pub found: Vec<String>,
}

impl Check {
    /// A check of which `found` says what is there or what is wrong.
    pub fn new(name: &'static str, found: Verdict) -> Self {
        match found {
            Ok(found) => Self::ended(name, Outcome::Passed, &found),
            Err(faults) => Self::ended(name, Outcome::Failed, &faults),
        }
    }

    /// A check that ended so.
    pub fn ended(name: &'static str, outcome: Outcome, found: &str) -> Self {
        Self {
            name,
            outcome,
            found: found.lines().map(printable).collect(),
        }
    }
}

/// What a check comes to: what is there, or what is wrong.
pub type Verdict = Result<String, String>;

/// An image as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The file.
    pub image: PathBuf,
    /// Its size in bytes.
    pub size: u64,
    /// What boots it, such as `BIOS (syslinux)`; empty if it was not found out.
    pub boots: Vec<&'static str>,
    /// Whether there are answers in it: no checksum and no signature is of them.
    pub answers: bool,
    /// In the order in which they were made.
    pub checks: Vec<Check>,
}

impl Report {
    /// Whether no check failed.
    pub fn passed(&self) -> bool {
        self.failed().next().is_none()
    }

    /// The checks that failed.
    pub fn failed(&self) -> impl Iterator<Item = &Check> {
        let checks = self.checks.iter();
        checks.filter(|c| c.outcome == Outcome::Failed)
    }
}

/// What is wrong, collected: a check tells all of it at once.
#[derive(Debug, Default)]
pub struct Faults(Vec<String>);

impl Faults {
    /// Most faults that are told one by one.
    const MOST: usize = 5;

    /// Adds one, unless it was there already.
    pub fn add(&mut self, fault: impl Into<String>) {
        // one line, whatever the image has
        let fault = printable(&fault.into());
        if !self.0.contains(&fault) {
            self.0.push(fault);
        }
    }

    /// Adds `fault` unless `good`.
    pub fn unless(&mut self, good: bool, fault: impl FnOnce() -> String) {
        if !good {
            self.add(fault());
        }
    }

    /// The verdict: the faults, or `found` if there are none.
    ///
    /// # Errors
    /// The faults.
    pub fn or(mut self, found: impl FnOnce() -> String) -> Verdict {
        if self.0.is_empty() {
            return Ok(found());
        }
        let more = self.0.len().saturating_sub(Self::MOST);
        self.0.truncate(Self::MOST);
        if more > 0 {
            self.0.push(format!("and {more} more of the kind"));
        }
        Err(self.0.join("\n"))
    }
}

/// `text` without control characters: names and labels are whatever somebody wrote into an image.
fn printable(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_control() {
            true => plain.extend(c.escape_default()),
            false => plain.push(c),
        }
    }
    plain
}

/// `1 file`, `2 files`.
pub fn count(number: u64, word: &str) -> String {
    match number {
        1 => format!("1 {word}"),
        n => format!("{n} {word}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_told_once_and_not_without_end() {
        assert_eq!(Faults::default().or(|| "well".into()), Ok("well".into()));
        let mut faults = Faults::default();
        for n in [1, 1, 2, 3, 4, 5, 6, 7] {
            faults.unless(n == 8, || format!("no {n}"));
        }
        let text = faults.or(String::new).unwrap_err();
        assert_eq!(text, "no 1\nno 2\nno 3\nno 4\nno 5\nand 2 more of the kind");
    }

    #[test]
    fn what_an_image_has_does_not_steer_the_terminal() {
        let mut faults = Faults::default();
        faults.add("label \x1b[2J\nok");
        let check = Check::new("volume", faults.or(String::new));
        assert_eq!(check.found, ["label \\u{1b}[2J\\nok"]);
    }
}
