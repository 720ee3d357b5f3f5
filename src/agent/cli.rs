//! The command line of `ezmail-agent`.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

use super::{apply, console::say, page, status};
use crate::wizard;

/// Makes a booted image the mail server that its answers describe.
#[derive(Debug, Parser)]
#[command(name = "ezmail-agent", version, about)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write every file that the answers ask for, and start the services
    ///
    /// Without --root, this is for the appliance itself. With it, files are written below the
    /// folder and no service is touched.
    Apply {
        /// Write below this folder instead
        #[arg(long, value_name = "DIR", default_value = "/")]
        root: PathBuf,
        /// Show what would change, as a diff without secrets, and change nothing
        #[arg(long)]
        dry_run: bool,
        /// Take the answers from this file instead of looking for them
        #[arg(long, value_name = "FILE")]
        answers: Option<PathBuf>,
        /// Apply the answers that are kept once more, instead of looking for others
        #[arg(long, conflicts_with = "answers")]
        kept: bool,
        /// Take the templates from here [default: /usr/share/ezmail/templates below the root]
        #[arg(long, value_name = "DIR")]
        templates: Option<PathBuf>,
        /// Size the services for this much memory instead of the machine's
        #[arg(long, value_name = "MIB")]
        memory: Option<u64>,
    },
    /// Show the page of the consoles: what this server is, how it is, what is left to do
    Console {
        /// Take over this terminal and keep the page up to date
        #[arg(long)]
        follow: bool,
    },
    /// Fill in the form that sets this server up, on this terminal
    ///
    /// The consoles of a server without answers show it by themselves. Nothing is
    /// written before its last question; then the agent applies what was answered.
    #[command(after_help = "Example:\n  ezmail-agent wizard")]
    Wizard,
    /// Tell what the last apply did
    Status {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

/// Runs the command line.
///
/// # Errors
/// Those of the command.
pub fn run(cli: Cli) -> Result<ExitCode> {
    match cli.command {
        Command::Apply {
            root,
            dry_run,
            answers,
            kept,
            templates,
            memory,
        } => apply::run(&apply::Options {
            root,
            dry_run,
            answers,
            kept,
            templates,
            memory_mib: memory,
        }),
        Command::Console { follow } => page::run(follow).map(|()| ExitCode::SUCCESS),
        Command::Wizard => wizard::server::run_here(),
        Command::Status { json } => {
            let status = status::Status::load(Path::new(status::FILE))?;
            if json {
                let text = serde_json::to_string_pretty(&status);
                say(text.context("writing the status as JSON")?);
            } else {
                say(status.to_string().trim_end());
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}
