//! The terminal that the form has to itself.

use std::{
    io::{self, Write},
    os::unix::net::UnixStream,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::{Errno, read},
    stdio::{stdin, stdout},
    termios::{
        OptionalActions, Termios, Winsize, isatty, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize,
    },
};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    low_level::pipe,
};
use zeroize::Zeroizing;

use super::draw::{COLUMNS, ROWS};

/// Another screen where there is one (xterm), and pastes in brackets.
const TAKE: &str = "\x1b[?1049h\x1b[?2004h";
/// Home, and all of it away (ECMA-48).
const CLEAR: &str = "\x1b[0m\x1b[H\x1b[2J";
/// The same back, with the cursor.
const GIVE_BACK: &str = "\x1b[?2004l\x1b[0m\x1b[H\x1b[2J\x1b[?1049l\x1b[?25h";

/// Why waiting has ended.
#[derive(Debug)]
pub enum Woken {
    /// The time is over.
    Time,
    /// Bytes of keys.
    Keys(Zeroizing<Vec<u8>>),
    /// The terminal was closed, or a signal asks for the end.
    End,
}

/// The terminal of this process, raw until this is dropped: also by an error or a panic.
#[derive(Debug)]
pub struct Screen {
    before: Termios,
    /// Gets a byte when a signal asks for the end.
    signal: UnixStream,
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
        let (signal, sender) = UnixStream::pair().context("making a socket for signals")?;
        for number in [SIGHUP, SIGINT, SIGTERM] {
            let sender = sender.try_clone().context("making a socket for signals")?;
            pipe::register(number, sender).context("taking signals")?;
        }
        let before = tcgetattr(stdin()).context("reading the terminal's settings")?;
        let screen = Self { before, signal };
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

    /// Waits at most `limit`.
    ///
    /// # Errors
    /// When the terminal cannot be read.
    pub fn wait(&self, limit: Duration) -> Result<Woken> {
        let input = stdin();
        let mut ready = [
            PollFd::new(&input, PollFlags::IN),
            PollFd::new(&self.signal, PollFlags::IN),
        ];
        let limit = Timespec::try_from(limit).context("counting seconds")?;
        match poll(&mut ready, Some(&limit)) {
            // the signal itself; its byte is there at the next call
            Err(Errno::INTR) => return Ok(Woken::Time),
            other => other.context("waiting for the terminal")?,
        };
        if !ready[1].revents().is_empty() {
            return Ok(Woken::End);
        }
        if ready[0].revents().is_empty() {
            return Ok(Woken::Time);
        }
        let mut bytes = Zeroizing::new(vec![0; 1024]);
        match read(input, &mut bytes[..]) {
            // hung up
            Ok(0) | Err(Errno::IO) => Ok(Woken::End),
            Ok(length) => {
                bytes.truncate(length);
                Ok(Woken::Keys(bytes))
            }
            Err(Errno::INTR) => Ok(Woken::Time),
            Err(error) => Err(error).context("reading from the terminal"),
        }
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
