//! How the form looks: plain ASCII, and nothing that needs a colour to be understood. What has the
//! keys is in reverse video.

mod code;
mod dialog;
mod pages;
mod review;
mod sheet;

use ratatui::{
    Frame,
    layout::Rect,
    style::{Modifier, Style},
    symbols::border,
    text::{Line, Span},
    widgets::{Block, Borders, Clear, Paragraph},
};

use super::form::{Button, Form, Page, Stop};
use sheet::Sheet;

/// The smallest screen that there is room on.
pub const COLUMNS: u16 = 80;
/// See [`COLUMNS`].
pub const ROWS: u16 = 24;
/// The largest frame: longer lines are hard to read.
const MOST: (u16, u16) = (100, 48);

/// A frame that every terminal has the characters for.
const ASCII: border::Set<'static> = border::Set {
    top_left: "+",
    top_right: "+",
    bottom_left: "+",
    bottom_right: "+",
    vertical_left: "|",
    vertical_right: "|",
    horizontal_top: "-",
    horizontal_bottom: "-",
};

const PLAIN: Style = Style::new();
const LOUD: Style = Style::new().add_modifier(Modifier::BOLD);
const KEYS: Style = Style::new().add_modifier(Modifier::REVERSED);

/// Draws the form; brings what scrolls into bounds, and notes whether there is room at all.
pub fn draw(frame: &mut Frame<'_>, form: &mut Form) {
    let screen = frame.area();
    form.too_small = screen.width < COLUMNS || screen.height < ROWS;
    if form.too_small {
        let text = format!(
            "This form needs {COLUMNS} columns and {ROWS} rows; here are {} and {}. Make the window \
             larger, or press Ctrl-C.",
            screen.width, screen.height
        );
        let lines: Vec<Line<'_>> = sheet::wrapped(&text, screen.width.into())
            .into_iter()
            .map(Line::from)
            .collect();
        frame.render_widget(Paragraph::new(lines), screen);
        return;
    }
    if form.dialog.is_none() && form.review.code.is_some() {
        code::draw(frame, form);
        return;
    }
    let inner = framed(frame, &title(form));
    let [body, buttons, help] = rows(inner);
    match &form.dialog {
        Some(dialog) => dialog::draw(frame, form, dialog, body),
        None => {
            let sheet = page(form, body);
            form.top = sheet.draw(frame, body, form.top);
            frame.render_widget(Paragraph::new(button_row(form)), buttons);
            frame.render_widget(Paragraph::new(keys(form)), help);
        }
    }
}

fn title(form: &Form) -> String {
    let page = form.page;
    let many = Page::ALL.len();
    format!(
        " ezmail setup, {} of {many}: {} ",
        page.number(),
        page.title()
    )
}

/// The frame, in the middle of the screen; what is inside.
fn framed(frame: &mut Frame<'_>, title: &str) -> Rect {
    let screen = frame.area();
    let (width, height) = (screen.width.min(MOST.0), screen.height.min(MOST.1));
    let area = Rect {
        x: screen.x + (screen.width - width) / 2,
        y: screen.y + (screen.height - height) / 2,
        width,
        height,
    };
    let block = Block::new()
        .borders(Borders::ALL)
        .border_set(ASCII)
        .title(Span::styled(title.to_owned(), LOUD));
    let inner = block.inner(area);
    frame.render_widget(Clear, screen);
    frame.render_widget(block, area);
    // a column free on both sides
    Rect {
        x: inner.x + 1,
        width: inner.width - 2,
        ..inner
    }
}

/// The body, the buttons and the help on keys.
fn rows(inner: Rect) -> [Rect; 3] {
    let row = |from_below: u16| Rect {
        y: inner.y + inner.height - from_below,
        height: 1,
        ..inner
    };
    let body = Rect {
        height: inner.height - 4,
        ..inner
    };
    [body, row(3), row(1)]
}

fn page(form: &mut Form, area: Rect) -> Sheet {
    match form.page {
        Page::Welcome => pages::welcome(form, area),
        Page::Names => pages::names(form, area),
        Page::User => pages::user(form, area),
        Page::Access => pages::access(form, area),
        Page::Place => pages::place(form, area),
        Page::Review => review::sheet(form, area),
    }
}

fn button_row(form: &Form) -> Line<'static> {
    let mut spans = Vec::new();
    for stop in form.stops() {
        if let Stop::Button(button) = stop {
            let waits = button == Button::Next && form.waits();
            let label = match (waits, form.is_working()) {
                (true, true) => "( working ... )".to_owned(),
                (true, false) => "( not ready )".to_owned(),
                (false, _) => format!("[ {} ]", form.label(button)),
            };
            let style = if form.stop() == stop { KEYS } else { PLAIN };
            spans.extend([Span::styled(label, style), Span::raw("  ")]);
        }
    }
    Line::from(spans)
}

fn keys(form: &Form) -> &'static str {
    match form.stop() {
        Stop::Tabs => "Left/right: other parts   Up/down: scroll   Tab: buttons   Esc: cancel",
        Stop::Console | Stop::Erase => {
            "Space: change   Enter, Tab, arrows: move   Esc: cancel   Ctrl-L: draw again"
        }
        Stop::Button(_) => "Enter: do it   Tab, arrows: move   Esc: cancel   Ctrl-L: draw again",
        Stop::Field(super::values::Field::Target) => {
            "Up/down: choose   Enter, Tab: go on   Esc: cancel   Ctrl-L: draw again"
        }
        Stop::Field(_) => "Enter, Tab, up/down: other field   Ctrl-U: empty it   Esc: cancel",
    }
}

#[cfg(test)]
mod tests;
