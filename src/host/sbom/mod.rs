//! The bill of materials of an image (SBOM), out of the manifest that lies beside it.
//!
//! Two formats, both JSON: SPDX 2.3 (ISO/IEC 5962's successor) and CycloneDX 1.6 (ECMA-424). Both are
//! written by structs of our own: of the crates, serde-spdx checks nothing and cyclonedx-bom ends at
//! 1.5 and brings XML along. Licences are read by `spdx`, purls are written by `packageurl`. Public
//! validators read real documents in `tests/image`.
//!
//! The same manifest gives the same bytes: the time is the image's, and the number of a document is a
//! hash of what it is made from.

pub mod args;
mod cyclonedx;
mod inventory;
mod license;
mod spdx;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::ValueEnum;
use serde::Serialize;

use self::inventory::Inventory;
use super::{
    manifest::{Drift, Manifest},
    project::VERSION,
};
use crate::util::{files, hash::Key};

/// In which form to write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// SPDX 2.3, JSON
    Spdx,
    /// CycloneDX 1.6, JSON
    Cyclonedx,
}

/// Writes the document of an image: JSON text with a line end.
///
/// # Errors
/// When the manifest contradicts itself; the error says where.
pub fn render(manifest: &Manifest, format: Format) -> Result<String> {
    let inventory = Inventory::new(manifest)?;
    match format {
        Format::Spdx => text(&spdx::document(&inventory, &number(manifest, "spdx")?)),
        Format::Cyclonedx => text(&cyclonedx::document(
            &inventory,
            &number(manifest, "cyclonedx")?,
        )),
    }
}

/// The name of an image's document, beside the image: `NAME.spdx.json` or `NAME.cdx.json`.
pub fn file_name(iso: &Path, format: Format) -> PathBuf {
    iso.with_extension(match format {
        Format::Spdx => "spdx.json",
        Format::Cyclonedx => "cdx.json",
    })
}

/// Writes the document of the image `iso` beside it, from the manifest that lies there; its path.
///
/// # Errors
/// When the manifest is missing or contradicts itself, or the document cannot be written.
pub fn write_beside(iso: &Path, format: Format) -> Result<PathBuf> {
    let path = iso.with_extension("manifest.json");
    let document = files::read_to_string(&path)
        .and_then(|text| Manifest::parse(&text))
        .and_then(|manifest| render(&manifest, format))
        .with_context(|| format!("{} gives no bill of materials", path.display()))?;
    let to = file_name(iso, format);
    files::write(&to, document, 0o644)?;
    Ok(to)
}

/// Removes the documents beside an image that is about to be replaced.
///
/// # Errors
/// When one is there and cannot be removed.
pub fn forget(iso: &Path) -> Result<()> {
    for format in Format::value_variants() {
        files::remove_file(&file_name(iso, *format))?;
    }
    Ok(())
}

fn text(document: &impl Serialize) -> Result<String> {
    Ok(serde_json::to_string_pretty(document).context("writing the bill of materials")? + "\n")
}

/// `urn:uuid:` with a UUID of version 8 (RFC 9562, section 5.8) over the image's checksum and all else
/// that the document is made from: two documents that differ have two numbers.
fn number(manifest: &Manifest, format: &str) -> Result<String> {
    let all = serde_json::to_string(manifest).context("reading the manifest")?;
    let hash = Key::new("sbom", 1)
        .add("format", format)
        .add("tool", VERSION)
        .add("iso", &manifest.iso.sha256)
        .add("manifest", all)
        .finish();
    Ok(format!(
        "urn:uuid:{}-{}-8{}-a{}-{}",
        &hash[..8],
        &hash[8..12],
        &hash[12..15],
        &hash[15..18],
        &hash[18..30]
    ))
}

/// A home page that is one.
fn homepage(url: &str) -> Option<&str> {
    let known = url::Url::parse(url).is_ok_and(|u| matches!(u.scheme(), "http" | "https"));
    known.then_some(url)
}

/// A SHA-256, unless the repository did not say it.
fn sha256(hash: &str) -> Option<&str> {
    (hash.len() == 64).then_some(hash)
}

/// What there is to say about a package's version on this base.
fn remark(drift: &Drift) -> String {
    format!(
        "For Arch the version {} is pinned: {}.",
        drift.arch, drift.reason
    )
}
