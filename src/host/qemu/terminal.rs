//! The serial console on a person's terminal: what `--console` does.

use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use rustix::{
    stdio::stdin,
    termios::{OptionalActions, Termios, isatty, tcgetattr, tcsetattr},
};

/// Ends the console: Ctrl-], as in telnet(1).
const LEAVE: u8 = 0x1d;

/// A terminal connected to a serial console; dropped, the terminal is as it was before.
#[derive(Debug)]
pub struct Terminal {
    before: Option<Termios>,
    left: Arc<AtomicBool>,
    output: thread::JoinHandle<io::Result<()>>,
}

impl Terminal {
    /// Connects standard input and output to `serial`; a terminal is set to pass on every key,
    /// Ctrl-C too.
    ///
    /// # Errors
    /// When the terminal or the stream refuse.
    pub fn connect(serial: UnixStream) -> Result<Self> {
        let mut from_guest = serial.try_clone().context("using the serial console")?;
        let mut before = None;
        if isatty(stdin()) {
            let settings = tcgetattr(stdin()).context("reading the terminal's settings")?;
            let mut raw = settings.clone();
            raw.make_raw();
            tcsetattr(stdin(), OptionalActions::Now, &raw).context("setting up the terminal")?;
            before = Some(settings);
        }
        let left = Arc::new(AtomicBool::new(false));
        // Both threads end with their streams or with this process.
        let output = thread::spawn(move || copy_out(&mut from_guest));
        let flag = Arc::clone(&left);
        thread::spawn(move || {
            let on_terminal = isatty(stdin());
            copy_in(&mut io::stdin(), serial, on_terminal, &flag)
        });
        Ok(Self {
            before,
            left,
            output,
        })
    }

    /// Once QEMU has ended: waits until its last words are on the terminal, and restores that.
    pub fn finish(self) {
        // standard output may be a pipe that nobody reads
        for _ in 0..200 {
            if self.output.is_finished() {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Whether the person has pressed Ctrl-].
    pub fn was_left(&self) -> bool {
        self.left.load(Ordering::Relaxed)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // nothing better can be done with a terminal that is gone
            tcsetattr(stdin(), OptionalActions::Drain, before).ok();
        }
    }
}

fn copy_out(from: &mut UnixStream) -> io::Result<()> {
    let mut out = io::stdout();
    let mut chunk = [0; 4096];
    loop {
        let n = from.read(&mut chunk)?;
        if n == 0 {
            return Ok(());
        }
        out.write_all(&chunk[..n])?;
        out.flush()?;
    }
}

/// Passes on what is typed until Ctrl-] on a terminal, or the end of the input.
fn copy_in(
    from: &mut impl Read,
    mut to: UnixStream,
    on_terminal: bool,
    left: &AtomicBool,
) -> io::Result<()> {
    let mut chunk = [0; 256];
    loop {
        let n = from.read(&mut chunk)?;
        let typed = &chunk[..n];
        let end = if on_terminal {
            typed.iter().position(|&b| b == LEAVE)
        } else {
            None
        };
        to.write_all(&typed[..end.unwrap_or(n)])?;
        if end.is_some() {
            left.store(true, Ordering::Relaxed);
        }
        if n == 0 || end.is_some() {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(keys: &[u8], on_terminal: bool) -> (Vec<u8>, bool) {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let left = AtomicBool::new(false);
        copy_in(&mut &keys[..], ours, on_terminal, &left).unwrap();
        let mut received = Vec::new();
        theirs.read_to_end(&mut received).unwrap();
        (received, left.into_inner())
    }

    #[test]
    fn keys_pass_until_the_one_that_leaves() {
        assert_eq!(typed(b"a\x03b\x1dc", true), (b"a\x03b".to_vec(), true));
        assert_eq!(typed(b"a\x1db", false), (b"a\x1db".to_vec(), false));
    }
}
