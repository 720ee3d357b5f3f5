//! The command line of `mailctl`.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::{Parser, Subcommand};
use clap_complete::Shell;

use super::{
    alias, answers, app_password, backup, ban, cert, check, daily, dkim, dns, domain, guide,
    import, log, output, queue, restore, roundtrip, server::Server, service, spam, status, sts,
    tlsrpt, user,
};
use crate::programs;

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
  mailctl status                       the server on one screen
  mailctl check                        what is not well, and what helps
  mailctl guide                        what is left before the first mail
  mailctl user add alice@example.org   a mailbox
  mailctl alias add info@example.org alice@example.org
  mailctl dns check                    are the records published, and right?
  mailctl cert status                  the certificate, and when it is renewed
  mailctl log alice@example.org        what became of her mail
  mailctl ban list                     who guessed passwords and is kept out
  mailctl test                         a message to itself, the whole way round

Exit status: 0 done and well, 1 failed, 2 wrong command line, 3 something is not
well ('status', 'check', 'guide', 'dns check', 'cert issue', 'cert renew',
'test', 'backup list', 'backup verify', 'backup drill', 'backup passphrase
--check', 'import', 'tlsrpt send').")]
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
    #[command(subcommand)]
    Ban(ban::BanCommand),
    /// Backups of the whole server
    #[command(subcommand)]
    Backup(backup::Backup),
    #[command(subcommand)]
    Cert(cert::Cert),
    /// The keys that sign mail, and their rotation
    #[command(subcommand)]
    Dkim(dkim::Dkim),
    /// The DNS records of this server
    #[command(subcommand)]
    Dns(dns::Dns),
    /// Look at everything that mail depends on, and say what helps
    Check(check::Check),
    Guide(guide::GuideCommand),
    /// Show the server on one screen: services, space, certificate, mail, troubles
    #[command(after_help = "\
Examples:
  mailctl status          how the server is
  mailctl status --json   the same for a script")]
    Status {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Write to the administrator about what has changed and is not well
    ///
    /// A timer does this once a day, to 'notify' in the answers or else the
    /// postmaster. When nothing has changed since the last mail, none is sent.
    #[command(after_help = "\
Examples:
  mailctl daily          send it, if there is something new
  mailctl daily --show   what there is to tell")]
    Daily {
        /// Print what there is to tell, and send nothing
        #[arg(long)]
        show: bool,
    },
    /// Move in: mail, users and keys of another server
    #[command(subcommand)]
    Import(import::Import),
    #[command(subcommand)]
    Queue(queue::Queue),
    Log(log::Log),
    #[command(subcommand)]
    Spam(spam::Spam),
    #[command(subcommand)]
    Sts(sts::Sts),
    #[command(subcommand, name = "tlsrpt")]
    TlsRpt(tlsrpt::TlsRpt),
    #[command(subcommand)]
    Service(service::ServiceCommand),
    Test(roundtrip::Test),
    Restore(restore::Restore),
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
        Command::User(command) => user::run(command, &server),
        Command::Domain(command) => domain::run(command, &server),
        Command::Alias(command) => alias::run(command, &server),
        Command::AppPassword(command) => app_password::run(command, &server),
        Command::Answers(command) => answers::run(command, &server),
        Command::Ban(command) => ban::run(command, &server),
        Command::Backup(command) => backup::run(command, &server),
        Command::Status { json } => show_status(json, &server),
        Command::Daily { show } => {
            match show {
                true => daily::show(&server)?,
                false => daily::run(&server)?,
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Cert(command) => cert::run(command, &server),
        Command::Dkim(command) => dkim::run(command, &server),
        Command::Dns(command) => dns::run(command, &server),
        Command::Check(command) => check::run(&command, &server),
        Command::Guide(command) => guide::run(&command, &server),
        Command::Import(command) => import::run(command, &server),
        Command::Queue(command) => queue::run(command, &server),
        Command::Log(args) => log::run(&args, &server),
        Command::Spam(command) => spam::run(command, &server),
        Command::Sts(command) => sts::run(command, &server),
        Command::TlsRpt(command) => tlsrpt::run(command, &server),
        Command::Service(command) => service::run(command, &server),
        Command::Restore(args) => restore::run(&args, &server),
        Command::Test(args) => roundtrip::run(&args, &server),
        Command::Completions { shell } => {
            programs::print_completion("mailctl", shell).map(|()| ExitCode::SUCCESS)
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
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
