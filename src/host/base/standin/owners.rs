//! Which Debian package a path of the composition belongs to.

use std::collections::HashMap;

use anyhow::Result;

use super::{
    dpkg::{self, Diversion},
    index::Index,
};

/// Path to package; folders, which many packages have, apart from files, which one has.
#[derive(Debug, Default)]
pub struct Owners {
    files: HashMap<String, String>,
    folders: HashMap<String, Vec<String>>,
}

impl Owners {
    /// Reads the lists, diversions and ucf's registry in a composition.
    ///
    /// # Errors
    /// When one of dpkg's files cannot be read or makes no sense.
    pub fn read(index: &Index) -> Result<Self> {
        let mut reader = index.open()?;
        let mut optional = |path: &str| match index.get(path) {
            Some(entry) => reader.text(entry),
            None => Ok(String::new()),
        };
        let diversions = dpkg::parse_diversions(&optional("var/lib/dpkg/diversions")?)?;
        let registry = dpkg::parse_ucf(&optional("var/lib/ucf/registry")?);
        let mut owners = Self::default();
        for entry in index.entries() {
            let owner = entry
                .path
                .strip_prefix("var/lib/dpkg/info/")
                .and_then(dpkg::list_owner);
            if let Some(owner) = owner {
                let paths = dpkg::parse_list(&reader.text(entry)?);
                owners.add(owner, paths, &diversions, |path| {
                    index.get(path).is_some_and(|e| e.kind.is_dir())
                });
            }
        }
        for (path, package) in registry {
            owners.files.entry(path).or_insert(package);
        }
        Ok(owners)
    }

    fn add(
        &mut self,
        owner: &str,
        paths: Vec<String>,
        diversions: &[Diversion],
        is_folder: impl Fn(&str) -> bool,
    ) {
        for path in paths {
            let path = diverted(owner, path, diversions);
            if is_folder(&path) {
                self.folders.entry(path).or_default().push(owner.to_owned());
            } else {
                self.files.entry(path).or_insert_with(|| owner.to_owned());
            }
        }
    }

    /// The package that has the file or link at `path`.
    pub fn of_file(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// The packages that list the folder at `path`.
    pub fn of_folder(&self, path: &str) -> &[String] {
        self.folders.get(path).map_or(&[], Vec::as_slice)
    }
}

/// Where a path that `owner` lists really lies.
fn diverted(owner: &str, path: String, diversions: &[Diversion]) -> String {
    match diversions.iter().find(|d| d.from == path && d.by != owner) {
        Some(diversion) => diversion.to.clone(),
        None => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diverted_file_is_where_it_was_moved_to() {
        let diversions = dpkg::parse_diversions("/bin/sh\n/bin/sh.distrib\ndash\n").unwrap();
        let mut owners = Owners::default();
        let is_folder = |p: &str| p == "etc";
        let paths = |p: &[&str]| p.iter().map(|s| (*s).to_owned()).collect();
        owners.add(
            "bash",
            paths(&["usr/bin/sh", "etc"]),
            &diversions,
            is_folder,
        );
        owners.add(
            "dash",
            paths(&["usr/bin/sh", "etc"]),
            &diversions,
            is_folder,
        );
        assert_eq!(owners.of_file("usr/bin/sh"), Some("dash"));
        assert_eq!(owners.of_file("usr/bin/sh.distrib"), Some("bash"));
        assert_eq!(owners.of_folder("etc"), ["bash", "dash"]);
        assert_eq!(owners.of_file("etc/passwd"), None);
    }
}
