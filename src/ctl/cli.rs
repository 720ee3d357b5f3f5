//! The command line of `mailctl`.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Result;
use clap::{Parser, Subcommand};
use clap_complete::Shell;

use super::{daily, dns, log, output, queue, roundtrip, server::Server, service, spam, status};
use crate::{
    agent::{health, release::Release, status as agent_status},
    programs,
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
    /// The server whose root is this folder, instead of this machine
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        default_value = "/",
        hide = true
    )]
    root: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Tell whether every service runs, and what the agent did at boot
    #[command(after_help = "\
Examples:
  mailctl status          do all services run?
  mailctl status --json   the same for a script")]
    Status {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Write to the postmaster about what has changed and is not well
    ///
    /// A timer does this once a day. When nothing has changed since the last
    /// mail, none is sent.
    #[command(after_help = "\
Examples:
  mailctl daily          send it, if there is something new
  mailctl daily --show   what there is to tell")]
    Daily {
        /// Print what there is to tell, and send nothing
        #[arg(long)]
        show: bool,
    },
    /// The DNS records of this server
    #[command(subcommand)]
    Dns(dns::Dns),
    #[command(subcommand)]
    Queue(queue::Queue),
    Log(log::Log),
    #[command(subcommand)]
    Spam(spam::Spam),
    #[command(subcommand)]
    Service(service::ServiceCommand),
    Test(roundtrip::Test),
    /// Print a completion script for a shell
    #[command(after_help = "\
Example:
  mailctl completions bash > /etc/bash_completion.d/mailctl")]
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// Exit status of `status` when a service does not run.
const NOT_WELL: u8 = 3;

/// Runs the command line.
///
/// # Errors
/// Those of the command.
pub fn run(cli: Cli) -> Result<ExitCode> {
    let server = Server::at(&cli.root)?;
    match cli.command {
        Command::Status { json } => show_status(json),
        Command::Daily { show: true } => {
            output::text(&daily::text(&report()?))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Daily { show: false } => {
            output::text(&format!("{}\n", daily::send(&report()?, &server)?))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Dns(command) => dns::run(command, &server),
        Command::Queue(command) => queue::run(command, &server),
        Command::Log(args) => log::run(&args, &server),
        Command::Spam(command) => spam::run(command, &server),
        Command::Service(command) => service::run(command, &server),
        Command::Test(args) => roundtrip::run(&args, &server),
        Command::Completions { shell } => {
            programs::print_completion("mailctl", shell).map(|()| ExitCode::SUCCESS)
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
        output::json(&report)?;
    } else {
        output::text(&report.to_string())?;
    }
    Ok(if report.is_well() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(NOT_WELL)
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
}
