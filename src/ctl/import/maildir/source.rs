//! The Maildir that mail comes from: its folders, in Maildir++ or as nested folders.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use super::name;

/// A folder of mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// Its name as people write it, with `/` between folders.
    pub name: String,
    /// Where its `cur` and `new` are.
    pub path: PathBuf,
}

/// All folders of a Maildir, by name, the inbox first.
///
/// # Errors
/// When it is no Maildir, or cannot be read.
pub fn folders(root: &Path) -> Result<Vec<Folder>> {
    if !root.is_dir() {
        bail!("{} is not a folder", root.display());
    }
    let mut found = Vec::new();
    if is_mail(root) {
        found.push(Folder {
            name: name::INBOX.to_owned(),
            path: root.to_path_buf(),
        });
    }
    nested(root, "", &mut found)?;
    if found.is_empty() {
        bail!(
            "{} is no Maildir: there is neither 'cur' nor 'new' in it; the folder of one mailbox \
             is needed, such as /old/var/vmail/example.org/alice/Maildir",
            root.display()
        );
    }
    found.sort_by(|a, b| (a.name != name::INBOX, &a.name).cmp(&(b.name != name::INBOX, &b.name)));
    Ok(found)
}

fn is_mail(path: &Path) -> bool {
    ["cur", "new"].iter().any(|sub| path.join(sub).is_dir())
}

/// Folders below `path`, which is `above` and a slash.
fn nested(path: &Path, above: &str, found: &mut Vec<Folder>) -> Result<()> {
    let what = || format!("reading {}", path.display());
    for entry in fs::read_dir(path).with_context(what)? {
        let entry = entry.with_context(what)?;
        // a link could lead round in a circle, or to somebody else's mail
        if !entry.file_type().with_context(what)?.is_dir() {
            continue;
        }
        let file_name = entry.file_name();
        let Some(text) = file_name.to_str() else {
            bail!(
                "{} has a folder whose name is not UTF-8: rename it",
                path.display()
            );
        };
        let path = entry.path();
        if let Some(flat) = text.strip_prefix('.').filter(|_| above.is_empty()) {
            let parts: Vec<String> = flat.split('.').map(name::shown).collect();
            if is_mail(&path) && parts.iter().all(|part| !part.is_empty()) {
                let name = parts.join("/");
                found.push(Folder { name, path });
            }
        } else if !text.starts_with('.') && !["cur", "new", "tmp"].contains(&text) {
            let name = format!("{above}{}", name::shown(text));
            if is_mail(&path) {
                let path = path.clone();
                let name = name.clone();
                found.push(Folder { name, path });
            }
            nested(&path, &format!("{name}/"), found)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_layouts_are_read() {
        let root = tempfile::tempdir().unwrap();
        let error = folders(root.path()).unwrap_err().to_string();
        assert!(error.contains("is no Maildir"), "{error}");
        for path in [
            "cur",
            ".Sent/cur",
            ".&ANw-bung.A/new",
            ".Ärger/cur",
            ".broken..x/cur",
            ".no/mail",
            "Work/2026/cur",
            "Work/2026/tmp",
        ] {
            fs::create_dir_all(root.path().join(path)).unwrap();
        }
        std::os::unix::fs::symlink("/", root.path().join("everything")).unwrap();
        let names: Vec<String> = folders(root.path())
            .unwrap()
            .into_iter()
            .map(|f| f.name)
            .collect();
        assert_eq!(names, ["INBOX", "Sent", "Work/2026", "Ärger", "Übung/A"]);
    }
}
