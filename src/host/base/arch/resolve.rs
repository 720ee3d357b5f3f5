//! What a list of packages comes to on the mirror as it is now.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, Result, bail};

use super::{ArchiveDate, Prepared, database};
use crate::{
    host::{
        base::lock::{Package, Resolved},
        pacman::Pacman,
    },
    util::sandbox::Sandbox,
};

/// Lines of pacman's that start with this are ours.
const MARK: &str = "ezmail-target";

/// Resolves `packages` with all they depend on, without installing them. Packages that come
/// from sections other than those of `prepared` (our own) are left out.
///
/// `pacman` has the sections of `prepared`; `work` is for a database that is thrown away.
///
/// # Errors
/// When a package is not to be had or the mirror fails; the error carries what pacman said.
pub fn resolve(
    prepared: &Prepared,
    pacman: &Pacman,
    packages: &[String],
    work: &Path,
    log: &Path,
) -> Result<Resolved> {
    let root = tempfile::tempdir_in(work)
        .with_context(|| format!("creating a temporary folder in {}", work.display()))?;
    let run = |words: &[&str], packages: &[String]| {
        let sandbox = Sandbox::host().network(true);
        pacman.run_in(&sandbox, root.path(), root.path(), |all| {
            all.extend(words.iter().map(|word| (*word).to_owned()));
            all.extend_from_slice(packages);
        })
    };
    run(&["-Sy"], &[])?
        .log(log)
        .run()
        .context("asking the mirror for its databases")?;
    let format = format!("{MARK} %r %n %v");
    let text = run(&["-S", "--print-format", &format], packages)?
        .output()
        .context("resolving the packages")?;
    let mut databases = BTreeMap::new();
    for section in &prepared.sections {
        let path = root
            .path()
            .join(format!("var/lib/pacman/sync/{}.db", section.name));
        let bytes = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        let database = database::read(&bytes)
            .with_context(|| format!("reading the database of '{}'", section.name))?;
        databases.insert(section.name.as_str(), database);
    }
    let mut resolved = Vec::new();
    for (repository, name, version) in parse_targets(&text)? {
        let Some(database) = databases.get(repository) else {
            continue;
        };
        let package = database
            .get(name)
            .filter(|package| package.version == version)
            .with_context(|| {
                format!("pacman chose {name} {version}, which '{repository}' lacks")
            })?;
        resolved.push(Package {
            name: name.into(),
            version: version.into(),
            repository: repository.into(),
            file: package.file_name.clone(),
            sha256: package.sha256.clone(),
        });
    }
    resolved.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Resolved {
        date: prepared.archive_date.unwrap_or_else(ArchiveDate::today),
        mirror: prepared.mirror.clone(),
        packages: resolved,
    })
}

fn parse_targets(text: &str) -> Result<Vec<(&str, &str, &str)>> {
    text.lines()
        .filter_map(|line| line.strip_prefix(MARK))
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                [repository, name, version] => Ok((repository, name, version)),
                _ => bail!("pacman named a target in an unknown form: '{line}'"),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_marked_lines_are_targets() {
        let text = ":: a question\nezmail-target core glibc 2.43-1\n";
        assert_eq!(parse_targets(text).unwrap(), [("core", "glibc", "2.43-1")]);
        assert!(parse_targets("ezmail-target core glibc\n").is_err());
    }
}
