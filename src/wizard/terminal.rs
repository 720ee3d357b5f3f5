//! The terminal that the form has to itself.

use std::io::{self, Write};

use anyhow::{Context, Result, bail};
use rustix::{
    stdio::{stdin, stdout},
    termios::{
        OptionalActions, Termios, Winsize, isatty, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize,
    },
};

use super::draw::{COLUMNS, ROWS};
use crate::util::keyboard::Keyboard;

/// Another screen where there is one (xterm), and pastes in brackets.
const TAKE: &str = "\x1b[?1049h\x1b[?2004h";
/// Home, and all of it away (ECMA-48).
const CLEAR: &str = "\x1b[0m\x1b[H\x1b[2J";
/// The same back, with the cursor.
const GIVE_BACK: &str = "\x1b[?2004l\x1b[0m\x1b[H\x1b[2J\x1b[?1049l\x1b[?25h";

/// The terminal of this process, raw until this is dropped: also by an error or a panic.
#[derive(Debug)]
pub struct Screen {
    /// Its keys.
    pub keys: Keyboard,
    before: Termios,
}

impl Screen {
    /// Takes the terminal that standard input and output are. One that does not know its size, as a
    /// serial line does not, gets 80 columns and 24 rows.
    ///
    /// # Errors
    /// When they are none, or cannot be set up.
    pub fn open() -> Result<Self> {
        if !isatty(stdin()) || !isatty(stdout()) {
            bail!("the form needs a terminal for its input and its output");
        }
        let keys = Keyboard::new()?;
        let before = tcgetattr(stdin()).context("reading the terminal's settings")?;
        let screen = Self { keys, before };
        let mut raw = screen.before.clone();
        raw.make_raw();
        tcsetattr(stdin(), OptionalActions::Now, &raw).context("setting up the terminal")?;
        if screen.size()?.0 == 0 {
            let size = Winsize {
                ws_row: ROWS,
                ws_col: COLUMNS,
                ws_xpixel: 0,
                ws_ypixel: 0,
            };
            tcsetwinsize(stdout(), size).context("setting the terminal's size")?;
        }
        write(TAKE).context("writing to the terminal")?;
        Ok(screen)
    }

    /// Takes all away that is on it.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn clear(&self) -> Result<()> {
        write(CLEAR).context("writing to the terminal")
    }

    /// Columns and rows.
    ///
    /// # Errors
    /// When the terminal does not say.
    pub fn size(&self) -> Result<(u16, u16)> {
        let size = tcgetwinsize(stdout()).context("asking for the terminal's size")?;
        Ok(match size {
            Winsize { ws_row, ws_col, .. } if ws_row > 0 && ws_col > 0 => (ws_col, ws_row),
            _ => (0, 0),
        })
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // a terminal that has hung up has neither a screen nor settings any more
        let _ = write(GIVE_BACK);
        let _ = tcsetattr(stdin(), OptionalActions::Now, &self.before);
    }
}

fn write(text: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    output.write_all(text.as_bytes())?;
    output.flush()
}
