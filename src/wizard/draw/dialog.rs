//! Questions in front of the form.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
    widgets::Paragraph,
};

use super::{KEYS, PLAIN, review::whereto, sheet::Sheet};
use crate::wizard::form::{Dialog, Form, Place};

pub(super) fn draw(frame: &mut Frame<'_>, form: &Form, dialog: &Dialog, area: Rect) {
    let mut sheet = Sheet::new(area);
    sheet.gap();
    let [no, yes] = match dialog {
        Dialog::Leave => {
            sheet.loud("Leave this form?");
            sheet.gap();
            sheet.say("Nothing was written. What you have typed is forgotten.");
            ["No, stay here", "Yes, leave"]
        }
        Dialog::LastYes => {
            last_question(form, &mut sheet);
            match form.place {
                Place::Server => ["No, go back", "Yes, set it up"],
                Place::Host(_) => ["No, go back", "Yes, write it"],
            }
        }
        Dialog::Trouble(text) => {
            sheet.loud("This did not work:");
            sheet.gap();
            sheet.say(text);
            ["Go back", ""]
        }
        Dialog::Over(text) => {
            sheet.say(text);
            ["End", ""]
        }
    };
    let mut spans = Vec::new();
    for (label, is_yes) in [(no, false), (yes, true)] {
        if !label.is_empty() {
            let has_keys = yes.is_empty() || form.yes == is_yes;
            let style = if has_keys { KEYS } else { PLAIN };
            spans.extend([Span::styled(format!("[ {label} ]"), style), Span::raw("  ")]);
        }
    }
    sheet.line(Line::from(spans));
    sheet.draw(frame, area, 0);
    let help = Rect {
        y: area.y + area.height + 3,
        height: 1,
        ..area
    };
    let keys = match yes {
        "" => "Enter: go on",
        _ => "Left/right, y, n: choose   Enter: do it   Esc: no",
    };
    frame.render_widget(Paragraph::new(keys), help);
}

fn last_question(form: &Form, sheet: &mut Sheet) {
    match &form.place {
        Place::Server => {
            let name = form.values.hostname.trimmed();
            sheet.loud(&format!("Set up this server as {name}?"));
            sheet.gap();
            match form.values.install() {
                Some((device, wipe)) => {
                    let erased = match wipe {
                        true => "Everything that is on it now is lost.",
                        false => "It is blank.",
                    };
                    sheet.say(&format!(
                        "The server is installed to {device}, with its mail, keys and settings. \
                         {erased}"
                    ));
                }
                None => sheet.say(
                    "No disk is written to: the server runs from memory. Mail, keys and settings \
                     are gone after a reboot.",
                ),
            }
            sheet.say("Then the mail services start.");
        }
        Place::Host(file) => {
            sheet.loud(&format!("Write {file}?"));
            sheet.gap();
            sheet.say(&format!(
                "The file is new, and only you can read it. The server is to live on: {}.",
                whereto(form)
            ));
        }
    }
}
