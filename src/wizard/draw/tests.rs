//! Every page as it looks on 80 columns and 24 rows.

use ratatui::{Terminal, backend::TestBackend};

use super::*;
use crate::wizard::{
    check,
    form::{Dialog, Effect, Tab},
    keys::Key,
    line::Line as Text,
    tests::{SSH_KEY, filled, hashes, on_host, on_server, targets},
    values::{Field, Values},
};

/// The screen, with carets below what is in reverse video.
fn screen_of(form: &mut Form, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, form)).unwrap();
    let buffer = terminal.backend().buffer();
    let mut lines = Vec::new();
    for y in 0..height {
        let cells: Vec<_> = (0..width).map(|x| buffer.cell((x, y)).unwrap()).collect();
        let line: String = cells.iter().map(|c| c.symbol()).collect();
        assert!(line.is_ascii(), "{line}");
        lines.push(line.trim_end().to_owned());
        let keys: String = cells
            .iter()
            .map(|c| {
                if c.modifier.contains(Modifier::REVERSED) {
                    '^'
                } else {
                    ' '
                }
            })
            .collect();
        if !keys.trim().is_empty() {
            lines.push(keys.trim_end().to_owned());
        }
    }
    lines.join("\n")
}

fn screen(form: &mut Form) -> String {
    screen_of(form, 80, 24)
}

fn at(page: Page, values: Values) -> Form {
    let mut form = on_server();
    form.page = page;
    form.values = values;
    form
}

/// On the last page, with all typed.
fn asked(mut form: Form) -> Form {
    let values = filled();
    let targets = std::mem::take(&mut form.values.targets);
    form.values = Values { targets, ..values };
    form.page = Page::Place;
    form.focus = form.stops().len() - 3;
    form.press(Key::Enter);
    form
}

/// On the last page with all that belongs to it.
fn reviewed(form: Form) -> Form {
    let mut form = asked(form);
    form.hashed(1, Ok(hashes(true))).unwrap();
    if form.is_server() {
        form.keys_made(Ok(Vec::new())).unwrap();
    }
    form
}

#[test]
fn welcome() {
    insta::assert_snapshot!("welcome_on_a_server", screen(&mut on_server()));
    insta::assert_snapshot!("welcome_on_a_host", screen(&mut on_host()));
}

#[test]
fn names() {
    let mut values = filled();
    values.hostname = Text::of(300, "mail");
    values.domain = Text::of(300, "");
    let mut form = at(Page::Names, values);
    form.focus = 1;
    for field in [Field::Hostname, Field::Domain] {
        let note = check::note(&form.values, field).unwrap();
        form.notes.insert(field, note);
    }
    insta::assert_snapshot!("names_that_are_wrong", screen(&mut form));
}

#[test]
fn user() {
    let mut form = at(Page::User, filled());
    form.values.again = Text::of(300, "wood");
    form.focus = 1;
    let note = check::note(&form.values, Field::Again).unwrap();
    form.notes.insert(Field::Again, note);
    insta::assert_snapshot!("user_with_two_passwords", screen(&mut form));
}

#[test]
fn access() {
    let mut form = at(Page::Access, filled());
    form.values.ssh_key = Text::of(300, SSH_KEY);
    insta::assert_snapshot!("access_with_a_key", screen(&mut form));
    form.values.ssh_key.clear();
    form.values.console = false;
    form.focus = 1;
    insta::assert_snapshot!("access_for_nobody", screen(&mut form));
}

#[test]
fn place() {
    let mut form = at(Page::Place, filled());
    insta::assert_snapshot!("place_on_a_blank_disk", screen(&mut form));
    form.values.target = Some(1);
    form.focus = 1;
    let note = check::note(&form.values, Field::Target).unwrap();
    form.notes.insert(Field::Target, note);
    insta::assert_snapshot!("place_that_is_not_blank", screen(&mut form));
    let mut form = on_host();
    form.page = Page::Place;
    form.focus = 1;
    insta::assert_snapshot!("place_on_a_host", screen(&mut form));
}

#[test]
fn a_long_list_of_disks_follows_the_keys() {
    let mut form = at(Page::Place, filled());
    let disk = form.values.targets[0].clone();
    form.values.targets.splice(0..0, vec![disk; 40]);
    form.values.target = Some(form.values.targets.len() - 1);
    let text = screen(&mut form);
    assert!(text.contains("(*) memory only"), "{text}");
}

