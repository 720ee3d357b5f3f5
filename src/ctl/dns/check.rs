//! `mailctl dns check`.

use std::{collections::BTreeSet, fmt::Write, net::SocketAddr, process::ExitCode, time::Duration};

use anyhow::{Context, Result};
use serde::Serialize;

use super::{
    diagnosis::{Finding, Severity, diagnose, unseen},
    expected,
    observe::observe,
};
use crate::{
    ctl::{output, server::Server},
    dns::Client,
    mail::records::{self, Record},
};

/// Exit status when there is a finding.
const FOUND: u8 = 3;
/// How long a server has for an answer.
const LIMIT: Duration = Duration::from_secs(5);
/// How long the resolver has: for about ten seconds it waits itself for servers that are dead.
const PATIENCE: Duration = Duration::from_secs(15);

/// What was compared, and what was found.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The resolver that was asked.
    pub resolver: SocketAddr,
    /// How many records there should be.
    pub records: usize,
    /// The name servers that were asked.
    pub servers: Vec<String>,
    /// What is not as it should be.
    pub findings: Vec<Finding>,
    /// The records that there should be.
    #[serde(skip)]
    pub list: Vec<Record>,
    /// The names of those about which nobody said anything that could be compared.
    #[serde(skip)]
    pub unseen: BTreeSet<String>,
}

/// Compares, and prints what was found.
///
/// # Errors
/// When the server is not set up yet, or the resolver does not answer.
pub fn run(server: &Server, json: bool, resolver: SocketAddr) -> Result<ExitCode> {
    let report = report(server, resolver)?;
    match json {
        true => output::json(&report)?,
        false => output::text(&text(&report))?,
    }
    Ok(match report.findings.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(FOUND),
    })
}

/// Asks and compares.
///
/// # Errors
/// As [`run`].
pub fn report(server: &Server, resolver: SocketAddr) -> Result<Report> {
    let facts = expected::of(server)?;
    let list = records::records(&facts);
    let client = Client::new(resolver, LIMIT)?.patient(PATIENCE);
    let observed = observe(&client, &facts, &list).context(
        "nothing could be compared ('mailctl status' tells whether the resolver runs; --resolver \
         asks another)",
    )?;
    let servers = observed.zones.values().flat_map(|z| &z.servers);
    let mut servers: Vec<String> = servers.map(|s| s.name.clone()).collect();
    servers.sort();
    servers.dedup();
    Ok(Report {
        resolver,
        records: list.len(),
        servers,
        findings: diagnose(&facts, &list, &observed),
        unseen: unseen(&facts, &list, &observed),
        list,
    })
}

/// The report for people.
pub fn text(report: &Report) -> String {
    let mut text = String::new();
    for finding in &report.findings {
        let Finding { name, kind, .. } = finding;
        // writing to a string cannot fail
        let _ = writeln!(text, "{}: {name} {kind} ({})", finding.severity, finding.id);
        text += &paragraph("  ", &finding.text);
        for value in &finding.found {
            text += &paragraph("  there is:  ", value);
        }
        for value in &finding.expected {
            text += &paragraph("  should be: ", value);
        }
        text += &paragraph("  what to do: ", &finding.fix);
        text.push('\n');
    }
    let errors = report
        .findings
        .iter()
        .filter(|f| f.severity == Severity::Error);
    let (errors, all) = (errors.count(), report.findings.len());
    let _ = match all {
        0 => writeln!(
            text,
            "All {} records are as they should be, at {}.",
            report.records,
            report.servers.join(", ")
        ),
        _ => writeln!(
            text,
            "{}, {}",
            counted(errors, "error"),
            counted(all - errors, "warning")
        ),
    };
    text
}

fn counted(number: usize, what: &str) -> String {
    let many = if number == 1 { "" } else { "s" };
    format!("{number} {what}{many}")
}

/// A text with something before its first line, and the other lines below it.
fn paragraph(first: &str, value: &str) -> String {
    let options = textwrap::Options::new(80 - first.len())
        .word_separator(textwrap::WordSeparator::AsciiSpace)
        .word_splitter(textwrap::WordSplitter::NoHyphenation);
    let mut text = String::new();
    for (number, line) in textwrap::wrap(value, &options).iter().enumerate() {
        let before = if number == 0 { first } else { "" };
        // writing to a string cannot fail
        let _ = writeln!(text, "{before:<width$}{line}", width = first.len());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctl::dns::diagnosis::catalogue::fault_of;

    #[test]
    fn a_report_fits_the_screen() {
        let fault = fault_of("dkim-truncated").unwrap();
        let mut report = Report {
            resolver: crate::dns::RESOLVER,
            records: 12,
            servers: vec!["ns1.example".into(), "ns2.example".into()],
            findings: vec![Finding {
                id: fault.id,
                severity: fault.severity,
                name: "r._domainkey.example.org".into(),
                kind: "TXT".into(),
                found: vec![format!("\"v=DKIM1; k=rsa; p={}\"", "A".repeat(90))],
                expected: vec![format!("\"v=DKIM1; k=rsa; p={}\"", "A".repeat(150))],
                text: fault.text.into(),
                fix: fault.fix.into(),
            }],
            list: Vec::new(),
            unseen: BTreeSet::new(),
        };
        let shown = text(&report);
        assert!(
            shown.lines().all(|line| line.chars().count() <= 80),
            "{shown}"
        );
        insta::assert_snapshot!(shown);
        report.findings.clear();
        insta::assert_snapshot!(
            text(&report),
            @"All 12 records are as they should be, at ns1.example, ns2.example."
        );
    }
}
