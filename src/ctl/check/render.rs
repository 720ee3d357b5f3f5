//! The findings as text for people.

use textwrap::{Options, WordSplitter};

use super::finding::{Finding, State};

/// Widest line.
const WIDTH: usize = 80;

/// Where reasons begin.
const INDENT: &str = "           ";

/// The findings, area by area, each with its reason and what to do; with colours if `colour`. Unless
/// `all` are wanted, of those that are well only the areas are named.
pub fn text(findings: &[Finding], colour: bool, all: bool) -> String {
    let mut text = String::new();
    let mut area = None;
    for finding in findings.iter().filter(|f| all || f.state != State::Ok) {
        if area.replace(finding.area) != Some(finding.area) {
            text += finding.area.title();
            text.push('\n');
        }
        let word = format!("{:<7}", finding.state.word());
        let word = match sgr(finding.state).filter(|_| colour) {
            Some(sgr) => format!("{sgr}{word}\x1b[0m"),
            None => word,
        };
        text += &format!("  {word}  {}\n", finding.id);
        text += &folded(&finding.reason, INDENT, "");
        if let Some(todo) = &finding.todo {
            text += &folded(todo, INDENT, "-> ");
        }
    }
    if !all {
        text += &well(findings);
    }
    text + &summary(findings)
}

/// The areas in which nothing but well was found, in a sentence.
fn well(findings: &[Finding]) -> String {
    let is_well = |f: &&Finding| {
        findings
            .iter()
            .all(|o| o.area != f.area || o.state == State::Ok)
    };
    let mut titles: Vec<&str> = findings
        .iter()
        .filter(is_well)
        .map(|f| f.area.title())
        .collect();
    titles.dedup();
    match titles.is_empty() {
        true => String::new(),
        false => folded(&titles.join(", "), "  ", "As it should be: "),
    }
}

/// `text` below each other from the column that `indent` ends at.
fn folded(text: &str, indent: &str, sign: &str) -> String {
    let mut all = String::new();
    for (n, line) in text.lines().enumerate() {
        let sign = if n == 0 { sign } else { "" };
        let first = format!("{indent}{sign}");
        let rest = " ".repeat(first.len());
        let options = Options::new(WIDTH)
            .initial_indent(&first)
            .subsequent_indent(&rest)
            .word_splitter(WordSplitter::NoHyphenation)
            .break_words(false);
        all += &textwrap::fill(line, options);
        all.push('\n');
    }
    all
}

/// How many of each kind there are, in a line.
pub fn summary(findings: &[Finding]) -> String {
    let count = |state| findings.iter().filter(|f| f.state == state).count();
    let plural = |n: usize, word: &str| match n {
        1 => format!("1 {word}"),
        n => format!("{n} {word}s"),
    };
    format!(
        "{}: {} ok, {}, {}, {} unknown\n",
        plural(findings.len(), "check"),
        count(State::Ok),
        plural(count(State::Warning), "warning"),
        plural(count(State::Error), "error"),
        count(State::Unknown),
    )
}

/// Select Graphic Rendition of ECMA-48.
fn sgr(state: State) -> Option<&'static str> {
    match state {
        State::Ok => Some("\x1b[32m"),
        State::Unknown => None,
        State::Warning => Some("\x1b[1;33m"),
        State::Error => Some("\x1b[1;31m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctl::check::finding::Area;

    #[test]
    fn findings_are_grouped_and_aligned() {
        let findings = [
            Finding::ok(Area::Clock, "", "The clock is synchronised."),
            Finding::warning(
                Area::Disk,
                "space",
                "7 % of the state volume is free, 1.1 GiB of 15 GiB; mail that finds no space waits at the senders.",
                "Make the disk larger at the provider: the file system grows at the next boot.",
            ),
            Finding::error(Area::Disk, "inodes", "None is free.", "Remove files."),
            Finding::unknown(Area::Queue, "", "smtpd does not run."),
        ];
        insta::assert_snapshot!(text(&findings, false, true));
        insta::assert_snapshot!("without_what_is_well", text(&findings, false, false));
        let coloured = text(&findings[2..3], true, false);
        assert!(
            coloured.contains("\x1b[1;31mERROR  \x1b[0m  disk.inodes"),
            "{coloured}"
        );
    }
}
