//! `mailctl cert issue` and `renew`: ask if there is a reason to, and put in place what comes.

use std::{collections::BTreeMap, fs};

use anyhow::{Context, Result, bail};
use rustix::fs::{FlockOperation, flock};
use serde::Serialize;

use super::{
    Ask, NotIssued,
    deploy::{self, Deployed},
    facts::Facts,
    order, place,
};
use crate::{
    ctl::{accounts, output, server::Server, words::date},
    mail::{
        acme::{Decision, Failure, Left, Situation, decide},
        certificate::{self, Origin},
    },
    util::secret::Secret,
};

/// How often a name that the authority could not verify is left out and the rest asked for once more.
const AGAIN: usize = 3;

/// What was done.
#[derive(Debug, Serialize)]
struct Done {
    /// In a sentence.
    done: String,
    /// The names of a certificate that was issued.
    names: Vec<String>,
    /// Those that have to wait.
    left: Vec<Left>,
}

/// `mailctl cert issue`.
pub(super) fn now(server: &Server, ask: &Ask) -> Result<()> {
    let _lock = lock(server)?;
    let mut facts = Facts::of(server)?;
    let directory = allowed(server, &facts)?;
    let astray = place::leads_here(server, facts.host(), &facts.wanted)?;
    // a person has a reason not to wait, and to try a name again
    let mut history = facts.history.clone();
    history.not_before = None;
    history.refused.clear();
    facts.history = history;
    let (decision, left) = decided(&facts, &astray);
    let names = match decision {
        Decision::Ask { names, .. } => names,
        Decision::Astray(why) => bail!("{}", astray_text(&why)),
        Decision::Content { renewal } if !ask.force && !ask.new_key => {
            let done = format!(
                "the certificate in place is good; it is renewed on {}",
                date(renewal)
            );
            return tell(done, Vec::new(), left, ask.json);
        }
        // it is asked for all the same
        Decision::Content { .. } | Decision::Pause { .. } => {
            let is_left = |name: &&String| left.iter().any(|l| l.name == **name);
            let names = facts.wanted.iter().filter(|name| !is_left(name));
            names.cloned().collect()
        }
    };
    let (names, left) = issued(server, &mut facts, &directory, names, left, ask.new_key)?;
    put(server, &facts, names, left, ask.json)
}

/// `mailctl cert renew`.
pub(super) fn due(server: &Server, json: bool) -> Result<()> {
    let _lock = lock(server)?;
    let mut facts = Facts::of(server)?;
    if deploy::ready_since(server)?.is_some() {
        return put(server, &facts, Vec::new(), Vec::new(), json);
    }
    if facts.directory.is_none() {
        let done = "no authority is to be asked: the answers say so".to_owned();
        return tell(done, Vec::new(), Vec::new(), json);
    }
    let directory = allowed(server, &facts)?;
    // the DNS is asked only where there is something to ask the authority for
    let (mut decision, mut left) = decided(&facts, &BTreeMap::new());
    if matches!(decision, Decision::Ask { .. }) {
        let astray = place::leads_here(server, facts.host(), &facts.wanted)?;
        (decision, left) = decided(&facts, &astray);
    }
    let done = match decision {
        Decision::Ask { names, .. } => {
            let (names, left) = issued(server, &mut facts, &directory, names, left, false)?;
            return put(server, &facts, names, left, json);
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
    tell(done, Vec::new(), left, json)
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

/// One run at a time: the timer's, or a person's.
fn lock(server: &Server) -> Result<fs::File> {
    let path = server.target.path(&server.paths.acme_lock);
    let file = fs::File::create(&path).with_context(|| format!("creating {}", path.display()))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Err(rustix::io::Errno::WOULDBLOCK) => {
            bail!("a certificate is being asked for at this moment; see 'mailctl cert status'")
        }
        other => other.with_context(|| format!("locking {}", path.display()))?,
    }
    Ok(file)
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

/// Asks for `names`, without those that cannot be verified, and lays what comes ready.
fn issued(
    server: &Server,
    facts: &mut Facts,
    directory: &str,
    mut names: Vec<String>,
    mut left: Vec<Left>,
    new_key: bool,
) -> Result<(Vec<String>, Vec<Left>)> {
    let key = match facts.present.as_ref().and_then(usable) {
        // who has published the key's hash in the DNS need not change it
        Some(key) if !new_key => key,
        _ => certificate::new_key()?,
    };
    for attempt in 1.. {
        match order::order(directory, &facts.answers, &names, &key)? {
            Ok(chain) => {
                deploy::lay_ready(server, &chain, &key, &Origin::Authority)?;
                facts.history.succeeded(facts.now);
                facts.keep_history(server)?;
                break;
            }
            Err(failure) => {
                let host = facts.host().to_owned();
                facts.history.failed(&failure, &host, facts.now);
                facts.keep_history(server)?;
                match failure {
                    Failure::Name { name, detail } if name != host && attempt < AGAIN => {
                        names.retain(|n| *n != name);
                        let why = format!("the authority said: {detail}");
                        left.push(Left { name, why });
                    }
                    failure => return Err(NotIssued(failure.to_string()).into()),
                }
            }
        }
    }
    Ok((names, left))
}

/// The key in place, where the next certificate may have it: not one that the answers gave.
fn usable(present: &super::facts::Present) -> Option<Secret> {
    let key = present.key.clone()?;
    let ours = !matches!(present.origin, Origin::Answers | Origin::Elsewhere);
    // a request is made with P-256 alone
    (ours && certificate::request(&["a.example".to_owned()], &key).is_ok()).then_some(key)
}

/// Puts in place what lies ready.
fn put(
    server: &Server,
    facts: &Facts,
    names: Vec<String>,
    left: Vec<Left>,
    json: bool,
) -> Result<()> {
    let done = match deploy::deploy(server, facts.now)? {
        Deployed::Done => "the new certificate is in place".to_owned(),
        Deployed::Later => "the new certificate lies ready; smtpd has a client that does not end, \
                            and 'mailctl cert renew' tries again"
            .to_owned(),
    };
    tell(done, names, left, json)
}

fn tell(done: String, names: Vec<String>, left: Vec<Left>, json: bool) -> Result<()> {
    let done = Done { done, names, left };
    if json {
        return output::json(&done);
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
    output::text(&text)
}
