//! What was seen on a day: from smtpd's log, and from ezmail-sts.

use std::{collections::BTreeMap, ops::ControlFlow, process::Command, time::Duration};

use anyhow::Result;
use jiff::{civil::Date, tz::TimeZone};

use super::Reported;
use crate::{
    ctl::{log::journal, sts},
    dns::{Client, RESOLVER, RecordType, Status},
    mail::tls_report::{self, Failure, Seen, Submitter},
    sts::Entry,
    util::run::Task,
};

/// How long the DNS may take for an answer.
const DNS: Duration = Duration::from_secs(12);
/// The most lines of a domain that are counted: what is more is more of the same.
const LINES: usize = 100_000;

/// The reports of a day, by domain.
///
/// # Errors
/// When the journal cannot be read, or ezmail-sts does not answer.
pub(super) fn reports(from: &Submitter, day: Date) -> Result<Vec<Reported>> {
    let start = day.to_zoned(TimeZone::UTC)?.timestamp().as_second();
    let mut seen = read(start)?;
    let known = sts::known()?;
    let mut failures: BTreeMap<String, Vec<Failure>> = BTreeMap::new();
    for failed in known.failed.into_iter().filter(|f| f.day == start) {
        seen.entry(failed.domain.clone()).or_default();
        failures.entry(failed.domain).or_default().push(Failure {
            result: failed.result,
            reason: failed.reason,
            count: failed.count,
        });
    }
    let client = Client::new(RESOLVER, DNS)?;
    let questions: Vec<_> = seen
        .keys()
        .map(|domain| client.question(&format!("_smtp._tls.{domain}"), RecordType::TXT))
        .collect();
    let answers = client.ask_all(&questions);
    let policy = |domain: &str| {
        let entry = |e: &&Entry| e.domain == domain;
        known
            .policies
            .iter()
            .find(entry)
            .map(|e| e.cached.text.as_str())
    };
    let all = seen.iter().zip(answers).map(|((domain, seen), answer)| {
        let failures = failures.get(domain).map_or(&[][..], Vec::as_slice);
        let (places, unknown) = match answer {
            Ok(answer) if matches!(answer.status, Status::NoError | Status::NxDomain) => {
                (tls_report::places(&answer.texts()), None)
            }
            Ok(answer) => (Vec::new(), Some(answer.status.to_string())),
            Err(error) => (Vec::new(), Some(error.to_string())),
        };
        Reported {
            domain: domain.clone(),
            places,
            unknown,
            report: tls_report::report(from, day, domain, policy(domain), seen, failures),
        }
    });
    Ok(all.collect())
}

/// What smtpd has logged of connections since `start`, for a day.
fn read(start: i64) -> Result<BTreeMap<String, Vec<Seen>>> {
    let mut command = Command::new("journalctl");
    // the journals of earlier boots have other machine IDs
    command.args(["--merge", "--quiet", "--all", "--output=json"]);
    command.args(["--output-fields=MESSAGE", "--unit=smtpd.service"]);
    command.arg(format!("--since=@{start}"));
    command.arg(format!("--until=@{}", start + 86_400));
    let mut seen: BTreeMap<String, Vec<Seen>> = BTreeMap::new();
    Task::new("reading the journal", command).lines(|line| {
        // one that is no entry tells nothing; the others still do
        let entry = journal::parse(line);
        if let Some(one) = entry.ok().and_then(|e| Seen::parse(&e.message)) {
            let all = seen.entry(one.domain.clone()).or_default();
            if all.len() < LINES {
                all.push(one);
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(seen)
}
