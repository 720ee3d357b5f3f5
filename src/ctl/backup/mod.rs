//! `mailctl backup`: backups of the whole server.

mod create;
mod drill;
mod list;
mod passphrase;
pub mod place;
mod prune;
mod schedule;
mod ssh_key;
mod verify;

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Subcommand;

use super::server::Server;
use crate::backup::{job, live, scratch::Scratch, switch::Layout};

/// What to do about backups.
#[derive(Debug, Subcommand)]
pub enum Backup {
    /// Make a backup of everything: answers, keys, accounts, mail
    Create(create::Args),
    /// Show the backups that there are
    List(list::Args),
    /// Read a backup whole, and compare every file in it
    Verify(verify::Args),
    /// Remove backups that need not stay
    Prune(prune::Args),
    /// Restore a backup beside the server, to see whether it can be
    Drill(drill::Args),
    /// Show the passphrase that backups are encrypted with, once
    ///
    /// Without it nobody opens a backup: keep it where the server is not. One is
    /// made if there is none. It is shown once; later only with --again.
    Passphrase(passphrase::Args),
    /// Print the public SSH key that the machine with the backups has to let in
    SshKey(ssh_key::Args),
    /// Show when backups are made, or change it
    ///
    /// Without WHEN: how often, when next, and what became of the last ones. With
    /// it, the answers are changed and applied. It is one of hourly, daily (at
    /// 03:30), weekly (on Sunday at 03:30), off, or an hour such as 22:15, in the
    /// server's time zone.
    Schedule(schedule::Args),
    /// Have smtpd go on, after a backup that was killed
    #[command(hide = true, after_help = "Example:\n  mailctl backup release")]
    Release,
}

/// Runs `mailctl backup`.
///
/// # Errors
/// Those of the command.
pub fn run(command: Backup, server: &Server) -> Result<ExitCode> {
    match command {
        Backup::Create(args) => create::run(&args, server),
        Backup::List(args) => list::run(&args, server),
        Backup::Verify(args) => verify::run(&args, server),
        Backup::Prune(args) => prune::run(&args, server),
        Backup::Drill(args) => drill::run(&args, server),
        Backup::Release => {
            if server.is_live() {
                live::release()?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Backup::Passphrase(args) => passphrase::run(&args, server),
        Backup::SshKey(args) => ssh_key::run(&args, server),
        Backup::Schedule(args) => schedule::run(&args, server),
    }
}

/// Backup's own folder, taken for as long as a command works there.
///
/// # Errors
/// When another process has it, or a new state is about to be put in place.
fn scratch(server: &Server) -> Result<Scratch> {
    let scratch = Scratch::take(&server.target.path(&server.paths.state))?;
    // whoever asked for the switch has left the folder to the unit that carries it out
    if job::is_pending(&Layout::of(&server.target, &server.paths)) {
        bail!(
            "a restore is being switched to: try again when it has ended ('systemctl status \
             ezmail-switch'; 'systemctl start ezmail-switch' goes on with it)"
        );
    }
    Ok(scratch)
}

/// A time of the server's own time zone, such as `2026-11-24 03:30 CET`.
fn local(zone: &jiff::tz::TimeZone, seconds: i64) -> String {
    match jiff::Timestamp::from_second(seconds) {
        Ok(time) => {
            let time = time.to_zoned(zone.clone());
            time.strftime("%Y-%m-%d %H:%M %Z").to_string()
        }
        Err(_) => "?".to_owned(),
    }
}
