//! The lines of a status on a screen of 24, the last of which is the prompt.

use std::collections::BTreeMap;

use textwrap::{Options, WordSplitter};

/// Widest line.
pub(super) const WIDTH: usize = 80;
/// So many lines fit.
const HEIGHT: usize = 23;
/// Where the texts begin.
const INDENT: usize = 13;

/// Where there is more about a title.
const MORE: [(&str, &str); 6] = [
    ("Answers", "journalctl -u ezmail-agent"),
    ("Backup", "mailctl backup schedule"),
    ("Certificate", "mailctl check certificate"),
    ("Keys", "mailctl dkim list"),
    ("Last check", "mailctl check"),
    ("Not known", "mailctl status --json"),
];

/// Titles and texts as rows that fit below `used` others. A text without a title goes on with the
/// one before it; what has the most rows is cut first.
pub(super) fn rows(lines: &[(&str, String)], used: usize) -> Vec<String> {
    let indent = " ".repeat(INDENT);
    let options = Options::new(WIDTH)
        .subsequent_indent(&indent)
        .word_splitter(WordSplitter::NoHyphenation);
    let mut blocks: Vec<(&str, Vec<String>)> = Vec::new();
    for (title, text) in lines {
        let line = format!("{title:<11}  {text}");
        let wrapped = textwrap::wrap(&line, &options);
        let wrapped = wrapped.into_iter().map(|row| row.trim_end().to_owned());
        match blocks.last_mut() {
            Some((before, rows)) if title.is_empty() || before == title => rows.extend(wrapped),
            _ => blocks.push((title, wrapped.collect())),
        }
    }
    let more = BTreeMap::from(MORE);
    let mut count: usize = blocks.iter().map(|(_, rows)| rows.len()).sum();
    while count + used > HEIGHT {
        let cut = blocks
            .iter_mut()
            .filter(|(title, _)| more.contains_key(title));
        let Some((title, rows)) = cut.max_by_key(|(_, rows)| rows.len()) else {
            break;
        };
        // one row, and where the others are
        if rows.len() < 3 {
            break;
        }
        rows.truncate(rows.len() - 2);
        rows.push(format!("{indent}... more: '{}'", more[title]));
        count -= 1;
    }
    blocks.into_iter().flat_map(|(_, rows)| rows).collect()
}
