//! The command line of `ezmail`.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use super::{
    build::{self, Goal, Options, Outcome},
    cache::Cache,
    config::BaseChoice,
    dkim,
    doctor::{self, Host},
    embed::{self, ChecksumArgs, EmbedArgs},
    project::Project,
    qemu,
};
use crate::{
    answers::{self, command::AnswersCommand},
    programs,
    util::{files, size::size},
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
  sudo ezmail image                 the ISO, from sources to out/
  sudo ezmail image --base standin  the same on packages of Debian, for trying
  ezmail boot out/ezmail-*.iso      run it in QEMU
  ezmail embed answers.toml my.iso  the answers into the image

Exit status: 0 done, 1 failed or wrong command line; 'ezmail boot' has more.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Compose the package base, or reach Arch's mirrors
    Base {
        #[command(flatten)]
        args: BuildArgs,
        /// Take what the mirror has now: compose the stand-in anew, renew ezmail.lock
        #[arg(long)]
        update: bool,
    },
    /// Build our packages from source, each in a clean root
    Packages(BuildArgs),
    /// Write the pacman repository over our packages
    Repo(BuildArgs),
    /// Render the archiso profile, which upstream's mkarchiso takes too
    Profile(BuildArgs),
    /// Assemble the bootable ISO, with its checksum and manifest
    #[command(visible_alias = "iso")]
    Image(BuildArgs),
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
    Checksum(ChecksumArgs),
    Boot(Box<qemu::BootArgs>),
    /// List every host tool, found or missing, with the command that installs it
    Doctor {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Delete the cache of build results
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
        /// For which of the five programs
        #[arg(long, value_name = "NAME", default_value = "ezmail", value_parser = programs::NAMES)]
        program: String,
    },
    /// Write the manual pages and completions of all five programs
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

/// What every building command takes.
#[derive(Debug, Args)]
struct BuildArgs {
    /// Where distribution packages come from [default: auto, or ezmail.toml's]
    #[arg(long, value_enum)]
    base: Option<BaseChoice>,
    /// The checkout [default: the one around the working folder]
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,
    /// Where results go [default: out/ in the checkout]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Look for sources in this folder before fetching them
    #[arg(long, value_name = "DIR")]
    source_dir: Option<PathBuf>,
    /// Take our own programs from this folder instead of building them
    #[arg(long, value_name = "DIR")]
    programs: Option<PathBuf>,
    /// Print nothing but errors
    #[arg(long, short)]
    quiet: bool,
    /// Print what was made as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the program; standard output has results, standard error the rest.
///
/// # Errors
/// Whatever the command returns; the caller prints it.
pub fn run(cli: Cli) -> Result<ExitCode> {
    match cli.command {
        Command::Base { args, update } => build(&args, Goal::Base, update),
        Command::Packages(args) => build(&args, Goal::Packages, false),
        Command::Repo(args) => build(&args, Goal::Repo, false),
        Command::Profile(args) => build(&args, Goal::Profile, false),
        Command::Image(args) => build(&args, Goal::Image, false),
        Command::Answers(command) => answers::command::run(command),
        Command::HashPassword { console } => answers::command::hash_password(console),
        Command::Dkim(command) => dkim::run(command),
        Command::Embed(args) => embed::args::embed(&args),
        Command::Checksum(args) => embed::args::checksum(&args),
        Command::Boot(args) => qemu::boot(*args),
        Command::Doctor { json } => diagnose(json),
        Command::Clean { yes } => clean(yes),
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

fn build(args: &BuildArgs, goal: Goal, update: bool) -> Result<ExitCode> {
    let mut project = Project::open(
        args.project.as_deref(),
        args.out.as_deref(),
        args.quiet || args.json,
    )?;
    project.update = update;
    if let Some(base) = args.base {
        project.config.base = base;
    }
    let options = Options {
        source_dir: args.source_dir.as_deref(),
        programs: args.programs.as_deref(),
    };
    let outcome = build::run(&project, &options, goal)?;
    if args.json {
        let text = serde_json::to_string_pretty(&outcome).context("writing the result")?;
        println!("{text}");
    } else if !args.quiet {
        println!("{}", summary(&project, &outcome, goal));
    }
    Ok(ExitCode::SUCCESS)
}

/// The one line that says what was made.
fn summary(project: &Project, outcome: &Outcome, goal: Goal) -> String {
    let seconds = project.progress.elapsed().as_secs_f64();
    let what = match (&outcome.image, &outcome.profile, &outcome.repo) {
        (Some(image), ..) => format!(
            "{} ({}, {} packages, sha256 {})",
            image.path.display(),
            size(image.size),
            image.packages,
            image.sha256
        ),
        (_, Some(path), _) | (_, _, Some(path)) => path.display().to_string(),
        _ if goal == Goal::Packages => format!("{} packages", outcome.packages.len()),
        _ => format!("{} base", outcome.base.name()),
    };
    format!("ezmail: ready in {seconds:.1} s: {what}")
}

fn diagnose(json: bool) -> Result<ExitCode> {
    let host = Host::detect()?;
    let findings = doctor::examine(host);
    let (text, complete) = doctor::report(host, &findings);
    if json {
        println!(
            "{}",
            serde_json::to_string_pretty(&findings).context("writing the report")?
        );
    } else {
        print!("{text}");
    }
    Ok(if complete {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn clean(yes: bool) -> Result<ExitCode> {
    let root = Cache::default_root()?;
    if !root.join("lock").is_file() {
        println!("ezmail: there is no cache at {}", root.display());
        return Ok(ExitCode::SUCCESS);
    }
    if !yes {
        println!(
            "ezmail: the cache is {}; delete it with 'ezmail clean --yes'",
            root.display()
        );
        return Ok(ExitCode::SUCCESS);
    }
    // holding the lock keeps a build from using what goes away
    let cache = Cache::open(&root)?;
    remove_all_but_lock(cache.root())?;
    println!("ezmail: {} is empty now", root.display());
    Ok(ExitCode::SUCCESS)
}

fn remove_all_but_lock(root: &Path) -> Result<()> {
    for entry in std::fs::read_dir(root).with_context(|| format!("reading {}", root.display()))? {
        let path = entry?.path();
        if path.is_dir() && !path.is_symlink() {
            files::remove_dir_all(&path)?;
        }
    }
    Ok(())
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
