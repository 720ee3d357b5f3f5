//! One journal over all boots.
//!
//! systemd-journald keeps a folder for each machine id, and the id of the appliance is made anew at
//! every boot, as everything on its root is. Its limit on size holds for the folder of the running
//! id alone, and journalctl(1) reads that one: so the folder of the last boot takes the name of the
//! present id. journald notices in the files themselves that they have another id, and puts them
//! aside as archived ones: it goes on reading and, in the end, removing them.

use std::{fs, path::Path, process::Command, time::SystemTime};

use anyhow::{Context, Result};

use crate::util::{files, run::Task};

const MACHINE_ID: &str = "/etc/machine-id";

/// Gives the newest folder in `journals` the name of this boot's machine id.
///
/// # Errors
/// When the folder cannot be read or renamed.
pub fn adopt(journals: &Path) -> Result<()> {
    let id = files::read_to_string(Path::new(MACHINE_ID))?;
    adopt_as(journals, id.trim())
}

fn adopt_as(journals: &Path, id: &str) -> Result<()> {
    let what = || format!("looking for journals in {}", journals.display());
    if !is_id(id) || journals.join(id).exists() {
        return Ok(());
    }
    let mut newest: Option<(SystemTime, std::path::PathBuf)> = None;
    for entry in fs::read_dir(journals).with_context(what)? {
        let entry = entry.with_context(what)?;
        if !is_id(&entry.file_name().to_string_lossy()) {
            continue;
        }
        let modified = entry.metadata().and_then(|m| m.modified());
        let this = (modified.with_context(what)?, entry.path());
        newest = newest.max(Some(this));
    }
    let Some((_, last)) = newest else {
        return Ok(());
    };
    fs::rename(&last, journals.join(id))
        .with_context(|| format!("renaming the journal {}", last.display()))
}

/// Has journald write to the folder from now on, with what it has kept in memory so far. This
/// works once in a boot, and the image does not do it by itself (a drop-in for
/// systemd-journal-flush.service).
///
/// # Errors
/// When journald does not do it.
pub fn flush() -> Result<()> {
    let mut command = Command::new("journalctl");
    command.arg("--flush");
    Task::new("moving the journal to the state volume", command).run()
}

/// machine-id(5): 32 lower-case hexadecimal digits.
fn is_id(name: &str) -> bool {
    name.len() == 32 && name.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_boots_journal_becomes_this_ones() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = ("a".repeat(32), "b".repeat(32));
        adopt_as(folder.path(), &new).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        fs::create_dir(folder.path().join(&old)).unwrap();
        fs::create_dir(folder.path().join("lost+found")).unwrap();
        fs::write(folder.path().join(&old).join("system.journal"), "x").unwrap();
        adopt_as(folder.path(), "uninitialized").unwrap();
        assert!(folder.path().join(&old).exists());
        adopt_as(folder.path(), &new).unwrap();
        assert!(folder.path().join(&new).join("system.journal").exists());
        assert!(!folder.path().join(&old).exists());
        // once more in the same boot: nothing to do
        adopt_as(folder.path(), &new).unwrap();
    }
}
