//! Answers into an image, in place or in a copy; and out of it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use super::image::Image;
use crate::{
    answers::{container::Content, reserved::SIZE},
    util::files::AtomicFile,
};

/// What to do.
#[derive(Debug)]
pub struct Put<'a> {
    /// The answers, which have been checked.
    pub content: &'a Content,
    /// The image.
    pub image: &'a Path,
    /// Where the copy goes; without it, the image itself is written to.
    pub out: Option<&'a Path>,
    /// Whether to write over answers in the image, and over `out`.
    pub replace: bool,
}

/// What was done.
#[derive(Debug, PartialEq, Eq)]
pub struct Done {
    /// The image with the answers.
    pub path: PathBuf,
    /// The mode that it had before it was closed to others, if it was open to them.
    pub closed: Option<u32>,
}

/// Embeds answers. Everything is checked before anything is written.
///
/// # Errors
/// When the answers are too large; when the image is not ours, has other answers already or
/// cannot be written; when `out` is there already.
pub fn put(put: &Put) -> Result<Done> {
    let reserved = put.content.pack(SIZE)?;
    let image = Image::open(put.image, put.out.is_none())?;
    if !put.replace {
        refuse_other_answers(&image, put.content)?;
    }
    let Some(out) = put.out else {
        let closed = image.close_to_others()?;
        image.write(&reserved)?;
        let path = put.image.to_owned();
        return Ok(Done { path, closed });
    };
    check_out(&image, out, put.replace)?;
    let what = || format!("copying {} to {}", image.path().display(), out.display());
    // readable for us alone from its first moment, and in its place only when it is whole
    let copy = AtomicFile::create(out)?;
    let mut from = image.rewound().with_context(what)?;
    // shares blocks where the file system can
    io::copy(&mut from, &mut copy.file()).with_context(what)?;
    let file = copy.file().try_clone().with_context(what)?;
    image
        .copied(file, copy.temp_path().to_owned())
        .write(&reserved)?;
    copy.commit(0o600)?;
    Ok(Done {
        path: out.to_owned(),
        closed: None,
    })
}

/// Blanks the reserved place, whatever is in it; `false` if it is blank already.
///
/// # Errors
/// When the image is not ours or cannot be written.
pub fn clear(path: &Path) -> Result<bool> {
    let image = Image::open(path, true)?;
    if let Ok(None) = image.content()? {
        return Ok(false);
    }
    image.write(&vec![0; SIZE])?;
    Ok(true)
}

/// The same answers once more are no loss.
fn refuse_other_answers(image: &Image, content: &Content) -> Result<()> {
    let path = image.path().display();
    let how = "add --replace to write over them";
    match image.content()? {
        Ok(None) => Ok(()),
        Ok(Some(old)) if old == *content => Ok(()),
        Ok(Some(old)) => {
            let host = old.check().0.map(|a| format!(" for {}", a.hostname));
            bail!(
                "{path} holds other answers already ({}{}); {how}",
                old.name,
                host.unwrap_or_default()
            )
        }
        Err(damage) => bail!("the answers in {path} {damage}; {how}"),
    }
}

fn check_out(image: &Image, out: &Path, replace: bool) -> Result<()> {
    let name = out.display();
    if image.is(out) {
        bail!("{name} is the image itself; to write to it in place, leave out -o");
    }
    let folder = out.parent().filter(|f| !f.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|f| !f.is_dir()) {
        bail!(
            "{name} cannot be written: there is no folder {}",
            folder.display()
        );
    }
    match fs::metadata(out) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e).with_context(|| format!("reading {name}")),
        Ok(data) if !data.is_file() => bail!(
            "{name} is there and is no file; write a file first and copy it there then, with dd \
             or cp"
        ),
        Ok(_) if !replace => bail!("{name} is there already; add --replace to write over it"),
        Ok(_) => Ok(()),
    }
}
