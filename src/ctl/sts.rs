//! `mailctl sts`: what other domains ask of the TLS of mail to them.

use std::{
    path::Path,
    process::ExitCode,
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use serde::Serialize;

use super::{
    accounts, output,
    server::{self, Server},
    words,
};
use crate::sts::{self, Entry, Failed, Reply, Request};

/// How long ezmail-sts may take for an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long it may take to find out: DNS and the web server of the other side.
const FOUND: Duration = Duration::from_secs(60);

/// How mail to other domains is secured: their MTA-STS policies
#[derive(Debug, Subcommand)]
pub enum Sts {
    /// List the policies that are kept
    ///
    /// They are found when mail is sent to a domain, and kept until their end, as a
    /// policy that is known cannot be hidden by an attacker. With 'enforce', mail is
    /// sent only to MXs that the policy names, over TLS with a valid certificate,
    /// and waits in the queue otherwise. With 'testing' it is sent in any case.
    #[command(after_help = "\
Examples:
  mailctl sts list
  mailctl sts list --json   the same for a script, with failures")]
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Show how mail to a domain is sent: its policy is looked for, if need be
    #[command(after_help = "\
Example:
  mailctl sts show gmail.com")]
    Show {
        /// The domain
        domain: String,
        /// Fetch its policy anew, whatever is known of it
        #[arg(long)]
        refresh: bool,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

/// What ezmail-sts knows.
#[derive(Debug, Serialize)]
pub struct Known {
    /// The policies that count, by domain.
    pub policies: Vec<Entry>,
    /// What could not be fetched in the last three days.
    pub failed: Vec<Failed>,
}

/// How mail to a domain is sent.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    domain: &'a str,
    policy: Option<&'a Entry>,
    failed: Vec<&'a Failed>,
}

/// Runs `mailctl sts`.
///
/// # Errors
/// When ezmail-sts does not answer.
pub fn run(command: Sts, server: &Server) -> Result<ExitCode> {
    if !server.is_live() {
        bail!("policies are those of a running server: leave out --root");
    }
    match command {
        Sts::List { json } => {
            let known = known()?;
            match json {
                true => output::json(&known)?,
                false => output::text(&listed(&known))?,
            }
        }
        Sts::Show {
            domain,
            refresh,
            json,
        } => show(&domain, refresh, json)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// All that ezmail-sts knows.
///
/// # Errors
/// When it does not answer.
pub fn known() -> Result<Known> {
    match ask(&Request::List)? {
        Reply::Known { policies, failed } => Ok(Known { policies, failed }),
        other => bail!("ezmail-sts answers {other:?}"),
    }
}

fn ask(request: &Request) -> Result<Reply> {
    let socket = Path::new(sts::SOCKET);
    match sts::ask(socket, request, PATIENCE)
        .context("ezmail-sts does not answer; 'systemctl status ezmail-sts' tells more")?
    {
        Reply::Refused(why) => bail!("{why}"),
        reply => Ok(reply),
    }
}

fn show(domain: &str, refresh: bool, json: bool) -> Result<()> {
    let domain = domain.trim_end_matches('.').to_ascii_lowercase();
    let request = || Request::Relay {
        domain: domain.clone(),
    };
    if refresh {
        ask(&Request::Refresh {
            domain: domain.clone(),
        })?;
    }
    let begin = Instant::now();
    while matches!(ask(&request())?, Reply::Later) {
        if begin.elapsed() > FOUND {
            bail!("whether {domain} has a policy is still not known after {FOUND:?}");
        }
        sleep(Duration::from_millis(200));
    }
    let known = known()?;
    let shown = Shown {
        domain: &domain,
        policy: known.policies.iter().find(|e| e.domain == domain),
        failed: known.failed.iter().filter(|f| f.domain == domain).collect(),
    };
    match json {
        true => output::json(&shown),
        false => output::text(&told(&shown)),
    }
}

fn listed(known: &Known) -> String {
    let row = |entry: &Entry| {
        [
            entry.domain.clone(),
            entry.mode.to_string(),
            accounts::time(entry.until),
            entry.mx.join(" "),
        ]
    };
    let rows: Vec<[String; 4]> = known.policies.iter().map(row).collect();
    match rows.is_empty() {
        true => "No domain that was written to has a policy.\n".to_owned(),
        false => output::table(["DOMAIN", "MODE", "UNTIL (UTC)", "MX"], &rows),
    }
}

fn told(shown: &Shown<'_>) -> String {
    let domain = shown.domain;
    let mut text = match shown.policy {
        None => format!(
            "{domain} has no policy: mail is sent over TLS where that is offered, and certificates\n\
             are not looked at.\n"
        ),
        Some(entry) => {
            let now = server::now().unwrap_or(entry.cached.fetched);
            let what = match entry.mode {
                crate::mail::mta_sts::Mode::Enforce => {
                    "mail is sent only to these, over TLS with a valid certificate,\nand waits otherwise"
                }
                crate::mail::mta_sts::Mode::Testing => {
                    "mail is sent in any case, and the domain told what did not fit"
                }
                crate::mail::mta_sts::Mode::None => "it has taken its policy back",
            };
            format!(
                "{domain}: {}, {what}.\nMX       {}\nFetched  {} ago, id {}\nUntil    {} UTC\n",
                entry.mode,
                entry.mx.join(" "),
                words::duration(now - entry.cached.fetched),
                entry.cached.id,
                accounts::time(entry.until),
            )
        }
    };
    for failed in &shown.failed {
        text += &format!(
            "Failed   {}, {}: {} ({} times)\n",
            words::date(failed.day),
            failed.result,
            failed.reason,
            failed.count
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{mail::mta_sts::Mode, sts::Cached};

    fn known() -> Known {
        let entry = |domain: &str, mode| Entry {
            domain: domain.into(),
            mode,
            mx: vec!["mx.example.com".into(), "*.example.net".into()],
            until: 1_700_000_000,
            cached: Cached {
                id: "20231114".into(),
                text: String::new(),
                fetched: i64::MAX,
                used: 0,
            },
        };
        Known {
            policies: vec![
                entry("example.com", Mode::Enforce),
                entry("sub.example.org", Mode::Testing),
            ],
            failed: vec![Failed {
                domain: "example.com".into(),
                day: 1_699_920_000,
                result: "sts-webpki-invalid".into(),
                reason: "certificate has expired".into(),
                count: 2,
            }],
        }
    }

    #[test]
    fn policies_are_listed_and_shown() {
        let known = known();
        let shown = |domain| {
            told(&Shown {
                domain,
                policy: known.policies.iter().find(|e| e.domain == domain),
                failed: known.failed.iter().filter(|f| f.domain == domain).collect(),
            })
        };
        let all = [
            listed(&known),
            shown("example.com"),
            shown("sub.example.org"),
            shown("example.net"),
        ];
        insta::assert_snapshot!(all.join("--\n"));
        let none = Known {
            policies: Vec::new(),
            failed: Vec::new(),
        };
        assert_eq!(
            listed(&none),
            "No domain that was written to has a policy.\n"
        );
    }
}
