//! `mailctl cert`: the certificate, and how the server gets the next one.

mod asking;
mod deploy;
mod drain;
mod facts;
mod install;
mod issue;
mod order;
mod place;
mod status;

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::{Args, Subcommand};
use thiserror::Error;

pub use facts::Facts;
pub use status::{Report, report};

use super::{output, server::Server};

/// Exit status when the authority has issued none.
const NONE: u8 = 3;

/// The authority has issued none: it says why, and is asked again.
#[derive(Debug, Error)]
#[error("{0}; the certificate in place goes on")]
struct NotIssued(String);

/// The certificate, and how the server gets the next one
#[derive(Debug, Subcommand)]
pub enum Cert {
    /// Show the certificate: for which names, until when, and what comes next
    #[command(after_help = "\
Examples:
  mailctl cert status
  ssh root@SERVER mailctl cert status --json | jq -r .renewal")]
    Status {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Ask the authority for a certificate now
    ///
    /// It is for all names of the server and of its domains that lead here. When the
    /// one in place has them all and does not end soon, none is asked for. New
    /// connections to SMTP wait some seconds while the new one is put in place;
    /// none is cut off.
    #[command(after_help = "\
Examples:
  mailctl cert issue            after the DNS was corrected: does not wait for the timer
  mailctl cert issue --force    whatever the one in place is; authorities allow few a week
  mailctl cert issue --new-key  with another private key: publish its TLSA record next

Exit status: 0 it is good, 1 it could not be asked, 3 the authority issued none.")]
    Issue(Ask),
    /// Renew the certificate if it is due: what a timer does every ten minutes
    ///
    /// It is due when there is none of an authority yet, when two thirds of its time
    /// are over, or when a name leads here that it lacks. After a failure the
    /// authority is left in peace for a while; 'mailctl cert issue' does not wait.
    #[command(after_help = "\
Example:
  mailctl cert renew")]
    Renew {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Put a certificate of your own in place
    ///
    /// It is checked first: key and names have to fit. It stays until it is due;
    /// then the authority is asked for the next one, unless [acme] is off. The one
    /// before is kept.
    #[command(after_help = "\
Examples:
  mailctl cert install fullchain.pem privkey.pem
  cd /var/lib/ezmail/tls/old/20261129T091014Z-5f3a0c1d && mailctl cert install cert.pem key.pem

Better is to have it in the answers ([tls]), where it survives a new server.")]
    Install {
        /// The certificate and those that signed it, PEM
        certificate: PathBuf,
        /// Its private key, PEM, without a passphrase
        key: PathBuf,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

/// How to ask.
#[derive(Debug, Args)]
pub struct Ask {
    /// Ask even if the one in place is good
    #[arg(long)]
    force: bool,
    /// Make another private key
    #[arg(long)]
    new_key: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Runs `mailctl cert`.
///
/// # Errors
/// When none can be asked for, or it cannot be put in place; the one before goes on then.
pub fn run(command: Cert, server: &Server) -> Result<ExitCode> {
    match carry_out(command, server) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) if error.is::<NotIssued>() => {
            eprintln!("{}", output::complaint("mailctl", &error));
            Ok(ExitCode::from(NONE))
        }
        Err(error) => Err(error),
    }
}

fn carry_out(command: Cert, server: &Server) -> Result<()> {
    match command {
        Cert::Status { json } => status::show(server, json)?,
        Cert::Issue(ask) => issue::now(server, &ask)?,
        Cert::Renew { json } => issue::due(server, json)?,
        Cert::Install {
            certificate,
            key,
            json,
        } => install::run(server, &certificate, &key, json)?,
    }
    Ok(())
}
