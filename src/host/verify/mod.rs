//! Whether an image is whole and would boot: our own reading of it, by none of the programs that
//! wrote it.
//!
//! | module | its one job |
//! |---|---|
//! | [`bytes`] | bytes of an image by their place, never more than there are |
//! | [`mbr`], [`gpt`] | the two partition tables |
//! | [`fat`] | the EFI system partition's files |
//! | [`tree`] | files of a volume, with their places in the image |
//! | [`formats`] | beginnings of a kernel, an EFI program, a squashfs, an erofs |
//! | [`initramfs`] | the parts of an initramfs |
//! | [`look`] | an image as it was read |
//! | [`checks`] | the checks, each a function of that |
//! | [`report`] | what they found |
//! | [`render`] | the same, for people |
//! | [`command`] | `ezmail verify`: this with signature and checksum |
//!
//! [`crate::iso9660`] reads the ISO itself, [`crate::loader`] what boot loaders read. Nothing that is read is trusted: an image may be
//! damaged, or made to look so.

pub mod bytes;
pub mod checks;
pub mod command;
pub mod fat;
pub mod formats;
pub mod gpt;
pub mod initramfs;
pub mod look;
pub mod mbr;
pub mod render;
pub mod report;
pub mod tree;

use std::{fs::File, path::Path};

use anyhow::{Context, Result, anyhow, bail};

pub use command::VerifyArgs;

use self::{
    bytes::{Bytes, Disk, Window},
    look::Look,
    mbr::{Mbr, SECTOR},
    report::{Check, Report},
};
use crate::{
    answers::reserved,
    iso9660::{self, Volume},
};

/// Checks an image, or a disk that it was copied to.
///
/// # Errors
/// When it cannot be read, or is no ISO image at all. All else is in the report.
pub fn check(image: &Path) -> Result<Report> {
    let name = image.display();
    if image.is_dir() {
        bail!("{name} is a folder: name the image in it");
    }
    let file = File::open(image).with_context(|| format!("opening {name}"))?;
    let disk = Disk::new(file).with_context(|| format!("reading {name}"))?;
    let mut report = Report {
        image: image.to_owned(),
        size: disk.length(),
        boots: Vec::new(),
        answers: false,
        checks: Vec::new(),
    };
    let whole = Window::new(&disk, 0, disk.length());
    let look = match Volume::open(whole) {
        Err(e @ (iso9660::Error::NotIso | iso9660::Error::Io(_))) => {
            return Err(e).with_context(|| name.to_string());
        }
        Err(e) => Err(e.to_string()),
        Ok(volume) if volume.size() > volume.length() => {
            let short = checks::cut_short(volume.length(), volume.size());
            report.checks.push(Check::new("size", Err(short)));
            return Ok(report);
        }
        Ok(volume) => Look::new(&disk, volume),
    };
    match look {
        Err(e) => report.checks.push(Check::new("volume", Err(e))),
        Ok(look) => {
            report.boots = look.boots();
            let size = Check::new("size", checks::size(&look));
            report.checks.push(size);
            if report.passed() {
                report.checks.extend(checks::all(&look));
                report.answers = checks::has_answers(&look);
            }
        }
    }
    Ok(report)
}

/// How many bytes of a disk are the image that was copied to it, by what that says itself.
///
/// # Errors
/// When it cannot be read, is no image, or is less than that.
pub fn length(disk: &Path) -> Result<u64> {
    let name = || disk.display().to_string();
    let file = File::open(disk).with_context(|| format!("opening {}", name()))?;
    let disk = Disk::new(file).with_context(|| format!("reading {}", name()))?;
    let volume = Volume::open(Window::new(&disk, 0, disk.length())).with_context(name)?;
    let first = bytes::read(&disk, 0, SECTOR).map_err(|e| anyhow!("{}: {e}", name()))?;
    let mbr = Mbr::parse(&first);
    let end = checks::needs(volume.size(), &mbr, &Ok(None));
    let needs = checks::needs(volume.size(), &mbr, &gpt::read(&disk, end));
    if needs > disk.length() {
        bail!("{}: {}", name(), checks::cut_short(disk.length(), needs));
    }
    Ok(needs)
}

/// Checks an image that was just made, and that there is a place for answers in it if there has to be
/// one.
///
/// # Errors
/// When it cannot be read, or a check failed: the error names each.
pub fn check_made(image: &Path, place: bool) -> Result<Report> {
    let mut report = check(image)?;
    if place && report.passed() {
        let file = File::open(image).with_context(|| format!("opening {}", image.display()))?;
        if let Err(e) = reserved::find(&file) {
            let checks = report.checks.iter_mut();
            for check in checks.filter(|c| c.name == "answers") {
                *check = Check::new(check.name, Err(e.to_string()));
            }
        }
    }
    if report.passed() {
        return Ok(report);
    }
    let failed = report.failed().flat_map(|c| {
        let lines = c.found.iter();
        lines.map(|line| format!("\n  {}: {line}", c.name))
    });
    bail!(
        "the image that was made is not right, so it was not put in place; to be looked at, it is \
         {}:{}",
        image.display(),
        failed.collect::<String>()
    )
}

#[cfg(test)]
mod tests;
