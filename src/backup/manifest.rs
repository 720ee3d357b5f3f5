//! The manifest of a backup: JSON, one value a line.
//!
//! The first line is the [`Header`], every other line a file, folder or symbolic link of the state,
//! sorted by path:
//!
//! ```text
//! {"type":"backup","format":1,"id":"mail.example.org_20261124T033000Z",...}
//! {"type":"directory","path":"mail/example.org","mode":"0700","uid":308,"gid":308}
//! {"type":"file","path":"mail/example.org/alice/Maildir/cur/1.M2.mail:2,S","mode":"0600",
//!  "uid":308,"gid":308,"mtime":1795491000,"size":812,"sha256":"9f86...","entry":
//!  "mail/example.org/alice/Maildir/new/1.M2.mail"}
//! ```
//!
//! A file's content is the entry named `entry`, or else `path`, of the archive named `archive`, or
//! else of the archive that the manifest is in.

use std::{
    ffi::OsStr,
    io::{BufRead, Read, Write},
    os::unix::ffi::OsStrExt,
    path::{Component, Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::Error as _};

use super::{module::Module, name::BackupId};

/// The format that this program writes; raised when an older program would misread a newer one.
pub const FORMAT: u32 = 1;

/// The entry of an archive that comes first: [`Mark`], JSON.
pub const MARK: &str = "ezmail/backup.json";
/// The entry of an archive that comes last.
pub const MANIFEST: &str = "ezmail/manifest.jsonl";

/// The longest line that is read, in bytes: two paths of 4096 bytes in base64, and the rest.
const LINE: u64 = 1 << 16;

/// What an archive says of itself before anything else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// See [`FORMAT`].
    pub format: u32,
    /// The run that it is of.
    pub id: BackupId,
    /// The number of a part; `None` for the archive that makes a backup whole.
    pub part: Option<u32>,
    /// The version of ezmail that wrote it.
    pub version: String,
}

/// What a backup is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// See [`FORMAT`].
    pub format: u32,
    /// Of which server, and when it was begun.
    pub id: BackupId,
    /// The version of ezmail that wrote it.
    pub version: String,
    /// The version of the database's schema, if the database is in it.
    pub schema: Option<usize>,
    /// What is in it.
    pub modules: Vec<Module>,
    /// When what it lists was as it lists it, in seconds since 1970: all mail that was accepted
    /// before is in it.
    pub complete_until: i64,
    /// How many files it lists.
    pub files: u64,
    /// How long they are together, in bytes.
    pub bytes: u64,
    /// The other archives that it needs.
    pub archives: Vec<Needed>,
}

/// An earlier archive that a backup needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Needed {
    /// Its name.
    pub name: String,
    /// How long it is, in bytes.
    pub bytes: u64,
}

/// A file, folder or symbolic link of the state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Its path on the state volume.
    #[serde(with = "path_text")]
    pub path: PathBuf,
    /// Its mode, without the type.
    #[serde(with = "octal")]
    pub mode: u32,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// What it is.
    #[serde(flatten)]
    pub kind: Kind,
}

/// What an [`Item`] is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Kind {
    /// A folder.
    Directory,
    /// A file.
    File(Content),
    /// A symbolic link.
    Symlink {
        /// Where it leads.
        #[serde(with = "path_text")]
        target: PathBuf,
    },
}

/// What is in a file, and where its bytes are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// When it was changed last, in seconds since 1970.
    pub mtime: i64,
    /// Its length in bytes.
    pub size: u64,
    /// Of its bytes.
    #[serde(with = "hex::serde")]
    pub sha256: [u8; 32],
    /// The archive with its bytes, if it is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive: Option<String>,
    /// The entry there, if it is not named as `path`.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "optional_path"
    )]
    pub entry: Option<PathBuf>,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename = "backup")]
struct First {
    #[serde(flatten)]
    header: Header,
}

/// Writes the first line.
///
/// # Errors
/// When `out` cannot be written.
pub fn write_header(out: &mut impl Write, header: &Header) -> Result<()> {
    let header = header.clone();
    line(out, &First { header })
}

