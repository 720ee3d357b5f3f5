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

mod lines;
mod text;

use std::{io::Write, path::PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

pub use lines::{Lines, parse_mark};
use text::{octal, optional_path, path_text};

use super::{module::Module, name::BackupId};

/// The format that this program writes; raised when an older program would misread a newer one.
pub const FORMAT: u32 = 1;

/// The entry of an archive that comes first: [`Mark`], JSON.
pub const MARK: &str = "ezmail/backup.json";
/// The entry of an archive that comes last.
pub const MANIFEST: &str = "ezmail/manifest.jsonl";

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

#[cfg(test)]
mod tests;
