//! pacman packages: `.PKGINFO` and the archive around it.
//!
//! Format: pacman's `PKGINFO` as written by makepkg 7 (`write_pkginfo`), read by libalpm's
//! `be_package.c`. A package is a tar with `.PKGINFO` first, compressed with zstd.

use std::{
    fmt::Write as _,
    fs::File,
    io::{BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use serde::Serialize;

use crate::util::files::AtomicFile;

/// What every package file of ours is called at the end.
pub const EXTENSION: &str = ".pkg.tar.zst";

/// The fields of `.PKGINFO`, named as in pacman's database.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PkgInfo {
    /// Package name: lower case, digits, and `@._+-`, not starting with `-` or `.`.
    pub name: String,
    /// Name of the PKGBUILD it was built from.
    pub base: String,
    /// `[epoch:]pkgver-pkgrel`.
    pub version: String,
    /// One line of description.
    pub desc: String,
    /// Home page.
    pub url: String,
    /// Build time, seconds since 1970.
    pub builddate: u64,
    /// Who built it, as `Name <address>`.
    pub packager: String,
    /// Installed size in bytes.
    pub size: u64,
    /// `x86_64` or `any`.
    pub arch: String,
    /// SPDX identifiers.
    pub license: Vec<String>,
    /// Groups it is part of.
    pub groups: Vec<String>,
    /// Run-time dependencies.
    pub depends: Vec<String>,
    /// Optional dependencies, `name: what for`.
    pub optdepends: Vec<String>,
    /// What building it takes.
    pub makedepends: Vec<String>,
    /// What its `check()` takes.
    pub checkdepends: Vec<String>,
    /// Virtual names, optionally `name=version`.
    pub provides: Vec<String>,
    /// Packages it cannot stand beside.
    pub conflicts: Vec<String>,
    /// Packages it takes the place of.
    pub replaces: Vec<String>,
    /// Configuration files, relative to the root: kept when changed.
    pub backup: Vec<String>,
}

impl PkgInfo {
    /// `NAME-VERSION-ARCH.pkg.tar.zst`.
    pub fn file_name(&self) -> String {
        format!("{}-{}-{}{EXTENSION}", self.name, self.version, self.arch)
    }

    /// The text of `.PKGINFO`.
    pub fn render(&self) -> String {
        let mut text = String::new();
        let mut line = |key: &str, value: &str| {
            // a line break in a value would start a new field
            let value = value.replace(['\n', '\r'], " ");
            let _ = writeln!(text, "{key} = {value}");
        };
        line("pkgname", &self.name);
        line(
            "pkgbase",
            if self.base.is_empty() {
                &self.name
            } else {
                &self.base
            },
        );
        line("xdata", "pkgtype=pkg");
        line("pkgver", &self.version);
        line("pkgdesc", &self.desc);
        line("url", &self.url);
        line("builddate", &self.builddate.to_string());
        line("packager", &self.packager);
        line("size", &self.size.to_string());
        line("arch", &self.arch);
        for (key, values) in [
            ("license", &self.license),
            ("replaces", &self.replaces),
            ("group", &self.groups),
            ("conflict", &self.conflicts),
            ("provides", &self.provides),
            ("backup", &self.backup),
            ("depend", &self.depends),
            ("optdepend", &self.optdepends),
            ("makedepend", &self.makedepends),
            ("checkdepend", &self.checkdepends),
        ] {
            values.iter().for_each(|v| line(key, v));
        }
        text
    }

    /// Reads the text of a `.PKGINFO`; unknown keys are passed over, as pacman does.
    ///
    /// # Errors
    /// When a line is no `key = value`, a number is none, or name, version or architecture is
    /// missing.
    pub fn parse(text: &str) -> Result<Self> {
        let mut info = Self::default();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let Some((key, value)) = line.split_once('=') else {
                bail!(
                    ".PKGINFO line {}: '{line}' is not 'key = value'",
                    number + 1
                );
            };
            let (key, value) = (key.trim(), value.trim().to_owned());
            let count = || {
                value.parse().with_context(|| {
                    format!(
                        ".PKGINFO line {}: {key} = '{value}' is not a number",
                        number + 1
                    )
                })
            };
            match key {
                "pkgname" => info.name = value,
                "pkgbase" => info.base = value,
                "pkgver" => info.version = value,
                "pkgdesc" => info.desc = value,
                "url" => info.url = value,
                "builddate" => info.builddate = count()?,
                "packager" => info.packager = value,
                "size" => info.size = count()?,
                "arch" => info.arch = value,
                "license" => info.license.push(value),
                "replaces" => info.replaces.push(value),
                "group" => info.groups.push(value),
                "conflict" => info.conflicts.push(value),
                "provides" => info.provides.push(value),
                "backup" => info.backup.push(value),
                "depend" => info.depends.push(value),
                "optdepend" => info.optdepends.push(value),
                "makedepend" => info.makedepends.push(value),
                "checkdepend" => info.checkdepends.push(value),
                _ => {}
            }
        }
        for (key, value) in [
            ("pkgname", &info.name),
            ("pkgver", &info.version),
            ("arch", &info.arch),
        ] {
            if value.is_empty() {
                bail!(".PKGINFO has no {key}");
            }
        }
        Ok(info)
    }
}