/// Writes the line of an item.
///
/// # Errors
/// When `out` cannot be written.
pub fn write_item(out: &mut impl Write, item: &Item) -> Result<()> {
    line(out, item)
}

fn line(out: &mut impl Write, value: &impl Serialize) -> Result<()> {
    serde_json::to_writer(&mut *out, value).context("writing the manifest")?;
    out.write_all(b"\n").context("writing the manifest")
}

/// Reads a manifest a line at a time.
#[derive(Debug)]
pub struct Lines<R> {
    reader: R,
    number: u64,
    buffer: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    /// Reads from `reader`, which yields the manifest and nothing else.
    pub fn new(reader: R) -> Self {
        Self {
            reader,
            number: 0,
            buffer: Vec::new(),
        }
    }

    /// The first line.
    ///
    /// # Errors
    /// When it cannot be read, is none, or is of a newer format.
    pub fn header(&mut self) -> Result<Header> {
        let text = self.next()?.context("the manifest is empty")?;
        let First { header } = parse(&text, 1)?;
        check_format(header.format)?;
        Ok(header)
    }

    /// The next item, `None` at the end.
    ///
    /// # Errors
    /// When the line cannot be read, or is none that this program would have written.
    pub fn item(&mut self) -> Result<Option<Item>> {
        let Some(text) = self.next()? else {
            return Ok(None);
        };
        let item: Item = parse(&text, self.number)?;
        check_path(&item.path)?;
        if let Kind::File(content) = &item.kind {
            content.entry.as_deref().map_or(Ok(()), check_path)?;
        }
        Ok(Some(item))
    }

    fn next(&mut self) -> Result<Option<String>> {
        self.buffer.clear();
        let mut limited = (&mut self.reader).take(LINE);
        let n = limited.read_until(b'\n', &mut self.buffer)?;
        self.number += 1;
        let number = self.number;
        match self.buffer.pop() {
            None => Ok(None),
            Some(b'\n') => {
                let text = std::str::from_utf8(&self.buffer);
                let text = text.with_context(|| format!("line {number} of the manifest"))?;
                Ok(Some(text.to_owned()))
            }
            Some(_) => bail!("line {number} of the manifest does not end after {n} bytes"),
        }
    }
}

/// Reads a [`Mark`].
///
/// # Errors
/// When it is none, or of a newer format.
pub fn parse_mark(text: &str) -> Result<Mark> {
    let mark: Mark =
        serde_json::from_str(text).with_context(|| format!("{MARK} is none that ezmail writes"))?;
    check_format(mark.format)?;
    Ok(mark)
}

/// Whether this program can read that format.
fn check_format(format: u32) -> Result<()> {
    ensure!(
        format <= FORMAT,
        "the backup has format {format}, and this version of ezmail ({}) knows formats up to \
         {FORMAT}: it was made by a newer version; use that one to restore it",
        env!("CARGO_PKG_VERSION")
    );
    Ok(())
}

fn parse<'a, T: Deserialize<'a>>(text: &'a str, number: u64) -> Result<T> {
    serde_json::from_str(text).with_context(|| format!("line {number} of the manifest"))
}

/// Whether a path leads to where it says, below the folder that it is relative to.
fn check_path(path: &Path) -> Result<()> {
    let plain = |c: Component<'_>| matches!(c, Component::Normal(_));
    ensure!(
        path.components().next().is_some() && path.components().all(plain),
        "the manifest has a path that leads elsewhere: {}",
        path.display()
    );
    Ok(())
}

/// Paths are text, or `{"base64": ...}` where they are not UTF-8.
mod path_text {
    use super::*;

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Text {
        Plain(String),
        Other { base64: String },
    }

