//! Reads a manifest, and believes nothing of it that cannot be.

use std::{
    io::{BufRead, Read},
    path::{Component, Path},
};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use super::{FORMAT, First, Header, Item, Kind, MARK, Mark};

/// The longest line that is read, in bytes: two paths of 4096 bytes in base64, and the rest.
const LINE: u64 = 1 << 16;
/// The longest first line, in bytes: it names every other archive, and each takes some 300.
const HEADER: u64 = 16 << 20;

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
        let text = self.next(HEADER)?.context("the manifest is empty")?;
        let First { header } = parse(&text, 1)?;
        check_format(header.format)?;
        Ok(header)
    }

    /// The next item, `None` at the end.
    ///
    /// # Errors
    /// When the line cannot be read, or is none that this program would have written.
    pub fn item(&mut self) -> Result<Option<Item>> {
        let Some(text) = self.next(LINE)? else {
            return Ok(None);
        };
        let item: Item = parse(&text, self.number)?;
        check_path(&item.path)?;
        if let Kind::File(content) = &item.kind {
            content.entry.as_deref().map_or(Ok(()), check_path)?;
        }
        Ok(Some(item))
    }

    fn next(&mut self, limit: u64) -> Result<Option<String>> {
        self.buffer.clear();
        let mut limited = (&mut self.reader).take(limit);
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
