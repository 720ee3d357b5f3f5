//! What keys do.

use super::{Button, Dialog, Effect, Form, Page, Stop, Tab};
use crate::{
    util::secret::Secret,
    wizard::{keys::Key, values::Field},
};

impl Form {
    /// Takes a key; what it asks for is done by the caller.
    pub fn press(&mut self, key: Key) -> Vec<Effect> {
        if key == Key::Redraw {
            return vec![Effect::Redraw];
        }
        let key = match key {
            Key::Pasted(c) if self.is_typed_into() => Key::Char(c),
            // text presses no button and answers no question
            Key::Pasted(_) => return Vec::new(),
            key => key,
        };
        if self.too_small {
            // nobody could see a question
            return match key {
                Key::Escape | Key::Cancel => vec![Effect::Leave],
                _ => Vec::new(),
            };
        }
        if self.dialog.is_some() {
            return self.answer(key).into_iter().collect();
        }
        if self.review.code.is_some() {
            self.turn_codes(key);
            return Vec::new();
        }
        match (key, self.stop()) {
            (Key::Escape | Key::Cancel, _) => self.ask(Dialog::Leave),
            (Key::Tab, _) => self.go(true),
            (Key::BackTab, _) => self.go(false),
            (_, Stop::Field(Field::Target)) => self.choose(key),
            (_, Stop::Field(field)) => self.type_in(field, key),
            (_, Stop::Console) => {
                if let Key::Char(' ' | 'x') = key {
                    self.values.console = !self.values.console;
                    self.console_chosen = true;
                } else {
                    self.walk(key);
                }
            }
            (_, Stop::Erase) => {
                if let Key::Char(' ' | 'x') = key {
                    self.values.erase = !self.values.erase;
                    self.notes.remove(&Field::Target);
                } else {
                    self.walk(key);
                }
            }
            (_, Stop::Tabs) => self.look_around(key),
            (Key::Enter | Key::Char(' '), Stop::Button(button)) => return self.push(button),
            (Key::Left, Stop::Button(b)) if b != Button::Next => self.go(false),
            (Key::Right, Stop::Button(b)) if b != Button::Cancel => self.go(true),
            (_, Stop::Button(_)) => self.walk(key),
        }
        Vec::new()
    }

    /// Whether a field for text has the keys.
    fn is_typed_into(&self) -> bool {
        let covered = self.dialog.is_some() || self.review.code.is_some();
        !covered && matches!(self.stop(), Stop::Field(field) if field != Field::Target)
    }

    /// To the next stop, or the one before; behind the last one comes the first.
    fn go(&mut self, forward: bool) {
        if let Stop::Field(field) = self.stop() {
            self.leave(field);
        }
        let many = self.stops().len();
        let step = if forward { 1 } else { many - 1 };
        self.focus = (self.focus + step) % many;
    }

    /// The keys that lead elsewhere from everywhere.
    fn walk(&mut self, key: Key) {
        match key {
            Key::Down | Key::Enter => self.go(true),
            Key::Up => self.go(false),
            _ => {}
        }
    }

    fn type_in(&mut self, field: Field, key: Key) {
        let Some(line) = self.values.line_mut(field) else {
            return;
        };
        match key {
            Key::Left => line.left(),
            Key::Right => line.right(),
            Key::Home => line.home(),
            Key::End => line.end(),
            Key::Char(_) | Key::Backspace | Key::Delete | Key::Clear => {
                match key {
                    Key::Char(c) => line.insert(c),
                    Key::Backspace => line.backspace(),
                    Key::Delete => line.delete(),
                    _ => line.clear(),
                }
                // it was about what stood there before
                self.notes.remove(&field);
            }
            _ => self.walk(key),
        }
    }

    /// Up and down choose among the places, past those that cannot be taken, and lead on at the ends.
    fn choose(&mut self, key: Key) {
        let targets = &self.values.targets;
        let free = |n: &usize| targets[*n].is_free();
        let next = match (key, self.values.target) {
            // none of them is shown
            _ if self.listing => None,
            (Key::Down, Some(at)) => (at + 1..targets.len()).find(free),
            (Key::Down | Key::Char(' '), None) => (0..targets.len()).find(free),
            (Key::Up, Some(at)) => (0..at).rev().find(free),
            _ => None,
        };
        match next {
            Some(next) => {
                self.values.target = Some(next);
                self.values.erase = false;
                self.notes.remove(&Field::Target);
            }
            None => self.walk(key),
        }
    }

    fn push(&mut self, button: Button) -> Vec<Effect> {
        match (button, self.page) {
            (Button::Cancel, _) => self.ask(Dialog::Leave),
            (Button::Back, page) => {
                self.turn_to(Page::ALL[(page as usize).saturating_sub(1)]);
                return self.list_disks().into_iter().collect();
            }
            (Button::Next, _) if self.waits() => {}
            (Button::Next, Page::Review) => self.ask(Dialog::LastYes),
            (Button::Next, page) => return self.next(page),
        }
        Vec::new()
    }

