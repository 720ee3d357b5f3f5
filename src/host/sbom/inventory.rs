//! What both documents say, taken out of the manifest once: names, purls, licences, who needs whom.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, anyhow};
use packageurl::PackageUrl;

use super::license::{Declared, References};
use crate::host::{
    manifest::{BuiltPackage, BuiltSource, Manifest},
    repo::{self, Record},
    srcinfo::bare,
};

/// Everything in an image.
#[derive(Debug)]
pub struct Inventory<'a> {
    /// The manifest that it is from.
    pub manifest: &'a Manifest,
    /// Installed packages, by name.
    pub packages: Vec<Package<'a>>,
    /// Packages of ours that are in no package list, but in what was built with them.
    pub linked: Vec<Linked<'a>>,
    /// When the image says it was made, as RFC 3339 has it.
    pub created: String,
}

/// An installed package.
#[derive(Debug)]
pub struct Package<'a> {
    /// Its record in the repository.
    pub record: &'a Record,
    /// Who it is, for everybody's tools.
    pub purl: String,
    /// Its licence.
    pub license: Declared,
    /// Names of the installed packages that it needs, sorted.
    pub depends: Vec<&'a str>,
    /// What it was built from, if it is ours.
    pub built: Option<&'a BuiltPackage>,
}

/// A package of ours that others were built with and that is not installed itself.
#[derive(Debug)]
pub struct Linked<'a> {
    /// What is known of it.
    pub built: &'a BuiltPackage,
    /// Who it is.
    pub purl: String,
    /// Its licence.
    pub license: Declared,
    /// Names of the installed packages that were built with it, sorted.
    pub users: Vec<&'a str>,
}

/// Where a source is to be had, as the PKGBUILD says it.
#[derive(Debug, PartialEq, Eq)]
pub struct Place {
    /// The file's name, or that of the folder a repository is cloned to.
    pub name: String,
    /// Its address in the form of SPDX 2.3, section 7.7; none for a file beside the PKGBUILD.
    pub location: Option<String>,
}

impl<'a> Inventory<'a> {
    /// Reads a manifest.
    ///
    /// # Errors
    /// When it contradicts itself: a package needs what none of them is or provides, a package is
    /// called what no purl can be, a time is none.
    pub fn new(manifest: &'a Manifest) -> Result<Self> {
        let providers = providers(&manifest.packages);
        let made = |b: &BuiltPackage, name: &str| match b.names.is_empty() {
            true => b.name == name,
            false => b.names.iter().any(|n| n == name),
        };
        let mut licenses = References::default();
        let mut packages = Vec::new();
        for record in &manifest.packages {
            let ours = record.repository == repo::NAME;
            let built = manifest.built.iter().find(|b| made(b, &record.name));
            packages.push(Package {
                record,
                purl: purl(
                    vendor(manifest, ours),
                    &record.name,
                    &record.version,
                    architecture(record),
                )?,
                license: licenses.declared(&record.name, &record.license),
                depends: depends(record, &providers)?,
                built: built.filter(|_| ours),
            });
        }
        packages.sort_by_key(|p| &p.record.name);
        let mut linked = Vec::new();
        for built in &manifest.built {
            let uses = |p: &&Package| {
                let needs = p.built.iter().flat_map(|b| &b.makedepends);
                needs.clone().any(|n| made(built, bare(n)))
            };
            let users: Vec<&str> = packages
                .iter()
                .filter(uses)
                .map(|p| p.record.name.as_str())
                .collect();
            let installed = packages.iter().any(|p| made(built, &p.record.name));
            if !installed {
                linked.push(Linked {
                    built,
                    purl: purl(vendor(manifest, true), &built.name, &built.version, "")?,
                    license: licenses.declared(&built.name, &built.license),
                    users,
                });
            }
        }
        Ok(Self {
            manifest,
            packages,
            linked,
            created: time(manifest.source_date_epoch)?,
        })
    }
}

/// The namespace of a purl of the type `alpm`: whose package it is. What the stand-in composes are
/// pacman packages that nobody but ezmail has, and whose checksums are of its own making, so they are
/// neither Arch's nor (type `deb`) Debian's; that their versions are spelled anew for pacman, in a
/// way that cannot be undone, would make a purl of Debian's a guess.
fn vendor(manifest: &Manifest, ours: bool) -> &'static str {
    match (ours, manifest.base.as_str()) {
        (true, _) => "ezmail",
        (false, "arch") => "arch",
        (false, _) => "ezmail-standin",
    }
}

fn purl(vendor: &str, name: &str, version: &str, arch: &str) -> Result<String> {
    let make = || -> Result<String, packageurl::Error> {
        let mut purl = PackageUrl::new("alpm", name)?;
        purl.with_namespace(vendor)?.with_version(version)?;
        if !arch.is_empty() {
            purl.add_qualifier("arch", arch)?;
        }
        Ok(purl.to_string())
    };
    make().map_err(|e| anyhow!("the package '{name}' {version} has no purl: {e}"))
}

/// The architecture, of a manifest without it from the end of the file's name.
fn architecture(record: &Record) -> &str {
    if !record.arch.is_empty() {
        return &record.arch;
    }
    let stem = record.file.split(".pkg.tar").next().unwrap_or_default();
    stem.rsplit_once('-').map_or("", |(_, arch)| arch)
}

