//! The files of each domain's keys, which the database lists by stage.

use std::path::PathBuf;

use anyhow::{Context, Result};

use super::Input;
use crate::{
    agent::{
        change::{Change, Entry, File},
        context::DkimKey,
    },
    answers::model::Domain,
    mail::{
        database::keys::{self, Stage},
        dkim,
        records::PublishedKey,
    },
    util::secret::Secret,
};

/// The keys of all stages, and what there is to write.
pub(super) fn plan(
    input: &Input<'_>,
    rows: &[keys::Key],
) -> Result<(Vec<PublishedKey>, Vec<Change>)> {
    let (mut published, mut changes) = (Vec::new(), Vec::new());
    for domain in &input.answers.domains {
        changes.push(Change::Folder(Entry {
            group: "_rspamd",
            ..Entry::of_root(input.paths.dkim.join(domain.name.as_str()), 0o750)
        }));
        for row in rows.iter().filter(|row| row.domain == domain.name.as_str()) {
            let path = input.paths.dkim_key(&row.domain, &row.selector);
            let Some(pem) = pem(input, domain, row, &mut changes)? else {
                continue;
            };
            let info = match dkim::parse_pem(pem.expose()) {
                // nothing signs with it: it is as one that was lost
                Err(error) if row.stage != Stage::Active => {
                    changes.push(Change::Say(format!(
                        "the {} DKIM key {} is left out: {error}",
                        row.stage,
                        path.display()
                    )));
                    continue;
                }
                other => other.with_context(|| format!("the DKIM key {}", path.display()))?,
            };
            let key = DkimKey {
                domain: domain.name.clone(),
                selector: row.selector.clone(),
                algorithm: info.algorithm,
                path: path.clone(),
            };
            if key.signing_file() != path {
                let form = dkim::signing_form(pem.expose())?;
                changes.push(readable(key.signing_file(), &form));
            }
            changes.push(readable(path, &pem));
            published.push(PublishedKey {
                domain: domain.name.clone(),
                selector: row.selector.clone(),
                info,
                stage: row.stage,
            });
        }
    }
    Ok((published, changes))
}

/// A key that rspamd may read.
fn readable(path: PathBuf, key: &Secret) -> Change {
    let mut file = File::secret(path, key.expose()).restarts(&["rspamd.service"]);
    file.entry.mode = 0o640;
    file.entry.group = "_rspamd";
    Change::File(file)
}

/// The private key: given by the answers, kept from before, or, for one that signs, made now. A key
/// at another stage without its file is none.
fn pem(
    input: &Input<'_>,
    domain: &Domain,
    row: &keys::Key,
    changes: &mut Vec<Change>,
) -> Result<Option<Secret>> {
    let of_domain = |d: &&Domain| d.name == domain.name;
    let mut answers = input.wanted.answers.domains.iter().filter(of_domain);
    let given = answers.find_map(|d| d.dkim.iter().find(|k| k.selector == row.selector));
    if let Some(pem) = given.and_then(|k| k.key.clone()) {
        return Ok(Some(pem));
    }
    let path = input.paths.dkim_key(&row.domain, &row.selector);
    let active = row.stage == Stage::Active;
    let Some(kept) = input.target.read(&path)? else {
        if !active {
            return Ok(None);
        }
        // not one that this apply begins with
        if row.since < input.now {
            let (selector, domain) = (&row.selector, &row.domain);
            changes.push(Change::Say(format!(
                "THE DKIM KEY {selector} OF {domain} WAS LOST and is made anew: its record in the \
                 DNS no longer fits, publish the one of 'mailctl dkim show {domain} {selector}'"
            )));
        }
        return dkim::generate(row.algorithm).map(Some);
    };
    match String::from_utf8(kept) {
        Ok(text) => Ok(Some(Secret::new(text))),
        Err(_) if !active => {
            changes.push(Change::Say(format!(
                "the {} DKIM key {} is left out: it is not PEM",
                row.stage,
                path.display()
            )));
            Ok(None)
        }
        Err(error) => Err(error).with_context(|| format!("{} is not PEM", path.display())),
    }
}
