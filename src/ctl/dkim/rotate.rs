//! `mailctl dkim rotate`: begin, go on, give up.

use anyhow::{Context, Result, bail};
use rusqlite::Connection;
use serde::Serialize;

use super::{
    Published, Rotate, list,
    make::{self, THEN, made},
    show, store,
    tell::{self, paragraph},
};
use crate::{
    ctl::{
        ask, output,
        server::{Server, now},
    },
    mail::{
        database::{
            keys::{self, Key, Stage},
            rotation::{Gone, Memory, Seen},
        },
        dkim::{Algorithm, KeyInfo, record_name},
        rotation::{Answer, Fact, Look, Step, due, judge},
    },
};

/// What a rotation goes by, besides the server.
pub struct Around<'a> {
    /// The DNS.
    pub published: &'a dyn Published,
    /// Seconds since 1970.
    pub now: i64,
    /// Brings the services to what the database says.
    pub apply: &'a dyn Fn() -> Result<()>,
}

#[derive(Debug, Serialize)]
struct Done {
    done: Vec<String>,
    waiting: Vec<String>,
}

/// `mailctl dkim rotate`.
pub(super) fn run(server: &Server, what: &Rotate) -> Result<()> {
    if what.status {
        return list::status(server, what.json);
    }
    if what.abort {
        return abort(server, what);
    }
    if !what.proceed {
        return begin(server, what);
    }
    let around = Around {
        published: &super::published::Dns::new(what.resolver)?,
        now: what.at.map_or_else(now, Ok)?,
        apply: &|| server.reapply_in_unit(),
    };
    let done = proceed(server, &around)?;
    let waiting = tell::summary(&server.database()?, around.now)?;
    if what.json {
        return output::json(&Done { done, waiting });
    }
    let mut text: String = done.iter().chain(&waiting).map(|l| paragraph(l)).collect();
    if text.is_empty() {
        text = "No rotation is on its way: there is nothing to do.\n".to_owned();
    }
    output::text(&text)
}

fn begin(server: &Server, what: &Rotate) -> Result<()> {
    let (db, now) = (server.database()?, now()?);
    let domains = match &what.domain {
        Some(text) => vec![store::domain(&db, text)?],
        None => store::domains(&db)?,
    };
    let keys = keys::all(&db)?;
    drop(db);
    let mut new = Vec::new();
    let mut waiting = Vec::new();
    for domain in &domains {
        for algorithm in algorithms(what) {
            let is_next = |k: &&Key| {
                &k.domain == domain && k.algorithm == algorithm && k.stage == Stage::Next
            };
            if let Some(next) = keys.iter().find(is_next) {
                waiting.push(next.clone());
                continue;
            }
            let selector = store::dated(server, &keys, domain, algorithm, now)?;
            new.push(made(domain.clone(), selector, algorithm)?);
        }
    }
    if new.is_empty() {
        let then = "
These keys were made before, and no others now: 'mailctl dkim rotate --status'
tells what they wait for.
";
        return show::print(&show::records(server, &waiting)?, then, what.json);
    }
    make::add(server, &new, Stage::Next, now, THEN, what.json)
}

fn algorithms(what: &Rotate) -> impl Iterator<Item = Algorithm> {
    let only = what.algorithm;
    Algorithm::ALL
        .into_iter()
        .filter(move |a| only.is_none_or(|o| o == *a))
}

fn abort(server: &Server, what: &Rotate) -> Result<()> {
    let mut db = server.database()?;
    let domain = what.domain.as_ref().map(|d| store::domain(&db, d));
    let domain = domain.transpose()?;
    let dropped = |key: &Key| {
        key.stage == Stage::Next
            && domain.as_ref().is_none_or(|d| *d == key.domain)
            && algorithms(what).any(|a| a == key.algorithm)
    };
    let keys: Vec<Key> = keys::all(&db)?.into_iter().filter(dropped).collect();
    if keys.is_empty() {
        bail!("there is no next key to drop; nothing was changed");
    }
    let names: Vec<String> = keys
        .iter()
        .map(|k| record_name(&k.selector, &k.domain))
        .collect();
    let question = format!("Drop the keys that do not sign yet, {}?", names.join(", "));
    ask::sure(&question, what.yes)?;
    let change = store::begin(&mut db)?;
    let now = keys::all(&change)?;
    // one that began to sign while we asked stays
    let keys: Vec<Key> = keys.into_iter().filter(|key| now.contains(key)).collect();
    for key in &keys {
        store::remove(server, &change, key)?;
    }
    store::commit(change)?;
    store::apply(&db, &|| server.reapply())?;
    let said: Vec<String> = keys
        .iter()
        .map(|k| {
            let Key {
                domain, selector, ..
            } = k;
            format!("{domain}: {selector} is dropped; its record may go from the DNS")
        })
        .collect();
    match what.json {
        true => output::json(&Done {
            done: said,
            waiting: Vec::new(),
        }),
        false => output::text(&said.iter().map(|line| paragraph(line)).collect::<String>()),
    }
}

