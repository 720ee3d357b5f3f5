//! Makes the file of a disk: installed to as the agent does it, then in the format that is asked for.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use super::unpack::unpack;
use crate::{
    answers::{container::Content, reserved},
    disk::{
        esp,
        image::Image,
        install::{self, Install},
        layout::{Layout, MIB},
    },
    util::{files::AtomicFile, run::Task},
};

/// What providers take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The bytes of the disk, to be written to it.
    Raw,
    /// QEMU's format, compressed.
    Qcow2,
}

impl Format {
    /// By the end of the file's name.
    ///
    /// # Errors
    /// When it says neither.
    pub fn of(path: &Path) -> Result<Self> {
        match path.extension().and_then(|e| e.to_str()) {
            Some("raw" | "img") => Ok(Self::Raw),
            Some("qcow2") => Ok(Self::Qcow2),
            _ => bail!(
                "{}: it is not clear which format is wanted; end the name in .qcow2 or .raw",
                path.display()
            ),
        }
    }
}

/// What to make.
#[derive(Debug)]
pub struct Make<'a> {
    /// The answers, which have been checked.
    pub content: &'a Content,
    /// The image.
    pub image: &'a Path,
    /// The file.
    pub out: &'a Path,
    /// Its size in bytes, if not the smallest that will do.
    pub size: Option<u64>,
}

/// What was made.
#[derive(Debug)]
pub struct Made {
    /// The size of the disk in bytes.
    pub disk: u64,
    /// The version of the image on it.
    pub version: String,
}

/// Makes it; `tell` hears what is done. The file appears when it is whole, readable for its owner alone.
///
/// # Errors
/// When the image is not ours, the size is too small, a tool fails or a file cannot be written.
pub fn make(make: &Make, tell: &dyn Fn(&str)) -> Result<Made> {
    let format = Format::of(make.out)?;
    let code = esp::boot_code()?;
    let code = fs::read(&code).with_context(|| format!("reading {}", code.display()))?;
    let answers = make.content.pack(reserved::SIZE)?;
    let folder = make.out.parent().filter(|f| !f.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    // beside the file: a folder for short-lived files may be in memory
    let scratch = tempfile::Builder::new()
        .prefix(".ezmail-disk-")
        .tempdir_in(folder);
    let scratch = scratch.with_context(|| format!("making a folder in {}", folder.display()))?;
    tell("unpacking the image");
    let tree = scratch.path().join("image");
    unpack(make.image, &tree)?;
    let image = Image::read(&tree).with_context(|| make.image.display().to_string())?;
    let least = Layout::least(image.size()?);
    let size = make.size.unwrap_or(least).next_multiple_of(MIB);
    let disk = AtomicFile::create(make.out)?;
    disk.file()
        .set_len(size)
        .context("making a file for the disk")?;
    install::run(
        &Install {
            disk: disk.temp_path(),
            name: &make.out.display().to_string(),
            image: &image,
            boot_code: &code,
            answers: &answers,
        },
        tell,
    )?;
    match format {
        Format::Raw => disk.commit(0o600)?,
        Format::Qcow2 => {
            tell("compressing it as qcow2");
            convert(disk.temp_path(), make.out)?;
        }
    }
    Ok(Made {
        disk: size,
        version: image.version,
    })
}

/// The raw disk as qcow2, in the place of `out`.
fn convert(raw: &Path, out: &Path) -> Result<()> {
    let file = AtomicFile::create(out)?;
    let to: PathBuf = file.temp_path().to_path_buf();
    let mut command = Command::new("qemu-img");
    command
        .args(["convert", "-f", "raw", "-O", "qcow2", "-c"])
        .arg(raw)
        .arg(to);
    Task::new("compressing the disk", command).run()?;
    file.commit(0o600)
}
