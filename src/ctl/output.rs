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
