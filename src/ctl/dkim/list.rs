//! `mailctl dkim list` and `rotate --status`.

use anyhow::Result;
use serde::Serialize;

use super::{
    store,
    tell::{self, minute, paragraph},
};
use crate::{
    ctl::{
        output,
        server::{Server, now},
        words::date,
    },
    mail::{
        database::{
            keys::{self, Key, Stage},
            rotation::{Gone, Memory},
        },
        rotation::Look,
    },
};

#[derive(Debug, Serialize)]
struct Listed {
    keys: Vec<Row>,
    /// Keys that are removed, and whose records may go.
    gone: Vec<Gone>,
    /// Whether all this is in effect.
    applied: bool,
}

#[derive(Debug, Serialize)]
struct Row {
    #[serde(flatten)]
    key: Key,
    /// What it does or waits for.
    next: String,
    /// When the DNS was last looked at for it.
    looked: Option<i64>,
    /// What the authoritative servers said then.
    servers: Vec<Look>,
}

/// `mailctl dkim list`.
pub(super) fn run(server: &Server, json: bool) -> Result<()> {
    let listed = listed(server, now()?)?;
    match json {
        true => output::json(&listed),
        false => output::text(&text(&listed)?),
    }
}

/// `mailctl dkim rotate --status`.
pub(super) fn status(server: &Server, json: bool) -> Result<()> {
    let mut listed = listed(server, now()?)?;
    listed.keys.retain(|row| row.key.stage != Stage::Active);
    if json {
        return output::json(&listed);
    }
    let text = text(&listed)?;
    output::text(match text.is_empty() {
        true => "No rotation is on its way. 'mailctl dkim rotate' begins one.\n",
        false => &text,
    })
}

fn listed(server: &Server, now: i64) -> Result<Listed> {
    let db = server.database()?;
    let memory = Memory::load(&db)?;
    let mut rows = Vec::new();
    for key in keys::all(&db)? {
        let seen = memory.of(&key);
        let has_file = store::info(server, &key)?.is_some();
        rows.push(Row {
            next: tell::next(&key, has_file, seen, now)?,
            looked: seen.map(|seen| seen.at),
            servers: seen.map(|seen| seen.looks.clone()).unwrap_or_default(),
            key,
        });
    }
    Ok(Listed {
        keys: rows,
        gone: memory.gone,
        applied: !memory.unapplied,
    })
}

/// A table, and below it a paragraph for every key that does not simply sign.
fn text(listed: &Listed) -> Result<String> {
    let mut rows = Vec::new();
    for Row { key, .. } in &listed.keys {
        rows.push([
            key.domain.clone(),
            key.selector.clone(),
            key.algorithm.to_string(),
            key.stage.to_string(),
            date(key.since),
        ]);
    }
    let head = ["DOMAIN", "SELECTOR", "ALGORITHM", "STAGE", "SINCE"];
    let mut text = output::table(head, &rows);
    let mut notes = String::new();
    for row in listed
        .keys
        .iter()
        .filter(|row| row.key.stage != Stage::Active)
    {
        let looked = match row.looked {
            Some(at) => format!(" (looked {})", minute(at)?),
            None => String::new(),
        };
        let Key {
            domain, selector, ..
        } = &row.key;
        notes += &paragraph(&format!("{domain}: {selector} {}{looked}.", row.next));
    }
    for gone in &listed.gone {
        notes += &paragraph(&format!("{}.", tell::may_go(&gone.domain, &gone.selector)));
    }
    if !listed.applied {
        notes += &paragraph(
            "The change is not in effect yet: 'mailctl dkim rotate --continue' tries again.",
        );
    }
    if !text.is_empty() && !notes.is_empty() {
        text.push('\n');
    }
    Ok(text + &notes)
}
