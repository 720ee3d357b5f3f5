//! An answers file from the disk, with the files that it names.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use zeroize::Zeroizing;

use super::{Answers, MAX_SIZE, Report, container::Content, read};

/// What was read, and what the check says of it.
#[derive(Debug)]
pub struct Loaded {
    /// The file and those that it names.
    pub content: Content,
    /// The answers, if they have no error.
    pub answers: Option<Answers>,
    /// Everything that was found.
    pub report: Report,
}

impl Loaded {
    /// Reads and checks `path`; `-` is standard input. The files that it names are taken from
    /// `keys` if one has that name, else from the folder of `path`.
    ///
    /// # Errors
    /// When a file cannot be read, or one of `keys` is named twice or, by good answers, not at
    /// all. Mistakes in the answers are in the report.
    pub fn read(path: &Path, keys: &[PathBuf]) -> Result<Self> {
        let (bytes, name, title, folder) = match path.to_str() {
            Some("-") => (
                limited(io::stdin().lock()).context("reading standard input")?,
                "answers.toml".to_owned(),
                "standard input".to_owned(),
                Path::new("."),
            ),
            _ => (
                open(path)?,
                file_name(path)?,
                path.display().to_string(),
                path.parent().unwrap_or(Path::new(".")),
            ),
        };
        let given = given(keys)?;
        let taken = RefCell::new(BTreeMap::new());
        let files = |name: &str| {
            let bytes = match given.get(name) {
                Some(bytes) => bytes.clone(),
                None => fs::File::open(folder.join(name)).and_then(limited)?,
            };
            let copy = bytes.to_vec();
            taken.borrow_mut().insert(name.to_owned(), bytes);
            Ok(copy)
        };
        let (answers, report) = read(&bytes, &title, Some(&files));
        let files = taken.into_inner();
        if let Some(name) = given.keys().find(|name| !files.contains_key(*name))
            && answers.is_some()
        {
            let named: Vec<_> = files.keys().map(String::as_str).collect();
            bail!(
                "--key {name}: {title} does not name a file {name}; it names {}",
                match named[..] {
                    [] => "none".to_owned(),
                    _ => named.join(", "),
                }
            );
        }
        let content = Content { name, bytes, files };
        Ok(Self {
            content,
            answers,
            report,
        })
    }
}

/// The files of `--key`, by name.
fn given(keys: &[PathBuf]) -> Result<BTreeMap<String, Zeroizing<Vec<u8>>>> {
    let mut given = BTreeMap::new();
    for path in keys {
        let name = file_name(path)?;
        if given.insert(name.clone(), open(path)?).is_some() {
            bail!("--key names two files {name}: one of them would be lost");
        }
    }
    Ok(given)
}

fn file_name(path: &Path) -> Result<String> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.with_context(|| format!("{} has no name in UTF-8", path.display()))?;
    Ok(name.to_owned())
}

fn open(path: &Path) -> Result<Zeroizing<Vec<u8>>> {
    fs::File::open(path)
        .and_then(limited)
        .with_context(|| format!("reading {}", path.display()))
}

/// Reads to the end, or just past what is allowed: enough to say that it is too large.
pub(super) fn limited(reader: impl Read) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    reader.take(MAX_SIZE as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answers::example;

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("my.toml");
        let relay = "[smarthost]\nhost = \"smtp.example.net\"\nusername = \"u\"\n\
                     password_file = \"relay\"\n";
        fs::write(&path, example::toml() + relay).unwrap();
        (dir, path)
    }

    #[test]
    fn named_files_come_from_beside_or_from_the_keys() {
        let (dir, path) = folder();
        fs::write(dir.path().join("relay"), "beside").unwrap();
        fs::write(dir.path().join("other"), "not named").unwrap();
        let loaded = Loaded::read(&path, &[]).unwrap();
        assert!(loaded.answers.is_some(), "{}", loaded.report);
        assert_eq!(loaded.content.name, "my.toml");
        assert_eq!(loaded.content.files.keys().collect::<Vec<_>>(), ["relay"]);
        assert_eq!(*loaded.content.files["relay"], b"beside");

        fs::create_dir(dir.path().join("keys")).unwrap();
        let key = dir.path().join("keys/relay");
        fs::write(&key, "given").unwrap();
        let loaded = Loaded::read(&path, std::slice::from_ref(&key)).unwrap();
        assert_eq!(*loaded.content.files["relay"], b"given");

        let twice = [key, dir.path().join("relay")];
        let error = Loaded::read(&path, &twice).unwrap_err().to_string();
        insta::assert_snapshot!(error, @"--key names two files relay: one of them would be lost");
    }

    #[test]
    fn a_key_that_nothing_names_is_a_slip() {
        let (dir, path) = folder();
        fs::write(dir.path().join("relay"), "beside").unwrap();
        let key = dir.path().join("other");
        fs::write(&key, "x").unwrap();
        let error = Loaded::read(&path, std::slice::from_ref(&key)).unwrap_err();
        let error = error.to_string().replace(path.to_str().unwrap(), "my.toml");
        insta::assert_snapshot!(error, @"--key other: my.toml does not name a file other; it names relay");
        // what is wrong with the answers is said first
        fs::remove_file(dir.path().join("relay")).unwrap();
        let loaded = Loaded::read(&path, &[key]).unwrap();
        assert!(loaded.answers.is_none());
    }
}
