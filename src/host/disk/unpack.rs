//! The files of an image that a disk takes, out of its ISO 9660.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

use anyhow::{Context, Result, bail};

use crate::{
    answers::reserved::LABEL,
    iso9660::{Entry, Volume},
    util::files,
};

/// Folders of the tree that are taken, whatever is in them; and of the folder of the image itself, all
/// but what only the ISO needs.
const WHOLE: &[&str] = &["EFI", "loader"];

/// Writes the tree of files that [`crate::disk::image::Image`] reads into `to`.
///
/// # Errors
/// When it is not our image, is damaged, or a file cannot be written.
pub fn unpack(image: &Path, to: &Path) -> Result<()> {
    let what = || format!("reading {}", image.display());
    let file = File::open(image).with_context(what)?;
    let mut volume = Volume::open(&file).with_context(what)?;
    if volume.id() != LABEL {
        bail!(
            "{} is the image '{}', and none of ezmail: those are called {LABEL}",
            image.display(),
            volume.id()
        );
    }
    if volume.length() < volume.size() {
        bail!("{} is cut short: copy or fetch it again", image.display());
    }
    let root = volume.root().clone();
    for entry in volume.list(&root).with_context(what)? {
        let taken = WHOLE.iter().any(|w| w.eq_ignore_ascii_case(entry.shown()));
        if entry.directory && (taken || volume.find(&format!("{}/x86_64", entry.shown())).is_ok()) {
            tree(&mut volume, &file, &entry, &to.join(entry.shown()))
                .with_context(|| format!("unpacking {}", image.display()))?;
        }
    }
    Ok(())
}

fn tree(volume: &mut Volume<&File>, file: &File, folder: &Entry, to: &Path) -> Result<()> {
    files::create_dir_all(to)?;
    for entry in volume.list(folder)? {
        let name = entry.shown();
        if matches!(name, "." | "..") || name.contains('/') {
            continue;
        }
        let to = to.join(name);
        if entry.directory {
            tree(volume, file, &entry, &to)?;
        } else {
            copy(file, &entry, &to).with_context(|| format!("writing {}", to.display()))?;
        }
    }
    Ok(())
}

fn copy(file: &File, entry: &Entry, to: &Path) -> io::Result<()> {
    let mut out = File::create(to)?;
    let mut file = file;
    for extent in &entry.extents {
        file.seek(SeekFrom::Start(extent.offset))?;
        let copied = io::copy(&mut file.take(extent.length), &mut out)?;
        if copied < extent.length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}
