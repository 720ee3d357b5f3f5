//! The command line of `ezmail disk`.

use std::{
    io::{self, IsTerminal},
    path::PathBuf,
    process::ExitCode,
    time::Instant,
};

use anyhow::{Context, Result, bail};
use clap::Args;

use super::make::{Format, Make, make};
use crate::{
    answers::{Rule, load::Loaded},
    host::print,
    util::size::size,
};

/// Make the disk of an installed server, for providers that take disk images
///
/// It is what '[install]' in the answers makes on the server itself: partitions to boot
/// from by BIOS and UEFI with the image's own kernel and root file system, the answers,
/// and room for the state, which is made at the first start and takes all of the disk
/// then.
///
/// The answers are checked first; with an error in them nothing is made. The files that
/// they name come along, and the disk holds secrets: it is readable for its owner alone.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct DiskArgs {
    /// The answers file; `-` reads standard input
    answers: PathBuf,
    /// The image
    image: PathBuf,
    /// The file to write: .qcow2 or .raw
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
    /// The size of the disk, such as 20G [default: the smallest]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    size: Option<u64>,
    /// A file that the answers name, if it is not beside them; may be repeated
    #[arg(long = "key", value_name = "FILE")]
    keys: Vec<PathBuf>,
    /// Write over FILE if it is there
    #[arg(long)]
    replace: bool,
}

const EXAMPLES: &str = "\
Examples:
  ezmail disk answers.toml out/ezmail-*.iso -o disk.qcow2
  ezmail disk answers.toml out/ezmail-*.iso -o disk.raw --size 20G
  zstd disk.raw                      to send it to a rescue system
  ezmail boot disk.qcow2             to try it here

Exit status: 0 made, 1 failed, refused or wrong command line.";

/// Runs `ezmail disk`.
///
/// # Errors
/// When the answers are not right, the file is there already, and those of making it.
pub fn run(args: &DiskArgs) -> Result<ExitCode> {
    let begun = Instant::now();
    Format::of(&args.out)?;
    if args.out.exists() && !args.replace {
        bail!(
            "{} is there already; add --replace to write over it",
            args.out.display()
        );
    }
    let mut loaded = Loaded::read(&args.answers, &args.keys)?;
    // a disk has room for the state, whatever the answers say of one
    loaded.report.forget(Rule::NoState);
    let report = loaded.report.render(io::stderr().is_terminal());
    let Some(checked) = &loaded.answers else {
        bail!("the answers are not right, so nothing was made:\n\n{report}");
    };
    if let Some(state) = &checked.state {
        bail!(
            "the disk has its own state volume, and {} wants one on {}: remove `[state]` from the answers",
            args.answers.display(),
            state.device
        );
    }
    if loaded.report.warnings() > 0 {
        print::aside(format_args!("{report}\n"));
    }
    let made = make(
        &Make {
            content: &loaded.content,
            image: &args.image,
            out: &args.out,
            size: args.size,
        },
        &|line| print::aside(format_args!("ezmail: disk: {line}")),
    )?;
    let file = std::fs::metadata(&args.out);
    let file = file.with_context(|| format!("reading {}", args.out.display()))?;
    print::result(format_args!(
        "ezmail: {} is a disk of {} for {}, with ezmail {} ({} in the file, {:.1} s)",
        args.out.display(),
        size(made.disk),
        checked.hostname,
        made.version,
        size(std::os::unix::fs::MetadataExt::blocks(&file) * 512),
        begun.elapsed().as_secs_f64()
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// `20G`, `2048M`, `1T`: powers of 1024, as disks of virtual machines are counted.
fn parse_size(text: &str) -> Result<u64, String> {
    let wrong = || format!("'{text}' is no size; write 20G, or 4096M");
    let (number, unit) = text.split_at(text.len().saturating_sub(1));
    let unit: u64 = match unit {
        "M" => 1 << 20,
        "G" => 1 << 30,
        "T" => 1 << 40,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(unit).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_virtual_machines() {
        assert_eq!(parse_size("20G"), Ok(20 << 30));
        assert_eq!(parse_size("4096M"), Ok(4 << 30));
        for wrong in ["", "G", "20", "20GB", "-1G", "99999999999T"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
    }
}
