//! One message: what is in its file, and what the file's name says.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    time::SystemTime,
};

use anyhow::{Context, Result, bail};
use rustix::{fs::OFlags, io::Errno};
use sha2::{Digest, Sha256};

use crate::ctl::import::xz;

/// Most bytes of a message: what is larger was made to fill a disk.
const LIMIT: u64 = 512 << 20;

/// For opening a file: not what a link leads to, and without waiting for the other end of a pipe.
pub const PLAIN: i32 = OFlags::NOFOLLOW
    .union(OFlags::NONBLOCK)
    .bits()
    .cast_signed();

/// Opens a file to read, in a folder that belongs to somebody else: who owns a Maildir could have put
/// a link to a file of others there, or a pipe on which we would wait.
///
/// # Errors
/// When it cannot be opened, or is no file: the latter is of kind `InvalidData`.
pub fn open_plain(path: &Path) -> io::Result<File> {
    let mut options = fs::OpenOptions::new();
    let file = match options.read(true).custom_flags(PLAIN).open(path) {
        Err(e) if e.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
            return Err(invalid("it is a link, which is not followed"));
        }
        file => file?,
    };
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(invalid("it is no file")),
    }
}

/// What two files of the same message have in common.
pub type Fingerprint = [u8; 32];

/// A message as it was read.
#[derive(Debug)]
pub struct Message {
    /// The message itself.
    pub text: Vec<u8>,
    /// When it was delivered.
    pub delivered: SystemTime,
}

impl Message {
    /// Reads a message, compressed or not.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged, too large, or no message: what says so is of kind
    /// `InvalidData`.
    pub fn read(path: &Path) -> io::Result<Self> {
        let file = open_plain(path)?;
        let data = file.metadata()?;
        let text = content(file)?;
        let head = &text[..text.len().min(1024)];
        if head.contains(&0) || !head.contains(&b':') {
            return Err(invalid("it is no message: perhaps it is encrypted"));
        }
        Ok(Self {
            text,
            delivered: data.modified()?,
        })
    }

    /// The same for the same message, however its lines end.
    pub fn fingerprint(&self) -> Fingerprint {
        let mut hash = Sha256::new();
        let mut rest = self.text.as_slice();
        while let Some(at) = rest.windows(2).position(|pair| pair == b"\r\n") {
            hash.update(&rest[..at]);
            rest = &rest[at + 1..];
        }
        hash.update(rest);
        hash.finalize().into()
    }

    /// Its size, and its size when every line ends with CR and LF: dovecot's `S=` and `W=`.
    pub fn sizes(&self) -> (usize, usize) {
        let bare = |at: usize| at == 0 || self.text[at - 1] != b'\r';
        let ends = self.text.iter().enumerate().filter(|(_, b)| **b == b'\n');
        let added = ends.filter(|(at, _)| bare(*at)).count();
        (self.text.len(), self.text.len() + added)
    }
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// The content, decompressed by what it begins with, as dovecot does it.
fn content(mut file: File) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    file.by_ref().take(8).read_to_end(&mut head)?;
    let whole = io::Cursor::new(head.clone()).chain(file);
    let mut text = Vec::new();
    let limited = |reader: &mut dyn Read, text: &mut Vec<u8>| -> io::Result<()> {
        reader.take(LIMIT + 1).read_to_end(text)?;
        match text.len() as u64 > LIMIT {
            true => Err(invalid("it is larger than 512 MiB")),
            false => Ok(()),
        }
    };
    let damaged = |e: io::Error| match e.kind() {
        io::ErrorKind::InvalidData => e,
        _ => invalid(&format!("it is compressed, and damaged: {e}")),
    };
    if head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        limited(&mut zstd::Decoder::new(whole)?, &mut text).map_err(damaged)?;
    } else if head.starts_with(&[0x1f, 0x8b]) {
        limited(&mut flate2::read::MultiGzDecoder::new(whole), &mut text).map_err(damaged)?;
    } else if head.starts_with(b"\xfd7zXZ\0") {
        limited(&mut xz::decoder(whole)?, &mut text).map_err(damaged)?;
    } else if head.starts_with(b"BZh") || head.starts_with(b"Dovecot-") {
        return Err(invalid(
            "it is compressed with bzip2 or LZ4, which are not understood here",
        ));
    } else {
        let mut whole = whole;
        limited(&mut whole, &mut text)?;
    }
    Ok(text)
}

