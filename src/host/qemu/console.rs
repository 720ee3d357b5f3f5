//! Reads a serial log while it grows: plain text, without the colours and cursor movements.

use std::{
    fs::File,
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use regex::Regex;

/// What a pattern matched on a serial port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// The text that matched.
    pub text: String,
    /// The pattern's groups, from the first on; `None` for one that took no part.
    pub groups: Vec<Option<String>>,
}

/// A serial log that QEMU writes and we follow.
#[derive(Debug)]
pub struct SerialLog {
    path: PathBuf,
    file: Option<File>,
    plain: Plain,
    text: String,
    cursor: usize,
}

impl SerialLog {
    /// Follows the file at `path`, which need not exist yet.
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_path_buf(),
            file: None,
            plain: Plain::default(),
            text: String::new(),
            cursor: 0,
        }
    }

    /// The file that is followed.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads what has been written since the last call and returns it as plain text.
    ///
    /// # Errors
    /// When the file exists and cannot be read.
    pub fn update(&mut self) -> Result<&str> {
        let what = || format!("reading the serial log {}", self.path.display());
        let start = self.text.len();
        if self.file.is_none() {
            match File::open(&self.path) {
                Ok(file) => self.file = Some(file),
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                Err(e) => return Err(e).with_context(what),
            }
        }
        if let Some(file) = &mut self.file {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).with_context(what)?;
            self.plain.feed(&bytes, &mut self.text);
        }
        Ok(&self.text[start..])
    }

    /// All text so far.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Looks for `pattern` after the end of the last match and before the byte `end` of
    /// [`SerialLog::text`], and moves on to there: each search continues where the one before
    /// it ended.
    pub fn find(&mut self, pattern: &Regex, end: usize) -> Option<Match> {
        let found = pattern.captures_at(&self.text, self.cursor)?;
        let whole = found.get(0).filter(|m| m.start() < end)?;
        self.cursor = whole.end();
        Some(Match {
            text: whole.as_str().to_owned(),
            groups: found
                .iter()
                .skip(1)
                .map(|group| group.map(|g| g.as_str().to_owned()))
                .collect(),
        })
    }

    /// The last `lines` lines, for error messages.
    pub fn tail(&self, lines: usize) -> String {
        let all: Vec<&str> = self.text.trim_end().lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }
}

/// Makes plain text of a terminal's bytes, however they are cut into pieces.
#[derive(Debug, Default)]
struct Plain {
    state: State,
    /// Bytes of a character that has not arrived whole.
    partial: Vec<u8>,
}

#[derive(Debug, Default, Clone, Copy)]
enum State {
    #[default]
    Text,
    /// After ESC.
    Escape,
    /// After ESC and an intermediate byte, as in the choice of a character set.
    Intermediate,
    /// After ESC [, until a final byte (ECMA-48, section 5.4).
    Control,
    /// After ESC ] and its like, until BEL or ESC.
    Command,
}

impl Plain {
    fn feed(&mut self, bytes: &[u8], out: &mut String) {
        const ESC: u8 = 0x1b;
        for &byte in bytes {
            self.state = match (self.state, byte) {
                (State::Command, 0x07) => State::Text,
                // also the start of ESC \\, which ends a command
                (_, ESC) => State::Escape,
                (State::Text, b'\n' | b'\t' | 0x20..=0x7e | 0x80..) => {
                    self.partial.push(byte);
                    State::Text
                }
                (State::Text, _) => State::Text,
                (State::Escape, b'[') => State::Control,
                (State::Escape, b']' | b'P' | b'X' | b'^' | b'_') => State::Command,
                (State::Escape | State::Intermediate, 0x20..=0x2f) => State::Intermediate,
                (State::Escape | State::Intermediate, _) => State::Text,
                (State::Control, 0x40..=0x7e) => State::Text,
                (State::Control, _) => State::Control,
                (State::Command, _) => State::Command,
            };
        }
        let whole = whole_characters(&self.partial);
        out.push_str(&String::from_utf8_lossy(&self.partial[..whole]));
        self.partial.drain(..whole);
    }
}

/// How many bytes stand before a character at the end that is cut off.
fn whole_characters(bytes: &[u8]) -> usize {
    let cut = bytes
        .utf8_chunks()
        .last()
        .map_or(0, |chunk| chunk.invalid().len());
    let tail = &bytes[bytes.len() - cut..];
    match std::str::from_utf8(tail) {
        Err(e) if e.error_len().is_none() => bytes.len() - cut,
        _ => bytes.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(pieces: &[&[u8]]) -> String {
        let mut plain = Plain::default();
        let mut text = String::new();
        for piece in pieces {
            plain.feed(piece, &mut text);
        }
        text
    }

    #[test]
    fn colours_titles_and_carriage_returns_go() {
        let systemd =
            b"[\x1b[0;32m  OK  \x1b[0m] Reached target \x1b[0;1;39mmulti-user\x1b[0m.\r\n";
        assert_eq!(plain(&[systemd]), "[  OK  ] Reached target multi-user.\n");
        assert_eq!(
            plain(&[b"\x1b]0;title\x07a\x1b]0;t\x1b\\b\x1b(Bc\x1b7d\x00\x07e"]),
            "abcde"
        );
    }

    #[test]
    fn cut_in_every_place_it_is_the_same() {
        let whole = "a\u{e9}\x1b[1;31mb\u{20ac}\x1b]2;x\x07c\r\n".as_bytes();
        for at in 0..whole.len() {
            assert_eq!(plain(&[&whole[..at], &whole[at..]]), "a\u{e9}b\u{20ac}c\n");
        }
    }

    #[test]
    fn broken_characters_do_not_stop_it() {
        assert_eq!(
            plain(&[b"a\xffb", b"\xe2\x82", b"c"]),
            "a\u{fffd}b\u{fffd}c"
        );
    }

    #[test]
    fn a_wait_continues_where_the_last_one_ended() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut log = SerialLog::new(&path);
        assert_eq!(log.update().unwrap(), "");
        std::fs::write(&path, "login: root\nlogin: ").unwrap();
        assert_eq!(log.update().unwrap(), "login: root\nlogin: ");
        let pattern = Regex::new("login: (r..t)?").unwrap();
        let first = log.find(&pattern, usize::MAX).unwrap();
        assert_eq!(
            (first.text.as_str(), first.groups[0].as_deref()),
            ("login: root", Some("root"))
        );
        assert_eq!(
            log.find(&pattern, 5),
            None,
            "it starts behind the end that was given"
        );
        assert_eq!(log.find(&pattern, usize::MAX).unwrap().groups, [None]);
        assert_eq!(log.find(&pattern, usize::MAX), None);
        assert_eq!(log.tail(1), "login:");
    }
}
