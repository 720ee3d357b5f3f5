//! What is said of keys to people.

use anyhow::{Context, Result};
use rusqlite::Connection;

use crate::{
    ctl::words::date,
    mail::{
        database::{
            keys::{self, Key, Stage},
            rotation::{Memory, Seen},
        },
        rotation::{Answer, KEEP, is_shown},
    },
};

/// A line for everything about DKIM that an administrator has to do or to wait for; nothing while
/// no rotation is on its way. The same until something changes.
///
/// # Errors
/// When the database cannot be read.
pub fn summary(db: &Connection, now: i64) -> Result<Vec<String>> {
    let memory = Memory::load(db)?;
    let mut lines = Vec::new();
    if memory.unapplied {
        lines.push(
            "DKIM: a change of keys is not in effect yet: 'mailctl dkim rotate --continue' tries \
             again"
                .to_owned(),
        );
    }
    for key in keys::all(db)? {
        if key.stage != Stage::Active {
            let next = next(&key, true, memory.of(&key), now)?;
            let Key {
                domain,
                selector,
                stage,
                ..
            } = &key;
            lines.push(format!("DKIM {domain}: {stage} key {selector} {next}"));
        }
    }
    for gone in &memory.gone {
        lines.push(format!("DKIM {}", may_go(&gone.domain, &gone.selector)));
    }
    Ok(lines)
}

/// What is said of the record of a key that was removed.
pub(super) fn may_go(domain: &str, selector: &str) -> String {
    format!("{domain}: the record {selector}._domainkey may go from the DNS")
}

/// What a key does, or waits for, and what happens then.
pub(super) fn next(key: &Key, has_file: bool, seen: Option<&Seen>, now: i64) -> Result<String> {
    Ok(match key.stage {
        Stage::Active => "signs".to_owned(),
        Stage::Next if !has_file => {
            "has lost its file and will be dropped: make another".to_owned()
        }
        Stage::Next => waits(seen),
        Stage::Old if now - key.since >= KEEP => "is removed with the next look".to_owned(),
        Stage::Old => format!(
            "signs no more; its DNS record has to stay until {}",
            date(key.since + KEEP)
        ),
    })
}

fn waits(seen: Option<&Seen>) -> String {
    let waits = "waits for its DNS record";
    let Some(seen) = seen else {
        return format!("{waits}, which nobody has looked for yet");
    };
    if let Some(trouble) = &seen.trouble {
        return format!("{waits}, which cannot be looked for: {trouble}");
    }
    if is_shown(&seen.looks) {
        return "is in the DNS and signs with the next look".to_owned();
    }
    let said: Vec<String> = seen
        .looks
        .iter()
        .filter(|look| look.answer != Answer::Right)
        .map(|look| format!("{} {}", look.server, look.answer))
        .collect();
    match said.is_empty() {
        true => format!("{waits}: its domain has no name server"),
        false => format!("{waits}: {}", said.join("; ")),
    }
}

/// A minute, in UTC.
pub(super) fn minute(seconds: i64) -> Result<String> {
    let time = jiff::Timestamp::from_second(seconds).context("reading a time")?;
    Ok(time.strftime("%F %H:%M UTC").to_string())
}

/// A paragraph of at most 80 columns, but for words that are longer; its lines after the first
/// are indented.
pub(super) fn paragraph(text: &str) -> String {
    let options = textwrap::Options::new(80)
        .word_separator(textwrap::WordSeparator::AsciiSpace)
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
        .break_words(false)
        .subsequent_indent("  ");
    textwrap::fill(text, options) + "\n"
}
