//! `mailctl cert issue` and `renew`: ask if there is a reason to, and put in place what comes.

use std::{collections::BTreeMap, fs, time::Duration};

use anyhow::{Context, Result, bail};
use serde::Serialize;

use super::{
    Ask,
    asking::{self, Wanted},
    deploy::{self, Deployed},
    facts::Facts,
    place,
};
use crate::{
    ctl::{accounts, output, server::Server, words::date},
    mail::acme::{Decision, Left, Situation, decide},
    util::lock,
};

/// How long a certificate lies ready before it is tried once more to put it in place, in seconds: each
/// time, mail waits for a moment.
const AGAIN: i64 = 3600;

/// What was done.
#[derive(Debug, Default, Serialize)]
struct Done {
    /// In a sentence.
    done: String,
    /// The names of a certificate that was issued.
    names: Vec<String>,
    /// Those that have to wait.
    left: Vec<Left>,
    /// What else to do.
    note: Option<String>,
}

/// `mailctl cert issue`.
pub(super) fn now(server: &Server, ask: &Ask) -> Result<()> {
    let _lock = lock(server)?;
    let mut facts = Facts::of(server)?;
    let directory = allowed(server, &facts)?;
    let astray = astray(server, &facts)?;
    if let Some(why) = astray.get(facts.host()) {
        bail!("{}", astray_text(&format!("{}: {why}", facts.host())));
    }
    // a person has a reason not to wait, and to try a name again
    facts.history.not_before = None;
    facts.history.issued = None;
    for refused in facts.history.refused.values_mut() {
        refused.at = 0;
    }
    let (decision, left) = decided(&facts, &astray);
    let is_left = |name: &&String| left.iter().any(|l| l.name == **name);
    let names: Vec<String> = match decision {
        Decision::Content { renewal } if !ask.force && !ask.new_key => {
            let done = format!(
                "the certificate in place is good; it is renewed on {}",
                date(renewal)
            );
            let done = Done {
                done,
                left,
                ..Done::default()
            };
            return tell(&done, ask.json);
        }
        Decision::Ask { names, .. } => names,
        // it is asked for all the same
        _ => facts
            .wanted
            .iter()
            .filter(|n| !is_left(n))
            .cloned()
            .collect(),
    };
    let wanted = Wanted {
        names,
        left,
        whatever: ask.force || ask.new_key,
        new_key: ask.new_key,
    };
    let issued = asking::issued(server, &mut facts, &directory, wanted)?;
    put(server, &mut facts, issued.into(), ask.json)
}

/// `mailctl cert renew`.
pub(super) fn due(server: &Server, json: bool) -> Result<()> {
    let _lock = lock(server)?;
    let mut facts = Facts::of(server)?;
    if deploy::ready_since(server)?.is_some() {
        let again = facts.history.deploy_not_before;
        return match again.filter(|again| facts.now < *again && facts.now >= again - AGAIN) {
            Some(again) => tell(&Done::only(later(again)), json),
            None => put(server, &mut facts, Done::default(), json),
        };
    }
    if facts.directory.is_none() {
        let done = "no authority is to be asked: the answers say so".to_owned();
        return tell(&Done::only(done), json);
    }
    let directory = allowed(server, &facts)?;
    // the DNS is asked only where there is something to ask the authority for
    let (mut decision, mut left) = decided(&facts, &BTreeMap::new());
    if matches!(decision, Decision::Ask { .. }) {
        let astray = astray(server, &facts)?;
        (decision, left) = decided(&facts, &astray);
    }
    let done = match decision {
        Decision::Ask { names, .. } => {
            let wanted = Wanted {
                names,
                left,
                whatever: false,
                new_key: false,
            };
            let issued = asking::issued(server, &mut facts, &directory, wanted)?;
            return put(server, &mut facts, issued.into(), json);
        }
        Decision::Content { renewal } => {
            format!("nothing is due before {}", date(renewal))
        }
        Decision::Astray(why) => astray_text(&why),
        Decision::Pause { until } => {
            format!(
                "the authority is left in peace until {}",
                accounts::time(until)
            )
        }
    };
    let done = Done {
        done,
        left,
        ..Done::default()
    };
    tell(&done, json)
}

