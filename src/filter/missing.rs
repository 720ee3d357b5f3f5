//! Date and Message-ID for our own users' messages that lack them (RFC 6409, section 8).
//!
//! smtpd adds them itself, but on port 587 and local listeners only, and after the filter: too
//! late for a signature, which covers them, or vouches for their absence. So they are put in
//! before rspamd sees the message; smtpd then finds them there.

use std::io;

use super::headers::{Kind, Scanner};

/// Watches a message go by and says what has to be inserted where its header ends.
#[derive(Debug)]
pub(super) struct Completion {
    scanner: Scanner,
    has_date: bool,
    has_message_id: bool,
}

impl Completion {
    /// At the beginning of a message.
    pub(super) fn new() -> Self {
        Self {
            scanner: Scanner::default(),
            has_date: false,
            has_message_id: false,
        }
    }

    /// The lines to insert before `line` (given without dot-stuffing): none, but where the header ends.
    ///
    /// # Errors
    /// When the system has no random numbers to give.
    pub(super) fn before(&mut self, line: &[u8], host: &str) -> io::Result<Vec<String>> {
        if self.scanner.in_body() {
            return Ok(Vec::new());
        }
        match self.scanner.next(line) {
            Kind::Field(name) => {
                self.has_date |= name.eq_ignore_ascii_case(b"Date");
                self.has_message_id |= name.eq_ignore_ascii_case(b"Message-ID");
                Ok(Vec::new())
            }
            Kind::Continuation => Ok(Vec::new()),
            Kind::Body => self.missing(host),
        }
    }

    /// The lines to insert at the end of a message that is all header.
    ///
    /// # Errors
    /// As [`Completion::before`].
    pub(super) fn at_end(&self, host: &str) -> io::Result<Vec<String>> {
        if self.scanner.in_body() {
            return Ok(Vec::new());
        }
        self.missing(host)
    }

    fn missing(&self, host: &str) -> io::Result<Vec<String>> {
        let mut lines = Vec::new();
        if !self.has_date {
            let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC);
            let date = jiff::fmt::rfc2822::to_string(&now).map_err(io::Error::other)?;
            lines.push(format!("Date: {date}"));
        }
        if !self.has_message_id {
            let mut random = [0; 16];
            let got = rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())?;
            if got != random.len() {
                return Err(io::Error::other("too few random bytes"));
            }
            lines.push(format!("Message-ID: <{}@{host}>", hex::encode(random)));
        }
        Ok(lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completed(message: &str) -> Vec<String> {
        let mut completion = Completion::new();
        let mut out = Vec::new();
        for line in message.lines() {
            let missing = completion.before(line.as_bytes(), "mx.example.org");
            out.extend(missing.unwrap());
            out.push(line.to_owned());
        }
        out.extend(completion.at_end("mx.example.org").unwrap());
        out
    }

    #[test]
    fn what_is_there_is_left_alone() {
        let message = "DATE: x\nMessage-Id : y\n\nbody\n";
        assert_eq!(completed(message).join("\n") + "\n", message);
    }

    #[test]
    fn what_is_missing_comes_before_the_body() {
        let lines = completed("Subject: x\n folded\n\nDate: in the body");
        assert_eq!(lines.len(), 6);
        assert!(lines[2].starts_with("Date: ") && lines[2].ends_with(" +0000"));
        assert!(lines[3].starts_with("Message-ID: <") && lines[3].ends_with("@mx.example.org>"));
        assert_eq!(lines[3].len(), "Message-ID: <@mx.example.org>".len() + 32);
        assert_eq!(lines[4], "");
    }

    #[test]
    fn a_message_without_a_body_is_completed_at_its_end() {
        let lines = completed("Subject: x");
        assert_eq!(lines.len(), 3);
        assert_ne!(completed("Subject: x")[2], lines[2]);
    }
}
