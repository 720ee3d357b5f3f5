//! The folders that hold what is worth keeping.

use anyhow::Result;

use super::Input;
use crate::agent::{
    change::{Change, Entry, File},
    state::format,
};

pub(super) fn plan(input: &Input<'_>) -> Result<Vec<Change>> {
    let paths = input.paths;
    let root = |path, mode| Entry::of_root(path, mode);
    let owned = |path, mode, user, group| Entry {
        owner: user,
        group,
        ..Entry::of_root(path, mode)
    };
    let folders = [
        // everybody passes through; what is in it is guarded by itself
        root(paths.state.clone(), 0o755),
        root(paths.state.join("secrets"), 0o700),
        root(paths.state.join("ssh"), 0o700),
        root(paths.state.join("tls"), 0o700),
        root(paths.tlsrpt.clone(), 0o700),
        owned(paths.acme.clone(), 0o700, "ezmail-acme", "ezmail-acme"),
        owned(paths.dkim.clone(), 0o750, "root", "_rspamd"),
        owned(paths.filter_spool.clone(), 0o700, "ezmail", "ezmail"),
        owned(paths.guard.clone(), 0o700, "ezmail-guard", "ezmail-guard"),
        owned(paths.sts.clone(), 0o700, "ezmail-sts", "ezmail-sts"),
        owned(paths.mail.clone(), 0o700, "vmail", "vmail"),
        // as their packages have them
        root(paths.spool.clone(), 0o711),
        owned(paths.rspamd.clone(), 0o750, "_rspamd", "_rspamd"),
        owned(paths.valkey.clone(), 0o750, "valkey", "valkey"),
    ];
    let stamp = File::open(paths.state.join(format::FILE), format::text()?);
    let folders = folders.map(Change::Folder).into_iter();
    Ok(folders.chain([Change::File(stamp)]).collect())
}
