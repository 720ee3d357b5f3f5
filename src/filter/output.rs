//! The one way to smtpd: whole lines, one writer at a time.

use std::{
    io::{self, Write},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// smtpd's end of the pipe, shared by all threads.
pub(super) struct Output(Mutex<Box<dyn Write + Send>>);

impl Output {
    /// Takes the writer over; it should not buffer.
    pub(super) fn new(writer: Box<dyn Write + Send>) -> Self {
        Self(Mutex::new(writer))
    }

    /// Writes whole lines.
    ///
    /// # Errors
    /// When smtpd has closed its end.
    pub(super) fn send(&self, lines: &[u8]) -> io::Result<()> {
        // a poisoned lock only says that another thread panicked; the pipe is as good as before
        let mut writer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        writer.write_all(lines)?;
        writer.flush()
    }

    /// As [`Output::send`], unless `cancelled` is set: smtpd must not get lines for a message
    /// that it has given up. Returns whether they were sent.
    ///
    /// # Errors
    /// As [`Output::send`].
    pub(super) fn send_unless(&self, cancelled: &AtomicBool, lines: &[u8]) -> io::Result<bool> {
        let mut writer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if cancelled.load(Ordering::Acquire) {
            return Ok(false);
        }
        writer.write_all(lines)?;
        writer.flush()?;
        Ok(true)
    }
}
