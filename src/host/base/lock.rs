//! `ezmail.lock`: which packages of the distribution a build takes, to the byte.
//!
//! Every build holds what it takes against the file. Where they differ it tells of it and writes what
//! it took; with `--locked` it stops. An image and the root that packages are built in are resolved by
//! themselves, so the file has a *set* for each, and one for the sources of our own packages.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use super::arch::ArchiveDate;
use crate::util::files;

/// The file's usual name, beside `ezmail.toml`.
pub const FILE: &str = "ezmail.lock";

const FORMAT: u32 = 1;

/// How many differences a message tells of.
const TOLD: usize = 12;

/// One package, down to its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// `[epoch:]pkgver-pkgrel`.
    pub version: String,
    /// The repository it is from.
    pub repository: String,
    /// The package file's name.
    pub file: String,
    /// SHA-256 of that file, hexadecimal.
    pub sha256: String,
}

/// What one list of packages resolves to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resolved {
    /// The day of the archive, or that on which the mirror was asked (UTC).
    pub date: ArchiveDate,
    /// The `Server` line that was asked, or what else the packages are from.
    pub mirror: String,
    /// The packages, sorted by name.
    #[serde(rename = "package", default)]
    pub packages: Vec<Package>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Lock {
    format: u32,
    #[serde(default)]
    sets: BTreeMap<String, Resolved>,
}

/// What to do where the file and a build differ.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// Write what the build takes into the file.
    #[default]
    Renew,
    /// Stop: `--locked`.
    Locked,
    /// Only say so: `--dry-run`.
    Look,
}

/// The file says one thing and the mirror another.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Mismatch {
    /// The lock file.
    pub path: PathBuf,
    /// The set in it.
    pub set: String,
    /// The day the set is of.
    pub date: ArchiveDate,
    /// The `Server` line that was asked now.
    pub mirror: String,
    /// A line for each package that differs.
    pub differences: Vec<String>,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            path,
            set,
            date,
            mirror,
            differences,
        } = self;
        write!(
            f,
            "{} has other packages for '{set}' (of {date}) than {mirror} offers:",
            path.display()
        )?;
        for line in told(differences) {
            write!(f, "\n  {line}")?;
        }
        write!(
            f,
            "\n  what to do: a build without --locked takes what is offered into the lock"
        )?;
        if mirror.contains("$repo") {
            write!(
                f,
                "; to stay with what is locked, set archive_date = \"{date}\" in ezmail.toml, or the day \
                 after (the archive keeps one snapshot a day)"
            )?;
        }
        Ok(())
    }
}

/// As many differences as a message tells of, and how many more there are.
pub fn told(differences: &[String]) -> impl Iterator<Item = String> {
    let more = differences.len().saturating_sub(TOLD);
    let rest = (more > 0).then(|| format!("and {more} more"));
    differences.iter().take(TOLD).cloned().chain(rest)
}

/// Holds `resolved` against the `set` of the lock file at `path`. Returns a line for each package
/// that differs; a set that the file did not have differs in nothing.
///
/// # Errors
/// [`Mismatch`] where `mode` is [`Mode::Locked`] and they differ or the file has no such set, and
/// when the file cannot be read or written.
pub fn hold(path: &Path, set: &str, resolved: &Resolved, mode: Mode) -> Result<Vec<String>> {
    let mut lock = load(path)?;
    let locked = lock.sets.get(set);
    if locked.is_none() && mode == Mode::Locked {
        bail!(
            "{} has no set '{set}' yet: a build without --locked writes it",
            path.display()
        );
    }
    let differences = locked.map(|l| compare(&l.packages, &resolved.packages));
    match (&differences, mode) {
        (Some(lines), _) if lines.is_empty() => {}
        (Some(lines), Mode::Locked) => bail!(Mismatch {
            path: path.to_path_buf(),
            set: set.to_owned(),
            date: locked.map_or(resolved.date, |l| l.date),
            mirror: resolved.mirror.clone(),
            differences: lines.clone(),
        }),
        (_, Mode::Look) => {}
        _ => {
            lock.sets.insert(set.to_owned(), resolved.clone());
            store(path, &lock)?;
        }
    }
    Ok(differences.unwrap_or_default())
}

/// Checks that all of `resolved` stands in a root at just those versions; `installed` is what
/// [`crate::host::pacman::query`] says of it. A mirror that changes between resolving and
/// installing comes to light here.
///
/// # Errors
/// When a package is missing or another version is there; the message names them.
pub fn check_installed(resolved: &Resolved, installed: &[(String, String)]) -> Result<()> {
    let installed: BTreeMap<&str, &str> = installed
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str()))
        .collect();
    let wrong: Vec<String> = resolved
        .packages
        .iter()
        .filter_map(|package| {
            let Package { name, version, .. } = package;
            match installed.get(name.as_str()) {
                Some(there) if there == version => None,
                Some(there) => Some(format!(
                    "\n  {name} {version} was resolved, {there} is there"
                )),
                None => Some(format!("\n  {name} {version} was resolved, none is there")),
            }
        })
        .collect();
    ensure!(
        wrong.is_empty(),
        "the mirror changed while it was installed from; build again:{}",
        wrong.concat()
    );
    Ok(())
}

