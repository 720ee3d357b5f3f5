//! The answers themselves, kept for the boots to come. The last step: what is not applied whole is
//! tried again from what was kept before.

use anyhow::Result;

use super::Input;
use crate::agent::{
    change::{Change, Entry, File},
    state::kept,
};

pub(super) fn plan(input: &Input<'_>) -> Result<Vec<Change>> {
    let current = kept::current_file(input.paths);
    let folder = input.paths.state.join("answers");
    let mut changes = vec![
        Change::Folder(Entry::of_root(folder, 0o700)),
        Change::File(File::secret(current, input.wanted.current()?.expose())),
    ];
    if let Some(found) = &input.wanted.found {
        let path = kept::found_file(input.paths);
        changes.push(Change::File(File::secret(path, found.expose())));
    }
    Ok(changes)
}
