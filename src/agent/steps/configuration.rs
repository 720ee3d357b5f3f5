//! Every configuration file of the mail services, from the templates.

use anyhow::{Context, Result, ensure};
use zeroize::Zeroizing;

use super::Input;
use crate::{
    agent::{
        change::{Change, Entry, File},
        context::{DkimKey, Facts},
        render,
    },
    mail::{controller, database::keys::Stage, records::PublishedKey},
    util::{hash, random, secret::Secret},
};

pub(super) fn plan(input: &Input<'_>, keys: &[PublishedKey]) -> Result<Vec<Change>> {
    let (password, controller) = generated(input, "rspamd-controller")?;
    let (srs_key, srs) = generated(input, "srs-key")?;
    let (guard_secret, guard) = generated(input, "guard")?;
    // the salt follows from the password, which is random: the file is the same at every apply
    let digest = hash::sha256(format!("salt of {}", password.expose()));
    let mut salt = [0; 20];
    hex::decode_to_slice(&digest[..40], &mut salt).context("making a salt")?;
    let facts = Facts {
        paths: input.paths.clone(),
        memory_mib: input.memory_mib,
        controller_password_hash: controller::hash(&password, &salt)?,
        srs_key,
        guard_secret,
        dkim: keys
            .iter()
            .filter(|key| key.stage == Stage::Active)
            .map(|key| DkimKey {
                domain: key.domain.clone(),
                selector: key.selector.clone(),
                algorithm: key.info.algorithm,
                path: input.paths.dkim_key(key.domain.as_str(), &key.selector),
            })
            .collect(),
    };
    let rendered = render::render_all(input.templates, input.answers, &facts)?;
    let files = rendered.into_iter().map(|file| {
        Change::File(File {
            entry: Entry {
                path: file.path,
                mode: file.mode,
                owner: file.owner,
                group: file.group,
            },
            content: Zeroizing::new(file.content),
            units: file.units,
            secret: file.secret,
        })
    });
    Ok([controller, srs, guard].into_iter().chain(files).collect())
}

/// A secret of that name, made once and kept in the file `name`.
fn generated(input: &Input<'_>, name: &str) -> Result<(Secret, Change)> {
    let path = input.paths.state.join("secrets").join(name);
    let secret = match input.target.read(&path)? {
        Some(bytes) => {
            let text = String::from_utf8(bytes);
            let text = text.with_context(|| format!("{} is not text", path.display()))?;
            Secret::new(text.trim_end())
        }
        None => random::secret()?,
    };
    ensure!(
        !secret.expose().is_empty(),
        "{} is empty; remove it, and a new one is made",
        path.display()
    );
    let file = File::secret(path, format!("{}\n", secret.expose()));
    Ok((secret, Change::File(file)))
}
