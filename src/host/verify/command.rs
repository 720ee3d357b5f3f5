//! `ezmail verify`: signature, checksum and layout of an image, put together.

use std::{
    fs::{self, File},
    io::{self, IsTerminal, Write},
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;

use super::{
    bytes::{Bytes, Disk},
    check, render,
    report::{Check, Outcome, Report},
};
use crate::{
    host::{embed::checksum, sign},
    util::files,
};

/// Check that an image is whole, that it is the one that was signed, and that it
/// would boot
///
/// Three things are looked at: the signature of its checksum file, the checksum,
/// and the image itself, by a reading of our own: its partitions, boot records and
/// file systems, what boot loaders are told, kernel, initramfs and root file system.
/// Answers that are in an image make no difference.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct VerifyArgs {
    /// The image, or a disk that it was copied to
    image: PathBuf,
    /// The public key that has to have signed it: OpenSSH's, allowed signers, or
    /// minisign's
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// The checksum file [default: IMAGE.sha256]
    #[arg(long, value_name = "FILE")]
    checksum: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  ezmail verify out/ezmail-*.iso
  ezmail verify --key release.pub ezmail-0.1.0-arch-x86_64.iso
  ezmail verify --checksum ezmail-0.1.0-arch-x86_64.iso.sha256 my.iso
  ezmail verify --key release.pub --checksum NAME.iso.sha256 /dev/sdX

A signature that nobody named a key for is not checked, and no failure.

Exit status: 0 all is well, 1 something is not, or wrong command line.";

/// Runs `ezmail verify`.
///
/// # Errors
/// When the image cannot be read or is none.
pub fn run(args: &VerifyArgs) -> Result<ExitCode> {
    let report = verify(&args.image, args.key.as_deref(), args.checksum.as_deref())?;
    let text = if args.json {
        serde_json::to_string_pretty(&report).context("writing JSON")? + "\n"
    } else {
        let colour = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        render::text(&report, colour)
    };
    let written = io::stdout().write_all(text.as_bytes());
    written.context("writing to standard output")?;
    Ok(match report.passed() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// All checks of an image: the signature of its checksum file (by default `IMAGE.sha256`) against
/// `key`, the checksum, and what [`check`] looks at. With a key, nothing is made of an image that is
/// not the one that was signed.
///
/// # Errors
/// When the image cannot be read or is none.
pub fn verify(image: &Path, key: Option<&Path>, sum: Option<&Path>) -> Result<Report> {
    let data = fs::metadata(image).with_context(|| format!("opening {}", image.display()))?;
    verify_as(image, data.file_type().is_block_device(), key, sum)
}

/// The same; `disk` says whether it is one, of which the image is only the beginning.
pub fn verify_as(
    image: &Path,
    disk: bool,
    key: Option<&Path>,
    sum: Option<&Path>,
) -> Result<Report> {
    let beside = sign::beside(image, ".sha256");
    let sums = Sums {
        image,
        disk,
        given: sum.is_some(),
        file: sum.unwrap_or(&beside),
        signed: key.is_some(),
    };
    let mut first = signature(sums.file, key);
    if key.is_some() {
        first.push(sums.check());
        if first.iter().any(|c| c.outcome != Outcome::Passed) {
            let text = "nothing else of it is looked at, as it is not what that key has signed";
            first.push(Check::ended("image", Outcome::NotChecked, text));
            return Ok(Report {
                image: image.to_owned(),
                size: size(image)?,
                boots: Vec::new(),
                answers: false,
                checks: first,
            });
        }
    }
    let mut report = check(image)?;
    // of an image that is not whole there is no checksum, and why has been said
    let whole = |c: &Check| c.name != "size" || c.outcome == Outcome::Passed;
    if key.is_none() && report.checks.iter().any(whole) {
        first.push(sums.check());
    }
    if key.is_some() && report.answers {
        for check in &mut report.checks {
            if check.name == "answers" && check.outcome == Outcome::Passed {
                check.outcome = Outcome::NotChecked;
                check.found.push(UNSIGNED.to_owned());
            }
        }
    }
    report.checks.splice(0..0, first);
    Ok(report)
}

/// What is said of answers where somebody asked who made an image.
const UNSIGNED: &str = "no signature covers them: whoever had the image may have put them in, and \
                        'ezmail embed --show' tells what they are";

fn size(image: &Path) -> Result<u64> {
    let file = File::open(image).and_then(Disk::new);
    let disk = file.with_context(|| format!("reading {}", image.display()))?;
    Ok(disk.length())
}

fn signature(sum: &Path, key: Option<&Path>) -> Vec<Check> {
    const NAME: &str = "signature";
    if let Some(key) = key {
        let by = sign::verify(sum, key).map_err(|e| format!("{e:#}"));
        let found = by.map(|by| format!("by {by}, a key in {}", key.display()));
        return vec![Check::new(NAME, found)];
    }
    match sign::signatures(sum) {
        Err(e) => vec![Check::new(NAME, Err(format!("{e:#}")))],
        Ok(all) => all
            .iter()
            .map(|signature| {
                let text = format!(
                    "{} is by {}, whosever that is; --key FILE checks it against a key that you \
                     trust",
                    signature.path.display(),
                    signature.by
                );
                Check::ended(NAME, Outcome::NotChecked, &text)
            })
            .collect(),
    }
}

/// An image and the file that has its checksum.
struct Sums<'a> {
    image: &'a Path,
    /// Whether it is a disk, larger than the image that was copied to it.
    disk: bool,
    file: &'a Path,
    /// Whether somebody named the file.
    given: bool,
    /// Whether its signature was asked for.
    signed: bool,
}

impl Sums<'_> {
    fn check(&self) -> Check {
        const NAME: &str = "checksum";
        if self.disk && !self.given && !self.signed {
            let text = "a disk has no checksum file beside it; --checksum FILE names the image's";
            return Check::ended(NAME, Outcome::NotChecked, text);
        }
        Check::new(NAME, self.same().map_err(|e| format!("{e:#}")))
    }

    /// Compares the checksum of the image without its answers with the file's.
    fn same(&self) -> Result<String> {
        let text = files::read_to_string(self.file);
        let text = text.map_err(|e| anyhow!("{e:#}; --checksum FILE names the checksum file"))?;
        let name = self.image.file_name().unwrap_or_default();
        let name = name.to_string_lossy();
        let file = self.file.display();
        let expected = checksum::expected(&text, &name)
            .with_context(|| format!("{file} has no checksum for {name}"))?;
        let other = expected.name != name;
        if other && !self.given {
            bail!(
                "{file} is of {}, not of {name}; if that is the same under another name, \
                 --checksum {file} says so",
                expected.name
            );
        }
        let length = match self.disk {
            true => super::length(self.image)?,
            false => u64::MAX,
        };
        let sum = checksum::canonical_of(self.image, length)?;
        if sum != expected.sum {
            bail!(
                "without answers it is another than {file} has; copy or fetch the image again\n\
                 it is {sum}\n\
                 not   {}",
                expected.sum
            );
        }
        let called = match (other, self.signed) {
            (false, _) => String::new(),
            (true, true) => format!(", signed as {}", expected.name),
            (true, false) => format!(" for {}", expected.name),
        };
        Ok(format!("SHA-256, as {file} has it{called}\n{sum}"))
    }
}
