//! `mailctl cert status`: the certificate, and what comes next.

use std::fs;

use anyhow::Result;
use serde::Serialize;

use super::facts::Facts;
use crate::{
    ctl::{accounts, output, server::Server, words::date},
    mail::{
        acme::{Attempt, LETS_ENCRYPT, Left, renewal},
        certificate::Origin,
    },
};

/// All of it.
#[derive(Debug, Serialize)]
pub struct Report {
    /// `self-signed`, `answers`, `authority`, `installed`, or `none`.
    pub origin: &'static str,
    /// The names it is for.
    pub names: Vec<String>,
    /// Those that it is to have and lacks, and why as far as that is known.
    pub missing: Vec<Left>,
    /// Its last second, since 1970.
    pub not_after: Option<i64>,
    /// When the next one is asked for, in seconds since 1970; none if that is not to be.
    pub renewal: Option<i64>,
    /// The authority's directory, if one is to be asked.
    pub directory: Option<String>,
    /// The last time that it was asked.
    pub last: Option<Attempt>,
    /// How often in a row it has given none.
    pub failures: u32,
    /// Before that second it is not asked again.
    pub not_before: Option<i64>,
    /// The folders of those that were replaced, the newest first.
    pub old: Vec<String>,
}

/// Finds it out, without asking anybody.
///
/// # Errors
/// As [`Facts::of`].
pub fn report(server: &Server) -> Result<Report> {
    let facts = Facts::of(server)?;
    let present = facts.present.as_ref();
    let missing = facts.wanted.iter().filter(|name| !facts.has(name));
    let missing = missing.map(|name| {
        let refused = facts.history.refusal(name, facts.now);
        let why = refused.map_or_else(
            || "it is added when it leads here".to_owned(),
            |r| format!("the authority said: {}", r.why),
        );
        let name = name.clone();
        Left { name, why }
    });
    let made = present.is_none_or(|p| matches!(p.origin, Origin::Made(_)));
    Ok(Report {
        origin: present.map_or("none", |p| word(&p.origin)),
        names: present.map(|p| p.chain.names.clone()).unwrap_or_default(),
        missing: missing.collect(),
        not_after: present.map(|p| p.chain.not_after),
        renewal: present
            .filter(|_| facts.directory.is_some() && !made)
            .map(|p| renewal(&p.chain)),
        last: facts.history.last.clone(),
        failures: facts.history.failures,
        not_before: facts.history.pause(facts.now),
        old: old(server)?,
        directory: facts.directory,
    })
}

fn word(origin: &Origin) -> &'static str {
    match origin {
        Origin::Made(_) => "self-signed",
        Origin::Answers => "answers",
        Origin::Authority => "authority",
        Origin::Elsewhere => "installed",
    }
}

/// The folders of certificates that were replaced.
fn old(server: &Server) -> Result<Vec<String>> {
    let folder = server.target.path(&server.paths.tls_old);
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder)? {
        let name = entry?.file_name();
        names.push(server.paths.tls_old.join(name).display().to_string());
    }
    names.sort();
    names.reverse();
    Ok(names)
}

pub(super) fn show(server: &Server, json: bool) -> Result<()> {
    let report = report(server)?;
    match json {
        true => output::json(&report),
        false => output::text(&text(&report)),
    }
}

fn text(report: &Report) -> String {
    let mut text = String::new();
    let mut line = |head: &str, said: &str| {
        text += &format!("{head:<12}{said}\n");
    };
    line(
        "Origin",
        match report.origin {
            "self-signed" => "made by this server; mail programs ask whether to trust it",
            "answers" => "given by the answers ([tls])",
            "authority" => "issued by the authority",
            "installed" => "installed by hand",
            _ => "there is none",
        },
    );
    for (n, name) in report.names.iter().enumerate() {
        line(if n == 0 { "Names" } else { "" }, name);
    }
    if let Some(end) = report.not_after {
        line("Valid until", &date(end));
    }
    let directory = report.directory.as_deref();
    line(
        "Authority",
        match directory {
            Some(LETS_ENCRYPT) => "Let's Encrypt",
            Some(other) => other,
            None => "none is to be asked",
        },
    );
    if let Some(renewal) = report.renewal {
        line("Renewal", &format!("from {}", date(renewal)));
    }
    if let Some(last) = &report.last {
        let at = accounts::time(last.at);
        match &last.error {
            None => line("Last asked", &format!("{at} UTC: issued")),
            Some(error) => line("Last asked", &format!("{at} UTC: {error}")),
        }
    }
    if let Some(until) = report.not_before {
        let at = accounts::time(until);
        line(
            "Asked again",
            &format!("{at} UTC, or now by 'mailctl cert issue'"),
        );
    }
    if directory.is_some() {
        for (n, left) in report.missing.iter().enumerate() {
            let head = if n == 0 { "To come" } else { "" };
            line(head, &format!("{}: {}", left.name, left.why));
        }
    }
    for (n, folder) in report.old.iter().enumerate() {
        line(if n == 0 { "Before" } else { "" }, folder);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_on_a_screen() {
        let left = |name: &str, why: &str| Left {
            name: name.into(),
            why: why.into(),
        };
        let report = Report {
            origin: "authority",
            names: vec!["mail.example.org".into(), "mta-sts.example.org".into()],
            missing: vec![left(
                "autoconfig.example.org",
                "it is added when it leads here",
            )],
            not_after: Some(1_800_000_000),
            renewal: Some(1_797_000_000),
            directory: Some(LETS_ENCRYPT.into()),
            last: Some(Attempt {
                at: 1_797_100_000,
                error: Some("the authority cannot be reached: it does not answer in time".into()),
            }),
            failures: 1,
            not_before: Some(1_797_101_800),
            old: vec!["/var/lib/ezmail/tls/old/20261129T091014Z-5f3a0c1d".into()],
        };
        insta::assert_snapshot!(text(&report), @r"
        Origin      issued by the authority
        Names       mail.example.org
                    mta-sts.example.org
        Valid until 2027-01-15
        Authority   Let's Encrypt
        Renewal     from 2026-12-11
        Last asked  2026-12-12 18:26 UTC: the authority cannot be reached: it does not answer in time
        Asked again 2026-12-12 18:56 UTC, or now by 'mailctl cert issue'
        To come     autoconfig.example.org: it is added when it leads here
        Before      /var/lib/ezmail/tls/old/20261129T091014Z-5f3a0c1d
        ");
    }
}
