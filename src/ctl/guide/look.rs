//! Finds out how far it is.

use std::{net::IpAddr, time::Duration};

use anyhow::{Result, bail};

use super::{
    flow,
    steps::{Authority, Seen},
};
use crate::{
    agent::page::{address, guide::Guide},
    ctl::{
        cert,
        check::{self, finding::Area},
        dns::check as dns,
        server::{Server, now},
    },
    dns::{Client, Data, RESOLVER, RecordType, Status},
    mail::records::{Purpose, Record, is_public},
};

/// Where it is kept that mail has flowed, in the folder of the state.
const FLOW: &str = "first-mail.json";
/// How far back the journal is read for mail that has flowed, at the first look of a boot.
const MONTH: i64 = 30 * 24 * 3600;
/// Looks overlap by so much: a session may have begun before the last one.
const OVERLAP: i64 = 600;
/// How long the resolver has for an answer.
const LIMIT: Duration = Duration::from_secs(8);

/// Looks at everything but, unless `outside`, port 25 of others. `last` is what the last look found.
///
/// # Errors
/// When the server is not set up yet.
pub(super) fn look(server: &Server, last: Option<&Guide>, outside: bool) -> Result<Seen> {
    let answers = server.effective()?;
    let dns = dns::report(server, RESOLVER).map_err(|error| format!("{error:#}"));
    let mut areas = vec![Area::Certificate];
    let mut translated = None;
    if let Ok(report) = &dns {
        let named = named(answers.hostname.as_str(), &report.list);
        translated = named.map_err(|error| format!("{error:#}")).transpose();
        // addresses that are not known here are somebody else's, who translates them
        let own = report.list.iter().any(|r| r.purpose == Purpose::Address);
        if !own {
            areas.push(Area::Nat);
        }
        if !own || translated.is_some() {
            areas.push(Area::Ptr);
        }
    }
    if outside {
        areas.push(Area::Port25);
    }
    let domain = answers
        .domains
        .first()
        .map_or(&answers.hostname, |d| &d.name);
    Ok(Seen {
        hostname: answers.hostname.to_string(),
        postmaster: format!("postmaster@{domain}"),
        dns,
        translated,
        findings: check::findings(server, &areas, &[]),
        authority: authority(server)
            .unwrap_or_else(|error| Authority::Unknown(format!("{error:#}"))),
        mail: mail(server, last).map_err(|error| format!("{error:#}")),
    })
}

/// Whether the server's name has an IPv4 address, where this machine has only private ones; none where
/// it has others, which are in the `list` of records, or none at all.
fn named(hostname: &str, list: &[Record]) -> Result<Option<bool>> {
    if list.iter().any(|r| matches!(r.data, Data::A(_))) {
        return Ok(None);
    }
    let mut own = address::global()?;
    own.retain(IpAddr::is_ipv4);
    if own.is_empty() || own.iter().any(is_public) {
        return Ok(None);
    }
    let answer = Client::new(RESOLVER, LIMIT)?.query(hostname, RecordType::A)?;
    match &answer.status {
        Status::NoError | Status::NxDomain => Ok(Some(answer.of(RecordType::A).next().is_some())),
        other => bail!("the resolver cannot tell the IPv4 address of {hostname}: {other}"),
    }
}

/// What is to become of a certificate of the server's own making.
fn authority(server: &Server) -> Result<Authority> {
    let report = cert::report(server)?;
    if report.origin != "self-signed" || report.directory.is_none() {
        return Ok(Authority::NotAsked);
    }
    Ok(match report.last.and_then(|last| last.error) {
        Some(why) => Authority::Refused(why),
        None => Authority::Expected,
    })
}

/// The mail that has flowed: what did once, did. That is kept with the state, since neither the journal
/// nor this boot is as old as the server.
fn mail(server: &Server, last: Option<&Guide>) -> Result<flow::Flow> {
    let file = server.target.path(&server.paths.state.join(FLOW));
    let before = flow::Flow::load(&file)?;
    if before.came && before.went {
        return Ok(before);
    }
    let now = now()?;
    let read = last.map(|last| last.read).filter(|read| *read > 0);
    let since = read.map_or(now - MONTH, |read| read.min(now) - OVERLAP);
    let new = flow::ask(since)?;
    let all = flow::Flow {
        came: before.came || new.came,
        went: before.went || new.went,
    };
    if all != before {
        all.save(&file)?;
    }
    Ok(all)
}