    pub(super) fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
        match path.to_str() {
            Some(text) => serializer.serialize_str(text),
            None => {
                let base64 = STANDARD.encode(path.as_os_str().as_bytes());
                Text::Other { base64 }.serialize(serializer)
            }
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<PathBuf, D::Error> {
        match Text::deserialize(from)? {
            Text::Plain(text) => Ok(text.into()),
            Text::Other { base64 } => {
                let bytes = STANDARD.decode(base64).map_err(D::Error::custom)?;
                Ok(OsStr::from_bytes(&bytes).into())
            }
        }
    }
}

mod optional_path {
    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Wrapped(#[serde(with = "path_text")] PathBuf);

    pub(super) fn serialize<S: Serializer>(
        path: &Option<PathBuf>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match path {
            Some(path) => path_text::serialize(path, serializer),
            None => Err(S::Error::custom("no path")),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<PathBuf>, D::Error> {
        Wrapped::deserialize(from).map(|w| Some(w.0))
    }
}

/// Modes as people write them: `"0600"`.
mod octal {
    use super::*;

    pub(super) fn serialize<S: Serializer>(mode: &u32, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{mode:04o}"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
        let text = String::deserialize(from)?;
        let mode = u32::from_str_radix(&text, 8).map_err(D::Error::custom)?;
        match mode {
            0..=0o7777 => Ok(mode),
            _ => Err(D::Error::custom(format!("`{text}` is no mode"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(path: &[u8], kind: Kind) -> Item {
        Item {
            path: OsStr::from_bytes(path).into(),
            mode: 0o600,
            uid: 308,
            gid: 308,
            kind,
        }
    }

    fn header() -> Header {
        Header {
            format: FORMAT,
            id: "mail.example.org_20261124T033000Z".parse().unwrap(),
            version: "0.1.0".to_owned(),
            schema: Some(4),
            modules: vec![Module::Config, Module::Mail],
            complete_until: 1_795_491_060,
            files: 1,
            bytes: 5,
            archives: vec![Needed {
                name: "mail.example.org_20261123T033000Z.tar.zst.encpipe".to_owned(),
                bytes: 7,
            }],
        }
    }

    fn items() -> [Item; 4] {
        let content = |archive: Option<&str>, entry: Option<&str>| {
            Kind::File(Content {
                mtime: 1,
                size: 5,
                sha256: [0xab; 32],
                archive: archive.map(str::to_owned),
                entry: entry.map(Into::into),
            })
        };
        let target = "sieve/main.sieve".into();
        [
            item(b"mail", Kind::Directory),
            item(b"mail/.dovecot.sieve", Kind::Symlink { target }),
            item(b"mail/a", content(None, None)),
            item(b"mail/\xff", content(Some("x"), Some("mail/b"))),
        ]
    }

    fn text() -> String {
        let mut out = Vec::new();
        write_header(&mut out, &header()).unwrap();
        for item in items() {
            write_item(&mut out, &item).unwrap();
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_is_written_is_read() {
        let text = text();
        insta::assert_snapshot!(text);
        let mut lines = Lines::new(text.as_bytes());
        assert_eq!(lines.header().unwrap(), header());
        for item in items() {
            assert_eq!(lines.item().unwrap(), Some(item));
        }
        assert_eq!(lines.item().unwrap(), None);
    }

    fn refused(change: impl Fn(&str) -> String) -> String {
        let text = change(&text());
        let mut lines = Lines::new(text.as_bytes());
        let mut read = || -> Result<()> {
            lines.header()?;
            while lines.item()?.is_some() {}
            Ok(())
        };
        format!("{:#}", read().unwrap_err())
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let newer = refused(|t| t.replacen("\"format\":1", "\"format\":2", 1));
        insta::assert_snapshot!(newer, @"the backup has format 2, and this version of ezmail (0.1.0) knows formats up to 1: it was made by a newer version; use that one to restore it");
        for (from, to) in [
            ("mail/a", "../a"),
            ("mail/a", "/a"),
            ("mail/b", "a/../../b"),
        ] {
            let error = refused(|t| t.replacen(from, to, 1));
            assert!(error.contains("leads elsewhere"), "{error}");
        }
        let error = refused(|t| t.replacen("\"0600\"", "\"10600\"", 1));
        assert!(error.starts_with("line 2 of the manifest: "), "{error}");
        let error = refused(|t| t[..t.len() - 1].to_owned());
        assert!(
            error.starts_with("line 5 of the manifest does not end"),
            "{error}"
        );
        assert_eq!(refused(|_| String::new()), "the manifest is empty");
    }
}
