//! The folder `repo/` among the results: our package files with the databases over them. It may have
//! files of somebody else's in it, which stay.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use super::{
    package::EXTENSION,
    repo::{self, Entry},
    sign::beside,
};
use crate::util::{files, hash};

/// Puts the package files `packages` into `folder` and writes the repository `ezmail` over them, whose
/// entries are returned. Removed are what its old database lists, other versions of the same packages,
/// and the signatures of what is replaced or removed.
///
/// # Errors
/// When files cannot be copied or removed, or a package cannot be read.
pub fn write(packages: &[PathBuf], folder: &Path) -> Result<Vec<Entry>> {
    files::create_dir_all(folder)?;
    let listed = listed(folder);
    let mut paths = Vec::new();
    for file in packages {
        let name = file.file_name().context("a package file without a name")?;
        let target = folder.join(name);
        if !(target.exists() && hash::sha256_file(&target)? == hash::sha256_file(file)?) {
            let bytes = fs::read(file).with_context(|| format!("reading {}", file.display()))?;
            files::remove_file(&beside(&target, ".sig"))?;
            files::write(&target, bytes, 0o644)?;
        }
        paths.push(target);
    }
    let names = paths
        .iter()
        .filter_map(|path| package_name(file_name(path)));
    let ours: BTreeSet<&str> = names.collect();
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let entry = entry.with_context(|| format!("reading {}", folder.display()))?;
        let path = entry.path();
        let name = file_name(&path);
        let of_ours = package_name(name).is_some_and(|package| ours.contains(package));
        let was_ours = of_ours || listed.contains(name);
        if was_ours && !paths.contains(&path) && path.is_file() {
            files::remove_file(&beside(&path, ".sig"))?;
            files::remove_file(&path)?;
        }
    }
    repo::write(folder, repo::NAME, &paths)
}

/// Looks whether the database is over the package files `packages`, which a build has just made, and no
/// other build has written its own there since.
///
/// # Errors
/// When it is another one, or something cannot be read.
pub fn check_made(database: &Path, packages: &[PathBuf]) -> Result<()> {
    let records = repo::read_database(database, repo::NAME)?;
    let there: BTreeSet<String> = records.into_iter().map(|record| record.sha256).collect();
    let sums = packages.iter().map(|path| hash::sha256_file(path));
    if there != sums.collect::<Result<BTreeSet<_>>>()? {
        bail!(
            "{} is not the database that this build wrote: another build or program has replaced it \
             meanwhile, and it is not signed; build it again, or into another folder with --out DIR",
            database.display()
        );
    }
    Ok(())
}

/// The package files that the database in `folder` lists: none where it is no database, and then
/// nothing is known to be ours by it.
fn listed(folder: &Path) -> BTreeSet<String> {
    let database = folder.join(format!("{}.db", repo::NAME));
    let records = repo::read_database(&database, repo::NAME).unwrap_or_default();
    let names = records.into_iter().map(|record| record.file);
    names.filter(|name| name.ends_with(EXTENSION)).collect()
}

fn file_name(path: &Path) -> &str {
    path.file_name().and_then(|n| n.to_str()).unwrap_or("")
}

