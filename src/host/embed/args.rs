//! The command lines of `ezmail embed` and `ezmail checksum`.

use std::{
    io::{self, IsTerminal},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use clap::Args;

use super::{
    checksum,
    put::{self, Put},
    show,
};
use crate::{answers::load::Loaded, host::print};

/// Put the answers into an image, in place or in a copy
///
/// The answers are checked first, as 'ezmail answers check' does; with an error in
/// them nothing is touched. The files that they name come along.
///
/// An image with answers holds secrets: it is made readable for its owner alone.
/// Its 'sha256sum' is another one then; 'ezmail checksum' looks at the image
/// without the answers.
#[derive(Debug, Args)]
#[command(after_help = EMBED_EXAMPLES, override_usage = EMBED_USAGE)]
pub struct EmbedArgs {
    /// The answers file; `-` reads standard input
    #[arg(required_unless_present_any = ["show", "clear"])]
    answers: Option<PathBuf>,
    /// The image, or a disk that it was copied to
    #[arg(required_unless_present_any = ["show", "clear"])]
    image: Option<PathBuf>,
    /// A file that the answers name, if it is not beside them; may be repeated
    #[arg(long = "key", value_name = "FILE")]
    keys: Vec<PathBuf>,
    /// Leave the image as it is and write this copy of it
    #[arg(long, short, value_name = "OUT")]
    out: Option<PathBuf>,
    /// Write over answers that the image has, and over OUT
    #[arg(long)]
    replace: bool,
    /// Tell what is in an image, without secrets
    #[arg(long, value_name = "IMAGE")]
    #[arg(conflicts_with_all = ["answers", "image", "keys", "out", "replace", "clear"])]
    show: Option<PathBuf>,
    /// Take the answers out of an image
    #[arg(long, value_name = "IMAGE")]
    #[arg(conflicts_with_all = ["answers", "image", "keys", "out", "replace"])]
    clear: Option<PathBuf>,
    /// With --show: as JSON
    #[arg(long, requires = "show", conflicts_with_all = ["answers", "image", "clear"])]
    json: bool,
}

const EMBED_USAGE: &str = "\
ezmail embed [--key FILE]... [--replace] [-o OUT] ANSWERS IMAGE
       ezmail embed --show IMAGE [--json]
       ezmail embed --clear IMAGE";

const EMBED_EXAMPLES: &str = "\
Examples:
  ezmail embed answers.toml out/ezmail-*.iso -o my.iso
  ezmail embed answers.toml my.iso --replace       the answers have changed
  ezmail embed --key keys/relay.password answers.toml my.iso
  ezmail embed --show my.iso

Exit status: 0 done, 1 failed, refused or wrong command line.";

/// Print the checksum of an image as it was made: without answers
///
/// Of an image without answers it is what sha256sum prints.
#[derive(Debug, Args)]
#[command(after_help = CHECKSUM_EXAMPLES)]
pub struct ChecksumArgs {
    /// The image, with or without answers
    image: PathBuf,
    /// Compare with this file, by default IMAGE.sha256
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    check: Option<Option<PathBuf>>,
}

const CHECKSUM_EXAMPLES: &str = "\
Examples:
  ezmail checksum my.iso
  ezmail checksum my.iso --check=out/ezmail-0.1.0-arch-x86_64.iso.sha256

Exit status: 0 done, or the same; 1 failed, or another.";

/// Runs `ezmail embed`.
///
/// # Errors
/// When the answers are not right, the image is none of ours or has answers already, or a file
/// cannot be read or written.
pub fn embed(args: &EmbedArgs) -> Result<ExitCode> {
    match (&args.show, &args.clear, &args.answers, &args.image) {
        (Some(image), ..) => show(image, args.json),
        (_, Some(image), ..) => clear(image),
        (_, _, Some(answers), Some(image)) => put(args, answers, image),
        _ => bail!("an answers file and an image were expected"),
    }
}

fn put(args: &EmbedArgs, answers: &Path, image: &Path) -> Result<ExitCode> {
    let loaded = Loaded::read(answers, &args.keys)?;
    let report = loaded.report.render(io::stderr().is_terminal());
    let Some(checked) = &loaded.answers else {
        bail!("the answers are not right, so nothing was changed:\n\n{report}");
    };
    if loaded.report.warnings() > 0 {
        print::aside(format_args!("{report}\n"));
    }
    let done = put::put(&Put {
        content: &loaded.content,
        image,
        out: args.out.as_deref(),
        replace: args.replace,
    })?;
    print::result(format_args!(
        "ezmail: {} holds {} for {}",
        done.path.display(),
        what(&loaded.content.name, loaded.content.files.len()),
        checked.hostname
    ))?;
    if let Some(mode) = done.closed {
        print::result(format_args!(
            "ezmail: it has secrets in it now: its mode was {mode:04o} and is 0600, readable for \
             its owner alone"
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn what(name: &str, files: usize) -> String {
    match files {
        0 => name.to_owned(),
        1 => format!("{name} and 1 file"),
        n => format!("{name} and {n} files"),
    }
}

fn show(image: &Path, json: bool) -> Result<ExitCode> {
    let shown = show::show(image)?;
    if json {
        let text = serde_json::to_string_pretty(&shown).context("writing JSON")?;
        print::result(&text)?;
    } else {
        print::result(&shown)?;
    }
    Ok(match shown.is_good() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn clear(image: &Path) -> Result<ExitCode> {
    let path = image.display();
    match put::clear(image)? {
        true => print::result(format_args!("ezmail: {path} is blank again"))?,
        false => print::result(format_args!(
            "ezmail: {path} has no answers; nothing was changed"
        ))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs `ezmail checksum`.
///
/// # Errors
/// When the image is not whole or cannot be read, or its checksum is another than expected.
pub fn checksum(args: &ChecksumArgs) -> Result<ExitCode> {
    let name = args.image.display();
    let sum = checksum::canonical(&args.image)?;
    match &args.check {
        None => print::result(format_args!("{sum}  {name}"))?,
        Some(file) => {
            checksum::compare(&args.image, &sum, file.as_deref())?;
            print::result(format_args!("{name}: OK"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
