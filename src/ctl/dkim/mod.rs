//! `mailctl dkim`: the keys that sign mail, their records, and their rotation.

mod list;
mod make;
mod published;
mod rotate;
mod show;
mod store;
mod tell;

use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::{Args, Subcommand};

pub use published::{Published, Shown};
pub use rotate::{Around, proceed};
pub use tell::summary;

use super::server::Server;
use crate::mail::dkim::Algorithm;

/// What to do with the keys.
#[derive(Debug, Subcommand)]
pub enum Dkim {
    /// List the keys, their stages, and what happens next with each
    #[command(after_help = "\
Examples:
  mailctl dkim list
  ssh root@SERVER mailctl dkim list --json | jq .keys

A key is 'next' until the DNS shows its record, then 'active': it signs.
Replaced by another it is 'old', and its record has to stay for a week.")]
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the DNS records of the keys, to paste or for a zone file
    #[command(after_help = "\
Examples:
  mailctl dkim show                          of every key
  mailctl dkim show example.org              of one domain
  mailctl dkim show example.org ezmail-rsa   of one key")]
    Show {
        /// Only those of this domain
        domain: Option<String>,
        /// Only that of this key
        selector: Option<String>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Make the next key of a domain, and print its DNS record
    ///
    /// It signs as soon as every name server of the domain shows the record:
    /// a timer looks once an hour.
    #[command(after_help = "\
Examples:
  mailctl dkim generate example.org
  mailctl dkim generate example.org --algorithm ed25519 --selector s2027")]
    Generate {
        /// The domain
        domain: String,
        /// What it signs with
        #[arg(long, value_enum, default_value_t = Algorithm::Rsa, hide_possible_values = true,
              value_name = "rsa|ed25519")]
        algorithm: Algorithm,
        /// Its name in the DNS [default: such as ezmail-rsa-20261124]
        #[arg(long)]
        selector: Option<String>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Take a private key that you have as the next key of a domain
    ///
    /// It signs as soon as every name server of the domain shows its record,
    /// or at once with --now.
    #[command(after_help = "\
Examples:
  mailctl dkim install example.org s2027 /root/s2027.pem
  mailctl dkim install example.org old-server /root/key.pem --now

The file is PEM: RSA of 2048 to 4096 bits (PKCS#8 or PKCS#1), or Ed25519.")]
    Install {
        /// The domain
        domain: String,
        /// Its name in the DNS
        selector: String,
        /// The private key
        file: PathBuf,
        /// Sign with it at once: its record is in the DNS already
        #[arg(long)]
        now: bool,
        /// Do not ask
        #[arg(long, requires = "now")]
        yes: bool,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Replace the keys by new ones, in stages
    ///
    /// Begins a rotation: next keys are made, and their records printed. Put these
    /// into the DNS. A timer looks once an hour; when every name server of the
    /// domain shows a record, its key signs. The record of the key before has to
    /// stay for a week; then you are told that it may go.
    #[command(after_help = "\
Examples:
  mailctl dkim rotate                        every key of every domain
  mailctl dkim rotate --domain example.org --algorithm rsa
  mailctl dkim rotate --status               how far it is
  mailctl dkim rotate --continue             what the timer does, now
  mailctl dkim rotate --abort                drop the keys that do not sign yet")]
    Rotate(Rotate),
}

/// What to do about a rotation.
#[derive(Debug, Args)]
pub struct Rotate {
    /// Only this domain's
    #[arg(long)]
    domain: Option<String>,
    /// Only those of this algorithm
    #[arg(
        long,
        value_enum,
        hide_possible_values = true,
        value_name = "rsa|ed25519"
    )]
    algorithm: Option<Algorithm>,
    /// Look at the DNS, and do what is due
    #[arg(long = "continue", group = "what", conflicts_with_all = ["domain", "algorithm"])]
    proceed: bool,
    /// Tell how far it is
    #[arg(long, group = "what", conflicts_with_all = ["domain", "algorithm"])]
    status: bool,
    /// Drop the next keys, after asking
    #[arg(long, group = "what")]
    abort: bool,
    /// Do not ask
    #[arg(long, requires = "abort")]
    yes: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
    /// The resolver that knows the name servers
    #[arg(long, hide = true, value_name = "ADDRESS:PORT", requires = "proceed")]
    resolver: Option<SocketAddr>,
    /// The time to go by, in seconds since 1970, instead of the clock's
    #[arg(long, hide = true, value_name = "SECONDS", requires = "proceed")]
    at: Option<i64>,
}

/// Runs `mailctl dkim`.
///
/// # Errors
/// When there is no such domain or key, a key is not usable, or the change cannot be written or
/// applied.
pub fn run(command: Dkim, server: &Server) -> Result<ExitCode> {
    match command {
        Dkim::List { json } => list::run(server, json)?,
        Dkim::Show {
            domain,
            selector,
            json,
        } => show::run(server, domain.as_deref(), selector.as_deref(), json)?,
        Dkim::Generate {
            domain,
            algorithm,
            selector,
            json,
        } => make::generate(server, &domain, algorithm, selector.as_deref(), json)?,
        Dkim::Install {
            domain,
            selector,
            file,
            now,
            yes,
            json,
        } => {
            let at_once = now.then_some(yes);
            make::install(server, &domain, &selector, &file, at_once, json)?;
        }
        Dkim::Rotate(what) => rotate::run(server, &what)?,
    }
    Ok(ExitCode::SUCCESS)
}