/// Looks at the DNS and the clock, and does what is due; returns what was done, a line each. What
/// it waits for is then in [`tell::summary`]. Done twice, the second time does nothing.
///
/// # Errors
/// When database or files cannot be read or written, or the change cannot be applied: the next call
/// then begins with that. A DNS that does not answer is none: it is remembered.
pub fn proceed(server: &Server, around: &Around<'_>) -> Result<Vec<String>> {
    let mut db = server.database()?;
    let mut said = Vec::new();
    if Memory::load(&db)?.unapplied {
        store::apply(&db, around.apply)?;
        said.push("a change of keys that was not in effect yet is now".to_owned());
    }
    let mut infos = Vec::new();
    for key in keys::all(&db)? {
        let info = store::info(server, &key)?;
        infos.push((key, info));
    }
    let seen: Vec<Seen> = infos
        .iter()
        .filter(|(key, _)| key.stage == Stage::Next)
        .filter_map(|(key, info)| Some(look(key, info.as_ref()?, around)))
        .collect();
    let withdrawn = withdrawn(&Memory::load(&db)?.gone, around);
    let facts: Vec<Fact<'_>> = infos
        .iter()
        .map(|(key, info)| Fact {
            key,
            has_file: info.is_some(),
            looks: seen
                .iter()
                .find(|s| s.domain == key.domain && s.selector == key.selector)
                .map_or(&[], |s| &s.looks),
        })
        .collect();
    let steps = due(&facts, around.now);
    let changed = act(
        server, &mut db, around.now, &steps, seen, &withdrawn, &mut said,
    )?;
    if changed {
        store::apply(&db, around.apply)?;
    }
    Ok(said)
}

/// Asks every authoritative server for the record of a key.
fn look(key: &Key, info: &KeyInfo, around: &Around<'_>) -> Seen {
    let asked = around
        .published
        .txt(&record_name(&key.selector, &key.domain));
    let (looks, trouble) = match asked {
        Ok(shown) => {
            let look = |shown: super::Shown| Look {
                answer: match &shown.texts {
                    Ok(records) => judge(&info.record(), records),
                    Err(why) => Answer::Silent(why.clone()),
                },
                server: shown.server,
            };
            (shown.into_iter().map(look).collect(), None)
        }
        Err(error) => (Vec::new(), Some(format!("{error:#}"))),
    };
    Seen {
        domain: key.domain.clone(),
        selector: key.selector.clone(),
        at: around.now,
        looks,
        trouble,
    }
}

/// Those whose records no server shows any more.
fn withdrawn(gone: &[Gone], around: &Around<'_>) -> Vec<Gone> {
    let is_withdrawn = |gone: &&Gone| {
        let shown = around
            .published
            .txt(&record_name(&gone.selector, &gone.domain));
        // who cannot be asked may show it still
        shown.is_ok_and(|all| {
            !all.is_empty()
                && all
                    .iter()
                    .all(|s| s.texts.as_ref().is_ok_and(Vec::is_empty))
        })
    };
    gone.iter().filter(is_withdrawn).cloned().collect()
}

/// Takes the steps in one transaction; returns whether there is something to apply.
fn act(
    server: &Server,
    db: &mut Connection,
    now: i64,
    steps: &[Step],
    seen: Vec<Seen>,
    withdrawn: &[Gone],
    said: &mut Vec<String>,
) -> Result<bool> {
    let change = store::begin(db)?;
    let mut memory = Memory::load(&change)?;
    memory.seen = seen;
    memory.gone.retain(|gone| !withdrawn.contains(gone));
    let present = keys::all(&change)?;
    let mut changed = false;
    // a key that was changed meanwhile is for the next look
    for step in steps.iter().filter(|step| present.contains(step.key())) {
        changed = true;
        let Key {
            domain, selector, ..
        } = step.key();
        match step {
            Step::Sign(key) => {
                for old in store::sign(&change, key, now)? {
                    said.push(format!(
                        "{domain}: {selector} signs now in place of {}, whose record has to stay",
                        old.selector
                    ));
                }
                memory
                    .seen
                    .retain(|s| (&s.domain, &s.selector) != (domain, selector));
            }
            Step::Remove(key) => {
                store::remove(server, &change, key)?;
                said.push(format!("{domain}: {selector} is removed"));
                memory.gone.push(Gone {
                    domain: domain.clone(),
                    selector: selector.clone(),
                    at: now,
                });
            }
            Step::Forget(key) => {
                store::remove(server, &change, key)?;
                said.push(format!(
                    "{domain}: {selector} is dropped, as its file is lost or damaged; \
                     'mailctl dkim rotate' makes another"
                ));
            }
        }
    }
    said.extend(store::sweep(server, &change)?);
    if changed {
        memory.change();
    }
    memory.save(&change)?;
    change.commit().context("writing the database")?;
    Ok(changed)
}
