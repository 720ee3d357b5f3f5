//! Lines that a page is made of, with the fields in them.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
    widgets::Paragraph,
};
use textwrap::{Options, WordSeparator, WordSplitter};

use super::{KEYS, LOUD, PLAIN};
use crate::{
    answers::Level,
    wizard::{
        check::Note,
        form::{Form, Stop},
        values::Field,
    },
};

/// Columns of the words before a field.
const LABEL: usize = 13;

/// A page's lines.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    lines: Vec<Line<'static>>,
    width: usize,
    /// Column and line where the next character goes.
    cursor: Option<(usize, usize)>,
    /// The line behind those that have to be seen: where the keys are.
    seen: Option<usize>,
    /// The line behind the last that says something about a field.
    said: usize,
    /// The first line that is shown, where somebody scrolls.
    from: Option<usize>,
}

/// A text in lines of at most so many columns; lines keep their indentation.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for line in text.lines() {
        // what is from outside moves no cursor, and our own words are ASCII here
        let line: String = line
            .replace('\u{2026}', "...")
            .chars()
            .map(|c| if c.is_control() { '?' } else { c })
            .collect();
        let indent = &line[..line.len() - line.trim_start().len()];
        let options = Options::new(width.max(10))
            .word_separator(WordSeparator::AsciiSpace)
            .word_splitter(WordSplitter::NoHyphenation)
            .subsequent_indent(indent);
        let folded = textwrap::wrap(&line, options);
        lines.extend(folded.into_iter().map(std::borrow::Cow::into_owned));
    }
    lines
}

impl Sheet {
    pub(super) fn new(area: Rect) -> Self {
        Self {
            width: area.width.into(),
            ..Self::default()
        }
    }

    /// A paragraph and an empty line.
    pub(super) fn say(&mut self, text: &str) {
        self.text(text);
        self.gap();
    }

    /// Lines of text.
    pub(super) fn text(&mut self, text: &str) {
        self.styled(text, PLAIN);
    }

    /// Lines that should not be missed.
    pub(super) fn loud(&mut self, text: &str) {
        self.styled(text, LOUD);
    }

    fn styled(&mut self, text: &str, style: ratatui::style::Style) {
        for line in wrapped(text, self.width) {
            self.lines.push(Line::from(Span::styled(line, style)));
        }
    }

    pub(super) fn gap(&mut self) {
        self.lines.push(Line::default());
    }

    /// A line that is made already.
    pub(super) fn line(&mut self, line: Line<'static>) {
        self.lines.push(line);
    }

    /// How many lines there are.
    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    /// The lines of another sheet from that one on.
    pub(super) fn under(&mut self, other: Self, from: usize) {
        self.lines.extend(other.lines.into_iter().skip(from));
        self.from = Some(0);
    }

    /// A field to type in, `[text   ]` with `label` before and `after` behind it, and what is to be
    /// said about it.
    pub(super) fn field(&mut self, form: &Form, field: Field, label: &str, after: &str) {
        let Some(line) = form.values.line(field) else {
            return;
        };
        let has_keys = form.stop() == Stop::Field(field);
        let masked = matches!(field, Field::Password | Field::Again);
        let room = self.width - LABEL - 2 - after.chars().count().min(self.width / 2);
        let (text, cursor) = line.window(room, masked);
        let style = if has_keys { KEYS } else { PLAIN };
        if has_keys {
            self.cursor = Some((LABEL + 1 + cursor, self.lines.len()));
        }
        let fill = room.saturating_sub(textwrap::core::display_width(&text));
        self.lines.push(Line::from(vec![
            Span::raw(format!("{label:<LABEL$}[")),
            Span::styled(text + &" ".repeat(fill), style),
            Span::raw(format!("]{after}")),
        ]));
        self.note(form.notes.get(&field));
        if has_keys {
            self.seen = Some(self.lines.len());
        }
    }

    /// A box to check.
    pub(super) fn check_box(&mut self, form: &Form, stop: Stop, checked: bool, label: &str) {
        let has_keys = form.stop() == stop;
        if has_keys {
            self.keys_here();
        }
        let mark = if checked { "[x]" } else { "[ ]" };
        for (n, line) in wrapped(label, self.width - 4).into_iter().enumerate() {
            let style = if has_keys && n == 0 { KEYS } else { PLAIN };
            let mark = if n == 0 { mark } else { "   " };
            self.lines.push(Line::from(vec![
                Span::styled(mark, style),
                Span::raw(" "),
                Span::raw(line),
            ]));
        }
    }

    /// One of several choices.
    pub(super) fn choice(&mut self, has_keys: bool, mark: &str, text: &str) {
        let style = if has_keys { KEYS } else { PLAIN };
        if has_keys {
            self.keys_here();
        }
        let mut lines = wrapped(text, self.width - 4).into_iter();
        let first = lines.next().unwrap_or_default();
        self.lines
            .push(Line::from(Span::styled(format!("{mark} {first}"), style)));
        self.lines
            .extend(lines.map(|line| Line::from(format!("    {line}"))));
    }

    /// The next line has the keys; what belongs to it comes in the two after it.
    fn keys_here(&mut self) {
        self.cursor = Some((1, self.lines.len()));
        self.seen = Some(self.lines.len() + 3);
    }

    /// What is to be said about a field, below it.
    pub(super) fn note(&mut self, note: Option<&Note>) {
        let Some(note) = note else {
            return;
        };
        let what = match note.level {
            Level::Error => "!",
            Level::Warning => "Warning:",
        };
        self.loud(&format!("  {what} {}", note.message));
        self.text(&format!("    {}", note.help));
        self.said = self.lines.len();
    }

    /// Shows it: from [`Self::from`], or so that what has the keys is seen. `top` is the line that it
    /// was shown from before; returns the one that it is now.
    pub(super) fn draw(self, frame: &mut Frame<'_>, area: Rect, top: usize) -> usize {
        let rows = usize::from(area.height);
        let from = match (self.from, self.seen) {
            (Some(from), _) => from,
            (None, Some(seen)) => seen.saturating_sub(rows),
            // a button has the keys: all stays as it is, but for what was said when a field was left
            (None, None) => top.max(self.said.saturating_sub(rows)),
        };
        let from = from.min(self.lines.len().saturating_sub(rows));
        let shown: Vec<Line<'static>> = self.lines.into_iter().skip(from).take(rows).collect();
        frame.render_widget(Paragraph::new(shown), area);
        let place = |(column, line): (usize, usize)| {
            let row = line.checked_sub(from).filter(|row| *row < rows)?;
            let x = u16::try_from(column).ok()?.min(area.width - 1);
            Some((area.x + x, area.y + u16::try_from(row).ok()?))
        };
        if let Some(place) = self.cursor.and_then(place) {
            frame.set_cursor_position(place);
        }
        from
    }
}
