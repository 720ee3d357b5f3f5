//! `mailctl tlsrpt`: what is told to other domains about the TLS of mail to them (RFC 8460).

mod gather;
mod send;

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use jiff::{ToSpan, civil::Date, tz::TimeZone};
use serde::Serialize;

use super::{
    output,
    server::{self, Server},
};
use crate::mail::tls_report::{Place, Report, Submitter};

/// Exit status when a report was not taken.
const NOT_TAKEN: u8 = 3;

/// Reports to other domains about the TLS of mail to them
#[derive(Debug, Subcommand)]
pub enum TlsRpt {
    /// Show what is reported of a day
    #[command(after_help = "\
Examples:
  mailctl tlsrpt show                    of today, up to now
  mailctl tlsrpt show --day 2026-11-28
  ssh root@SERVER mailctl tlsrpt show --json | jq '.[].report'")]
    Show {
        /// The day, in UTC [default: today]
        #[arg(long, value_parser = day)]
        day: Option<Date>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Send the reports of a day to the domains that want them
    ///
    /// A timer does this each night, for the day before. A domain wants reports if it
    /// has a record '_smtp._tls' that says where to. A day that was reported is not
    /// reported again.
    #[command(after_help = "\
Examples:
  mailctl tlsrpt send
  mailctl tlsrpt send --day 2026-11-28 --force   once more

Exit status: 0 done, 1 failed, 3 one was not taken.")]
    Send {
        /// The day, in UTC [default: yesterday]
        #[arg(long, value_parser = day)]
        day: Option<Date>,
        /// Even if that day was reported already
        #[arg(long)]
        force: bool,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

fn day(text: &str) -> Result<Date, String> {
    text.parse()
        .map_err(|_| "say it as year, month and day: 2026-11-28".to_owned())
}

/// A domain's report.
#[derive(Debug, Serialize)]
pub struct Reported {
    /// The domain.
    pub domain: String,
    /// Where it wants reports; to none if it does not.
    #[serde(serialize_with = "shown")]
    pub places: Vec<Place>,
    /// Why that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
    /// The report.
    pub report: Report,
}

fn shown<S: serde::Serializer>(places: &[Place], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(places.iter().map(ToString::to_string))
}

/// Runs `mailctl tlsrpt`.
///
/// # Errors
/// When the journal cannot be read, or ezmail-sts does not answer.
pub fn run(command: TlsRpt, server: &Server) -> Result<ExitCode> {
    if !server.is_live() {
        bail!("what is reported is a running server's: leave out --root");
    }
    let today = jiff::Timestamp::from_second(server::now()?)?
        .to_zoned(TimeZone::UTC)
        .date();
    match command {
        TlsRpt::Show { day, json } => {
            let day = day.unwrap_or(today);
            let all = gather::reports(&submitter(server)?, day)?;
            match json {
                true => output::json(&all)?,
                false => output::text(&table(day, &all))?,
            }
            Ok(ExitCode::SUCCESS)
        }
        TlsRpt::Send { day, force, json } => {
            let day = day.unwrap_or(today.checked_sub(1.day())?);
            if day >= today {
                bail!("{day} is not over yet (UTC): reports are about whole days");
            }
            let Some(all) = send::all(server, &submitter(server)?, day, force)? else {
                let text = format!("{day} was reported already; --force does it again\n");
                match json {
                    true => output::json(&[(); 0])?,
                    false => output::text(&text)?,
                }
                return Ok(ExitCode::SUCCESS);
            };
            match json {
                true => output::json(&all)?,
                false => output::text(&send::text(day, &all))?,
            }
            let well = all.iter().all(|sent| sent.error.is_none());
            Ok(match well {
                true => ExitCode::SUCCESS,
                false => ExitCode::from(NOT_TAKEN),
            })
        }
    }
}

fn submitter(server: &Server) -> Result<Submitter> {
    let answers = server.effective().or_else(|_| server.answers())?;
    let domain = answers.domains.first().map(|d| &d.name);
    let domain = domain.context("there is no mail domain to report from")?;
    Ok(Submitter {
        hostname: answers.hostname.to_string(),
        contact: format!("postmaster@{domain}"),
    })
}

fn table(day: Date, all: &[Reported]) -> String {
    let row = |one: &Reported| {
        let numbers = one.report.numbers();
        let places: Vec<String> = one.places.iter().map(ToString::to_string).collect();
        [
            one.domain.clone(),
            numbers.good.to_string(),
            numbers.failed.to_string(),
            match (&one.unknown, places.is_empty()) {
                (Some(why), _) => format!("not known: {why}"),
                (None, true) => "wants no reports".to_owned(),
                (None, false) => places.join(" "),
            },
        ]
    };
    let rows: Vec<[String; 4]> = all.iter().map(row).collect();
    match rows.is_empty() {
        true => format!("No mail was sent to others on {day} (UTC).\n"),
        false => output::table(["DOMAIN", "TLS", "FAILED", "TO"], &rows),
    }
}
