//! `mailctl dkim show`, and the records of new keys.

use anyhow::{Result, bail};

use super::store;
use crate::{
    ctl::{output, server::Server},
    mail::{
        database::keys::{self, Key, Stage},
        dkim_record::Record,
    },
};

/// `mailctl dkim show`.
pub(super) fn run(
    server: &Server,
    domain: Option<&str>,
    selector: Option<&str>,
    json: bool,
) -> Result<()> {
    let db = server.database()?;
    let domain = domain.map(|text| store::domain(&db, text)).transpose()?;
    let of_domain = |key: &Key| domain.as_ref().is_none_or(|d| *d == key.domain);
    let mut keys: Vec<Key> = keys::all(&db)?.into_iter().filter(of_domain).collect();
    if let (Some(domain), Some(selector)) = (&domain, selector) {
        let known: Vec<String> = keys.iter().map(|k| k.selector.clone()).collect();
        keys.retain(|k| k.selector.eq_ignore_ascii_case(selector));
        if keys.is_empty() {
            bail!(
                "{domain} has no key {selector}; it has {}",
                known.join(", ")
            );
        }
    }
    print(&records(server, &keys)?, "", json)
}

/// The records of keys, with a word about each; a key whose file is lost has none.
pub(super) fn records(server: &Server, keys: &[Key]) -> Result<Vec<Record>> {
    let mut records = Vec::new();
    for key in keys {
        if let Some(info) = store::info(server, key)? {
            let note = match key.stage {
                Stage::Next => "next: publish it now",
                Stage::Active => "active: it signs",
                Stage::Old => "old: leave it until 'mailctl dkim list' says that it may go",
            };
            records.push(Record::new(&key.domain, &key.selector, &info).note(note));
        }
    }
    Ok(records)
}

/// Prints records and, for people, what comes next.
pub(super) fn print(records: &[Record], then: &str, json: bool) -> Result<()> {
    if json {
        return output::json(&records);
    }
    let texts: Vec<String> = records.iter().map(ToString::to_string).collect();
    output::text(&(texts.join("\n") + then))
}
