//! The command line of `mailctl`.

use std::{path::Path, process::ExitCode};

use anyhow::{Context, Result};
use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use super::{daily, status};
use crate::{
    agent::{health, paths::Paths, release::Release, status as agent_status},
    util::files,
};

/// Looks after the mail server it runs on.
#[derive(Debug, Parser)]
#[command(
    name = "mailctl",
    version,
    arg_required_else_help = true,
    max_term_width = 80
)]
#[command(after_help = "\
Examples:
  mailctl status            do all services run?
  mailctl status --json     the same for a script
  mailctl dns show          the records to publish, as a zone file
  mailctl daily --show      what the daily mail would tell

Exit status: 0 done and well, 1 failed, 3 'status' found a service that does not run.")]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Tell whether every service runs, and what the agent did at boot
    Status {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Write to the postmaster about what has changed and is not well
    ///
    /// A timer does this once a day. When nothing has changed since the last
    /// mail, none is sent.
    Daily {
        /// Print what there is to tell, and send nothing
        #[arg(long)]
        show: bool,
    },
    /// The DNS records of this server
    #[command(subcommand)]
    Dns(Dns),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

#[derive(Debug, Subcommand)]
enum Dns {
    /// Print the records to publish, in the format of a zone file
    Show,
}

/// Exit status of `status` when a service does not run.
const NOT_WELL: u8 = 3;

/// Runs the command line.
///
/// # Errors
/// Those of the command.
pub fn run(cli: Cli) -> Result<ExitCode> {
    match cli.command {
        Command::Status { json } => show_status(json),
        Command::Daily { show: true } => {
            print!("{}", daily::text(&report()?));
            Ok(ExitCode::SUCCESS)
        }
        Command::Daily { show: false } => {
            println!("{}", daily::send(&report()?, &Paths::default())?);
            Ok(ExitCode::SUCCESS)
        }
        Command::Dns(Dns::Show) => {
            let path = Paths::default().records;
            let text = files::read_to_string(&path).context(
                "there are no records yet: they are made when the agent applies the answers; \
                 'mailctl status' tells whether it has",
            )?;
            print!("{text}");
            Ok(ExitCode::SUCCESS)
        }
        Command::Completions { shell } => {
            clap_complete::generate(
                shell,
                &mut Cli::command(),
                "mailctl",
                &mut std::io::stdout(),
            );
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn report() -> Result<status::Report> {
    let path = Path::new(agent_status::FILE);
    let agent = path
        .exists()
        .then(|| agent_status::Status::load(path))
        .transpose()?;
    Ok(status::Report {
        version: env!("CARGO_PKG_VERSION"),
        image: Release::read()?,
        services: health::services()?,
        agent,
    })
}

fn show_status(json: bool) -> Result<ExitCode> {
    let report = report()?;
    if json {
        println!(
            "{}",
            serde_json::to_string_pretty(&report).context("writing the report")?
        );
    } else {
        print!("{report}");
    }
    Ok(if report.is_well() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(NOT_WELL)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
