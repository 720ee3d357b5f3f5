//! Finding the answers: the sources in their order, the first that has some wins.

pub mod cidata;
pub mod cmdline;
pub mod credential;
pub mod embedded;
pub mod fetch;
pub mod installed;
pub mod net_up;
mod networkd;
mod trouble;
pub mod volume;
pub mod web;
pub mod wizard;

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use zeroize::Zeroizing;

use super::{block::Device, console::say};
use crate::answers::{self, Answers, Report};

/// Largest file beside the answers that is taken along, in bytes, and how many of them.
const MAX_FILE: u64 = answers::MAX_FILE as u64;
const MAX_FILES: usize = answers::MAX_FILES;

/// Answers as they were found, in memory.
pub struct Found {
    /// Where, for people.
    pub source: String,
    /// What reports call the file.
    pub name: String,
    /// The TOML.
    pub bytes: Zeroizing<Vec<u8>>,
    /// The small files beside it by name: the answers may name some of them.
    pub files: BTreeMap<String, Zeroizing<Vec<u8>>>,
    /// The folder that it is in, for a file that is not small.
    pub beside: Beside,
}

/// The folder that answers were found in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Beside {
    /// A folder of this machine.
    Folder(PathBuf),
    /// One on a volume, which is not mounted.
    Volume {
        /// The volume.
        device: Box<Device>,
        /// The folder on it.
        folder: PathBuf,
    },
    /// None: why there is room for small files only.
    Nothing(&'static str),
}

impl Beside {
    /// Hands the folder to `read`; a volume is mounted for as long as that takes, to be read only.
    ///
    /// # Errors
    /// When there is no folder, the volume cannot be mounted, and those of `read`.
    pub fn with<T>(&self, read: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
        match self {
            Self::Folder(folder) => read(folder),
            Self::Volume { device, folder } => {
                volume::mounted(device, |root| read(&root.join(folder)))
            }
            Self::Nothing(why) => bail!("{why}"),
        }
    }
}

impl Found {
    /// Reads a file and the small ones beside it. Links are not followed out of the folder: the
    /// volume is somebody else's.
    ///
    /// # Errors
    /// When a file cannot be read, or there are too many.
    pub fn read(path: &Path, source: String) -> Result<Self> {
        let what = || format!("reading the answers from {source}");
        let bytes = read_limited(path, answers::MAX_SIZE as u64).with_context(what)?;
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        let mut files = BTreeMap::new();
        for entry in fs::read_dir(folder).with_context(what)? {
            let entry = entry.with_context(what)?;
            let Ok(beside) = entry.file_name().into_string() else {
                continue;
            };
            let data = entry.metadata().with_context(what)?;
            if !data.is_file() || data.len() > MAX_FILE || beside == name {
                continue;
            }
            if files.len() == MAX_FILES {
                bail!(
                    "there are more than {MAX_FILES} files beside the answers in {source}: put \
                     them and their key files into a folder of their own"
                );
            }
            let bytes = read_limited(&entry.path(), MAX_FILE).with_context(what)?;
            files.insert(beside, bytes);
        }
        Ok(Self {
            source,
            name,
            bytes,
            files,
            beside: Beside::Folder(folder.to_path_buf()),
        })
    }

    /// The same, found on a volume that was mounted to read it.
    #[must_use]
    pub fn on(mut self, device: &Device, folder: &Path) -> Self {
        self.beside = Beside::Volume {
            device: Box::new(device.clone()),
            folder: folder.to_path_buf(),
        };
        self
    }

    /// Checks the answers.
    pub fn answers(&self) -> (Option<Answers>, Report) {
        let beside = |name: &str| match self.files.get(name) {
            Some(bytes) => Ok(bytes.to_vec()),
            None => Err(io::Error::from(io::ErrorKind::NotFound)),
        };
        answers::read(&self.bytes, &self.name, Some(&beside))
    }
}

