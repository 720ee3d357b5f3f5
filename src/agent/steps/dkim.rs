//! Two keys for each domain: given by the answers, kept from before, or made now.

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
        dkim::{self, Algorithm},
        records::PublishedKey,
    },
    util::secret::Secret,
};

/// The keys that sign, and what there is to write.
pub(super) fn plan(input: &Input<'_>) -> Result<(Vec<PublishedKey>, Vec<Change>)> {
    let (mut keys, mut changes) = (Vec::new(), Vec::new());
    for domain in &input.answers.domains {
        changes.push(Change::Folder(Entry {
            group: "_rspamd",
            ..Entry::of_root(input.paths.dkim.join(domain.name.as_str()), 0o750)
        }));
        for (selector, pem) in of_domain(input, domain)? {
            let path = input.paths.dkim_key(domain.name.as_str(), &selector);
            let info = dkim::parse_pem(pem.expose())
                .with_context(|| format!("the DKIM key {}", path.display()))?;
            let key = DkimKey {
                domain: domain.name.clone(),
                selector: selector.clone(),
                algorithm: info.algorithm,
                path: path.clone(),
            };
            if key.signing_file() != path {
                let form = dkim::signing_form(pem.expose())?;
                changes.push(readable(key.signing_file(), &form));
            }
            changes.push(readable(path, &pem));
            keys.push(PublishedKey {
                domain: domain.name.clone(),
                selector,
                info,
            });
        }
    }
    Ok((keys, changes))
}

/// A key that rspamd may read.
fn readable(path: PathBuf, key: &Secret) -> Change {
    let mut file = File::secret(path, key.expose()).restarts(&["rspamd.service"]);
    file.entry.mode = 0o640;
    file.entry.group = "_rspamd";
    Change::File(file)
}

/// Selectors and keys: those that are given, and one for each algorithm that is not.
fn of_domain(input: &Input<'_>, domain: &Domain) -> Result<Vec<(String, Secret)>> {
    let mut keys = Vec::new();
    let mut known = Vec::new();
    for key in &domain.dkim {
        let (pem, info) = key.key.as_ref().zip(key.info.as_ref()).with_context(|| {
            let file = key.key_file.as_deref().unwrap_or("its file");
            format!(
                "the DKIM key {} of {} was not read from {file}",
                key.selector, domain.name
            )
        })?;
        known.push(info.algorithm);
        keys.push((key.selector.clone(), pem.clone()));
    }
    for algorithm in Algorithm::ALL {
        if known.contains(&algorithm) {
            continue;
        }
        let selector = algorithm.selector();
        let path = input.paths.dkim_key(domain.name.as_str(), selector);
        let pem = match input.target.read(&path)? {
            Some(bytes) => {
                let text = String::from_utf8(bytes);
                Secret::new(text.with_context(|| format!("{} is not PEM", path.display()))?)
            }
            None => dkim::generate(algorithm)?,
        };
        keys.push((selector.to_owned(), pem));
    }
    Ok(keys)
}