/// A package as found in its file.
#[derive(Debug, Clone)]
pub struct Contents {
    /// The fields of its `.PKGINFO`.
    pub info: PkgInfo,
    /// Every path, relative to the root, folders with a `/` at the end, sorted.
    pub files: Vec<String>,
}

/// Reads a package file: its `.PKGINFO` and the list of its paths.
///
/// # Errors
/// When the file is no zstd-compressed tar or has no valid `.PKGINFO`.
pub fn read(path: &Path) -> Result<Contents> {
    let what = || format!("reading the package {}", path.display());
    let file = File::open(path).with_context(what)?;
    let decoder = zstd::Decoder::new(BufReader::new(file)).with_context(what)?;
    let mut archive = tar::Archive::new(decoder);
    let (mut info, mut files) = (None, Vec::new());
    for entry in archive.entries().with_context(what)? {
        let mut entry = entry.with_context(what)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let name = name.strip_prefix("./").unwrap_or(&name).to_owned();
        if name == ".PKGINFO" {
            let mut text = String::new();
            entry.read_to_string(&mut text).with_context(what)?;
            info = Some(PkgInfo::parse(&text).with_context(what)?);
        } else if !name.starts_with('.') && !name.is_empty() {
            let folder = entry.header().entry_type().is_dir() && !name.ends_with('/');
            files.push(if folder { name + "/" } else { name });
        }
    }
    files.sort();
    files.dedup();
    let info = info.with_context(|| {
        format!(
            "{} has no .PKGINFO: it is not a pacman package",
            path.display()
        )
    })?;
    Ok(Contents { info, files })
}

/// Writes one package file.
///
/// The file appears under its name only with [`PackageWriter::finish`].
pub struct PackageWriter {
    builder: tar::Builder<zstd::Encoder<'static, BufWriter<AtomicFile>>>,
    path: PathBuf,
}

