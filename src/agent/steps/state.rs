//! The folders that hold what is worth keeping.

use super::Input;
use crate::agent::change::{Change, Entry};

pub(super) fn plan(input: &Input<'_>) -> Vec<Change> {
    let paths = input.paths;
    let root = |path, mode| Entry::of_root(path, mode);
    let owned = |path, mode, user, group| Entry {
        owner: user,
        group,
        ..Entry::of_root(path, mode)
    };
    [
        // everybody passes through; what is in it is guarded by itself
        root(paths.state.clone(), 0o755),
        root(paths.state.join("secrets"), 0o700),
        root(paths.state.join("ssh"), 0o700),
        root(paths.state.join("tls"), 0o700),
        owned(paths.dkim.clone(), 0o750, "root", "_rspamd"),
        owned(paths.filter_spool.clone(), 0o700, "ezmail", "ezmail"),
        owned(paths.mail.clone(), 0o700, "vmail", "vmail"),
    ]
    .map(Change::Folder)
    .into()
}
