//! `mailctl import`: moving in, with mail, users and keys of another server.

mod archmailbox;
mod imap;
mod maildir;
mod progress;
mod report;
mod xz;

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::Subcommand;

use super::{accounts, server::Server};
use crate::mail::address::{Address, DomainName};

/// Exit status when something did not come that is there.
const NOT_ALL: u8 = 3;

/// Where from.
#[derive(Debug, Subcommand)]
pub enum Import {
    /// Bring the mail of a mailbox on another server, by IMAP
    ///
    /// Folders, flags and times are kept, and nothing is changed there. Call it
    /// again, as often as you like: it brings what is new since. What was removed
    /// here meanwhile stays removed. A copy of the other mailbox is kept beside the
    /// mail for that, until a call with --last.
    #[command(after_help = "\
Examples:
  mailctl import imap alice@example.org --from imap.example.com
  mailctl import imap alice@example.org --from imap.example.com:143 \\
      --tls starttls --login alice --password-file old.txt
  mailctl import imap alice@example.org --from imap.example.com --last

Gmail: --login is the whole address, the password an app password. What is only
a view of other folders (All Mail, Starred, Important) is left out.")]
    Imap(imap::Imap),
    /// Bring the mail of a Maildir, or what of it is not here yet
    ///
    /// Flags, keywords, folders and times of delivery are kept. A message whose
    /// content is in that folder already is not brought again. Messages may be
    /// compressed with gzip, xz or zstd; Maildir++ and nested folders are read.
    #[command(after_help = "\
Examples:
  mailctl import maildir alice@example.org /mnt/var/vmail/alice/Maildir
  mailctl import maildir alice@example.org /mnt/Maildir --dry-run
  mailctl import maildir alice@example.org /mnt/Maildir --folder INBOX \\
      --map Gesendet=Sent")]
    Maildir {
        /// The user here
        #[arg(value_parser = accounts::own_address)]
        user: Address,
        /// The folder with 'cur' and 'new' in it
        #[arg(value_name = "PATH")]
        from: PathBuf,
        /// What of it, and how.
        #[command(flatten)]
        options: maildir::Options,
    },
    /// Take over domains, users, aliases and DKIM keys of archmailbox, of 2019
    ///
    /// From the file that 'mailboxctl backupconfig' made, a tar.xz under encpipe.
    /// There is no mail in it: import that by 'mailctl import imap', or from its
    /// Maildirs. What is here already stays as it is. Exit status 3: something is
    /// different here, or left out.
    #[command(after_help = "\
Examples:
  mailctl import archmailbox backup.tar.xz.encpipe --dry-run
  mailctl import archmailbox backup.tar.xz.encpipe
  mailctl import archmailbox backup.tar.xz.encpipe --domain example.org \\
      --passphrase-file phrase.txt")]
    Archmailbox {
        /// The backup
        file: PathBuf,
        /// The passphrase, instead of being asked for it
        #[arg(long, value_name = "FILE")]
        passphrase_file: Option<PathBuf>,
        /// Only this domain; can be given more than once
        #[arg(long = "domain", value_name = "DOMAIN")]
        domains: Vec<DomainName>,
        /// Put what the backup has in the place of what is different here
        #[arg(long)]
        overwrite: bool,
        /// Say what would come, and change nothing
        #[arg(long)]
        dry_run: bool,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

/// Runs `mailctl import`.
///
/// # Errors
/// When it is refused, or something cannot be read or written.
pub fn run(command: Import, server: &Server) -> Result<ExitCode> {
    match command {
        Import::Imap(imap) => imap::run(server, &imap),
        Import::Maildir {
            user,
            from,
            options,
        } => maildir::run(server, &user, &from, &options),
        Import::Archmailbox {
            file,
            passphrase_file,
            domains,
            overwrite,
            dry_run,
            json,
        } => {
            let wanted = archmailbox::Wanted {
                domains,
                overwrite,
                dry_run,
            };
            archmailbox::run(server, &file, passphrase_file.as_deref(), &wanted, json)
        }
    }
}

/// The exit status of an import after which all is here, or not.
fn exit(whole: bool) -> ExitCode {
    match whole {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(NOT_ALL),
    }
}
