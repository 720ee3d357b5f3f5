//! `mailctl dns`: the records of this server.

pub mod check;
pub mod diagnosis;
pub mod expected;
pub mod observe;
pub mod seen;

use std::{net::SocketAddr, process::ExitCode};

use anyhow::Result;
use clap::{Subcommand, ValueEnum};

use super::{output, server::Server};
use crate::{
    dns::RESOLVER,
    mail::{address::DomainName, records},
};

/// What to do with the records.
#[derive(Debug, Subcommand)]
pub enum Dns {
    /// Print the records to publish
    #[command(after_help = "\
Examples:
  mailctl dns show                         as a zone file, with what each is for
  mailctl dns show --format table          to read, or to type into a form
  ssh root@SERVER mailctl dns show --format nsupdate | nsupdate -k KEYFILE
  mailctl dns show example.org             only those of one domain")]
    Show {
        /// In which form
        #[arg(long, value_enum, default_value = "zone")]
        format: Format,
        /// Only the records of this mail domain
        domain: Option<String>,
    },
    /// Compare what the DNS shows with what it should
    ///
    /// Asks every authoritative server and the resolver for every record, and
    /// tells for each difference what is there, what should be, and the likely
    /// mistake.
    #[command(after_help = "\
Examples:
  mailctl dns check
  mailctl dns check --json                 for a script
  mailctl dns check --resolver 9.9.9.9:53  asking another resolver

Exit status: 0 nothing was found, 1 it could not be checked, 3 a finding.")]
    Check {
        /// As JSON
        #[arg(long)]
        json: bool,
        /// The resolver to ask, instead of the server's own
        #[arg(long, value_name = "IP:PORT", default_value_t = RESOLVER)]
        resolver: SocketAddr,
    },
}

/// Forms of the list of records.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Format {
    /// A zone file
    Zone,
    /// For people
    Table,
    /// A script for nsupdate(1)
    Nsupdate,
    /// For scripts
    Json,
}

/// Runs `mailctl dns`.
///
/// # Errors
/// When the server is not set up yet, or nothing can be asked.
pub fn run(command: Dns, server: &Server) -> Result<ExitCode> {
    match command {
        Dns::Show { format, domain } => show(server, format, domain.as_deref()),
        Dns::Check { json, resolver } => check::run(server, json, resolver),
    }
}

fn show(server: &Server, format: Format, domain: Option<&str>) -> Result<ExitCode> {
    let facts = expected::of(server)?;
    let mut list = records::records(&facts);
    if let Some(domain) = domain {
        let wanted = known(&facts, domain)?;
        list.retain(|r| r.domain.as_deref() == Some(wanted.as_str()));
    }
    match format {
        Format::Zone => output::text(&records::zone(&facts, &list))?,
        Format::Table => output::text(&records::table(&facts, &list))?,
        Format::Nsupdate => output::text(&records::nsupdate(&facts, &list))?,
        Format::Json => output::json(&list)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// A mail domain of the server by its name, in whatever spelling.
fn known(facts: &records::Facts, name: &str) -> Result<DomainName> {
    let mut domains = facts.domains.iter().map(|(domain, _)| domain);
    let wanted = name.parse::<DomainName>();
    let found = wanted.ok().and_then(|w| domains.find(|d| **d == w));
    let all: Vec<&str> = facts.domains.iter().map(|(d, _)| d.as_str()).collect();
    match found {
        Some(domain) => Ok(domain.clone()),
        None => anyhow::bail!(
            "{name} is not a domain of this server, which has {}",
            all.join(", ")
        ),
    }
}
