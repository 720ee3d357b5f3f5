//! The command line of `mailctl`.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use super::{
    alias, answers, app_password, check, daily, dkim, dns, domain, output, server::Server, status,
    user,
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
  mailctl status            the server on one screen
  mailctl status --json     the same for a script
  mailctl user list         who has a mailbox
  mailctl check             is all as it has to be, and if not, what helps?
  mailctl dns show          the records to publish, as a zone file
  mailctl daily --show      what the daily mail would tell

Exit status: 0 done and well, 1 failed, 2 wrong command line, 3 'status' found a
service that does not run, or 'check' a warning or an error.")]
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
    /// The users: mailboxes and who may open them
    #[command(subcommand)]
    User(user::User),
    /// The mail domains
    #[command(subcommand)]
    Domain(domain::Domain),
    /// Addresses whose mail goes on to others
    #[command(subcommand)]
    Alias(alias::Alias),
    /// Passwords of single devices
    #[command(subcommand)]
    AppPassword(app_password::AppPassword),
    /// The answers file of this server
    #[command(subcommand)]
    Answers(answers::Answers),
    /// Show the server on one screen: services, space, certificate, mail, troubles
    Status {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Write to the administrator about what has changed and is not well
    ///
    /// A timer does this once a day, to 'notify' in the answers or else the
    /// postmaster. When nothing has changed since the last mail, none is sent.
    Daily {
        /// Print what there is to tell, and send nothing
        #[arg(long)]
        show: bool,
    },
    /// The keys that sign mail, and their rotation
    #[command(subcommand)]
    Dkim(dkim::Dkim),
    /// The DNS records of this server
    #[command(subcommand)]
    Dns(dns::Dns),
    /// Look at everything that mail depends on, and say what helps
    Check(check::Check),
    /// Print a completion script for a shell
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
        Command::User(command) => user::run(command, &server),
        Command::Domain(command) => domain::run(command, &server),
        Command::Alias(command) => alias::run(command, &server),
        Command::AppPassword(command) => app_password::run(command, &server),
        Command::Answers(command) => answers::run(command, &server),
        Command::Status { json } => show_status(json, &server),
        Command::Daily { show } => {
            match show {
                true => daily::show(&server)?,
                false => daily::run(&server)?,
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Dkim(command) => dkim::run(command, &server),
        Command::Dns(command) => dns::run(command, &server),
        Command::Check(command) => check::run(&command, &server),
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

fn show_status(json: bool, server: &Server) -> Result<ExitCode> {
    let report = status::report(server)?;
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
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
