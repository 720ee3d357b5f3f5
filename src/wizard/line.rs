//! One line of text that is typed.

use zeroize::Zeroizing;

/// A line and the place in it where the next character goes. It may be a password: its memory is
/// taken at once, so that no copy stays behind when it grows.
#[derive(Clone)]
pub struct Line {
    text: Zeroizing<String>,
    /// In characters.
    cursor: usize,
    /// The most bytes.
    most: usize,
}

impl Line {
    /// An empty line of at most so many bytes.
    pub fn new(most: usize) -> Self {
        Self {
            text: Zeroizing::new(String::with_capacity(most)),
            cursor: 0,
            most,
        }
    }

    /// A line that says `text`; what is too long of it is left away.
    pub fn of(most: usize, text: &str) -> Self {
        let mut line = Self::new(most);
        text.chars().for_each(|c| line.insert(c));
        line
    }

    /// What was typed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What was typed, without the spaces around it.
    pub fn trimmed(&self) -> &str {
        self.text.trim()
    }

    /// Puts a character at the cursor. Control characters and what there is no room for are left
    /// away.
    pub fn insert(&mut self, c: char) {
        if !c.is_control() && self.text.len() + c.len_utf8() <= self.most {
            let at = self.byte(self.cursor);
            self.text.insert(at, c);
            self.cursor += 1;
        }
    }

    /// Takes the character before the cursor away.
    pub fn backspace(&mut self) {
        if self.cursor > 0 {
            self.cursor -= 1;
            self.delete();
        }
    }

    /// Takes the character at the cursor away.
    pub fn delete(&mut self) {
        if self.cursor < self.length() {
            let at = self.byte(self.cursor);
            self.text.remove(at);
        }
    }

    /// Takes all away.
    pub fn clear(&mut self) {
        self.text.clear();
        self.cursor = 0;
    }

    /// One character to the left.
    pub fn left(&mut self) {
        self.cursor = self.cursor.saturating_sub(1);
    }

    /// One character to the right.
    pub fn right(&mut self) {
        self.cursor = (self.cursor + 1).min(self.length());
    }

    /// Before the first character.
    pub fn home(&mut self) {
        self.cursor = 0;
    }

    /// Behind the last one.
    pub fn end(&mut self) {
        self.cursor = self.length();
    }

    /// The part around the cursor that fits into `width` columns, with `<` and `>` where something
    /// is left out, and the cursor's column in it. `masked`: as asterisks.
    pub fn window(&self, width: usize, masked: bool) -> (String, usize) {
        let width = width.max(4);
        let show = |c: char| if masked { '*' } else { c };
        let mut shown: Vec<char> = self.text.chars().map(show).collect();
        let mut from = 0;
        // the cursor may stand behind the last character
        if shown.len() >= width {
            from = self.cursor.saturating_sub(width * 3 / 4);
            from = from.min(shown.len() + 1 - width);
        }
        let more = shown.len() > from + width;
        shown = shown.into_iter().skip(from).take(width).collect();
        if from > 0 {
            shown[0] = '<';
        }
        if more {
            shown[width - 1] = '>';
        }
        (shown.into_iter().collect(), self.cursor - from)
    }

    fn length(&self) -> usize {
        self.text.chars().count()
    }

    /// The byte at which the character with that number begins.
    fn byte(&self, character: usize) -> usize {
        let mut starts = self.text.char_indices().map(|(at, _)| at);
        starts.nth(character).unwrap_or(self.text.len())
    }
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Line({} characters)", self.length())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_come_and_go_at_the_cursor() {
        let mut line = Line::of(20, "mäil");
        line.left();
        line.insert('x');
        assert_eq!(line.text(), "mäixl");
        line.home();
        line.delete();
        line.right();
        line.backspace();
        assert_eq!(line.text(), "ixl");
        line.end();
        line.insert('\n');
        line.insert('!');
        assert_eq!(line.text(), "ixl!");
        line.clear();
        line.backspace();
        line.delete();
        assert_eq!(line.text(), "");
    }

    #[test]
    fn no_more_than_there_is_room_for() {
        let line = Line::of(4, "abä!");
        assert_eq!(line.text(), "abä");
        assert_eq!(line.text.capacity(), 4);
        assert_eq!(format!("{line:?}"), "Line(3 characters)");
    }

    #[test]
    fn a_long_line_moves_with_the_cursor() {
        let mut line = Line::of(100, "0123456789abcdef");
        assert_eq!(line.window(8, false), ("<abcdef".to_owned(), 7));
        line.home();
        assert_eq!(line.window(8, false), ("0123456>".to_owned(), 0));
        (0..9).for_each(|_| line.right());
        assert_eq!(line.window(8, false), ("<456789>".to_owned(), 6));
        assert_eq!(line.window(40, true), ("*".repeat(16), 9));
    }
}
