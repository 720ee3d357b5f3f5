//! Findings, and how they are told: as text with the source line, and as JSON.

use std::{fmt, ops::Range};

use annotate_snippets::{AnnotationKind, Group, Level as Title, Origin, Renderer, Snippet};
use serde::Serialize;

use super::rules::{Level, Rule};

/// One thing to say about the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Error or warning.
    pub level: Level,
    /// The rule that it is about.
    pub rule: Rule,
    /// The key, such as `user[0].address`; empty for the file as a whole.
    pub path: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong. Never contains a secret.
    pub message: String,
    /// What to do instead.
    pub help: String,
    /// Bytes of the text that it is about.
    #[serde(skip)]
    pub span: Range<usize>,
}

/// Everything that was found in one file, in the order of the file.
///
/// `Display` is the text for people; [`Report::to_json`] the one for programs. Its copy of the
/// source has every secret painted over.
#[derive(Debug, Clone)]
pub struct Report {
    name: String,
    source: String,
    /// The offset of each line's first byte.
    lines: Vec<usize>,
    findings: Vec<Finding>,
}

impl Report {
    /// An empty report about the file `name`, whose text is `masked`: without its secrets, every
    /// byte in its old place.
    pub(super) fn new(name: &str, masked: String) -> Self {
        Self {
            name: name.to_owned(),
            lines: line_starts(&masked),
            source: masked,
            findings: Vec::new(),
        }
    }

    /// Adds a finding about the bytes `span`.
    pub(super) fn add(
        &mut self,
        rule: Rule,
        path: impl Into<String>,
        span: Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let (line, column) = self.position(span.start);
        let finding = Finding {
            level: rule.level(),
            rule,
            path: path.into(),
            line,
            column,
            message: message.into(),
            help: help.into(),
            span,
        };
        self.findings.push(finding);
    }

    /// Brings the findings into the order of the file.
    pub(super) fn sorted(mut self) -> Self {
        self.findings.sort_by_key(|f| (f.span.start, f.span.end));
        self
    }

    /// Line and column, both from 1, of a byte offset; the column counts characters.
    fn position(&self, offset: usize) -> (usize, usize) {
        let line = self.lines.partition_point(|start| *start <= offset);
        let start = self.lines[line - 1];
        let before = &self.source.as_bytes()[start..offset.min(self.source.len())];
        (line, String::from_utf8_lossy(before).chars().count() + 1)
    }

    /// The line, from 1, that the byte `offset` is on.
    pub(super) fn line_of(&self, offset: usize) -> usize {
        self.position(offset).0
    }

    /// The name of the file, as given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// All findings, in the order of the file.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// How many errors there are.
    pub fn errors(&self) -> usize {
        self.count(Level::Error)
    }

    /// How many warnings there are.
    pub fn warnings(&self) -> usize {
        self.count(Level::Warning)
    }

    /// Drops what a rule has found, for a use of the answers that it does not matter to.
    pub fn forget(&mut self, rule: Rule) {
        self.findings.retain(|f| f.rule != rule);
    }

    fn count(&self, level: Level) -> usize {
        self.findings.iter().filter(|f| f.level == level).count()
    }

    /// The report as a JSON object: `file`, `ok`, `errors`, `warnings`, `findings`.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "file": self.name,
            "ok": self.errors() == 0,
            "errors": self.errors(),
            "warnings": self.warnings(),
            "findings": self.findings,
        })
    }

    /// One line that counts the errors and warnings.
    pub fn summary(&self) -> String {
        let many = |n: usize, what: &str| match n {
            1 => format!("1 {what}"),
            n => format!("{n} {what}s"),
        };
        match (self.errors(), self.warnings()) {
            (0, 0) => format!("{}: good", self.name),
            (0, w) => format!("{}: good, with {}", self.name, many(w, "warning")),
            (e, 0) => format!("{}: {}", self.name, many(e, "error")),
            (e, w) => format!(
                "{}: {}, {}",
                self.name,
                many(e, "error"),
                many(w, "warning")
            ),
        }
    }

    /// All findings as text, each with its place and source line, and the summary.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let mut text = String::new();
        for finding in &self.findings {
            text += &renderer.render(&[self.group(finding)]);
            text += "\n\n";
        }
        text + &self.summary()
    }

    fn group<'a>(&'a self, finding: &'a Finding) -> Group<'a> {
        let level = match finding.level {
            Level::Error => Title::ERROR,
            Level::Warning => Title::WARNING,
        };
        let title = level.primary_title(finding.message.as_str());
        // one line of the source: what follows (the rest of a key, of an array) helps nobody
        let start = finding.span.start.min(self.source.len());
        let from = self.source[..start].rfind('\n').map_or(0, |n| n + 1);
        let line = self.source[from..].lines().next().unwrap_or("");
        let group = if line.trim().is_empty() || self.is_about_the_file(finding) {
            title.element(
                Origin::path(self.name.as_str())
                    .line(finding.line)
                    .char_column(finding.column),
            )
        } else {
            let end = finding.span.end.min(from + line.len()).max(start);
            title.element(
                Snippet::source(line)
                    .path(self.name.as_str())
                    .line_start(finding.line)
                    .annotation(AnnotationKind::Primary.span(start - from..end - from)),
            )
        };
        group.element(Title::HELP.message(finding.help.as_str()))
    }

    /// Such as a missing key of the top level: there is no line to show.
    fn is_about_the_file(&self, finding: &Finding) -> bool {
        finding.span.is_empty() && finding.span.start == 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Report {}

/// Never empty: the first line starts at 0.
fn line_starts(text: &str) -> Vec<usize> {
    let after = text.match_indices('\n').map(|(n, _)| n + 1);
    std::iter::once(0).chain(after).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters() {
        let report = Report::new("x", "a = 1\nä = 2\n".to_owned());
        assert_eq!(report.position(0), (1, 1));
        assert_eq!(report.position(11), (2, 5));
        assert_eq!(report.position(99), (3, 1));
        assert_eq!(Report::new("x", String::new()).position(0), (1, 1));
    }
}