/// At most one byte more than `limit`: enough for the check to say that it is too large.
fn read_limited(path: &Path, limit: u64) -> Result<Zeroizing<Vec<u8>>> {
    use io::Read;
    let what = || format!("reading {}", path.display());
    let data = fs::symlink_metadata(path).with_context(what)?;
    if !data.is_file() {
        bail!("{} is not a regular file", path.display());
    }
    let mut bytes = Zeroizing::new(Vec::new());
    let file = fs::File::open(path).with_context(what)?;
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .with_context(what)?;
    Ok(bytes)
}

/// A place where answers may be.
pub trait Source {
    /// What is looked at, for people.
    fn name(&self) -> String;
    /// The answers, `None` if there are none here.
    ///
    /// # Errors
    /// When there should be some and they cannot be read: no other source is then tried.
    fn look(&self) -> Result<Option<Found>>;
}

/// The sources of a running appliance, in their order. The answers that it was installed with are always
/// there: they are what it begins with, and none for a server that `has_answers`. What was changed since
/// would be undone.
///
/// # Errors
/// When the kernel command line cannot be read, or asks for what cannot be done.
pub fn sources(cmdline: &str, has_answers: bool) -> Result<Vec<Box<dyn Source>>> {
    let mut sources: Vec<Box<dyn Source>> = Vec::new();
    let sha256 = cmdline::value(cmdline, "ezmail.answers.sha256");
    match cmdline::value(cmdline, "ezmail.answers") {
        Some(value) if value.contains("://") => {
            let url = web::AnswersUrl::new(&value, sha256.as_deref())?;
            sources.push(Box::new(web::Web::new(url, cmdline)));
        }
        _ if sha256.is_some() => bail!(
            "ezmail.answers.sha256= on the kernel command line is for a URL, and \
             ezmail.answers= has none: remove one, or add the other"
        ),
        Some(value) => sources.push(Box::new(volume::Volume::named(&value)?)),
        None => {}
    }
    sources.push(Box::new(embedded::Embedded));
    sources.push(Box::new(volume::Volume::standard()));
    sources.push(Box::new(cidata::Cidata));
    sources.push(Box::new(credential::Credential::standard()));
    if !has_answers {
        sources.push(Box::new(installed::OnDisk));
    }
    sources.push(Box::new(wizard::Wizard::standard()));
    Ok(sources)
}

/// Says on the console what happens while a source is looked at.
fn note(line: &str) {
    say(format_args!("ezmail: answers: {line}"));
}

/// Asks the sources one after the other; `say` is told what is looked at and found.
///
/// # Errors
/// That of the first source that fails.
pub fn find(sources: &[Box<dyn Source>], mut say: impl FnMut(&str)) -> Result<Option<Found>> {
    for source in sources {
        match source.look()? {
            Some(found) => {
                say(&format!("answers: {}", found.source));
                return Ok(Some(found));
            }
            None => say(&format!("answers: {}: not there", source.name())),
        }
    }
    Ok(None)
}

