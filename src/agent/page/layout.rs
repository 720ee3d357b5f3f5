//! Lines with a style, folded to the width of a terminal and cut to its height.

use textwrap::{Options, WordSplitter};

use super::State;
use crate::agent::console::harmless;

/// Widest line: the last column of an 80 column terminal stays free, or it would begin a new line
/// by itself.
pub const WIDTH: usize = 79;

/// How a line is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Text.
    Plain,
    /// A title.
    Title,
    /// All is well.
    Good,
    /// Something is broken.
    Bad,
    /// To be noticed.
    Loud,
}

impl Style {
    /// Select Graphic Rendition of ECMA-48.
    fn sgr(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Title => Some("\x1b[1m"),
            Self::Good => Some("\x1b[1;32m"),
            Self::Bad => Some("\x1b[1;31m"),
            Self::Loud => Some("\x1b[1;33m"),
        }
    }
}

/// Lines, each at most [`WIDTH`] wide.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Block(Vec<(Style, String)>);

impl Block {
    /// Adds `text`, which may be of many lines and come from outside: it is folded at words, and
    /// what could move a terminal's cursor is made harmless. A folded line goes on below where
    /// its words began.
    pub fn add(&mut self, style: Style, text: &str) -> &mut Self {
        for line in text.lines() {
            let line = harmless(line).replace('\t', "    ");
            let hang = " ".repeat(hang(&line));
            let options = Options::new(WIDTH)
                .subsequent_indent(&hang)
                // names of files and units are left in one piece
                .word_splitter(WordSplitter::NoHyphenation);
            for folded in textwrap::wrap(line.trim_end(), options) {
                self.0.push((style, folded.into_owned()));
            }
        }
        self
    }

    /// Adds an empty line.
    pub fn gap(&mut self) -> &mut Self {
        self.0.push((Style::Plain, String::new()));
        self
    }

    /// Adds the lines of another block.
    pub fn append(&mut self, other: Self) -> &mut Self {
        self.0.extend(other.0);
        self
    }

    /// How many lines there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Where a folded line goes on: below its first word, or the second if that is only a sign such
/// as `-`, `2.` or `=`.
fn hang(line: &str) -> usize {
    let indent = line.len() - line.trim_start().len();
    let rest = &line[indent..];
    let sign = rest.split(' ').next().unwrap_or_default();
    let is_sign = matches!(sign, "-" | "=" | "|")
        || sign
            .strip_suffix('.')
            .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    let hang = if is_sign {
        indent + sign.len() + 1
    } else {
        indent
    };
    hang.min(WIDTH / 2)
}

/// A page: its top and its bottom are always shown, the middle as far as it fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// What it is about.
    pub state: State,
    /// The top.
    pub head: Block,
    /// The middle.
    pub body: Block,
    /// The bottom.
    pub foot: Block,
}

impl Page {
    /// The page as text, each line ended, for a terminal of so many `rows`, the last of which
    /// stays free; all of it, if there is no limit.
    pub fn text(&self, rows: Option<usize>, colour: bool) -> String {
        let mut body = self.body.clone();
        let fixed = self.head.len() + self.foot.len() + 1;
        if let Some(rows) = rows.filter(|rows| fixed + body.len() > *rows) {
            // one line says what is left out
            let room = rows.saturating_sub(fixed + 1);
            let left_out = body.0.split_off(room.min(body.len())).len();
            let by = match self.state {
                State::Waiting | State::Refused => "journalctl -u ezmail-agent",
                _ => "ezmail-agent console",
            };
            let more = format!(" ... {left_out} more lines: on the serial line, or '{by}'");
            body.add(Style::Loud, &more);
        }
        let mut text = String::new();
        for (style, line) in [&self.head, &body, &self.foot].iter().flat_map(|b| &b.0) {
            match style.sgr().filter(|_| colour && !line.is_empty()) {
                Some(sgr) => text += &format!("{sgr}{line}\x1b[0m\n"),
                None => text += &format!("{line}\n"),
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(text: &str) -> Vec<String> {
        let mut block = Block::default();
        block.add(Style::Plain, text);
        block.0.into_iter().map(|(_, line)| line).collect()
    }

    #[test]
    fn lines_are_folded_below_their_first_word() {
        let words = "word ".repeat(18);
        let starts: Vec<usize> = [
            format!("  {words}"),
            format!(" - {words}"),
            format!("  12. {words}"),
        ]
        .iter()
        .map(|line| {
            let folded = block(line);
            assert_eq!(folded.len(), 2, "{folded:?}");
            folded[1].find('w').unwrap()
        })
        .collect();
        assert_eq!(starts, [2, 3, 6]);
        assert_eq!(block("a\n\nb"), ["a", "", "b"]);
        let endless = block(&"x".repeat(200));
        assert_eq!(endless.iter().map(String::len).sum::<usize>(), 200);
        assert!(endless.iter().all(|l| l.len() <= WIDTH), "{endless:?}");
    }

    #[test]
    fn nothing_from_outside_moves_the_cursor() {
        assert_eq!(block("a\x1b[2Jb\tc\u{9b}d\r"), ["a?[2Jb    c?d?"]);
    }

    fn page(lines: usize) -> Page {
        let mut page = Page {
            state: State::Ready,
            head: Block::default(),
            body: Block::default(),
            foot: Block::default(),
        };
        page.head.add(Style::Title, "head");
        page.foot.add(Style::Plain, "foot");
        (0..lines).for_each(|n| {
            page.body.add(Style::Plain, &n.to_string());
        });
        page
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let all = "head\n0\n1\n2\nfoot\n";
        assert_eq!(page(3).text(None, false), all);
        assert_eq!(page(3).text(Some(6), false), all);
        insta::assert_snapshot!(page(5).text(Some(6), false), @"
        head
        0
        1
         ... 3 more lines: on the serial line, or 'ezmail-agent console'
        foot
        ");
        assert_eq!(page(9).text(Some(2), false).lines().count(), 3);
    }

    #[test]
    fn colour_ends_with_its_line() {
        let text = page(1).text(None, true);
        assert_eq!(text, "\x1b[1mhead\x1b[0m\n0\nfoot\n");
    }
}