    fn turn_to(&mut self, page: Page) {
        self.page = page;
        self.focus = 0;
        self.top = 0;
    }

    /// On the page of the disks: one may have come, or gone, since it was shown last.
    fn list_disks(&mut self) -> Option<Effect> {
        if self.page != Page::Place || !self.is_server() || self.listing {
            return None;
        }
        self.listing = true;
        Some(Effect::ListDisks)
    }

    /// To the page after `page`, if all fields on it are right; before the last one, if all are.
    fn next(&mut self, page: Page) -> Vec<Effect> {
        if !self.is_right(page) {
            return Vec::new();
        }
        self.turn_to(Page::ALL[page as usize + 1]);
        let mut effects = Vec::new();
        // after the names; later where they could not be made
        if page >= Page::Names && self.is_server() && !self.keys_asked {
            self.keys_asked = true;
            effects.push(Effect::MakeKeys);
        }
        effects.extend(self.list_disks());
        if self.page == Page::Review {
            effects.extend(self.review());
        }
        effects
    }

    /// Whether every field of a page is right; if one is not, it gets the keys.
    fn is_right(&mut self, page: Page) -> bool {
        let fields = page.fields(self.is_named());
        let wrong: Vec<Field> = fields.iter().copied().filter(|f| !self.look(*f)).collect();
        let Some(first) = wrong.first() else {
            return true;
        };
        self.turn_to(page);
        let at = self.stops().iter().position(|s| *s == Stop::Field(*first));
        self.focus = at.unwrap_or(0);
        false
    }

    /// Begins the last page. The fields are looked at once more, since they depend on each other.
    fn review(&mut self) -> Option<Effect> {
        if !Page::ALL.into_iter().all(|page| self.is_right(page)) {
            return None;
        }
        self.review.tab = Tab::Summary;
        self.review.scroll = 0;
        self.ready = None;
        let console = self.values.console;
        let password = Secret::new(self.values.password.text());
        let wanted = Some((password, console));
        if self.hashed_for != wanted {
            self.hashed_for = wanted;
            self.credentials = None;
            self.hash_number += 1;
            return Some(Effect::Hash(self.hash_number));
        }
        if let Err(error) = self.finish() {
            self.ask(Dialog::Trouble(format!("{error:#}")));
        }
        None
    }

    /// The keys of the last page's parts.
    fn look_around(&mut self, key: Key) {
        let review = &mut self.review;
        match key {
            Key::Left => review.turn(false),
            Key::Right => review.turn(true),
            Key::Down => review.scroll = review.scroll.saturating_add(1),
            Key::Up => review.scroll = review.scroll.saturating_sub(1),
            Key::PageDown | Key::Char(' ') => {
                review.scroll = review.scroll.saturating_add(review.step);
            }
            Key::PageUp => review.scroll = review.scroll.saturating_sub(review.step),
            Key::Home => review.scroll = 0,
            Key::End => review.scroll = usize::MAX,
            Key::Enter if review.tab == Tab::Qr && self.ready.is_some() => {
                review.code = Some(0);
            }
            Key::Enter => self.go(true),
            _ => {}
        }
    }

    fn turn_codes(&mut self, key: Key) {
        let review = &mut self.review;
        let at = review.code.unwrap_or(0);
        review.code = match key {
            Key::Up | Key::Left | Key::PageUp => Some(at.saturating_sub(1)),
            Key::Home => Some(0),
            Key::End => Some(usize::MAX),
            Key::Char('u') => {
                review.blocks = !review.blocks;
                Some(0)
            }
            Key::Escape | Key::Cancel | Key::Char('q') => None,
            _ => Some(at.saturating_add(1)),
        };
    }

    /// Puts a question, with "no" as what Enter says.
    pub fn ask(&mut self, dialog: Dialog) {
        self.dialog = Some(dialog);
        self.yes = false;
    }

    fn answer(&mut self, key: Key) -> Option<Effect> {
        match key {
            Key::Tab | Key::BackTab | Key::Left | Key::Right | Key::Up | Key::Down => {
                self.yes = !self.yes;
                None
            }
            Key::Char('y') => {
                self.yes = true;
                None
            }
            Key::Char('n') => {
                self.yes = false;
                None
            }
            Key::Escape | Key::Cancel => self.close(false),
            Key::Enter => self.close(self.yes),
            _ => None,
        }
    }

    fn close(&mut self, yes: bool) -> Option<Effect> {
        match (self.dialog.take()?, yes) {
            (Dialog::Leave, true) | (Dialog::Over(_), _) => Some(Effect::Leave),
            (Dialog::LastYes, true) => Some(Effect::Apply),
            _ => None,
        }
    }
}
