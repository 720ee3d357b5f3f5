//! `ezmail verify`: signature, checksum and layout of an image, put together.

use std::{
    fs,
    io::{self, IsTerminal, Write},
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;

use super::{
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
/// `key`, the checksum, and what [`check`] looks at.
///
/// # Errors
/// When the image cannot be read or is none.
pub fn verify(image: &Path, key: Option<&Path>, sum: Option<&Path>) -> Result<Report> {
    let mut report = check(image)?;
    let beside = sign::beside(image, ".sha256");
    let sum = sum.unwrap_or(&beside);
    let mut first = signature(sum, key);
    // of an image that is not whole there is no checksum, and why has been said
    if report
        .checks
        .iter()
        .any(|c| c.name != "size" || c.outcome == Outcome::Passed)
    {
        first.push(checksum_of(image, sum));
    }
    report.checks.splice(0..0, first);
    Ok(report)
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

fn checksum_of(image: &Path, sum: &Path) -> Check {
    const NAME: &str = "checksum";
    if fs::metadata(image).is_ok_and(|m| m.file_type().is_block_device()) {
        let text = "a disk is larger than the image that was copied to it";
        return Check::ended(NAME, Outcome::NotChecked, text);
    }
    Check::new(NAME, same(image, sum).map_err(|e| format!("{e:#}")))
}

/// Compares the checksum of an image without its answers with the file's.
fn same(image: &Path, file: &Path) -> Result<String> {
    let text = files::read_to_string(file);
    let text = text.map_err(|e| anyhow!("{e:#}; --checksum FILE names the checksum file"))?;
    let name = image.file_name().unwrap_or_default().to_string_lossy();
    let expected = checksum::expected(&text, &name)
        .with_context(|| format!("{} has no checksum for {name}", file.display()))?;
    let sum = checksum::canonical(image)?;
    let file = file.display();
    if sum != expected {
        bail!(
            "without answers it is another than {file} has; copy or fetch the image again\n\
             it is {sum}\n\
             not   {expected}"
        );
    }
    Ok(format!("SHA-256, as {file} has it\n{sum}"))
}
