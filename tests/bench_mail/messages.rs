//! The messages: ordinary words of 1 KB, and 100 KB of which most is a picture.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use base64::{Engine, engine::general_purpose::STANDARD};
use ezmail::util::{files, random};
use serde_json::{Value, json};

use crate::world::message::Mail;

/// How large a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    Small,
    Large,
}

/// Both of them.
pub const SIZES: [Size; 2] = [Size::Small, Size::Large];

impl Size {
    /// Bytes, without the signature of what comes from outside.
    fn bytes(self) -> usize {
        match self {
            Self::Small => 1024,
            Self::Large => 100 * 1024,
        }
    }

    /// As in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Small => "1 KB",
            Self::Large => "100 KB",
        }
    }
}

/// What mail is made of that no filter takes offence at.
const WORDS: [&str; 32] = [
    "garden",
    "letter",
    "morning",
    "river",
    "window",
    "paper",
    "winter",
    "market",
    "village",
    "kitchen",
    "bridge",
    "summer",
    "music",
    "journey",
    "harbour",
    "meadow",
    "evening",
    "neighbour",
    "library",
    "station",
    "orchard",
    "mountain",
    "breakfast",
    "weather",
    "painting",
    "island",
    "holiday",
    "teacher",
    "bicycle",
    "blanket",
    "lantern",
    "carpet",
];

/// A message of that size with content that no other has. `name` is a word that no other has.
pub fn message(from: &str, to: &str, name: &str, size: Size) -> Result<Mail> {
    let mail = Mail::new(from, to, name);
    match size {
        Size::Small => in_words(mail, size.bytes()),
        Size::Large => with_picture(&mail, size.bytes()),
    }
}

/// Fills the message with lines of words.
fn in_words(mut mail: Mail, bytes: usize) -> Result<Mail> {
    while mail.raw.len() + 64 < bytes {
        let picks = random::bytes::<7>()?;
        let words: Vec<&str> = picks
            .iter()
            .map(|pick| WORDS[usize::from(*pick) % WORDS.len()])
            .collect();
        mail = mail.line(&words.join(" "));
    }
    Ok(mail)
}

/// Adds a file that says it is a JPEG; the rest of it is chance, as a compressed picture's is.
fn with_picture(mail: &Mail, bytes: usize) -> Result<Mail> {
    let mail = mail
        .clone()
        .without("Content-Type")
        .with("Content-Type", "multipart/mixed; boundary=\"=_part\"");
    let text = String::from_utf8(mail.raw.clone()).context("a message of ours")?;
    let (head, body) = text
        .split_once("\r\n\r\n")
        .context("a message without a body")?;
    let mut raw = format!(
        "{head}\r\n\r\n--=_part\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{body}\r\n\
         --=_part\r\nContent-Type: image/jpeg; name=\"photo.jpg\"\r\n\
         Content-Transfer-Encoding: base64\r\n\
         Content-Disposition: attachment; filename=\"photo.jpg\"\r\n\r\n"
    );
    let mut line: Vec<u8> = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00".to_vec();
    while raw.len() + 12 < bytes {
        let more = random::bytes::<57>()?;
        line.extend_from_slice(&more[line.len()..]);
        raw.push_str(&STANDARD.encode(&line));
        raw.push_str("\r\n");
        line.clear();
    }
    raw.push_str("--=_part--\r\n");
    Ok(Mail {
        raw: raw.into_bytes(),
        ..mail
    })
}

/// Messages in files, for `load.py`.
#[derive(Debug, Clone, Default)]
pub struct Batch(Vec<(String, String, PathBuf)>);

impl Batch {
    /// Puts a message into a file of `folder`.
    pub fn add(&mut self, folder: &Path, mail: &Mail) -> Result<()> {
        let name = mail.id.trim_matches(['<', '>']);
        let file = folder.join(name);
        files::write_with_parents(&file, &mail.raw, 0o644)?;
        let to = mail.envelope_to.first().context("a message for nobody")?;
        self.0.push((mail.envelope_from.clone(), to.clone(), file));
        Ok(())
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// As `load.py` wants them.
    pub fn json(&self) -> Value {
        self.0
            .iter()
            .map(|(from, to, file)| json!({"from": from, "to": to, "file": file}))
            .collect()
    }
}
