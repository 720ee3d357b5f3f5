//! `mailctl dns check`.

use std::{fmt::Write, net::SocketAddr, process::ExitCode, time::Duration};

use anyhow::Result;
use serde::Serialize;

use super::{
    diagnosis::{Finding, Severity, diagnose},
    expected,
    observe::observe,
};
use crate::{
    ctl::{output, server::Server},
    dns::Client,
    mail::records,
};

/// Exit status when there is a finding.
const FOUND: u8 = 3;
/// How long a server has for an answer.
const LIMIT: Duration = Duration::from_secs(5);

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
    let client = Client::new(resolver, LIMIT)?;
    let observed = observe(&client, &facts, &list)?;
    let servers = observed.zones.values().flat_map(|z| &z.servers);
    let mut servers: Vec<String> = servers.map(|s| s.name.clone()).collect();
    servers.sort();
    servers.dedup();
    Ok(Report {
        resolver,
        records: list.len(),
        servers,
        findings: diagnose(&facts, &list, &observed),
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
        _ => writeln!(text, "{errors} errors, {} warnings", all - errors),
    };
    text
}

fn paragraph(first: &str, value: &str) -> String {
    let indent = " ".repeat(first.len());
    let options = textwrap::Options::new(80)
        .word_separator(textwrap::WordSeparator::AsciiSpace)
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
        .initial_indent(first)
        .subsequent_indent(&indent);
    textwrap::fill(value, &options) + "\n"
}
