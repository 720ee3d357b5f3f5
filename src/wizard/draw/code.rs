//! A QR code on the whole screen.

use ratatui::{
    Frame,
    layout::Rect,
    style::{Color, Modifier, Style},
    text::Line,
    widgets::{Clear, Paragraph},
};

use super::sheet::wrapped;
use crate::wizard::{
    form::Form,
    qr::{Code, Glyphs, codes},
};

/// Columns for the words beside a code.
const WORDS: u16 = 30;

/// The code that is asked for; brings its number into bounds.
pub(super) fn draw(frame: &mut Frame<'_>, form: &mut Form) {
    let screen = frame.area();
    frame.render_widget(Clear, screen);
    let glyphs = match form.review.blocks {
        true => Glyphs::Blocks,
        false => Glyphs::Ascii,
    };
    let text = form.ready.as_ref().map_or("", |ready| ready.shown.expose());
    let columns = usize::from(screen.width - WORDS);
    let made = codes(text, columns, screen.height.into(), glyphs);
    let made = made.unwrap_or_default();
    let at = form.review.code.unwrap_or(0);
    let at = at.min(made.len().saturating_sub(1));
    form.review.code = Some(at);
    let width = match made.get(at) {
        Some(code) => show(frame, code, glyphs),
        None => 0,
    };
    let words = Rect {
        x: width + 1,
        width: screen.width - width - 1,
        ..screen
    };
    let lines: Vec<Line<'static>> = wrapped(&beside(at, made.len(), glyphs), words.width.into())
        .into_iter()
        .map(Line::from)
        .collect();
    frame.render_widget(Paragraph::new(lines), words);
}

/// Draws it at the left; its columns.
fn show(frame: &mut Frame<'_>, code: &Code, glyphs: Glyphs) -> u16 {
    // light on dark, whatever the terminal has otherwise
    let ink = Style::new().fg(Color::White).bg(Color::Black);
    let mut width = 0;
    let lines = code.lines(glyphs);
    let buffer = frame.buffer_mut();
    for (y, line) in (0_u16..).zip(&lines) {
        for (x, c) in (0_u16..).zip(line.chars()) {
            width = width.max(x + 1);
            let Some(cell) = buffer.cell_mut((x, y)) else {
                continue;
            };
            cell.set_char(c);
            // light squares are filled whole where there is reverse video
            match (glyphs, c) {
                (Glyphs::Blocks, _) => cell.set_style(ink),
                (Glyphs::Ascii, '#') => {
                    let filled = ink.add_modifier(Modifier::REVERSED);
                    cell.set_char(' ').set_style(filled)
                }
                (Glyphs::Ascii, _) => cell.set_style(ink),
            };
        }
    }
    width
}

fn beside(at: usize, many: usize, glyphs: Glyphs) -> String {
    let number = match many {
        0 => "There is no room for a QR code here: make the window larger.".to_owned(),
        1 => "All answers in one code.".to_owned(),
        _ => format!("Code {} of {many}", at + 1),
    };
    let other = match glyphs {
        Glyphs::Blocks => "u: plain ASCII, if this does not look like a code",
        Glyphs::Ascii => "u: smaller, for screens that have half blocks",
    };
    let fewer = match many {
        0 | 1 => "",
        _ => "\n\nOn a larger screen there are fewer.",
    };
    let steps = match many {
        0 | 1 => "",
        _ => "Down, Enter: next\nUp: the one before\n",
    };
    format!("{number}\n\n{steps}{other}\nq, Esc: back{fewer}")
}
