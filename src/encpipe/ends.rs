//! Where the program reads and writes: files and standard input and output, chosen with care.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io::{self, Write},
    os::{
        fd::AsFd,
        unix::fs::{FileTypeExt, MetadataExt},
    },
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use crate::util::files::AtomicFile;

/// The mode of every file it writes: decrypted data is secret, and an encrypted backup need not
/// be lying around for everyone to guess at.
const MODE: u32 = 0o600;

/// An end of the pipe, as the command line names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Standard input or output: no name, or `-`.
    Standard,
    /// A file.
    Path(PathBuf),
}

impl End {
    /// Reads an option's value; `-` and none at all mean the same.
    pub fn new(path: Option<&Path>) -> Self {
        match path {
            Some(path) if path != Path::new("-") => Self::Path(path.to_path_buf()),
            _ => Self::Standard,
        }
    }

    /// Opens it for reading.
    ///
    /// # Errors
    /// When there is no such file or it may not be read; the message names it.
    pub fn open_input(&self) -> Result<File> {
        match self {
            Self::Standard => duplicate(io::stdin()).context("opening standard input"),
            Self::Path(path) => {
                File::open(path).with_context(|| format!("opening {}", path.display()))
            }
        }
    }
}

/// The output, looked at but not opened: nothing is created before the key is there.
#[derive(Debug)]
pub enum Target {
    /// Open already, so written to as it comes.
    Standard(File),
    /// A device or a pipe: opened and written to as it comes.
    Device(PathBuf),
    /// A file, new or to be replaced: written beside its place, put there when whole.
    File(PathBuf),
}

impl Target {
    /// Looks at `end`, through symbolic links, and refuses what would destroy something:
    /// a folder, and any of the files in `keep` (what each is, and its metadata).
    ///
    /// # Errors
    /// When it is refused or cannot be looked at.
    pub fn examine(end: &End, keep: &[(&str, Metadata)]) -> Result<Self> {
        let (target, found) = match end {
            End::Standard => {
                let file = standard_output()?;
                let found = file.metadata().context("examining standard output")?;
                (Self::Standard(file), Some(found))
            }
            End::Path(path) => examine_path(path)?,
        };
        for (what, kept) in keep {
            if found.as_ref().is_some_and(|found| same_file(found, kept)) {
                bail!("the output is the same file as {what}: choose another name for it");
            }
        }
        Ok(target)
    }

    /// Opens it for writing.
    ///
    /// # Errors
    /// When it, or a file beside it, may not be written; the message names it.
    pub fn open(self) -> Result<Output> {
        Ok(match self {
            Self::Standard(file) => Output::Direct(file),
            Self::Device(path) => Output::Direct(
                OpenOptions::new()
                    .write(true)
                    .open(&path)
                    .with_context(|| format!("opening {}", path.display()))?,
            ),
            Self::File(path) => Output::File(AtomicFile::create(&path)?),
        })
    }

    /// Whether what is written before a failure stays.
    pub fn is_direct(&self) -> bool {
        !matches!(self, Self::File(_))
    }
}

/// An open output. A file comes into being when it is committed; dropped, it leaves nothing.
#[derive(Debug)]
pub enum Output {
    /// Standard output, a device or a pipe.
    Direct(File),
    /// A file.
    File(AtomicFile),
}

impl Output {
    /// Says that all is written: a file takes its place, readable by its owner alone.
    ///
    /// # Errors
    /// When the disk fails or is full.
    pub fn commit(self) -> Result<()> {
        match self {
            Self::Direct(_) => Ok(()),
            Self::File(file) => file.commit(MODE),
        }
    }
}

impl Write for Output {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        match self {
            Self::Direct(file) => file.write(data),
            Self::File(file) => file.write(data),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Direct(file) => file.flush(),
            Self::File(file) => file.flush(),
        }
    }
}

fn examine_path(path: &Path) -> Result<(Target, Option<Metadata>)> {
    let what = || format!("examining {}", path.display());
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            if fs::symlink_metadata(path).is_ok() {
                bail!(
                    "{} is a symbolic link to nothing: remove it, or name the file itself",
                    path.display()
                );
            }
            if path.file_name().is_none() || path.as_os_str().as_encoded_bytes().ends_with(b"/") {
                bail!("{} names a folder: give a file's name", path.display());
            }
            let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
            if let Some(folder) = folder.filter(|p| !p.exists()) {
                bail!(
                    "there is no folder {} for {}: create it first",
                    folder.display(),
                    path.display()
                );
            }
            return Ok((Target::File(path.to_path_buf()), None));
        }
        Err(e) => return Err(e).with_context(what),
    };
    if found.is_dir() {
        bail!("{} is a folder: give a file's name", path.display());
    }
    let target = if found.is_file() {
        // The real name, so that a link stays a link and its file is the one replaced.
        Target::File(fs::canonicalize(path).with_context(what)?)
    } else {
        Target::Device(path.to_path_buf())
    };
    Ok((target, Some(found)))
}

/// Whether both are one file or disk; a terminal or `/dev/null` may well be both ends.
fn same_file(a: &Metadata, b: &Metadata) -> bool {
    (a.is_file() || a.file_type().is_block_device()) && a.dev() == b.dev() && a.ino() == b.ino()
}

/// Standard output, unbuffered.
///
/// # Errors
/// When its descriptor cannot be duplicated.
pub fn standard_output() -> Result<File> {
    duplicate(io::stdout()).context("opening standard output")
}

/// The descriptor itself, without the standard library's buffer around it.
fn duplicate(stdio: impl AsFd) -> io::Result<File> {
    Ok(File::from(stdio.as_fd().try_clone_to_owned()?))
}
