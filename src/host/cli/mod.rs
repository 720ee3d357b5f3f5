//! The command line of `ezmail`.

mod build;
mod cache;

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use clap_complete::Shell;

use self::{
    build::{BuildArgs, ImageArgs, ProfileArgs, Wanted},
    cache::CacheArgs,
};
use super::{
    build::Goal,
    disk::args::{self as disk, DiskArgs},
    dkim,
    doctor::{self, Host},
    embed::{self, ChecksumArgs, EmbedArgs},
    print, qemu,
    sbom::args::{self as sbom, SbomArgs},
    verify::{self, VerifyArgs},
};
use crate::{
    answers::{self, command::AnswersCommand},
    programs,
    util::files,
};

/// From one answers file to a running personal mail server: builds, checks and boots the image.
#[derive(Debug, Parser)]
#[command(
    name = "ezmail",
    version,
    arg_required_else_help = true,
    max_term_width = 80
)]
#[command(after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  ezmail doctor                     what this host lacks, and how to install it
  ezmail build                      the ISO, from sources to out/
  ezmail build --base standin       the same on packages of Debian, for trying
  ezmail boot out/ezmail-*.iso      run it in QEMU
  ezmail embed answers.toml my.iso  the answers into the image

Exit status: 0 done, 1 failed or wrong command line; 'ezmail boot' has more.";

const BUILD_EXAMPLES: &str = "\
Examples:
  ezmail build
  ezmail build --dry-run              what would be done
  ezmail build --locked --json        in CI
  ezmail build --engine mkarchiso     by upstream's mkarchiso

Logs: logs/latest/ in the cache, a file for each step. Exit status: 0 done,
1 failed or wrong command line, 130 interrupted.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Build the bootable ISO: all stages, each from what came before it
    ///
    /// What an earlier build made of the same inputs is taken again, and a build
    /// that was interrupted goes on where it was. An ordinary user may build, and
    /// gets the same bits as root.
    #[command(visible_aliases = ["image", "iso"], after_help = BUILD_EXAMPLES)]
    Build(ImageArgs),
    /// Take what the base's mirror has now: ezmail.lock is renewed
    ///
    /// Prints what changes; with --dry-run it prints that alone.
    Update(BuildArgs),
    /// Only compose the package base, or reach Arch's mirrors
    Base(BuildArgs),
    /// Only build our packages from source, each in a clean root
    Packages(BuildArgs),
    /// Only write the pacman repository over our packages
    Repo(BuildArgs),
    /// Only render the archiso profile, which upstream's mkarchiso takes too
    #[command(after_help = "\
Examples:
  ezmail profile -o /tmp/profile && sudo mkarchiso -v -o /tmp /tmp/profile")]
    Profile(ProfileArgs),
    /// The answers file: an example, its check, its reference
    #[command(subcommand)]
    Answers(AnswersCommand),
    /// Hash a password for the answers file
    ///
    /// Asks twice on a terminal, else takes the first line of standard input.
    HashPassword {
        /// For root at the console (SHA-512), not for a mailbox (argon2id)
        #[arg(long)]
        console: bool,
    },
    /// Keys that sign mail, and their DNS records, before the server exists
    #[command(subcommand)]
    Dkim(dkim::Dkim),
    Embed(EmbedArgs),
    Disk(DiskArgs),
    Checksum(ChecksumArgs),
    Sbom(SbomArgs),
    Verify(VerifyArgs),
    Boot(Box<qemu::BootArgs>),
    /// List every host tool, found or missing, with the command that installs it
    Doctor {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    Cache(CacheArgs),
    /// Delete all that is kept of earlier builds
    Clean {
        /// Delete without asking (the cache only costs time to make again)
        #[arg(long)]
        yes: bool,
    },
    /// Print a completion script for a shell
    #[command(after_help = "\
Examples:
  ezmail completions bash > /usr/share/bash-completion/completions/ezmail
  ezmail completions zsh --program encpipe > _encpipe")]
    Completions {
        /// The shell
        shell: Shell,
        /// For which of the programs
        #[arg(long, value_name = "NAME", default_value = "ezmail", value_parser = programs::NAMES)]
        program: String,
    },
    /// Write the manual pages and completions of all programs
    ///
    /// They go below a folder as they would lie below /usr/share. The packages
    /// of the image have those of their programs.
    #[command(after_help = "\
Examples:
  ezmail man manual && man manual/man/man8/mailctl.8
  sudo ezmail man /usr/local/share")]
    Man {
        /// The folder, which is made where there is none
        folder: PathBuf,
    },
}

/// Runs the program; standard output has results, standard error the rest.
///
/// # Errors
/// Whatever the command returns; the caller prints it.
pub fn run(cli: Cli) -> Result<ExitCode> {
    match cli.command {
        Command::Base(args) => Wanted::stage(&args, Goal::Base).run(),
        Command::Packages(args) => Wanted::stage(&args, Goal::Packages).run(),
        Command::Repo(args) => Wanted::stage(&args, Goal::Repo).run(),
        Command::Profile(args) => Wanted::profile(&args).run(),
        Command::Build(args) => Wanted::image(&args).run(),
        Command::Update(args) => Wanted::update(&args).run(),
        Command::Answers(command) => answers::command::run(command),
        Command::HashPassword { console } => answers::command::hash_password(console),
        Command::Dkim(command) => dkim::run(command),
        Command::Embed(args) => embed::args::embed(&args),
        Command::Disk(args) => disk::run(&args),
        Command::Checksum(args) => embed::args::checksum(&args),
        Command::Sbom(args) => sbom::sbom(&args),
        Command::Verify(args) => verify::command::run(&args),
        Command::Boot(args) => qemu::boot(*args),
        Command::Doctor { json } => diagnose(json),
        Command::Cache(args) => cache::cache(&args),
        Command::Clean { yes } => cache::clean(yes),
        Command::Completions { shell, program } => {
            programs::print_completion(&program, shell).map(|()| ExitCode::SUCCESS)
        }
        Command::Man { folder } => {
            for page in programs::all().iter().flat_map(programs::pages) {
                files::write_with_parents(&folder.join(page.path), page.bytes, 0o644)?;
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn diagnose(json: bool) -> Result<ExitCode> {
    let host = Host::detect()?;
    let findings = doctor::examine(host);
    let (text, complete) = doctor::report(host, &findings);
    if json {
        print::result(serde_json::to_string_pretty(&findings).context("writing the report")?)?;
    } else {
        print::result(text.trim_end())?;
    }
    Ok(if complete {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_fits_a_terminal() {
        let mut command = Cli::command();
        command.build();
        for sub in std::iter::once(&mut command.clone()).chain(command.get_subcommands_mut()) {
            let text = sub.render_long_help().to_string();
            for line in text.lines() {
                assert!(line.chars().count() <= 80, "{}: {line}", sub.get_name());
            }
        }
    }
}
