//! Looks for signs of failure on a console.

use std::time::{Duration, Instant};

use regex::Regex;

/// Looks for signs of failure on the console, a line at a time.
#[derive(Debug)]
pub(super) struct Watch {
    patterns: Vec<Regex>,
    /// The start of the first line that was not whole when last looked at.
    from: usize,
    /// Where the failure begins that has been seen, in bytes of the text.
    pub(super) failed_at: Option<usize>,
    since: Option<Instant>,
}

impl Watch {
    pub(super) fn new(patterns: &[Regex]) -> Self {
        Self {
            patterns: patterns.to_vec(),
            from: 0,
            failed_at: None,
            since: None,
        }
    }

    /// The line that shows a failure. It is given a second to become whole, unless `last`.
    pub(super) fn look(&mut self, text: &str, last: bool) -> Option<String> {
        let hit = self
            .patterns
            .iter()
            .filter_map(|p| p.find_at(text, self.from))
            .min_by_key(regex::Match::start);
        let Some(hit) = hit else {
            self.from = text.rfind('\n').map_or(0, |at| at + 1);
            return None;
        };
        self.failed_at = Some(hit.start());
        let start = text[..hit.start()].rfind('\n').map_or(0, |at| at + 1);
        let end = text[hit.end()..].find('\n').map(|at| hit.end() + at);
        let waited = self.since.get_or_insert_with(Instant::now).elapsed();
        if end.is_none() && !last && waited < Duration::from_secs(1) {
            return None;
        }
        Some(text[start..end.unwrap_or(text.len())].trim().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_reported_by_its_whole_line() {
        let mut watch = Watch::new(&[Regex::new("panic").unwrap()]);
        assert_eq!(watch.look("all well\nkernel pa", false), None);
        assert_eq!(watch.look("all well\nkernel panic - no", false), None);
        assert_eq!(watch.failed_at, Some(16));
        let line = watch.look("all well\nkernel panic - no root\nmore", false);
        assert_eq!(line.as_deref(), Some("kernel panic - no root"));
    }

    #[test]
    fn a_prompt_without_an_end_is_reported_too() {
        let mut watch = Watch::new(&[Regex::new("rescue>").unwrap()]);
        assert_eq!(watch.look("rescue> ", true).as_deref(), Some("rescue>"));
    }
}
