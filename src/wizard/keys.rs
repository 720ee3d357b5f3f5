//! Keys, from the bytes that a terminal sends for them.
//!
//! ECMA-48, and what xterm, the Linux console and VT100s make of it. A serial line may deliver a
//! sequence in parts, so what is begun waits for its rest: only [`Keys::end`] makes an Escape of it.

/// A key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// A character.
    Char(char),
    /// A character of a paste, where it is told from what is typed (xterm's bracketed paste).
    Pasted(char),
    /// Enter.
    Enter,
    /// Tab.
    Tab,
    /// Shift and Tab.
    BackTab,
    /// Arrow up.
    Up,
    /// Arrow down.
    Down,
    /// Arrow left.
    Left,
    /// Arrow right.
    Right,
    /// Home, or Ctrl-A.
    Home,
    /// End, or Ctrl-E.
    End,
    /// Page up, or Ctrl-B.
    PageUp,
    /// Page down, or Ctrl-F.
    PageDown,
    /// Backspace.
    Backspace,
    /// Delete, or Ctrl-D.
    Delete,
    /// Escape.
    Escape,
    /// Ctrl-U: the line is taken away.
    Clear,
    /// Ctrl-C.
    Cancel,
    /// Ctrl-L: the screen is drawn again.
    Redraw,
}

/// Longest sequence that is waited for.
const MOST: usize = 16;

/// What was begun, and whether a paste goes on.
#[derive(Debug, Default)]
pub struct Keys {
    begun: Vec<u8>,
    pasting: bool,
    /// Ends of lines in a paste that nothing has followed yet.
    ends: usize,
}

/// What a run of bytes begins with.
enum First {
    /// A key, or nothing of interest, of so many bytes.
    Whole(Option<Key>, usize),
    /// The beginning of something.
    Part,
}

impl Keys {
    /// The keys that `bytes`, after those that came before, stand for.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Key> {
        self.begun.extend_from_slice(bytes);
        let mut keys = Vec::new();
        while !self.begun.is_empty() {
            match first(&self.begun) {
                First::Part if self.begun.len() < MOST => break,
                First::Part => self.begun.clear(),
                First::Whole(key, length) => {
                    match self.begun.get(..length) {
                        Some(b"\x1b[200~") => self.paste(true),
                        Some(b"\x1b[201~") => self.paste(false),
                        _ => keys.extend(key.into_iter().flat_map(|k| self.take(k))),
                    }
                    self.begun.drain(..length);
                }
            }
        }
        keys
    }

    /// Whether something is begun.
    pub fn waits(&self) -> bool {
        !self.begun.is_empty()
    }

    /// Whether a paste goes on.
    pub fn is_pasting(&self) -> bool {
        self.pasting
    }

    /// Nothing has come for a while. What is begun stays as it is: the Escape that it begins with was
    /// one. A paste is over, since its end may have been lost.
    pub fn end(&mut self) -> Option<Key> {
        let begun = std::mem::take(&mut self.begun);
        self.paste(false);
        (begun == [0x1b]).then_some(Key::Escape)
    }

    /// A paste begins or ends.
    fn paste(&mut self, begins: bool) {
        self.pasting = begins;
        self.ends = 0;
    }

    /// A key with what was held back before it. The end of a line that is pasted does not go on to
    /// the next field: it is a space, or nothing at the end of the paste, where nobody means one.
    fn take(&mut self, key: Key) -> Vec<Key> {
        if !self.pasting {
            return vec![key];
        }
        let pasted = match key {
            Key::Enter => {
                self.ends += 1;
                return Vec::new();
            }
            Key::Char(c) => c,
            Key::Tab => ' ',
            // no terminal pastes these: they were pressed, and the end of the paste was lost
            other => {
                self.paste(false);
                return vec![other];
            }
        };
        let mut keys = vec![Key::Pasted(' '); std::mem::take(&mut self.ends)];
        keys.push(Key::Pasted(pasted));
        keys
    }
}

fn first(bytes: &[u8]) -> First {
    match bytes {
        [0x1b] | [0x1b, b'['] | [0x1b, b'O'] => First::Part,
        [0x1b, b'O', letter, ..] => First::Whole(letter_key(*letter), 3),
        [0x1b, b'[', rest @ ..] => sequence(rest),
        // twice, or with another key: Alt
        [0x1b, ..] => First::Whole(Some(Key::Escape), 1),
        [b'\r', b'\n', ..] => First::Whole(Some(Key::Enter), 2),
        [byte, ..] if *byte < 0x20 || *byte == 0x7f => First::Whole(control(*byte), 1),
        _ => character(bytes),
    }
}

/// What follows `ESC [`: numbers and their like, then one character that ends it.
fn sequence(rest: &[u8]) -> First {
    // the Linux console's function keys: `ESC [ [ A`
    if let [b'[', more @ ..] = rest {
        return match more {
            [] => First::Part,
            _ => First::Whole(None, 4),
        };
    }
    let Some(length) = rest.iter().position(|b| (0x40..=0x7e).contains(b)) else {
        return First::Part;
    };
    let key = match (rest[length], &rest[..length]) {
        (b'~', b"1" | b"7") => Some(Key::Home),
        (b'~', b"3") => Some(Key::Delete),
        (b'~', b"4" | b"8") => Some(Key::End),
        (b'~', b"5") => Some(Key::PageUp),
        (b'~', b"6") => Some(Key::PageDown),
        (b'Z', _) => Some(Key::BackTab),
        (letter, _) => letter_key(letter),
    };
    First::Whole(key, length + 3)
}

