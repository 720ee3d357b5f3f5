//! From Debian's names, versions and dependencies to pacman's.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};

use super::dpkg::Package;

/// A Debian version as `[epoch:]pkgver-pkgrel`: only the last `-` may stay one.
pub fn pacman_version(debian: &str) -> String {
    let (epoch, rest) = match debian.split_once(':') {
        Some((epoch, rest)) => (Some(epoch), rest),
        None => (None, debian),
    };
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, "1"));
    let upstream = upstream.replace(['-', ':', '/'], "_");
    match epoch.filter(|e| *e != "0") {
        Some(epoch) => format!("{epoch}:{upstream}-{revision}"),
        None => format!("{upstream}-{revision}"),
    }
}

/// Which packages of a composition stand for which name.
#[derive(Debug)]
pub struct Resolver<'a> {
    real: BTreeSet<&'a str>,
    provided: BTreeMap<&'a str, &'a str>,
    dropped: BTreeSet<&'a str>,
}

impl<'a> Resolver<'a> {
    /// `dropped` packages are in the composition but not in the mirror: what depends on them
    /// does so no longer.
    pub fn new(packages: &'a [Package], dropped: &'a [String]) -> Self {
        let dropped: BTreeSet<&str> = dropped.iter().map(String::as_str).collect();
        let mut real = BTreeSet::new();
        let mut provided = BTreeMap::new();
        let mut gone = dropped.clone();
        for package in packages {
            if dropped.contains(package.name.as_str()) {
                gone.extend(package.provides.iter().map(String::as_str));
                continue;
            }
            real.insert(package.name.as_str());
            for name in &package.provides {
                provided
                    .entry(name.as_str())
                    .or_insert(package.name.as_str());
            }
        }
        Self {
            real,
            provided,
            dropped: gone,
        }
    }

    /// Whether the mirror leaves this package out.
    pub fn is_dropped(&self, name: &str) -> bool {
        self.dropped.contains(name) && !self.real.contains(name)
    }

    /// The package that has or provides `name`.
    pub fn one(&self, name: &str) -> Option<&'a str> {
        self.real
            .get(name)
            .or_else(|| self.provided.get(name))
            .copied()
    }

    /// The pacman dependencies of a package: each group by its first member that is there.
    ///
    /// # Errors
    /// When no member of a group is in the composition: dpkg would not have configured it.
    pub fn depends(&self, package: &Package) -> Result<Vec<String>> {
        let mut found = BTreeSet::new();
        for group in &package.depends {
            let there = group.iter().find_map(|name| self.one(name));
            match there {
                Some(name) if name == package.name => {}
                Some(name) => {
                    found.insert(name.to_owned());
                }
                None if group
                    .iter()
                    .any(|name| self.dropped.contains(name.as_str())) => {}
                None => bail!(
                    "{} depends on '{}', which is not in the composition",
                    package.name,
                    group.join(" | ")
                ),
            }
        }
        Ok(found.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, depends: &[&str], provides: &[&str]) -> Package {
        Package {
            name: name.into(),
            depends: depends
                .iter()
                .map(|group| group.split('|').map(str::to_owned).collect())
                .collect(),
            provides: provides.iter().map(|p| (*p).to_owned()).collect(),
            ..Package::default()
        }
    }

    #[test]
    fn versions_keep_one_hyphen() {
        for (debian, pacman) in [
            ("5.2.37-2", "5.2.37-2"),
            ("1:2.4.1+dfsg1-6+deb13u6", "1:2.4.1+dfsg1-6+deb13u6"),
            ("0:1-2-3", "1_2-3"),
            ("2025b", "2025b-1"),
            ("257.13-1~deb13u1", "257.13-1~deb13u1"),
        ] {
            assert_eq!(pacman_version(debian), pacman, "{debian}");
        }
    }

    #[test]
    fn dependencies_are_resolved_within_the_composition() {
        let packages = [
            package("a", &["x|b", "mta", "a", "apt", "debconf|debconf-2.0"], &[]),
            package("b", &[], &[]),
            package("exim", &[], &["mta"]),
            package("apt", &[], &[]),
            package("cdebconf", &[], &["debconf-2.0"]),
        ];
        let dropped = ["apt".to_owned(), "cdebconf".to_owned()];
        let resolver = Resolver::new(&packages, &dropped);
        assert_eq!(resolver.depends(&packages[0]).unwrap(), ["b", "exim"]);
        assert!(resolver.is_dropped("apt"));
        assert!(!resolver.is_dropped("b"));
    }

    #[test]
    fn a_missing_dependency_is_an_error() {
        let packages = [package("a", &["x|y"], &[])];
        let error = Resolver::new(&packages, &[])
            .depends(&packages[0])
            .unwrap_err();
        insta::assert_snapshot!(error.to_string(), @"a depends on 'x | y', which is not in the composition");
    }
}
