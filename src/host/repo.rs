//! The pacman repository: `NAME.db.tar.gz` and `NAME.files.tar.gz` beside their packages.
//!
//! Format: what pacman's `repo-add` writes and libalpm's `be_sync.c` reads: one folder
//! `name-version/` a package with `desc`, and in the second archive `files` as well. The same
//! packages give the same bytes: entries are sorted, times are 0, owners are root.

use std::{
    collections::BTreeMap,
    fmt::{Display, Write as _},
    io::{Read, Write},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use flate2::{Compression, GzBuilder};
use serde::{Deserialize, Serialize};

use super::{
    package::{self, Contents, root_header},
    sign::beside,
};
use crate::util::{files, hash};

/// The name of our own repository.
pub const NAME: &str = "ezmail";

/// One package as a database describes it.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The package file's name, without a folder.
    pub file_name: String,
    /// Size of the package file in bytes.
    pub compressed_size: u64,
    /// SHA-256 of the package file, hexadecimal.
    pub sha256: String,
    /// What the package file holds.
    pub contents: Contents,
}

impl Entry {
    /// Reads a package file.
    ///
    /// # Errors
    /// When it is not a pacman package.
    pub fn read(path: &Path) -> Result<Self> {
        let file_name = path
            .file_name()
            .with_context(|| format!("{} is not a file", path.display()))?
            .to_string_lossy()
            .into_owned();
        let contents = package::read(path)?;
        let size = path
            .metadata()
            .with_context(|| format!("reading {}", path.display()))?
            .len();
        Ok(Self {
            file_name,
            compressed_size: size,
            sha256: hash::sha256_file(path)?,
            contents,
        })
    }

    /// The text of `desc`: `%FIELD%`, its values a line each, an empty line.
    pub fn desc(&self) -> String {
        let info = &self.contents.info;
        let mut text = String::new();
        field(&mut text, "FILENAME", [&self.file_name]);
        field(&mut text, "NAME", [&info.name]);
        field(
            &mut text,
            "BASE",
            [if info.base.is_empty() {
                &info.name
            } else {
                &info.base
            }],
        );
        field(&mut text, "VERSION", [&info.version]);
        field(&mut text, "DESC", non_empty(&info.desc));
        field(&mut text, "GROUPS", &info.groups);
        field(&mut text, "CSIZE", [self.compressed_size]);
        field(&mut text, "ISIZE", [info.size]);
        field(&mut text, "SHA256SUM", [&self.sha256]);
        field(&mut text, "URL", non_empty(&info.url));
        field(&mut text, "LICENSE", &info.license);
        field(&mut text, "ARCH", [&info.arch]);
        field(&mut text, "BUILDDATE", [info.builddate]);
        field(&mut text, "PACKAGER", non_empty(&info.packager));
        field(&mut text, "REPLACES", &info.replaces);
        field(&mut text, "CONFLICTS", &info.conflicts);
        field(&mut text, "PROVIDES", &info.provides);
        field(&mut text, "DEPENDS", &info.depends);
        field(&mut text, "OPTDEPENDS", &info.optdepends);
        field(&mut text, "MAKEDEPENDS", &info.makedepends);
        field(&mut text, "CHECKDEPENDS", &info.checkdepends);
        text
    }

    fn files(&self) -> String {
        let mut text = String::new();
        field(&mut text, "FILES", &self.contents.files);
        text
    }
}

fn field<T: Display>(text: &mut String, name: &str, values: impl IntoIterator<Item = T>) {
    let mut values = values.into_iter().peekable();
    if values.peek().is_none() {
        return;
    }
    let _ = writeln!(text, "%{name}%");
    for value in values {
        let _ = writeln!(text, "{value}");
    }
    text.push('\n');
}

fn non_empty(value: &str) -> Option<&str> {
    (!value.is_empty()).then_some(value)
}

