//! Waiting for the keys of this process's terminal, or for a signal to end.

use std::{os::unix::net::UnixStream, time::Duration};

use anyhow::{Context, Result};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::{Errno, read},
    stdio::stdin,
};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    low_level::pipe,
};
use zeroize::Zeroizing;

/// Why waiting has ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Woken {
    /// The time is over.
    Time,
    /// Bytes of keys; they may be a password's.
    Keys(Zeroizing<Vec<u8>>),
    /// The terminal was closed, or a signal asks for the end.
    End,
}

/// The keys of standard input, and SIGHUP, SIGINT and SIGTERM, which no longer end the process.
#[derive(Debug)]
pub struct Keyboard {
    /// Gets a byte when a signal asks for the end.
    signal: UnixStream,
}

impl Keyboard {
    /// Takes the signals.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn new() -> Result<Self> {
        let (signal, sender) = UnixStream::pair().context("making a socket for signals")?;
        for number in [SIGHUP, SIGINT, SIGTERM] {
            let sender = sender.try_clone().context("making a socket for signals")?;
            pipe::register(number, sender).context("taking signals")?;
        }
        Ok(Self { signal })
    }

    /// Waits at most `limit`.
    ///
    /// # Errors
    /// When standard input cannot be read.
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
