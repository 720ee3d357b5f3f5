//! A report as text for people.

use textwrap::{Options, WordSplitter};

use super::report::{Check, Outcome, Report, count};
use crate::util::size::size;

/// Widest line, unless a word is longer.
const WIDTH: usize = 100;

/// The image in a line, a line for each check, and how it ended; with colours if `colour`.
pub fn text(report: &Report, colour: bool) -> String {
    let boots = match &report.boots[..] {
        [] => String::new(),
        [one] => format!(", boots by {one}"),
        [most @ .., last] => format!(", boots by {} and {last}", most.join(", ")),
    };
    let mut text = format!(
        "{}: {}{boots}\n\n",
        report.image.display(),
        size(report.size)
    );
    let widest = |length: fn(&Check) -> usize| {
        let lengths = report.checks.iter().map(length);
        lengths.max().unwrap_or_default()
    };
    let words = widest(|c| word(c.outcome).0.len());
    let names = widest(|c| c.name.len());
    for check in &report.checks {
        text += &line(check, words, names, colour);
    }
    text + "\n" + &summary(report) + "\n"
}

/// A word for it, and its colour (ECMA-48).
fn word(outcome: Outcome) -> (&'static str, &'static str) {
    match outcome {
        Outcome::Passed => ("ok", "\x1b[32m"),
        Outcome::Failed => ("FAILED", "\x1b[1;31m"),
        Outcome::NotChecked => ("not checked", "\x1b[1;33m"),
    }
}

/// A check, of all of which the longest words and names are so long.
fn line(check: &Check, words: usize, names: usize, colour: bool) -> String {
    let (word, sgr) = word(check.outcome);
    let word = format!("{word:<words$}");
    let head = format!("  {word}  {:<names$}  ", check.name);
    let indent = " ".repeat(head.len());
    let mut text = String::new();
    for (n, found) in check.found.iter().enumerate() {
        let first = if n == 0 { &head } else { &indent };
        let options = Options::new(WIDTH)
            .initial_indent(first)
            .subsequent_indent(&indent)
            .word_splitter(WordSplitter::NoHyphenation)
            .break_words(false);
        text += &textwrap::fill(found, options);
        text.push('\n');
    }
    match colour {
        true => text.replacen(&word, &format!("{sgr}{word}\x1b[0m"), 1),
        false => text,
    }
}

/// How many checks there were, and which did not pass.
fn summary(report: &Report) -> String {
    let of = |outcome| {
        let checks = report.checks.iter().filter(move |c| c.outcome == outcome);
        checks.map(|c| c.name).collect::<Vec<_>>()
    };
    let (failed, open) = (of(Outcome::Failed), of(Outcome::NotChecked));
    let made = count((report.checks.len() - open.len()) as u64, "check");
    let mut text = match failed.len() {
        0 => format!("{made}, all passed"),
        n => format!("{made}, {n} failed: {}", failed.join(", ")),
    };
    if !open.is_empty() {
        text += &format!("; not checked: {}", open.join(", "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(checks: Vec<Check>) -> Report {
        Report {
            image: "my.iso".into(),
            size: 260_386_816,
            boots: vec!["BIOS (syslinux)", "UEFI (systemd-boot)"],
            answers: false,
            checks,
        }
    }

    #[test]
    fn a_report_is_readable() {
        let open = "my.iso.sha256.sig is by ED25519 SHA256:QZYA4bHvOIa+A5v+aiqNHzWQj5+eIRPO7jcAMR+bx\
                    I8, whosever that is; --key FILE checks it against a key that you trust";
        let checks = vec![
            Check::ended("signature", Outcome::NotChecked, open),
            Check::new("checksum", Ok("SHA-256 abc".into())),
            Check::new("boot-catalog", Err("one thing\nand another".into())),
        ];
        insta::assert_snapshot!(text(&report(checks), false));
    }

    #[test]
    fn colours_are_for_the_word_alone() {
        let checks = vec![Check::new("size", Ok("ok, it is".into()))];
        let text = text(&report(checks), true);
        assert!(
            text.contains("  \x1b[32mok\x1b[0m  size  ok, it is\n"),
            "{text:?}"
        );
        assert!(text.ends_with("\n1 check, all passed\n"), "{text:?}");
    }
}
