//! Sending: by mail, and by HTTPS (RFC 8460 sections 5.3 and 5.4).

use std::{
    io,
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail};
use jiff::civil::Date;
use serde::Serialize;

use super::{Reported, gather};
use crate::{
    ctl::{output, server::Server},
    mail::tls_report::{self, Place, Submitter},
    util::{files, lock, run::Task},
};

/// How long all web servers together may take.
const POSTING: Duration = Duration::from_secs(600);

/// What became of a report.
#[derive(Debug, Serialize)]
pub(super) struct Sent {
    domain: String,
    place: String,
    /// Why it was not taken.
    pub(super) error: Option<String>,
}

/// Sends the reports of a day to those who want them; `None` if that was done already.
///
/// # Errors
/// When they cannot be made. That one is not taken is told of it alone.
pub(super) fn all(
    server: &Server,
    from: &Submitter,
    day: Date,
    force: bool,
) -> Result<Option<Vec<Sent>>> {
    let mark = Mark::of(server);
    let _lock = lock::take(&mark.folder.join("lock"), Duration::ZERO)?
        .context("reports are being sent at this moment")?;
    if !force && mark.last()?.is_some_and(|last| day <= last) {
        return Ok(None);
    }
    let mut reports = gather::reports(from, day)?;
    if !reports.is_empty() && reports.iter().all(|one| one.unknown.is_some()) {
        bail!("the resolver does not say who wants reports; nobody was told");
    }
    // before: rather not told than told again and again
    mark.write(day)?;
    // smtpd takes all there is; web servers may take their time
    reports.sort_by_key(|one| matches!(one.places.first(), Some(Place::Https(_))));
    let begun = Instant::now();
    let mut all = Vec::new();
    for one in &reports {
        let mut note = |place: String, error: Option<String>| {
            all.push(Sent {
                domain: one.domain.clone(),
                place,
                error,
            });
        };
        if let Some(why) = &one.unknown {
            note("?".to_owned(), Some(why.clone()));
        }
        for place in &one.places {
            let done = match place {
                Place::Mail(address) => mail(from, day, one, address),
                Place::Https(_) if begun.elapsed() > POSTING => {
                    Err(anyhow!("other web servers have taken too long"))
                }
                Place::Https(url) => post(from, day, one, url),
            };
            let error = done.err().map(|e| format!("{e:#}"));
            let taken = error.is_none();
            note(place.to_string(), error);
            // one place is enough
            if taken {
                break;
            }
        }
    }
    Ok(Some(all))
}

/// The last day that was reported.
struct Mark {
    folder: PathBuf,
    file: PathBuf,
}

impl Mark {
    fn of(server: &Server) -> Self {
        let folder = server.target.path(&server.paths.tlsrpt);
        let file = folder.join("last");
        Self { folder, file }
    }

    fn last(&self) -> Result<Option<Date>> {
        let name = self.file.display();
        let text = match std::fs::read_to_string(&self.file) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.with_context(|| format!("reading {name}"))?,
        };
        let day = text.trim().parse();
        day.map(Some)
            .with_context(|| format!("{name} has no day in it: remove it"))
    }

    fn write(&self, day: Date) -> Result<()> {
        let last = self.last()?.map_or(day, |last| last.max(day));
        files::write(&self.file, format!("{last}\n"), 0o600)
    }
}

fn mail(from: &Submitter, day: Date, one: &Reported, to: &str) -> Result<()> {
    let domain = from.contact.rsplit('@').next().unwrap_or_default();
    let sender = tls_report::sender(domain);
    let text = tls_report::message((from, &sender), to, &one.domain, day, &one.report)?;
    let mut command = Command::new("sendmail");
    command.args(["-f", &sender, "--", to]);
    Task::new("handing the report to smtpd", command)
        .input(text)
        .run()
}

fn post(from: &Submitter, day: Date, one: &Reported, url: &str) -> Result<()> {
    let body = tls_report::gzip(&one.report)?;
    let file = tls_report::name(from, &one.domain, day)?;
    let mut command = Command::new("curl");
    command.args(["-q", "--silent", "--show-error", "--globoff"]);
    command.args(["--proto", "=https", "--noproxy", "*"]);
    command.args(["--connect-timeout", "8", "--max-time", "15"]);
    command.args(["--header", "Content-Type: application/tlsrpt+gzip"]);
    command.args([
        "--header",
        &format!("Content-Disposition: attachment; filename=\"{file}\""),
    ]);
    command.args(["--data-binary", "@-", "--output", "/dev/null"]);
    command.args(["--write-out", "%{http_code}", "--", url]);
    let done = Task::new(format!("posting the report to {url}"), command)
        .input(body)
        .outcome()?;
    let status = String::from_utf8_lossy(&done.stdout);
    if !done.status.success() {
        bail!("{}", String::from_utf8_lossy(&done.stderr).trim());
    }
    if !status.starts_with('2') || status.len() != 3 {
        bail!("the server says {status}");
    }
    Ok(())
}

/// What was done, for people.
pub(super) fn text(day: Date, all: &[Sent]) -> String {
    if all.is_empty() {
        return format!("Nobody is to be told about {day}.\n");
    }
    let row = |sent: &Sent| {
        [
            sent.domain.clone(),
            match &sent.error {
                None => "sent".to_owned(),
                Some(_) => "NOT TAKEN".to_owned(),
            },
            match &sent.error {
                None => sent.place.clone(),
                Some(error) => format!("{}: {error}", sent.place),
            },
        ]
    };
    let rows: Vec<[String; 3]> = all.iter().map(row).collect();
    output::table(["DOMAIN", "REPORT", "TO"], &rows)
}
