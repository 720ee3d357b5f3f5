//! What commands print: text for people, JSON for scripts.

use std::io::{self, Write};

use anyhow::{Context, Result};
use serde::Serialize;

use crate::agent::console::harmless;

/// Prints text that ends its lines itself. Control characters that came from outside move no
/// cursor.
///
/// # Errors
/// When standard output cannot be written; a reader that has gone away is none.
pub fn text(text: &str) -> Result<()> {
    written(io::stdout().write_all(harmless(text).as_bytes()))
}

/// Prints a value as indented JSON.
///
/// # Errors
/// As [`text`].
pub fn json(value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value).context("writing JSON")?;
    written(writeln!(io::stdout(), "{text}"))
}

/// An error as people read it: lines of at most 80 columns, but for words that are longer; those
/// after the first are indented.
pub fn complaint(program: &str, error: &anyhow::Error) -> String {
    let text = harmless(&format!("{program}: {error:#}"));
    let options = textwrap::Options::new(80)
        .word_separator(textwrap::WordSeparator::AsciiSpace)
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
        .break_words(false)
        .subsequent_indent("  ");
    let lines = text.lines().map(|line| textwrap::fill(line, &options));
    lines.collect::<Vec<_>>().join("\n")
}

fn written(result: io::Result<()>) -> Result<()> {
    match result {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("writing to standard output"),
    }
}

/// Lines with their columns below each other, two spaces between them; the first row is the head.
/// The last column is as long as it is. Nothing for no rows but the head.
pub fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let head = head.map(str::to_owned);
    let all = || std::iter::once(&head).chain(rows);
    let width = |column: usize| {
        let length = |row: &[String; N]| row[column].chars().count();
        all().map(length).max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let mut text = String::new();
    for row in all() {
        let cells = row.iter().zip(widths);
        let line: Vec<String> = cells.map(|(cell, w)| format!("{cell:<w$}")).collect();
        text += line.join("  ").trim_end();
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_fits_the_screen() {
        let error =
            anyhow::anyhow!("line 3:\n{}", "word ".repeat(30)).context("reading \x1b[2J it");
        insta::assert_snapshot!(complaint("mailctl", &error), @r"
        mailctl: reading ?[2J it: line 3:
        word word word word word word word word word word word word word word word word
          word word word word word word word word word word word word word word
        ");
    }

    #[test]
    fn columns_stand_below_each_other() {
        let rows = [
            ["a".to_owned(), "long".to_owned()],
            ["bücher".to_owned(), "b".to_owned()],
        ];
        insta::assert_snapshot!(table(["NAME", "X"], &rows), @r"
        NAME    X
        a       long
        bücher  b
        ");
        assert_eq!(table(["NAME"], &[]), "");
    }
}
