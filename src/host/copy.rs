//! Copying folders.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use anyhow::{Context, Result};

use crate::util::files;

/// Copies everything below `from` into `to`: files and folders with modes 644 and 755 by their
/// executable bit, symbolic links as they are, owners not. Existing files are written over.
///
/// This is what archiso does with its overlay: a checkout's umask does not get into an image.
///
/// # Errors
/// When something cannot be read or written; the message names it.
pub fn tree(from: &Path, to: &Path) -> Result<()> {
    tree_without(from, to, None)
}

/// As [`tree`], but for what is below the path `without` in it.
///
/// # Errors
/// When something cannot be read or written; the message names it.
pub fn tree_without(from: &Path, to: &Path, without: Option<&str>) -> Result<()> {
    folder(to)?;
    let without = without.map(|path| from.join(path));
    let walk = walkdir::WalkDir::new(from).min_depth(1).sort_by_file_name();
    for entry in walk
        .into_iter()
        .filter_entry(|entry| Some(entry.path()) != without.as_deref())
    {
        let entry = entry.with_context(|| format!("reading {}", from.display()))?;
        let target = to.join(entry.path().strip_prefix(from)?);
        let what = || format!("copying {} to {}", entry.path().display(), target.display());
        if entry.file_type().is_dir() {
            folder(&target)?;
        } else if entry.file_type().is_symlink() {
            let link = fs::read_link(entry.path()).with_context(what)?;
            if target.symlink_metadata().is_ok() {
                fs::remove_file(&target).with_context(what)?;
            }
            std::os::unix::fs::symlink(link, &target).with_context(what)?;
        } else {
            fs::copy(entry.path(), &target).with_context(what)?;
            let executable = entry.metadata().with_context(what)?.permissions().mode() & 0o111 != 0;
            let mode = if executable { 0o755 } else { 0o644 };
            fs::set_permissions(&target, fs::Permissions::from_mode(mode)).with_context(what)?;
        }
    }
    Ok(())
}

fn folder(path: &Path) -> Result<()> {
    if !path.is_dir() {
        files::create_dir_all(path)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o755))
            .with_context(|| format!("setting the mode of {}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_made_plain_and_links_kept() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        fs::create_dir_all(from.join("sub")).unwrap();
        fs::write(from.join("sub/private"), "x").unwrap();
        fs::set_permissions(from.join("sub/private"), fs::Permissions::from_mode(0o600)).unwrap();
        std::os::unix::fs::symlink("private", from.join("sub/link")).unwrap();
        tree(&from, &to).unwrap();
        tree(&from, &to).unwrap();
        let mode = fs::metadata(to.join("sub/private"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o644);
        assert_eq!(
            fs::read_link(to.join("sub/link")).unwrap(),
            Path::new("private")
        );
    }
}
