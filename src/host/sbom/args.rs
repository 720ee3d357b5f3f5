//! The command line of `ezmail sbom`.

use std::{io::Write, path::PathBuf, process::ExitCode};

use anyhow::{Context, Result};
use clap::Args;

use super::{Format, render};
use crate::{host::manifest::Manifest, util::files};

/// Print the bill of materials (SBOM) of an image, from its manifest
///
/// The manifest lies beside the image, as NAME.manifest.json. The image itself is
/// not read, so it need not be there.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct SbomArgs {
    /// The manifest
    manifest: PathBuf,
    /// In which form
    #[arg(long, value_enum)]
    format: Format,
    /// Write this file instead of standard output
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  ezmail sbom out/ezmail-*.manifest.json --format spdx -o image.spdx.json
  ezmail sbom my.manifest.json --format cyclonedx | jq '.components[].purl'

Exit status: 0 done, 1 failed or wrong command line.";

/// Runs `ezmail sbom`.
///
/// # Errors
/// When the file is no manifest or contradicts itself, or the document cannot be written.
pub fn sbom(args: &SbomArgs) -> Result<ExitCode> {
    let text = files::read_to_string(&args.manifest)?;
    let document = Manifest::parse(&text)
        .and_then(|manifest| render(&manifest, args.format))
        .with_context(|| format!("{} gives no bill of materials", args.manifest.display()))?;
    match &args.out {
        Some(path) => files::write(path, document, 0o644)?,
        None => std::io::stdout()
            .write_all(document.as_bytes())
            .context("writing to standard output")?,
    }
    Ok(ExitCode::SUCCESS)
}