/// What the name of a message's file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The name without flags, which never changes.
    pub base: String,
    /// The flags of maildir(5), in their order.
    pub flags: String,
    /// The letters of keywords.
    pub keywords: String,
}

impl Name {
    /// Takes a file's name apart.
    pub fn parse(name: &str) -> Self {
        let (base, info) = name.split_once(":2,").unwrap_or((name, ""));
        let some = |known: &dyn Fn(char) -> bool| -> String {
            let mut letters: Vec<char> = info.chars().filter(|c| known(*c)).collect();
            letters.sort_unstable();
            letters.dedup();
            letters.into_iter().collect()
        };
        Self {
            base: base.to_owned(),
            flags: some(&|c| "DFPRST".contains(c)),
            keywords: some(&|c| c.is_ascii_lowercase()),
        }
    }
}

/// The names of all files in `cur` and `new` of a folder, in their order, and whether each is in
/// `new`. What moves from there to `cur` meanwhile is named twice, and not left out.
///
/// # Errors
/// When a folder cannot be read.
pub fn list(folder: &Path) -> Result<Vec<(String, bool)>> {
    let mut found = Vec::new();
    for (sub, new) in [("new", true), ("cur", false)] {
        let path = folder.join(sub);
        let what = || format!("reading {}", path.display());
        match fs::symlink_metadata(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            other => {
                if !other.with_context(what)?.is_dir() {
                    bail!("{} is no folder: links are not followed", path.display());
                }
            }
        }
        for entry in fs::read_dir(&path).with_context(what)? {
            let name = entry.with_context(what)?.file_name();
            let name = name.to_str().map(str::to_owned).with_context(|| {
                format!(
                    "{} has a file whose name is not UTF-8: rename it",
                    path.display()
                )
            })?;
            if !name.starts_with('.') {
                found.push((name, new));
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const TEXT: &[u8] = b"Subject: x\n\nbody\n";

    fn of(bytes: &[u8]) -> io::Result<Message> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m");
        fs::write(&path, bytes).unwrap();
        Message::read(&path)
    }

    #[test]
    fn a_message_is_the_same_in_any_compression() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(TEXT).unwrap();
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
        xz.write_all(TEXT).unwrap();
        let crlf = b"Subject: x\r\n\r\nbody\r\n".to_vec();
        let plain = of(TEXT).unwrap();
        assert_eq!(plain.sizes(), (17, 20));
        for bytes in [
            zstd::encode_all(TEXT, 1).unwrap(),
            gzip.finish().unwrap(),
            xz.finish().unwrap(),
            crlf,
        ] {
            let message = of(&bytes).unwrap();
            assert_eq!(message.fingerprint(), plain.fingerprint());
            assert_eq!(message.sizes().1, 20);
        }
        let other = of(b"Subject: y\n\nbody\n").unwrap();
        assert_ne!(other.fingerprint(), plain.fingerprint());
    }

    #[test]
    fn what_is_no_message_says_why() {
        let why = |bytes: &[u8]| of(bytes).unwrap_err().to_string();
        let mut cut = zstd::encode_all(TEXT, 1).unwrap();
        cut.truncate(cut.len() - 3);
        assert!(why(&cut).starts_with("it is compressed, and damaged"));
        assert_eq!(why(b"\0\x01"), "it is no message: perhaps it is encrypted");
        assert!(why(b"BZh91AY").contains("bzip2"));
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/etc/passwd", &link).unwrap();
        let error = Message::read(&link).unwrap_err();
        assert_eq!(error.to_string(), "it is a link, which is not followed");
        // nobody writes to it, ever
        let pipe = folder.path().join("pipe");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        let error = Message::read(&pipe).unwrap_err();
        assert_eq!(error.to_string(), "it is no file");
    }

    #[test]
    fn names_have_flags() {
        let name = Name::parse("1.M2P3.host,S=5,W=6:2,SbFaaZ");
        assert_eq!(name.base, "1.M2P3.host,S=5,W=6");
        assert_eq!((name.flags.as_str(), name.keywords.as_str()), ("FS", "ab"));
        assert_eq!(Name::parse("1.x").flags, "");
    }
}