/// What to do when there are no answers.
pub const HOW: &str = "\
no answers were found, so this machine is not a mail server yet:
its mail ports are closed. To make it one, fill in the form on this console,
or, on your own computer:
  1. ezmail answers new > answers.toml; edit it; ezmail answers check FILE
  2. give it to this machine in one of these ways, and restart:
     in the image       ezmail embed answers.toml IMAGE
     on a volume        as answers.toml, labelled EZMAIL (FAT, ext4 or ISO)
     as user-data       of a cidata (NoCloud) volume, after the line #ezmail
     as a credential    of systemd, ezmail.answers (SMBIOS, fw_cfg)
     kernel command     ezmail.answers=LABEL or LABEL/path/of/file.toml
     line               ezmail.answers=https://example.org/answers.toml
                        ezmail.answers=http://... ezmail.answers.sha256=HEX";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_beside_come_along_and_links_do_not() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| fs::write(dir.path().join(name), bytes).unwrap();
        write("answers.toml", b"x");
        write("key.pem", b"k");
        write("large", &[0; 65 * 1024]);
        std::os::unix::fs::symlink("/etc/passwd", dir.path().join("link")).unwrap();
        let found = Found::read(&dir.path().join("answers.toml"), "here".into()).unwrap();
        assert_eq!(found.files.keys().collect::<Vec<_>>(), ["key.pem"]);
        assert!(Found::read(&dir.path().join("link"), "here".into()).is_err());
        (0..200).for_each(|n| write(&n.to_string(), b""));
        let error = Found::read(&dir.path().join("answers.toml"), "here".into());
        let error = error.err().unwrap().to_string();
        assert!(
            error.starts_with("there are more than 200 files"),
            "{error}"
        );
    }

    struct Fake(Option<&'static str>);

    impl Source for Fake {
        fn name(&self) -> String {
            "a fake".into()
        }
        fn look(&self) -> Result<Option<Found>> {
            match self.0 {
                None => Ok(None),
                Some("broken") => bail!("broken"),
                Some(text) => Ok(Some(Found {
                    source: text.into(),
                    name: text.into(),
                    bytes: Zeroizing::default(),
                    files: BTreeMap::new(),
                    beside: Beside::Nothing("a fake"),
                })),
            }
        }
    }

    #[test]
    fn the_first_source_wins_and_a_broken_one_ends_the_search() {
        let find_in = |fakes: &[Option<&'static str>]| {
            let sources: Vec<Box<dyn Source>> = fakes
                .iter()
                .map(|f| Box::new(Fake(*f)) as Box<dyn Source>)
                .collect();
            let mut said = Vec::new();
            let found = find(&sources, |line| said.push(line.to_owned()));
            (
                found
                    .map(|f| f.map(|f| f.source))
                    .map_err(|e| e.to_string()),
                said,
            )
        };
        let (found, said) = find_in(&[None, Some("one"), Some("two")]);
        assert_eq!(found, Ok(Some("one".into())));
        assert_eq!(said, ["answers: a fake: not there", "answers: one"]);
        assert_eq!(
            find_in(&[Some("broken"), Some("two")]).0,
            Err("broken".into())
        );
        assert_eq!(find_in(&[None]).0, Ok(None));
    }

    #[test]
    fn the_command_line_goes_first() {
        let names = |line: &str| -> Vec<String> {
            let sources = sources(line, false).unwrap();
            sources.iter().map(|s| s.name()).collect()
        };
        let standard = [
            "the image itself",
            "the volume EZMAIL",
            "user-data on a volume cidata",
            "the systemd credential ezmail.answers",
            "the disk that the server is installed to",
            "the form on the console",
        ];
        assert_eq!(names("quiet"), standard);
        // a server that has answers begins no more
        let later = sources("quiet", true).unwrap();
        let later: Vec<String> = later.iter().map(|s| s.name()).collect();
        assert_eq!(later, [&standard[..4], &standard[5..]].concat());
        for (line, first) in [
            (
                "ezmail.answers=DATA/a.toml",
                "the volume DATA (kernel command line)",
            ),
            (
                "ezmail.answers=https://example.org/a.toml?token=x",
                "https://example.org/a.toml (kernel command line)",
            ),
        ] {
            assert_eq!(names(line)[0], first);
            assert_eq!(names(line)[1..], standard);
        }
        let refused = |line: &str| sources(line, false).err().unwrap().to_string();
        let lines = [
            "ezmail.answers.sha256=00",
            "ezmail.answers.sha256=00 ezmail.answers=DATA",
        ];
        let texts = lines.map(refused);
        insta::assert_snapshot!(texts[0], @"ezmail.answers.sha256= on the kernel command line is for a URL, and ezmail.answers= has none: remove one, or add the other");
        assert_eq!(texts[0], texts[1]);
    }

    #[test]
    fn how_to_go_on_fits_the_console() {
        // "ezmail: " comes before the first line
        let lines: Vec<usize> = HOW.lines().map(str::len).collect();
        assert!(
            lines[0] + 8 <= 80 && lines.iter().all(|l| *l <= 80),
            "{lines:?}"
        );
    }
}