/// Writes the databases of the repository `name` into `folder`, over exactly `packages`, which
/// must lie in that folder; `name.db` and `name.files` are links to them, as repo-add leaves them.
/// A database that stays the same is not touched, and keeps its signature. Returns the entries, sorted
/// by name.
///
/// # Errors
/// When a package cannot be read, two have one name, or the folder cannot be written.
pub fn write(folder: &Path, name: &str, packages: &[PathBuf]) -> Result<Vec<Entry>> {
    let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
    for path in packages {
        let entry = Entry::read(path)?;
        let package = entry.contents.info.name.clone();
        if let Some(other) = entries.get(&package) {
            bail!(
                "the repository '{name}' has two packages called '{package}': {} and {}; \
                 remove one of them",
                other.file_name,
                entry.file_name
            );
        }
        entries.insert(package, entry);
    }
    let entries: Vec<Entry> = entries.into_values().collect();
    write_database(folder, &format!("{name}.db"), &entries, false)?;
    write_database(folder, &format!("{name}.files"), &entries, true)?;
    Ok(entries)
}

fn write_database(folder: &Path, name: &str, entries: &[Entry], with_files: bool) -> Result<()> {
    let path = folder.join(format!("{name}.tar.gz"));
    let what = || format!("writing {}", path.display());
    let encoder = GzBuilder::new()
        .mtime(0)
        .write(Vec::new(), Compression::default());
    let mut tar = tar::Builder::new(encoder);
    for entry in entries {
        let info = &entry.contents.info;
        let stem = format!("{}-{}", info.name, info.version);
        let mut header = root_header(tar::EntryType::Directory, 0o755, 0);
        tar.append_data(&mut header, format!("{stem}/"), std::io::empty())
            .with_context(what)?;
        append(&mut tar, &format!("{stem}/desc"), &entry.desc()).with_context(what)?;
        if with_files {
            append(&mut tar, &format!("{stem}/files"), &entry.files()).with_context(what)?;
        }
    }
    let encoder = tar.into_inner().with_context(what)?;
    let bytes = encoder.finish().with_context(what)?;
    if !std::fs::read(&path).is_ok_and(|old| old == bytes) {
        // a signature is of the bytes that are replaced
        for signed in [&folder.join(name), &path] {
            files::remove_file(&beside(signed, ".sig"))?;
        }
        files::write(&path, bytes, 0o644)?;
    }
    link(&folder.join(name), &format!("{name}.tar.gz"))
}

fn append(tar: &mut tar::Builder<impl Write>, path: &str, text: &str) -> std::io::Result<()> {
    let mut header = root_header(tar::EntryType::Regular, 0o644, 0);
    header.set_size(text.len() as u64);
    tar.append_data(&mut header, path, text.as_bytes())
}

fn link(path: &Path, target: &str) -> Result<()> {
    if std::fs::read_link(path).is_ok_and(|t| t == Path::new(target)) {
        return Ok(());
    }
    let temp = path.with_extension("link.tmp");
    let _ = std::fs::remove_file(&temp);
    symlink(target, &temp)
        .and_then(|()| std::fs::rename(&temp, path))
        .with_context(|| format!("linking {} to {target}", path.display()))?;
    files::sync_folder(path.parent().unwrap_or(Path::new(".")))
}

/// One package as a database names it: what a manifest needs.
///
/// The fields after `license` came later: a manifest of before has none of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Package name.
    pub name: String,
    /// `[epoch:]pkgver-pkgrel`.
    pub version: String,
    /// The repository it is from.
    pub repository: String,
    /// Name of the package file.
    pub file: String,
    /// SHA-256 of the package file.
    pub sha256: String,
    /// Installed size in bytes.
    pub installed_size: u64,
    /// SPDX identifiers.
    pub license: Vec<String>,
    /// `x86_64` or `any`.
    #[serde(default)]
    pub arch: String,
    /// One line of description.
    #[serde(default)]
    pub desc: String,
    /// Home page.
    #[serde(default)]
    pub url: String,
    /// Who built it, as `Name <address>`.
    #[serde(default)]
    pub packager: String,
    /// Run-time dependencies, as written.
    #[serde(default)]
    pub depends: Vec<String>,
    /// Virtual names, as written.
    #[serde(default)]
    pub provides: Vec<String>,
}

