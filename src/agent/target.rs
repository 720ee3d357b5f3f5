//! The machine, or the folder, that an apply writes to.

use std::{
    cell::Cell,
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use super::{console::complain, paths::Paths};

/// Where files go, and who can own them there.
#[derive(Debug)]
pub struct Target {
    root: PathBuf,
    owners: Owners,
    complained: Cell<bool>,
}

impl Target {
    /// `root` is `/` on the appliance itself.
    ///
    /// # Errors
    /// When `root` is no folder, or its user database cannot be read.
    pub fn new(root: &Path) -> Result<Self> {
        if !root.is_dir() {
            bail!("{} is not a folder", root.display());
        }
        let read = |name: &str| match fs::read_to_string(root.join(name)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            other => other.with_context(|| format!("reading {}", root.join(name).display())),
        };
        Ok(Self {
            owners: Owners {
                users: ids(&read("etc/passwd")?),
                groups: ids(&read("etc/group")?),
            },
            root: root.to_path_buf(),
            complained: Cell::new(false),
        })
    }

    /// Whether this is the running system: services are then checked and started.
    pub fn is_live(&self) -> bool {
        self.root == Path::new("/")
    }

    /// Where a path of the image is from here.
    pub fn path(&self, path: &Path) -> PathBuf {
        Paths::below(&self.root, path)
    }

    /// The content of a file of the image; `None` if there is none.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn read(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        let path = self.path(path);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e).with_context(|| format!("reading {}", path.display())),
        }
    }

    /// The id of a user; `None` if there is no such user.
    pub fn uid(&self, user: &str) -> Option<u32> {
        find(&self.owners.users, user)
    }

    /// The ids of an owner, or `None` where owners cannot be set: said once, on standard error.
    ///
    /// # Errors
    /// When the running system does not know the name.
    pub fn ids(&self, user: &str, group: &str) -> Result<Option<(u32, u32)>> {
        let problem = match (
            find(&self.owners.users, user),
            find(&self.owners.groups, group),
        ) {
            _ if !rustix::process::geteuid().is_root() => {
                "only root can set owners: they stay those of the caller".to_owned()
            }
            (Some(user), Some(group)) => return Ok(Some((user, group))),
            (None, _) => format!("there is no user {user} in etc/passwd"),
            (_, None) => format!("there is no group {group} in etc/group"),
        };
        if self.is_live() {
            bail!("{problem}");
        }
        if !self.complained.replace(true) {
            complain(format_args!("{problem}; owners are not set there"));
        }
        Ok(None)
    }
}

#[derive(Debug)]
struct Owners {
    users: Vec<(String, u32)>,
    groups: Vec<(String, u32)>,
}

fn find(list: &[(String, u32)], name: &str) -> Option<u32> {
    let root = (name == "root").then_some(0);
    root.or_else(|| list.iter().find(|(n, _)| n == name).map(|(_, id)| *id))
}

/// Names and ids of a `passwd(5)` or `group(5)` file: the first and the third field.
fn ids(text: &str) -> Vec<(String, u32)> {
    text.lines()
        .filter_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            Some((name.to_owned(), fields.nth(1)?.parse().ok()?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_ids() {
        let text = "root:x:0:0::/root:/bin/sh\n# no\nbroken:x:y\nsmtpd:!:300:300:a:/:/bin/false\n";
        let list = ids(text);
        assert_eq!(find(&list, "smtpd"), Some(300));
        assert_eq!(find(&list, "broken"), None);
        assert_eq!(find(&[], "root"), Some(0));
    }

    #[test]
    fn a_missing_root_is_refused() {
        let error = Target::new(Path::new("/nonexistent")).unwrap_err();
        assert_eq!(error.to_string(), "/nonexistent is not a folder");
    }
}
