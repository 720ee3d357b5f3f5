//! Finds out how far it is.

use anyhow::Result;

use super::{
    flow,
    steps::{Authority, CAME, Seen, WENT},
};
use crate::{
    agent::page::guide::{Guide, State},
    ctl::{
        cert,
        check::{self, finding::Area},
        dns::check as dns,
        server::{Server, now},
    },
    dns::RESOLVER,
    mail::records::Purpose,
};

/// How far back the journal is read for mail that has flowed, at the first look of a boot.
const MONTH: i64 = 30 * 24 * 3600;
/// Looks overlap by so much: a session may have begun before the last one.
const OVERLAP: i64 = 600;

/// Looks at everything but, unless `outside`, port 25 of others. `last` is what the last look found.
///
/// # Errors
/// When the server is not set up yet.
pub(super) fn look(server: &Server, last: Option<&Guide>, outside: bool) -> Result<Seen> {
    let answers = server.effective()?;
    let dns = dns::report(server, RESOLVER).map_err(|error| format!("{error:#}"));
    let mut areas = vec![Area::Certificate];
    // addresses that are not known here are somebody else's, who translates them
    let known = |report: &dns::Report| report.list.iter().any(|r| r.purpose == Purpose::Address);
    if dns.as_ref().is_ok_and(|report| !known(report)) {
        areas.extend([Area::Nat, Area::Ptr]);
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
        findings: check::findings(server, &areas, &[]),
        // what is wrong with a certificate that cannot be read, its own area tells
        authority: authority(server).unwrap_or(Authority::NotAsked),
        mail: mail(last).map_err(|error| format!("{error:#}")),
    })
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

/// The mail that has flowed: what did once, did.
fn mail(last: Option<&Guide>) -> Result<flow::Flow> {
    let right = |name| last.and_then(|l| l.state_of(name)) == Some(State::Right);
    let before = flow::Flow {
        came: right(CAME),
        went: right(WENT),
    };
    if before.came && before.went {
        return Ok(before);
    }
    let now = now()?;
    let since = last.map_or(now - MONTH, |last| last.looked.min(now) - OVERLAP);
    let new = flow::ask(since)?;
    Ok(flow::Flow {
        came: before.came || new.came,
        went: before.went || new.went,
    })
}