fn letter_key(letter: u8) -> Option<Key> {
    Some(match letter {
        b'A' => Key::Up,
        b'B' => Key::Down,
        b'C' => Key::Right,
        b'D' => Key::Left,
        b'F' => Key::End,
        b'H' => Key::Home,
        b'M' => Key::Enter,
        _ => return None,
    })
}

fn control(byte: u8) -> Option<Key> {
    Some(match byte {
        0x01 => Key::Home,
        0x02 => Key::PageUp,
        0x03 => Key::Cancel,
        0x04 => Key::Delete,
        0x05 => Key::End,
        0x06 => Key::PageDown,
        0x08 | 0x7f => Key::Backspace,
        b'\t' => Key::Tab,
        b'\r' | b'\n' => Key::Enter,
        0x0c => Key::Redraw,
        0x15 => Key::Clear,
        _ => return None,
    })
}

/// One character of UTF-8; bytes that are none are left away.
fn character(bytes: &[u8]) -> First {
    let length = match bytes[0] {
        0x00..=0x7f => 1,
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return First::Whole(None, 1),
    };
    let given = &bytes[..length.min(bytes.len())];
    match std::str::from_utf8(given) {
        Ok(text) => First::Whole(text.chars().next().map(Key::Char), length),
        Err(error) if error.error_len().is_none() => First::Part,
        Err(_) => First::Whole(None, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_its_bytes() {
        for (bytes, key) in [
            ("a", Key::Char('a')),
            ("\u{e4}", Key::Char('\u{e4}')),
            ("\r", Key::Enter),
            ("\n", Key::Enter),
            ("\r\n", Key::Enter),
            ("\x1bOM", Key::Enter),
            ("\t", Key::Tab),
            ("\x1b[Z", Key::BackTab),
            ("\x1b[A", Key::Up),
            ("\x1bOB", Key::Down),
            ("\x1b[1;5C", Key::Right),
            ("\x1b[D", Key::Left),
            ("\x1b[H", Key::Home),
            ("\x1b[1~", Key::Home),
            ("\x1b[4~", Key::End),
            ("\x1b[5~", Key::PageUp),
            ("\x1b[6~", Key::PageDown),
            ("\x1b[3~", Key::Delete),
            ("\x7f", Key::Backspace),
            ("\x03", Key::Cancel),
            ("\x0c", Key::Redraw),
            ("\x15", Key::Clear),
        ] {
            assert_eq!(Keys::default().feed(bytes.as_bytes()), [key], "{bytes:?}");
            // as a slow line delivers it
            let mut keys = Keys::default();
            let slow: Vec<Key> = bytes.bytes().flat_map(|b| keys.feed(&[b])).collect();
            assert!(slow.contains(&key) && !keys.waits(), "{bytes:?}: {slow:?}");
        }
    }

    #[test]
    fn an_escape_is_one_when_nothing_follows() {
        let mut keys = Keys::default();
        assert_eq!(keys.feed(b"\x1b"), []);
        assert!(keys.waits());
        assert_eq!(keys.end(), Some(Key::Escape));
        assert!(!keys.waits());
        assert_eq!(keys.feed(b"\x1b["), []);
        assert_eq!(keys.end(), None);
        assert_eq!(keys.feed(b"\x1b\x1b[A"), [Key::Escape, Key::Up]);
    }

    #[test]
    fn what_is_no_key_is_left_away() {
        let odd = b"\xff\x1b[[Ax\x1b[24~\x00\xe4y\x1bOP";
        assert_eq!(Keys::default().feed(odd), [Key::Char('x'), Key::Char('y')]);
        let mut keys = Keys::default();
        keys.feed(b"\x1b[0000000000000000000000000000");
        assert!(!keys.waits() || keys.begun.len() < MOST);
    }

    #[test]
    fn a_paste_stays_in_its_field() {
        let keys = Keys::default().feed(b"\x1b[200~a\rb\x1b[201~\r");
        let text: Vec<Key> = "a b".chars().map(Key::Pasted).collect();
        assert_eq!(keys, [&text[..], &[Key::Enter]].concat());
    }

    #[test]
    fn a_paste_whose_end_is_lost_blocks_nothing() {
        for lost in ["", "\x1b[20"] {
            let mut keys = Keys::default();
            keys.feed(format!("\x1b[200~a\r{lost}").as_bytes());
            assert!(keys.is_pasting());
            assert_eq!(keys.end(), None);
            assert_eq!(keys.feed(b"\t\r"), [Key::Tab, Key::Enter], "{lost:?}");
        }
        // at once: what nobody pastes
        let mut keys = Keys::default();
        assert_eq!(keys.feed(b"\x1b[200~a\x03y\r").len(), 4);
        assert!(!keys.is_pasting());
        keys.feed(b"\x1b[200~a\x1b");
        assert_eq!(keys.end(), Some(Key::Escape));
    }

    #[test]
    fn the_end_of_the_last_line_of_a_paste_is_dropped() {
        let text: Vec<Key> = "a b".chars().map(Key::Pasted).collect();
        for end in ["\r", "\n", "\r\n", "\r\r"] {
            let bytes = format!("\x1b[200~a\rb{end}\x1b[201~");
            let mut keys = Keys::default();
            assert_eq!(keys.feed(bytes.as_bytes()), text, "{end:?}");
            assert_eq!(keys.feed(b"\rc"), [Key::Enter, Key::Char('c')]);
            // as a slow line delivers it
            let slow: Vec<Key> = bytes.bytes().flat_map(|b| keys.feed(&[b])).collect();
            assert_eq!(slow, text, "{end:?}");
        }
    }
}