impl std::fmt::Debug for PackageWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PackageWriter")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl PackageWriter {
    /// Starts the package `info` in `folder` and writes its `.PKGINFO`; `level` is zstd's.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn create(folder: &Path, info: &PkgInfo, level: i32) -> Result<Self> {
        let path = folder.join(info.file_name());
        let file = BufWriter::new(AtomicFile::create(&path)?);
        let encoder = zstd::Encoder::new(file, level)
            .with_context(|| format!("starting the package {}", path.display()))?;
        let mut this = Self {
            builder: tar::Builder::new(encoder),
            path,
        };
        this.append_file(".PKGINFO", info.render().as_bytes(), 0o644, info.builddate)?;
        Ok(this)
    }

    /// Appends a regular file owned by root.
    ///
    /// # Errors
    /// When writing fails.
    pub fn append_file(&mut self, path: &str, bytes: &[u8], mode: u32, mtime: u64) -> Result<()> {
        let mut header = root_header(tar::EntryType::Regular, mode, mtime);
        header.set_size(bytes.len() as u64);
        self.builder
            .append_data(&mut header, path, bytes)
            .with_context(|| format!("adding {path} to {}", self.path.display()))
    }

    /// Appends a folder owned by root.
    ///
    /// # Errors
    /// When writing fails.
    pub fn append_folder(&mut self, path: &str, mode: u32, mtime: u64) -> Result<()> {
        let mut header = root_header(tar::EntryType::Directory, mode, mtime);
        self.builder
            .append_data(
                &mut header,
                format!("{}/", path.trim_end_matches('/')),
                std::io::empty(),
            )
            .with_context(|| format!("adding {path} to {}", self.path.display()))
    }

    /// Appends a symbolic link to `target`.
    ///
    /// # Errors
    /// When writing fails.
    pub fn append_symlink(&mut self, path: &str, target: &str, mtime: u64) -> Result<()> {
        let mut header = root_header(tar::EntryType::Symlink, 0o777, mtime);
        self.builder
            .append_link(&mut header, path, target)
            .with_context(|| format!("adding {path} to {}", self.path.display()))
    }

    /// The tar being written, for entries that are copied from another archive.
    pub fn builder(&mut self) -> &mut tar::Builder<impl Write + use<>> {
        &mut self.builder
    }

    /// Ends the package and gives it its name; returns its path.
    ///
    /// # Errors
    /// When writing or renaming fails.
    pub fn finish(self) -> Result<PathBuf> {
        let what = || format!("writing the package {}", self.path.display());
        let encoder = self.builder.into_inner().with_context(what)?;
        let buffer = encoder.finish().with_context(what)?;
        let file = buffer
            .into_inner()
            .map_err(|e| e.into_error())
            .with_context(what)?;
        file.commit(0o644)?;
        Ok(self.path)
    }
}

/// A tar header as packages and databases have it: owned by root, no names.
pub(crate) fn root_header(kind: tar::EntryType, mode: u32, mtime: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_mtime(mtime);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(0);
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> PkgInfo {
        PkgInfo {
            name: "hello".into(),
            base: "hello".into(),
            version: "1:2.10-3".into(),
            desc: "says = hello".into(),
            url: "https://example.org/".into(),
            builddate: 1_700_000_000,
            packager: "ezmail".into(),
            size: 5,
            arch: "any".into(),
            license: vec!["MIT".into()],
            depends: vec!["glibc".into(), "sh>=1".into()],
            provides: vec!["greeting=2".into()],
            backup: vec!["etc/hello.conf".into()],
            ..PkgInfo::default()
        }
    }

    #[test]
    fn what_is_rendered_is_read_back() {
        let info = sample();
        assert_eq!(PkgInfo::parse(&info.render()).unwrap(), info);
    }

    #[test]
    fn a_line_break_in_a_value_adds_no_field() {
        let mut info = sample();
        info.desc = "one\ndepend = evil".into();
        assert_eq!(
            PkgInfo::parse(&info.render()).unwrap().depends,
            info.depends
        );
    }

    #[test]
    fn errors_name_the_line() {
        let text = |t: &str| format!("{:#}", PkgInfo::parse(t).unwrap_err());
        insta::assert_snapshot!(text("pkgname = a\nnonsense"), @".PKGINFO line 2: 'nonsense' is not 'key = value'");
        insta::assert_snapshot!(text("size = big"), @".PKGINFO line 1: size = 'big' is not a number: invalid digit found in string");
        insta::assert_snapshot!(text("pkgname = a"), @".PKGINFO has no pkgver");
    }

    #[test]
    fn a_package_is_written_and_read() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = PackageWriter::create(dir.path(), &sample(), 3).unwrap();
        writer.append_folder("etc", 0o755, 1).unwrap();
        writer
            .append_file("etc/hello.conf", b"hello", 0o644, 1)
            .unwrap();
        writer.append_symlink("etc/hi", "hello.conf", 1).unwrap();
        let path = writer.finish().unwrap();
        assert!(path.ends_with("hello-1:2.10-3-any.pkg.tar.zst"));
        let contents = read(&path).unwrap();
        assert_eq!(contents.info, sample());
        assert_eq!(contents.files, ["etc/", "etc/hello.conf", "etc/hi"]);
    }

    #[test]
    fn an_unfinished_package_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        drop(PackageWriter::create(dir.path(), &sample(), 3).unwrap());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