fn decided(facts: &Facts, astray: &BTreeMap<String, String>) -> (Decision, Vec<Left>) {
    decide(&Situation {
        now: facts.now,
        wanted: &facts.wanted,
        astray,
        present: facts.present.as_ref().map(|p| (&p.chain, &p.origin)),
        history: &facts.history,
    })
}

/// The names that do not lead here. One that the certificate in place has, and that the resolver cannot
/// tell about at this moment, is none: it led here before.
fn astray(server: &Server, facts: &Facts) -> Result<BTreeMap<String, String>> {
    let found = place::leads_here(server, facts.host(), &facts.wanted)?;
    let mut astray = found.known;
    let unknown = found.unknown.into_iter();
    astray.extend(unknown.filter(|(name, _)| !facts.has(name)));
    Ok(astray)
}

/// One run at a time: the timer's, or a person's.
pub(super) fn lock(server: &Server) -> Result<fs::File> {
    let path = server.target.path(&server.paths.acme_lock);
    lock::take(&path, Duration::ZERO)?
        .context("a certificate is being asked for at this moment; see 'mailctl cert status'")
}

/// The authority's directory, where one may be asked.
fn allowed(server: &Server, facts: &Facts) -> Result<String> {
    if !server.is_live() {
        bail!("a certificate is asked for by a running server: leave out --root");
    }
    match &facts.directory {
        Some(directory) => Ok(directory.clone()),
        None if facts.answers.tls.is_some() => bail!(
            "the answers give a certificate ([tls]): remove it there, and the authority is asked"
        ),
        None => bail!("the answers want no authority to be asked: '[acme]' has 'enabled = false'"),
    }
}

fn astray_text(why: &str) -> String {
    format!(
        "the server's own name does not lead here yet, {why}: publish its records ('mailctl dns \
         show'), and a certificate is asked for"
    )
}

/// Puts in place what lies ready.
fn put(server: &Server, facts: &mut Facts, mut done: Done, json: bool) -> Result<()> {
    done.done = match deploy::deploy(server, facts.now)? {
        Deployed::Done => {
            facts.history.deploy_not_before = None;
            "the new certificate is in place".to_owned()
        }
        Deployed::Later => {
            let again = facts.now + AGAIN;
            facts.history.deploy_not_before = Some(again);
            later(again)
        }
    };
    facts.keep_history(server)?;
    tell(&done, json)
}

/// That it is not in place yet.
pub(super) fn later(again: i64) -> String {
    format!(
        "the new certificate lies ready, as smtpd has something to do that does not end; it is tried \
         again from {} UTC",
        accounts::time(again)
    )
}

impl Done {
    fn only(done: String) -> Self {
        Self {
            done,
            ..Self::default()
        }
    }
}

impl From<asking::Issued> for Done {
    fn from(issued: asking::Issued) -> Self {
        let note = "its key is another one: publish the TLSA record of 'mailctl dns show', if there \
                    is one in your zone";
        Self {
            done: String::new(),
            names: issued.names,
            left: issued.left,
            note: issued.new_key.then(|| note.to_owned()),
        }
    }
}

fn tell(done: &Done, json: bool) -> Result<()> {
    if json {
        return output::json(done);
    }
    let mut text = format!("{}\n", done.done);
    for name in &done.names {
        text += &format!("  {name}\n");
    }
    if !done.left.is_empty() {
        text += "these names have to wait:\n";
        for left in &done.left {
            text += &format!("  {}: {}\n", left.name, left.why);
        }
    }
    output::text(&text)?;
    if let Some(note) = &done.note {
        accounts::remark(note);
    }
    Ok(())
}
