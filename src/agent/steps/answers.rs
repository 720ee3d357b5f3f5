//! The answers themselves, kept for the boots to come. The last step: what is not applied whole is
//! tried again from what was kept before.

use std::path::Path;

use anyhow::{Context, Result};

use super::Input;
use crate::agent::{
    change::{Change, Entry, File},
    state::kept,
};
use crate::util::secret::Secret;

pub(super) fn plan(input: &Input<'_>) -> Result<Vec<Change>> {
    let current = kept::current_file(input.paths);
    let folder = input.paths.state.join("answers");
    let mut changes = vec![
        Change::Folder(Entry::of_root(folder, 0o700)),
        Change::File(File::secret(current, input.wanted.current()?.expose())),
    ];
    let path = kept::found_file(input.paths);
    let found = match &input.wanted.found {
        Some(found) => Some(found.clone()),
        None => outdated(input, &path)?,
    };
    if let Some(found) = found {
        changes.push(Change::File(File::secret(path, found.expose())));
    }
    Ok(changes)
}

/// What is kept already, without the passphrase that an earlier version had in it.
fn outdated(input: &Input<'_>, path: &Path) -> Result<Option<Secret>> {
    let Some(bytes) = input.target.read(path)? else {
        return Ok(None);
    };
    let text = String::from_utf8(bytes);
    let text = text.with_context(|| format!("{} is not text", path.display()))?;
    kept::without_passphrase(&Secret::new(text))
}