#[test]
fn review() {
    let mut form = asked(on_server());
    insta::assert_snapshot!("review_while_keys_are_made", screen(&mut form));
    let mut form = reviewed(on_server());
    insta::assert_snapshot!("review_summary", screen(&mut form));
    form.review.tab = Tab::Records;
    form.review.scroll = usize::MAX;
    insta::assert_snapshot!("review_records_at_their_end", screen(&mut form));
    form.review.tab = Tab::Answers;
    form.review.scroll = 0;
    insta::assert_snapshot!("review_answers", screen(&mut form));
    form.review.tab = Tab::Qr;
    insta::assert_snapshot!("review_codes", screen(&mut form));
    form.review.code = Some(usize::MAX);
    insta::assert_snapshot!("review_the_last_code", screen(&mut form));
    let last = form.review.code.unwrap();
    assert!(last < 100, "brought into bounds");
    let mut form = reviewed(on_host());
    form.review.tab = Tab::Records;
    insta::assert_snapshot!("review_records_on_a_host", screen(&mut form));
}

#[test]
fn what_was_not_made_is_not_waited_for() {
    let mut form = asked(on_server());
    form.hashed(1, Ok(hashes(true))).unwrap();
    form.keys_made(Err(anyhow::anyhow!("no memory")))
        .unwrap_err();
    let text = screen(&mut form);
    assert!(text.contains("| ( not ready )  [ Back ]"), "{text}");
    assert!(text.contains("| This did not work. To try again"), "{text}");
}

#[test]
fn disks_are_shown_when_they_were_looked_at() {
    let mut form = at(Page::Access, filled());
    form.focus = form.stops().len() - 3;
    form.press(Key::Enter);
    let text = screen(&mut form);
    assert!(text.contains("|  -  looking at the disks ..."), "{text}");
    assert!(text.contains("| ( working ... )  [ Back ]"), "{text}");
    assert!(!text.contains("/dev/vda"), "{text}");
    form.listed(Ok(targets())).unwrap();
    let text = screen(&mut form);
    assert!(text.contains("| (*) /dev/vda"), "{text}");
}

#[test]
fn what_is_said_about_the_last_field_is_seen_when_it_is_left() {
    let mut values = filled();
    values.hostname = Text::of(300, "mail");
    // fills some lines
    values.domain = Text::of(300, &"example ".repeat(32));
    let mut form = at(Page::Names, values);
    form.focus = 1;
    let note = check::note(&form.values, Field::Hostname).unwrap();
    form.notes.insert(Field::Hostname, note);
    let last = "write the domain as it stands after the `@`";
    assert!(!screen(&mut form).contains(last));
    form.press(Key::Tab);
    assert_eq!(form.stop(), Stop::Button(Button::Next));
    let text = screen(&mut form);
    assert!(text.contains(last), "{text}");
    assert!(form.top > 0, "{text}");
    // and stays so
    form.press(Key::Tab);
    assert_eq!(screen(&mut form).matches(last).count(), 1);
    form.press(Key::BackTab);
    form.press(Key::BackTab);
    assert!(screen(&mut form).contains(last));
    form.press(Key::BackTab);
    assert!(screen(&mut form).contains("The full name that the DNS has"));
}

#[test]
fn questions() {
    let mut form = reviewed(on_server());
    form.ask(Dialog::LastYes);
    insta::assert_snapshot!("question_the_last", screen(&mut form));
    form.values.target = Some(1);
    form.values.erase = true;
    insta::assert_snapshot!("question_the_last_with_an_erased_disk", screen(&mut form));
    form.values.target = Some(3);
    insta::assert_snapshot!("question_the_last_for_memory", screen(&mut form));
    form.ask(Dialog::Leave);
    form.yes = true;
    insta::assert_snapshot!("question_leave", screen(&mut form));
    form.ask(Dialog::Trouble(
        "creating answers.toml: No space left".to_owned(),
    ));
    insta::assert_snapshot!("trouble", screen(&mut form));
    let mut form = reviewed(on_host());
    form.ask(Dialog::LastYes);
    insta::assert_snapshot!("question_the_last_on_a_host", screen(&mut form));
}

#[test]
fn other_sizes() {
    let mut form = on_server();
    insta::assert_snapshot!("a_screen_that_is_too_small", screen_of(&mut form, 60, 20));
    // no question that nobody could see
    assert_eq!(form.press(Key::Char('a')), []);
    assert_eq!(form.press(Key::Cancel), [Effect::Leave]);
    assert_eq!(form.press(Key::Escape), [Effect::Leave]);
    let text = screen_of(&mut form, 200, 60);
    assert_eq!(form.press(Key::Cancel), []);
    assert_eq!(form.dialog, Some(Dialog::Leave));
    let first = text.lines().position(|l| l.contains('+')).unwrap();
    assert_eq!(
        (first, text.lines().nth(6).unwrap().find('+')),
        (6, Some(50))
    );
}

#[test]
fn nothing_from_outside_moves_the_cursor() {
    let mut form = on_server();
    form.ask(Dialog::Trouble("a\x1b[2Jb\u{9b}c".to_owned()));
    let text = screen_of(&mut form, 80, 24);
    assert!(text.contains("a?[2Jb?c"), "{text}");
}