/// Each virtual name, with the packages that provide it and their own words.
fn providers(records: &[Record]) -> BTreeMap<&str, Vec<(&str, &str)>> {
    let mut map: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
    for record in records {
        // a package is itself, whatever others provide under its name
        map.insert(record.name.as_str(), vec![(&record.name, &record.name)]);
    }
    let real: BTreeSet<&str> = map.keys().copied().collect();
    for record in records {
        for words in &record.provides {
            let name = bare(words);
            if !real.contains(name) {
                map.entry(name).or_default().push((&record.name, words));
            }
        }
    }
    map
}

/// The names of what `record` needs. Of several that provide one name, those that provide exactly
/// what is asked for (`libx.so=1-64`), else all.
fn depends<'a>(
    record: &'a Record,
    providers: &BTreeMap<&'a str, Vec<(&'a str, &'a str)>>,
) -> Result<Vec<&'a str>> {
    let mut found = BTreeSet::new();
    for words in &record.depends {
        let all = providers.get(bare(words)).with_context(|| {
            format!(
                "the manifest contradicts itself: {} needs '{words}', which no package is or \
                 provides",
                record.name
            )
        })?;
        let exact = all.iter().any(|(_, offered)| offered == words);
        found.extend(
            all.iter()
                .filter(|(_, offered)| !exact || offered == words)
                .map(|(name, _)| *name),
        );
    }
    found.remove(record.name.as_str());
    Ok(found.into_iter().collect())
}

fn time(seconds: u64) -> Result<String> {
    let read = i64::try_from(seconds)
        .ok()
        .and_then(|s| jiff::Timestamp::from_second(s).ok());
    let time = read.with_context(|| {
        format!("the manifest's source_date_epoch, {seconds}, is beyond all calendars")
    })?;
    Ok(time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

impl Place {
    /// Reads a source as PKGBUILD(5) has it: `[name::]address[#fragment]`.
    pub fn of(source: &BuiltSource) -> Self {
        let (name, address) = match source.source.split_once("::") {
            Some((name, address)) => (Some(name), address),
            None => (None, source.source.as_str()),
        };
        let (plain, fragment) = address.split_once('#').unwrap_or((address, ""));
        let last = plain.rsplit('/').next().unwrap_or(plain);
        let location = plain
            .contains("://")
            .then(|| match fragment.split_once('=') {
                Some((_, revision)) => format!("{plain}@{revision}"),
                None => plain.to_owned(),
            });
        Self {
            name: name.unwrap_or(last).to_owned(),
            location,
        }
    }
}

/// The SHA-256 of a source, unless the PKGBUILD skips it.
pub fn checksum(source: &BuiltSource) -> Option<&str> {
    (source.sha256 != "SKIP").then_some(source.sha256.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(name: &str, depends: &[&str], provides: &[&str]) -> Record {
        let owned = |all: &[&str]| all.iter().map(|s| (*s).to_owned()).collect();
        Record {
            name: name.into(),
            depends: owned(depends),
            provides: owned(provides),
            ..Record::default()
        }
    }

    #[test]
    fn dependencies_are_packages() {
        let records = [
            record("a", &["sh", "libx.so=1-64", "b>=2", "a"], &[]),
            record("b", &["any"], &["sh", "any=1"]),
            record("x1", &[], &["libx.so=1-64", "any", "b"]),
            record("x2", &["none=3"], &["libx.so=2-64"]),
        ];
        let map = providers(&records);
        assert_eq!(depends(&records[0], &map).unwrap(), ["b", "x1"]);
        assert_eq!(depends(&records[1], &map).unwrap(), ["x1"]);
        assert_eq!(
            depends(&records[3], &map).unwrap_err().to_string(),
            "the manifest contradicts itself: x2 needs 'none=3', which no package is or provides"
        );
    }

    #[test]
    fn a_purl_is_written_as_its_specification_says() {
        let write = |n, v| purl("arch", n, v, "x86_64").unwrap();
        // the specification's own example
        assert_eq!(
            write("containers-common", "1:0.47.4-4"),
            "pkg:alpm/arch/containers-common@1:0.47.4-4?arch=x86_64"
        );
        assert_eq!(
            write("libstdc++6", "5.2.37~1-2+b10"),
            "pkg:alpm/arch/libstdc%2B%2B6@5.2.37~1-2%2Bb10?arch=x86_64"
        );
        let error = purl("arch", "", "1", "").unwrap_err().to_string();
        assert!(
            error.starts_with("the package '' 1 has no purl: "),
            "{error}"
        );
    }

    #[test]
    fn places_of_sources() {
        let of = |source: &str| {
            let place = Place::of(&BuiltSource {
                source: source.into(),
                ..BuiltSource::default()
            });
            (place.name, place.location)
        };
        assert_eq!(
            of("opensmtpd::git+https://a.example/O.git#commit=31"),
            (
                "opensmtpd".into(),
                Some("git+https://a.example/O.git@31".into())
            )
        );
        assert_eq!(
            of("https://a.example/x-1.tar.gz"),
            (
                "x-1.tar.gz".into(),
                Some("https://a.example/x-1.tar.gz".into())
            )
        );
        assert_eq!(of("a.patch"), ("a.patch".into(), None));
    }

    #[test]
    fn a_time_beyond_all_calendars() {
        assert_eq!(time(1_795_966_686).unwrap(), "2026-11-29T15:38:06Z");
        assert_eq!(
            time(u64::MAX).unwrap_err().to_string(),
            "the manifest's source_date_epoch, 18446744073709551615, is beyond all calendars"
        );
    }
}