/// Reads a repository database (`NAME.db`, gzip or zstd) as pacman keeps it.
///
/// # Errors
/// When the file is no such database.
pub fn read_database(path: &Path, repository: &str) -> Result<Vec<Record>> {
    let what = || format!("reading the database {}", path.display());
    let bytes = std::fs::read(path).with_context(what)?;
    let reader: Box<dyn Read> = if bytes.starts_with(&[0x1f, 0x8b]) {
        Box::new(flate2::read::GzDecoder::new(bytes.as_slice()))
    } else {
        Box::new(zstd::Decoder::new(bytes.as_slice()).with_context(what)?)
    };
    let mut archive = tar::Archive::new(reader);
    let mut records = Vec::new();
    for entry in archive.entries().with_context(what)? {
        let mut entry = entry.with_context(what)?;
        if entry.path_bytes().ends_with(b"/desc") {
            let mut text = String::new();
            entry.read_to_string(&mut text).with_context(what)?;
            records.push(parse_desc(&text, repository));
        }
    }
    Ok(records)
}

fn parse_desc(text: &str, repository: &str) -> Record {
    let values = |name: &str| -> Vec<String> {
        let mut lines = text.lines().skip_while(|l| *l != format!("%{name}%"));
        lines.next();
        lines
            .take_while(|l| !l.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let first = |name: &str| values(name).into_iter().next().unwrap_or_default();
    Record {
        name: first("NAME"),
        version: first("VERSION"),
        repository: repository.to_owned(),
        file: first("FILENAME"),
        sha256: first("SHA256SUM"),
        installed_size: first("ISIZE").parse().unwrap_or(0),
        license: values("LICENSE"),
        arch: first("ARCH"),
        desc: first("DESC"),
        url: first("URL"),
        packager: first("PACKAGER"),
        depends: values("DEPENDS"),
        provides: values("PROVIDES"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::package::{PackageWriter, PkgInfo};

    fn package(folder: &Path, name: &str, version: &str) -> PathBuf {
        let info = PkgInfo {
            name: name.into(),
            version: version.into(),
            desc: "a test".into(),
            arch: "any".into(),
            depends: vec!["glibc".into()],
            ..PkgInfo::default()
        };
        let mut writer = PackageWriter::create(folder, &info, 1).unwrap();
        writer.append_folder("usr", 0o755, 0).unwrap();
        writer.append_file("usr/x", b"x", 0o644, 0).unwrap();
        writer.finish().unwrap()
    }

    #[test]
    fn desc_has_only_fields_with_values() {
        let dir = tempfile::tempdir().unwrap();
        let path = package(dir.path(), "a", "1-1");
        let mut entry = Entry::read(&path).unwrap();
        entry.sha256 = "00".into();
        entry.compressed_size = 9;
        insta::assert_snapshot!(entry.desc());
    }

    #[test]
    fn the_order_of_packages_does_not_matter() {
        let dir = tempfile::tempdir().unwrap();
        let a = package(dir.path(), "a", "1-1");
        let b = package(dir.path(), "b", "1-1");
        write(dir.path(), "t", &[a.clone(), b.clone()]).unwrap();
        let first = std::fs::read(dir.path().join("t.db")).unwrap();
        write(dir.path(), "t", &[b, a]).unwrap();
        let records = read_database(&dir.path().join("t.db"), "t").unwrap();
        let names: Vec<&str> = records.iter().map(|r| r.name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(records[0].file, "a-1-1-any.pkg.tar.zst");
        assert_eq!(records[0].sha256.len(), 64);
        assert_eq!((&*records[0].arch, &*records[0].desc), ("any", "a test"));
        assert_eq!(records[0].depends, ["glibc"]);
        assert_eq!(first, std::fs::read(dir.path().join("t.db")).unwrap());
    }

    #[test]
    fn two_versions_of_one_package_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let packages = [
            package(dir.path(), "a", "1-1"),
            package(dir.path(), "a", "2-1"),
        ];
        let error = write(dir.path(), "t", &packages).unwrap_err();
        insta::assert_snapshot!(format!("{error:#}"), @"the repository 't' has two packages called 'a': a-1-1-any.pkg.tar.zst and a-2-1-any.pkg.tar.zst; remove one of them");
    }
}