fn load(path: &Path) -> Result<Lock> {
    if !path.exists() {
        return Ok(Lock {
            format: FORMAT,
            sets: BTreeMap::new(),
        });
    }
    let text = files::read_to_string(path)?;
    let lock: Lock = toml::from_str(&text).with_context(|| {
        format!(
            "{} is not a lock file of ezmail's; remove it and the next build writes it anew",
            path.display()
        )
    })?;
    ensure!(
        lock.format == FORMAT,
        "{} has format {}, but this ezmail writes format {FORMAT}; remove it and the next build \
         writes it anew",
        path.display(),
        lock.format
    );
    Ok(lock)
}

fn store(path: &Path, lock: &Lock) -> Result<()> {
    let body = toml::to_string(lock).context("writing the lock file's text")?;
    let text = format!(
        "# The distribution's packages that images are built from; written by ezmail.\n\
         # Keep it under version control; 'ezmail update' renews it.\n{body}"
    );
    files::write(path, text, 0o644)
}

fn compare(locked: &[Package], offered: &[Package]) -> Vec<String> {
    let index = |packages: &'_ [Package]| -> BTreeMap<String, Package> {
        packages
            .iter()
            .map(|p| (p.name.clone(), p.clone()))
            .collect()
    };
    let (locked, mut offered) = (index(locked), index(offered));
    let mut lines = BTreeMap::new();
    for (name, old) in locked {
        let line = match offered.remove(&name) {
            Some(new) if new == old => continue,
            Some(new) if new.version != old.version => {
                format!(
                    "{name} {} is locked, {} is offered",
                    old.version, new.version
                )
            }
            Some(new) if new.sha256 != old.sha256 => format!(
                "{name} {} is locked with SHA-256 {}, the offered file has {}",
                old.version, old.sha256, new.sha256
            ),
            Some(new) => format!(
                "{name} {} is locked as {}/{}, but is offered as {}/{}",
                old.version, old.repository, old.file, new.repository, new.file
            ),
            None => format!("{name} {} is locked, but no longer asked for", old.version),
        };
        lines.insert(name, line);
    }
    for (name, new) in offered {
        let line = format!("{name} {} is offered, but not locked", new.version);
        lines.insert(name, line);
    }
    lines.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(packages: &[(&str, &str, &str)]) -> Resolved {
        let package = |&(name, version, sum): &(&str, &str, &str)| Package {
            name: name.into(),
            version: version.into(),
            repository: "core".into(),
            file: format!("{name}-{version}-any.pkg.tar.zst"),
            sha256: sum.into(),
        };
        Resolved {
            date: "2026/11/01".parse().unwrap(),
            mirror: "https://mirror.example/$repo/os/$arch".into(),
            packages: packages.iter().map(package).collect(),
        }
    }

    #[test]
    fn what_is_written_holds_and_what_differs_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        let hold = |set, what: &Resolved, mode| super::hold(&path, set, what, mode);
        let none: [String; 0] = [];
        let old = resolved(&[("a", "1-1", "aa"), ("b", "1-1", "bb"), ("c", "1-1", "cc")]);
        let error = hold("image", &old, Mode::Locked).unwrap_err().to_string();
        assert!(error.contains("has no set 'image'"), "{error}");
        assert_eq!(hold("image", &old, Mode::Look).unwrap(), none);
        assert!(!path.exists());
        assert_eq!(hold("image", &old, Mode::Renew).unwrap(), none);
        insta::assert_snapshot!(std::fs::read_to_string(&path).unwrap());
        assert_eq!(hold("image", &old, Mode::Locked).unwrap(), none);
        let new = resolved(&[("a", "1-2", "ab"), ("b", "1-1", "xx"), ("d", "1-1", "dd")]);
        assert_eq!(hold("build", &new, Mode::Renew).unwrap(), none);
        let error = hold("image", &new, Mode::Locked).unwrap_err();
        let mut mismatch: Mismatch = error.downcast().unwrap();
        mismatch.path = FILE.into();
        insta::assert_snapshot!(mismatch);
        for mode in [Mode::Look, Mode::Renew] {
            assert_eq!(hold("image", &new, mode).unwrap(), mismatch.differences);
        }
        assert_eq!(hold("image", &new, Mode::Locked).unwrap(), none);
        assert_eq!(hold("build", &new, Mode::Locked).unwrap(), none);
    }

    #[test]
    fn another_file_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        for text in ["format = 2\n", "version = 1\n", "nonsense"] {
            std::fs::write(&path, text).unwrap();
            let error = hold(&path, "image", &resolved(&[]), Mode::Renew).unwrap_err();
            assert!(format!("{error:#}").contains("remove it"), "{error:#}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn what_is_installed_must_be_what_was_resolved() {
        let resolved = resolved(&[("a", "1-1", "aa"), ("b", "1-1", "bb"), ("c", "1-1", "cc")]);
        let root = |versions: &[(&str, &str)]| -> Vec<(String, String)> {
            let owned = |&(n, v): &(&str, &str)| (n.to_owned(), v.to_owned());
            versions.iter().map(owned).collect()
        };
        let same = root(&[("a", "1-1"), ("b", "1-1"), ("c", "1-1"), ("ours", "9-1")]);
        check_installed(&resolved, &same).unwrap();
        let error = check_installed(&resolved, &root(&[("a", "1-2"), ("b", "1-1")])).unwrap_err();
        insta::assert_snapshot!(format!("{error:#}"), @r"
        the mirror changed while it was installed from; build again:
          a 1-1 was resolved, 1-2 is there
          c 1-1 was resolved, none is there
        ");
    }
}
