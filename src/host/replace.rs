//! A new folder in the place of an old one, in one step where the file system can: a kill leaves one of
//! them there, whole.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use rustix::{
    fs::{CWD, RenameFlags, renameat_with},
    io::Errno,
};

use crate::util::files;

/// Puts the folder `new` in the place of `path`; what was there is at `aside` then, or at `new` itself.
/// All lie in one file system.
///
/// # Errors
/// When something cannot be renamed; what was at `path` is there then.
pub fn folder(new: &Path, path: &Path, aside: &Path) -> Result<()> {
    let what = || format!("putting {} in its place", path.display());
    if path.symlink_metadata().is_ok() {
        match renameat_with(CWD, new, CWD, path, RenameFlags::EXCHANGE) {
            // NFS and others do not know how to exchange
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => one_by_one(new, path, aside)?,
            other => other.with_context(what)?,
        }
    } else {
        fs::rename(new, path).with_context(what)?;
    }
    files::sync_folder(path.parent().unwrap_or(Path::new(".")))
}

fn one_by_one(new: &Path, path: &Path, aside: &Path) -> Result<()> {
    fs::rename(path, aside).with_context(|| format!("moving {} aside", path.display()))?;
    if let Err(error) = fs::rename(new, path) {
        // what was there is better than nothing
        fs::rename(aside, path).with_context(|| format!("moving {} back", path.display()))?;
        return Err(error).with_context(|| format!("putting {} in its place", path.display()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_new_one_takes_the_place_of_the_old_one_or_of_none() {
        for way in [folder, one_by_one] {
            let dir = tempfile::tempdir().unwrap();
            let [new, path, aside] = ["new", "path", "aside"].map(|name| dir.path().join(name));
            fs::create_dir(&path).unwrap();
            fs::write(path.join("old"), "").unwrap();
            fs::create_dir(&new).unwrap();
            fs::write(new.join("new"), "").unwrap();
            way(&new, &path, &aside).unwrap();
            assert!(path.join("new").exists() && !path.join("old").exists());
            let kept = [&new, &aside].iter().any(|p| p.join("old").exists());
            assert!(kept, "the old one goes with the scratch folder");
        }
        let dir = tempfile::tempdir().unwrap();
        let [new, path, aside] = ["new", "path", "aside"].map(|name| dir.path().join(name));
        fs::create_dir(&new).unwrap();
        folder(&new, &path, &aside).unwrap();
        assert!(path.is_dir() && !new.exists());
    }

    #[test]
    fn the_old_one_comes_back_where_the_new_one_cannot_be_put() {
        let dir = tempfile::tempdir().unwrap();
        let [new, path, aside] = ["new", "path", "aside"].map(|name| dir.path().join(name));
        fs::create_dir(&path).unwrap();
        assert!(folder(&new, &path, &aside).is_err());
        let error = format!("{:#}", one_by_one(&new, &path, &aside).unwrap_err());
        assert!(error.starts_with("putting "), "{error}");
        assert!(path.is_dir() && !aside.exists());
    }
}
