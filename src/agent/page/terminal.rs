//! The terminal that a page is shown on.

use std::io::{self, Write};

use anyhow::{Context, Result, bail};
use rustix::{
    stdio::{stdin, stdout},
    termios::{
        InputModes, LocalModes, OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize,
        tcsetattr, ttyname,
    },
};

use crate::util::keyboard::Keyboard;

/// Home, and everything from there on erased, scrolled lines too (ECMA-48, and xterm for those).
const CLEAR: &str = "\x1b[0m\x1b[H\x1b[2J\x1b[3J";

/// What kind of terminal it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A screen, which is cleared for each page.
    Screen,
    /// A serial line, which somebody may record: pages follow each other, without colour.
    Line,
}

impl Kind {
    /// The kind of the terminal whose device is `name`. Virtual consoles are `tty1` and up, and
    /// `pts/0` and up are windows; whatever else there is, is a line.
    pub fn of(name: &str) -> Self {
        let number = name.strip_prefix("tty").or(name.strip_prefix("pts/"));
        match number.is_some_and(|n| n.starts_with(|c: char| c.is_ascii_digit())) {
            true => Self::Screen,
            false => Self::Line,
        }
    }
}

/// The terminal of this process. Keys do not show on it until it is dropped.
#[derive(Debug)]
pub struct Terminal {
    /// The device below `/dev`, such as `tty1`.
    pub name: String,
    /// What kind it is.
    pub kind: Kind,
    /// Its keys; Enter ends a line of them.
    pub keys: Keyboard,
    before: Termios,
}

impl Terminal {
    /// Takes the terminal that standard input and output are.
    ///
    /// # Errors
    /// When they are none, or cannot be set up.
    pub fn open() -> Result<Self> {
        if !isatty(stdin()) || !isatty(stdout()) {
            bail!("--follow needs a terminal; without it the page is printed once");
        }
        let name = ttyname(stdin(), Vec::new()).context("finding out which terminal this is")?;
        let name = name.to_string_lossy().into_owned();
        let name = name.strip_prefix("/dev/").unwrap_or(&name).to_owned();
        let keys = Keyboard::new()?;
        let before = tcgetattr(stdin()).context("reading the terminal's settings")?;
        let mut quiet = before.clone();
        // no echo; and Ctrl-S does not halt the page
        quiet.local_modes.remove(LocalModes::ECHO);
        quiet.input_modes.remove(InputModes::IXON);
        tcsetattr(stdin(), OptionalActions::Now, &quiet).context("setting up the terminal")?;
        Ok(Self {
            kind: Kind::of(&name),
            name,
            keys,
            before,
        })
    }

    /// How many rows a page may have; none if there is no limit.
    ///
    /// # Errors
    /// When the terminal does not say.
    pub fn rows(&self) -> Result<Option<usize>> {
        let size = tcgetwinsize(stdout()).context("asking for the terminal's size")?;
        Ok(match self.kind {
            Kind::Screen if size.ws_row > 0 => Some(size.ws_row.into()),
            _ => None,
        })
    }

    /// Shows a page in place of the one before, or after it.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn draw(&self, page: &str) -> Result<()> {
        match self.kind {
            Kind::Screen => self.write(&format!("{CLEAR}{page}")),
            Kind::Line => self.write(&format!("\n{page}")),
        }
    }

    /// Writes a text.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn write(&self, text: &str) -> Result<()> {
        let mut output = io::stdout().lock();
        let written = output.write_all(text.as_bytes());
        written
            .and_then(|()| output.flush())
            .context("writing to the terminal")
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // a terminal that has hung up has no settings any more
        let _ = tcsetattr(stdin(), OptionalActions::Now, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn virtual_consoles_are_cleared_and_lines_are_not() {
        for name in ["tty1", "tty12", "pts/0"] {
            assert_eq!(Kind::of(name), Kind::Screen, "{name}");
        }
        for name in ["ttyS0", "ttyAMA0", "hvc0", "tty", "console"] {
            assert_eq!(Kind::of(name), Kind::Line, "{name}");
        }
    }
}
