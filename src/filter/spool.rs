//! Where a message waits for rspamd's answer: a file without a name, never memory.
//!
//! rspamd answers after the last byte, and what it answers goes in front of the first: so the
//! whole message has to be kept. The file is unlinked from its first moment and gone with the
//! process. It is not synced: until smtpd says 250, the sender still has the message.

use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Seek, SeekFrom, Write},
    path::Path,
};

use super::{
    answer::MAX_LINE,
    headers::unstuffed,
    lines::{self, Found},
};

/// How much of a message is in memory at a time.
const BUFFER: usize = 16 * 1024;

/// A message that is still coming in.
#[derive(Debug)]
pub(super) struct Writer {
    file: BufWriter<File>,
    size: u64,
}

impl Writer {
    /// Opens a new spool in `folder`.
    ///
    /// # Errors
    /// When the folder cannot be written, or there are too many open files.
    pub(super) fn create(folder: &Path) -> io::Result<Self> {
        Ok(Self {
            file: BufWriter::with_capacity(BUFFER, tempfile::tempfile_in(folder)?),
            size: 0,
        })
    }

    /// Appends one line as it came, dot-stuffed and without its newline.
    ///
    /// # Errors
    /// When the disk is full.
    pub(super) fn push(&mut self, line: &[u8]) -> io::Result<()> {
        self.size += unstuffed(line).len() as u64 + 2;
        self.file.write_all(line)?;
        self.file.write_all(b"\n")
    }

    /// The length so far, as [`Spool::size`] counts it.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Ends the message.
    ///
    /// # Errors
    /// When what was still buffered cannot be written.
    pub(super) fn finish(self) -> io::Result<Spool> {
        let file = self.file.into_inner().map_err(|e| e.into_error())?;
        Ok(Spool {
            file,
            size: self.size,
        })
    }
}

/// A whole message.
#[derive(Debug)]
pub(super) struct Spool {
    file: File,
    size: u64,
}

impl Spool {
    /// The message's length in bytes, with CRLF line ends and without dot-stuffing.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Calls `each` with every line as it came, from the first on, until it returns `false`.
    ///
    /// # Errors
    /// What reading the file returns, or what `each` does.
    pub(super) fn each_line<E: From<io::Error>>(
        &self,
        mut each: impl FnMut(&[u8]) -> Result<bool, E>,
    ) -> Result<(), E> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(0))?;
        let mut reader = BufReader::with_capacity(BUFFER, file);
        let mut line = Vec::new();
        loop {
            match lines::read(&mut reader, &mut line, MAX_LINE)? {
                Found::Whole => {}
                Found::End => return Ok(()),
                // no such line was ever written
                Found::Cut => return Err(io::Error::from(io::ErrorKind::InvalidData).into()),
            }
            if !each(&line)? {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_back_as_often_as_asked() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = Writer::create(dir.path()).unwrap();
        let long = vec![b'x'; MAX_LINE];
        let message: [&[u8]; 5] = [b"a: b", b"", b"..", b"\xff\r|", &long];
        for line in message {
            writer.push(line).unwrap();
        }
        let spool = writer.finish().unwrap();
        assert_eq!(spool.size(), 6 + 2 + 3 + 5 + MAX_LINE as u64 + 2);
        for _ in 0..2 {
            let mut seen = Vec::new();
            spool
                .each_line(|line| {
                    seen.push(line.to_vec());
                    io::Result::Ok(true)
                })
                .unwrap();
            assert_eq!(seen, message);
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
