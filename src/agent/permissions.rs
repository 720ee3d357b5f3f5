//! Whether owners and modes are still those that the agent gives: for `mailctl check`.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use walkdir::WalkDir;

use super::{
    change::{Change, Entry},
    discover::Beside,
    execute::TEMPLATES,
    paths::Paths,
    state::kept::Kept,
    steps::{self, Input},
    target::Target,
    wanted::Wanted,
};

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What it is about, as the server itself sees it.
    pub path: PathBuf,
    /// How it is and how it should be.
    pub how: String,
}

/// Plans as an apply of the kept answers would, and compares owners and modes: the files and folders
/// that differ or are missing.
///
/// # Errors
/// When there are no answers, or they cannot be planned.
pub fn planned(target: &Target, paths: &Paths) -> Result<Vec<Difference>> {
    let answers = Kept::read(target, paths)?.current()?;
    let wanted = Wanted {
        answers: answers.context("there are no answers yet")?,
        source: String::new(),
        found: None,
        beside: Beside::Nothing("kept answers have no files beside them"),
        refused: None,
    };
    let steps = steps::plan(&Input {
        answers: &wanted.answers,
        wanted: &wanted,
        target,
        paths,
        templates: &target.path(Path::new(TEMPLATES)),
        // of no consequence for who may read what
        memory_mib: 1024,
        now: 0,
    })?;
    let changes = steps.iter().flat_map(|step| &step.changes);
    let mut differences = Vec::new();
    for entry in changes.filter_map(entry) {
        if let Some(how) = differs(target, entry)? {
            let path = entry.path.clone();
            differences.push(Difference { path, how });
        }
    }
    Ok(differences)
}

fn entry(change: &Change) -> Option<&Entry> {
    match change {
        Change::Folder(entry) => Some(entry),
        Change::File(file) => Some(&file.entry),
        Change::Database(database) => Some(&database.entry),
        Change::Hostname(_)
        | Change::Link(_)
        | Change::RootPassword(_)
        | Change::Gone(_)
        | Change::Say(_) => None,
    }
}

fn differs(target: &Target, entry: &Entry) -> Result<Option<String>> {
    let path = target.path(&entry.path);
    let data = match fs::symlink_metadata(&path) {
        Ok(data) => data,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Some("it is missing".to_owned()));
        }
        Err(e) => return Err(e).with_context(|| format!("looking at {}", path.display())),
    };
    if data.is_symlink() {
        return Ok(Some("it is a link".to_owned()));
    }
    let mode = data.permissions().mode() & 0o7777;
    if mode != entry.mode {
        return Ok(Some(format!("mode {mode:o} instead of {:o}", entry.mode)));
    }
    // who is not root could not set owners either
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let ids = target.ids(entry.owner, entry.group)?;
    let found = (data.uid(), data.gid());
    Ok(ids.filter(|ids| *ids != found).map(|_| {
        let (user, group) = found;
        format!(
            "owner {user}:{group} instead of {}:{}",
            entry.owner, entry.group
        )
    }))
}

/// Files that others than root and the service's own group may read, in the folders where secrets
/// are kept, whoever put them there; and what anybody may write, anywhere in the state.
///
/// # Errors
/// When a folder cannot be read.
pub fn beside(target: &Target, paths: &Paths) -> Result<Vec<Difference>> {
    let state = target.path(&paths.state);
    if !state.exists() {
        return Ok(Vec::new());
    }
    let owner = fs::metadata(&state).context("looking at the state")?.uid();
    // what is in a service's own folder is the service's matter: mail, its queue, its data
    let ours = |item: &walkdir::DirEntry| {
        !item.file_type().is_dir() || item.metadata().is_ok_and(|data| data.uid() == owner)
    };
    let mut found = Vec::new();
    for item in WalkDir::new(&state)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(ours)
    {
        let Some(item) =
            unless_gone(item).with_context(|| format!("looking into {}", state.display()))?
        else {
            continue;
        };
        let Some(data) = unless_gone(item.metadata()).context("looking at permissions")? else {
            continue;
        };
        if data.is_symlink() {
            continue;
        }
        let mode = data.permissions().mode() & 0o7777;
        let below = item.path().strip_prefix(&state).unwrap_or(item.path());
        let is_secret = data.is_file() && is_secret(below);
        if mode & 0o002 != 0 || (is_secret && mode & 0o007 != 0) {
            found.push(Difference {
                path: paths.state.join(below),
                how: format!("mode {mode:o}"),
            });
        }
    }
    Ok(found)
}

/// What a folder had when it was read may have been removed since.
fn unless_gone<T>(result: walkdir::Result<T>) -> walkdir::Result<Option<T>> {
    match result {
        Err(e)
            if e.io_error()
                .is_some_and(|e| e.kind() == std::io::ErrorKind::NotFound) =>
        {
            Ok(None)
        }
        other => other.map(Some),
    }
}

/// Whether a file of the state, by its path there, has a secret in it.
fn is_secret(path: &Path) -> bool {
    let folder = path.iter().next().and_then(|f| f.to_str()).unwrap_or("");
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("");
    match folder {
        "secrets" | "dkim" => true,
        "ssh" => extension != "pub",
        _ => matches!(extension, "key" | "toml") || path.file_name() == Some("key.pem".as_ref()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_vanishes_meanwhile_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), "").unwrap();
        let walk = WalkDir::new(folder.path()).min_depth(1).into_iter();
        let item = unless_gone(walk.last().unwrap()).unwrap().unwrap();
        assert!(unless_gone(item.metadata()).unwrap().is_some());
        fs::remove_file(item.path()).unwrap();
        assert!(unless_gone(item.metadata()).unwrap().is_none());
        let mut lost = WalkDir::new(folder.path().join("b")).into_iter();
        assert!(unless_gone(lost.next().unwrap()).unwrap().is_none());
    }

    #[test]
    fn secrets_are_told_by_their_place() {
        let secret = |path: &str| is_secret(Path::new(path));
        assert!(secret("secrets/rspamd-controller"));
        assert!(secret("dkim/example.org/s1.pem"));
        assert!(secret("ssh/ssh_host_ed25519_key"));
        assert!(secret("tls/key.pem"));
        assert!(!secret("tls/cert.pem"));
        assert!(!secret("ssh/ssh_host_ed25519_key.pub"));
        assert!(!secret("dns-records.txt"));
    }
}
