//! A composition's tar, indexed once: where each entry lies, so that packages can be written one
//! after the other without unpacking anything.

use std::{
    collections::HashMap,
    fs::File,
    io::{BufReader, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use tar::EntryType;

use super::dpkg::plain_path;

/// One entry of the tar.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Path without `./` in front or `/` behind.
    pub path: String,
    /// File, folder, link, …
    pub kind: EntryType,
    /// Target of a symbolic link, or the plain path that a hard link repeats.
    pub link: Option<String>,
    /// Bytes of content.
    pub size: u64,
    /// Where its headers begin.
    start: u64,
}

/// The entries of a tar, in its order.
#[derive(Debug)]
pub struct Index {
    tar: PathBuf,
    entries: Vec<Entry>,
    by_path: HashMap<String, usize>,
}

impl Index {
    /// Reads the headers of an uncompressed tar.
    ///
    /// # Errors
    /// When the file is not a tar, or has a path that is not UTF-8.
    pub fn read(tar: &Path) -> Result<Self> {
        let what = || format!("reading {}", tar.display());
        let file = File::open(tar).with_context(what)?;
        let mut archive = tar::Archive::new(file);
        let (mut entries, mut by_path) = (Vec::new(), HashMap::new());
        let mut start = 0;
        for entry in archive.entries_with_seek().with_context(what)? {
            let entry = entry.with_context(what)?;
            let path = text(&entry.path_bytes()).with_context(what)?;
            let kind = entry.header().entry_type();
            let link = match entry.link_name_bytes() {
                None => None,
                Some(bytes) => {
                    let target = text(&bytes).with_context(what)?;
                    Some(match kind {
                        EntryType::Link => plain_path(&target),
                        _ => target,
                    })
                }
            };
            let found = Entry {
                path: path.trim_start_matches("./").trim_matches('/').to_owned(),
                kind,
                link,
                size: entry.size(),
                start,
            };
            start = entry.raw_file_position() + entry.size().next_multiple_of(512);
            if found.path.is_empty() || found.path == "." {
                continue;
            }
            if by_path.insert(found.path.clone(), entries.len()).is_some() {
                bail!("{} holds {} twice", tar.display(), found.path);
            }
            entries.push(found);
        }
        Ok(Self {
            tar: tar.to_path_buf(),
            entries,
            by_path,
        })
    }

    /// The entries, in the order of the tar.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entry at `path`.
    pub fn get(&self, path: &str) -> Option<&Entry> {
        self.by_path.get(path).map(|i| &self.entries[*i])
    }

    /// Opens the tar for reading entries.
    ///
    /// # Errors
    /// When the file is gone.
    pub fn open(&self) -> Result<Reader> {
        let file =
            File::open(&self.tar).with_context(|| format!("opening {}", self.tar.display()))?;
        Ok(Reader {
            file,
            tar: self.tar.clone(),
        })
    }
}

/// Reads single entries of an indexed tar.
#[derive(Debug)]
pub struct Reader {
    file: File,
    tar: PathBuf,
}

impl Reader {
    /// The content of a text file.
    ///
    /// # Errors
    /// When it cannot be read or is not UTF-8.
    pub fn text(&mut self, entry: &Entry) -> Result<String> {
        self.with(entry, |found| {
            let mut text = String::new();
            found.read_to_string(&mut text)?;
            Ok(text)
        })
    }

    /// Appends `entry` to another tar, as `path`, with its mode, owner, time and extended
    /// attributes (file capabilities among them).
    ///
    /// # Errors
    /// When reading or writing fails.
    pub fn copy(
        &mut self,
        entry: &Entry,
        path: &str,
        to: &mut tar::Builder<impl Write>,
    ) -> Result<()> {
        self.with(entry, |found| {
            let attributes = attributes(found)?;
            if !attributes.is_empty() {
                to.append_pax_extensions(
                    attributes
                        .iter()
                        .map(|(key, value)| (key.as_str(), value.as_slice())),
                )?;
            }
            let old = found.header();
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(old.entry_type());
            header.set_mode(old.mode()?);
            header.set_uid(old.uid()?);
            header.set_gid(old.gid()?);
            header.set_mtime(old.mtime()?);
            header.set_size(0);
            match (&entry.link, entry.kind) {
                (Some(target), EntryType::Link | EntryType::Symlink) => {
                    to.append_link(&mut header, path, target)?;
                }
                (_, EntryType::Directory) => {
                    to.append_data(&mut header, format!("{path}/"), std::io::empty())?;
                }
                (_, EntryType::Regular) => {
                    header.set_size(entry.size);
                    to.append_data(&mut header, path, found)?;
                }
                (_, kind) => bail!("{} is a {kind:?}, which no package can hold", entry.path),
            }
            Ok(())
        })
    }

    fn with<T>(
        &mut self,
        entry: &Entry,
        f: impl FnOnce(&mut tar::Entry<'_, BufReader<&File>>) -> Result<T>,
    ) -> Result<T> {
        let what = || format!("reading {} in {}", entry.path, self.tar.display());
        self.file
            .seek(SeekFrom::Start(entry.start))
            .with_context(what)?;
        let mut archive = tar::Archive::new(BufReader::with_capacity(1 << 16, &self.file));
        let mut found = archive
            .entries()
            .with_context(what)?
            .next()
            .with_context(what)?
            .with_context(what)?;
        f(&mut found).with_context(what)
    }
}

/// The extended attributes in an entry's pax headers.
fn attributes<R: Read>(entry: &mut tar::Entry<'_, R>) -> Result<Vec<(String, Vec<u8>)>> {
    let mut found = Vec::new();
    if let Some(extensions) = entry.pax_extensions()? {
        for extension in extensions {
            let extension = extension?;
            let key = extension.key().context("a pax key is not UTF-8")?;
            if key.starts_with("SCHILY.xattr.") {
                found.push((key.to_owned(), extension.value_bytes().to_vec()));
            }
        }
    }
    Ok(found)
}

fn text(bytes: &[u8]) -> Result<String> {
    String::from_utf8(bytes.to_vec())
        .with_context(|| format!("the path '{}' is not UTF-8", String::from_utf8_lossy(bytes)))
}