/// The package that a file is of by its name, which is `NAME-VERSION-RELEASE-ARCH.pkg.tar.zst`.
fn package_name(file: &str) -> Option<&str> {
    let mut parts = file.strip_suffix(EXTENSION)?.rsplitn(4, '-');
    parts.nth(3).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::package::{PackageWriter, PkgInfo};

    fn package(folder: &Path, name: &str, version: &str, text: &str) -> PathBuf {
        fs::create_dir_all(folder).unwrap();
        let info = PkgInfo {
            name: name.into(),
            version: version.into(),
            arch: "any".into(),
            ..PkgInfo::default()
        };
        let mut writer = PackageWriter::create(folder, &info, 1).unwrap();
        writer.append_folder("usr", 0o755, 0).unwrap();
        let text = text.as_bytes();
        writer.append_file("usr/x", text, 0o644, 0).unwrap();
        writer.finish().unwrap()
    }

    fn all(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap().map(|e| e.unwrap());
        let mut names: Vec<String> = entries
            .map(|e| e.file_name().into_string().unwrap())
            .filter(|name| name.contains("pkg.tar") || name.ends_with(".sig"))
            .collect();
        names.sort();
        names
    }

    #[test]
    fn files_of_somebody_elses_stay_with_their_signatures() {
        let dir = tempfile::tempdir().unwrap();
        let (built, folder) = (dir.path().join("built"), dir.path().join("repo"));
        let a = package(&built, "a", "1-1", "");
        let gone = package(&built, "gone", "1-1", "");
        write(&[a.clone(), gone], &folder).unwrap();
        for name in [
            // nothing of ours
            "mine-1-1-any.pkg.tar.zst",
            "mine-1-1-any.pkg.tar.zst.sig",
            "a-b-1-1-any.pkg.tar.zst",
            "notes.sig",
            // of ours, and these do not change
            "a-1-1-any.pkg.tar.zst.sig",
            "ezmail.db.sig",
            // a killed build of another version, which no database lists
            "a-0-1-any.pkg.tar.zst",
            // of what is removed
            "gone-1-1-any.pkg.tar.zst.sig",
        ] {
            fs::write(folder.join(name), "x").unwrap();
        }
        let before = fs::read(folder.join("ezmail.db")).unwrap();
        let gone = package(&built, "gone", "1-1", "");
        write(&[a.clone(), gone], &folder).unwrap();
        assert_eq!(before, fs::read(folder.join("ezmail.db")).unwrap());
        let mut left = vec![
            "a-1-1-any.pkg.tar.zst",
            "a-1-1-any.pkg.tar.zst.sig",
            "a-b-1-1-any.pkg.tar.zst",
            "ezmail.db.sig",
            "gone-1-1-any.pkg.tar.zst",
            "gone-1-1-any.pkg.tar.zst.sig",
            "mine-1-1-any.pkg.tar.zst",
            "mine-1-1-any.pkg.tar.zst.sig",
            "notes.sig",
        ];
        assert_eq!(all(&folder), left);

        let database = folder.join("ezmail.db");
        let error = check_made(&database, std::slice::from_ref(&a)).unwrap_err();
        let error = error
            .to_string()
            .replace(&dir.path().display().to_string(), "DIR");
        insta::assert_snapshot!(error, @"DIR/repo/ezmail.db is not the database that this build wrote: another build or program has replaced it meanwhile, and it is not signed; build it again, or into another folder with --out DIR");
        write(std::slice::from_ref(&a), &folder).unwrap();
        check_made(&database, std::slice::from_ref(&a)).unwrap();
        left.retain(|name| !name.starts_with("gone") && *name != "ezmail.db.sig");
        assert_eq!(all(&folder), left);

        // the same version with other content
        write(&[package(&built, "a", "1-1", "new")], &folder).unwrap();
        left.retain(|name| *name != "a-1-1-any.pkg.tar.zst.sig");
        assert_eq!(all(&folder), left);
    }

    #[test]
    fn a_database_that_is_none_lists_nothing() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("ezmail.db"), "no archive").unwrap();
        fs::write(dir.path().join("mine-1-1-any.pkg.tar.zst"), "x").unwrap();
        let a = package(&dir.path().join("built"), "a", "1-1", "");
        write(&[a], dir.path()).unwrap();
        let left = ["a-1-1-any.pkg.tar.zst", "mine-1-1-any.pkg.tar.zst"];
        assert_eq!(all(dir.path()), left);
    }

    #[test]
    fn a_file_names_its_package() {
        assert_eq!(package_name("a-b-1.0-2-x86_64.pkg.tar.zst"), Some("a-b"));
        for none in ["1.0-2-x86_64.pkg.tar.zst", "a-1-1-any.pkg.tar.xz", "letter"] {
            assert_eq!(package_name(none), None, "{none}");
        }
    }
}
