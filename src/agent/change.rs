//! The things that a step changes, and how each is compared, shown and applied.

use std::{
    fs, io,
    io::Write,
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use zeroize::Zeroizing;

use super::{link::Link, shadow::RootPassword, target::Target};
use crate::{
    mail::database::{self, Desired},
    util::files::{self, AtomicFile},
};

/// One thing to bring about. Paths are absolute in the image.
#[derive(Debug)]
pub enum Change {
    /// A folder with its owner and permissions; what is in it stays.
    Folder(Entry),
    /// A file with all its content.
    File(File),
    /// The database.
    Database(Database),
    /// The host name of the running kernel.
    Hostname(String),
    /// A symbolic link.
    Link(Link),
    /// Root's password.
    RootPassword(RootPassword),
    /// A folder of ours, with all that is in it, that has had its day.
    Gone(PathBuf),
    /// Nothing but a line that has to be read.
    Say(String),
}

/// Where something lies and who may use it.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its path.
    pub path: PathBuf,
    /// Its permissions.
    pub mode: u32,
    /// The name of its user.
    pub owner: &'static str,
    /// The name of its group.
    pub group: &'static str,
}

/// A file.
#[derive(Clone)]
pub struct File {
    /// Where and whose.
    pub entry: Entry,
    /// All that is in it.
    pub content: Zeroizing<Vec<u8>>,
    /// The units to restart when it changed.
    pub units: &'static [&'static str],
    /// Whether the content must not be shown.
    pub secret: bool,
}

impl std::fmt::Debug for File {
    /// Without the content.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("File").field(&self.entry).finish()
    }
}

/// What the answers want in the database.
#[derive(Debug)]
pub struct Database {
    /// Where and whose.
    pub entry: Entry,
    /// What is wanted.
    pub desired: Desired,
    /// What that changes, a line each.
    pub said: Vec<String>,
    /// Seconds since 1970.
    pub now: i64,
}

impl Entry {
    /// A path that belongs to root.
    pub fn of_root(path: impl Into<PathBuf>, mode: u32) -> Self {
        Self {
            path: path.into(),
            mode,
            owner: "root",
            group: "root",
        }
    }
}

impl Entry {
    /// `PATH (MODE USER:GROUP)`
    fn shown(&self) -> String {
        let path = self.path.display();
        format!("{path} ({:o} {}:{})", self.mode, self.owner, self.group)
    }
}

impl File {
    /// A file of root's that everybody may read.
    pub fn open(path: impl Into<PathBuf>, content: impl Into<Vec<u8>>) -> Self {
        Self {
            entry: Entry::of_root(path, 0o644),
            content: Zeroizing::new(content.into()),
            units: &[],
            secret: false,
        }
    }

    /// A file that root alone may read, and whose content is never shown.
    pub fn secret(path: impl Into<PathBuf>, content: impl Into<Vec<u8>>) -> Self {
        Self {
            entry: Entry::of_root(path, 0o600),
            secret: true,
            ..Self::open("", content)
        }
    }

    /// The same file with units to restart when it changes.
    #[must_use]
    pub fn restarts(mut self, units: &'static [&'static str]) -> Self {
        self.units = units;
        self
    }
}

impl Change {
    /// The units to restart when this changed something.
    pub fn units(&self) -> &'static [&'static str] {
        match self {
            Self::File(file) => file.units,
            Self::Link(link) => link.units,
            _ => &[],
        }
    }

    /// What would change, as text for people: nothing if nothing would.
    ///
    /// # Errors
    /// When the present state cannot be read.
    pub fn preview(&self, target: &Target) -> Result<String> {
        match self {
            Self::Folder(entry) => Ok(match differs(target, entry)? {
                Some(how) => format!("folder {}: {how}\n", entry.shown()),
                None => String::new(),
            }),
            Self::File(file) => preview(target, file),
            Self::Say(line) => Ok(format!("{line}\n")),
            Self::Database(database) => {
                let how = differs(target, &database.entry)?;
                let how = how.map(|how| format!("database {}: {how}\n", database.entry.shown()));
                let outdated = database::outdated(&target.path(&database.entry.path))?;
                let said = outdated.iter().chain(&database.said);
                let said = said.map(|line| format!("database: {line}\n"));
                Ok(how.into_iter().chain(said).collect())
            }
            Self::Hostname(name) => Ok(match is_hostname(target, name) {
                true => String::new(),
                false => format!("host name of the running system: {name}\n"),
            }),
            Self::Link(link) => Ok(lines(link.preview(target)?)),
            Self::RootPassword(password) => Ok(lines(password.preview(target)?)),
            Self::Gone(path) => Ok(match target.path(path).exists() {
                true => format!("folder {} goes\n", path.display()),
                false => String::new(),
            }),
        }
    }

    /// Brings it about; returns what was done, a line each: nothing if all was as it should be.
    ///
    /// # Errors
    /// When something cannot be read or written; the message names it.
    pub fn apply(&self, target: &Target) -> Result<Vec<String>> {
        match self {
            Self::Folder(entry) => folder(target, entry),
            Self::File(file) => write(target, file),
            Self::Database(database) => sync(target, database),
            Self::Hostname(name) if is_hostname(target, name) => Ok(Vec::new()),
            Self::Hostname(name) => {
                rustix::system::sethostname(name.as_bytes()).context("setting the host name")?;
                Ok(vec![format!("host name {name}")])
            }
            Self::Link(link) => Ok(link.apply(target)?.into_iter().collect()),
            Self::RootPassword(password) => Ok(password.apply(target)?.into_iter().collect()),
            Self::Gone(path) => gone(target, path),
            Self::Say(line) => Ok(vec![line.clone()]),
        }
    }
}

/// A line, if there is something to say.
fn lines(said: Option<String>) -> String {
    said.map(|line| line + "\n").unwrap_or_default()
}

/// Elsewhere than on the running system, the kernel's name is not ours.
fn is_hostname(target: &Target, name: &str) -> bool {
    let uname = rustix::system::uname();
    !target.is_live() || uname.nodename().to_bytes() == name.as_bytes()
}

/// How owner or permissions differ from what is wanted, `None` if they do not.
fn differs(target: &Target, entry: &Entry) -> Result<Option<String>> {
    let path = target.path(&entry.path);
    let data = match fs::symlink_metadata(&path) {
        Ok(data) => data,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Some("is new".to_owned())),
        Err(e) => return Err(e).with_context(|| format!("looking at {}", path.display())),
    };
    if data.is_symlink() {
        return Ok(Some("is a link".to_owned()));
    }
    let mode = data.permissions().mode() & 0o7777;
    if mode != entry.mode {
        return Ok(Some(format!("mode {mode:o} becomes {:o}", entry.mode)));
    }
    let ids = target.ids(entry.owner, entry.group)?;
    Ok(ids
        .filter(|ids| *ids != (data.uid(), data.gid()))
        .map(|_| format!("owner becomes {}:{}", entry.owner, entry.group)))
}

fn own(target: &Target, entry: &Entry, file: &fs::File) -> Result<()> {
    let what = || format!("setting the owner of {}", entry.path.display());
    if let Some((user, group)) = target.ids(entry.owner, entry.group)? {
        fchown(file, Some(user), Some(group)).with_context(what)?;
    }
    Ok(())
}

/// Owner before mode: a change of owner clears the bits that give its rights to others.
fn own_and_mode(target: &Target, entry: &Entry) -> Result<()> {
    let path = target.path(&entry.path);
    let what = || format!("setting the permissions of {}", path.display());
    let file = fs::File::open(&path).with_context(what)?;
    own(target, entry, &file)?;
    file.set_permissions(fs::Permissions::from_mode(entry.mode))
        .with_context(what)
}

fn folder(target: &Target, entry: &Entry) -> Result<Vec<String>> {
    let Some(how) = differs(target, entry)? else {
        return Ok(Vec::new());
    };
    files::create_dir_all(&target.path(&entry.path))?;
    own_and_mode(target, entry)?;
    Ok(vec![format!("{}: {how}", entry.path.display())])
}

/// Out of the way by one rename, so that a cut of power leaves all of it or nothing under its name.
fn gone(target: &Target, path: &Path) -> Result<Vec<String>> {
    let place = target.path(path);
    if !place.exists() {
        return Ok(Vec::new());
    }
    let aside = place.with_extension("gone");
    if aside.exists() {
        files::remove_dir_all(&aside)?;
    }
    fs::rename(&place, &aside).with_context(|| format!("moving {} aside", place.display()))?;
    files::sync_folder(place.parent().unwrap_or(Path::new("/")))?;
    files::remove_dir_all(&aside)?;
    Ok(vec![format!("{} removed", path.display())])
}

/// The present content, unless it is to be replaced whatever it is.
fn present(target: &Target, file: &File) -> Result<Option<Zeroizing<Vec<u8>>>> {
    let path = target.path(&file.entry.path);
    if path.is_symlink() {
        return Ok(None);
    }
    Ok(target.read(&file.entry.path)?.map(Zeroizing::new))
}

fn write(target: &Target, file: &File) -> Result<Vec<String>> {
    let path = target.path(&file.entry.path);
    let name = file.entry.path.display();
    let present = present(target, file)?;
    if present.as_ref() == Some(&file.content) {
        return match differs(target, &file.entry)? {
            None => Ok(Vec::new()),
            Some(how) => {
                own_and_mode(target, &file.entry)?;
                Ok(vec![format!("{name}: {how}")])
            }
        };
    }
    files::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
    let mut temp = AtomicFile::create(&path)?;
    temp.write_all(&file.content)
        .with_context(|| format!("writing {}", path.display()))?;
    own(target, &file.entry, temp.file())?;
    temp.commit(file.entry.mode)?;
    let done = if present.is_some() {
        "changed"
    } else {
        "written"
    };
    Ok(vec![format!("{name} {done}")])
}

/// A unified diff; of a secret only that it changes.
fn preview(target: &Target, file: &File) -> Result<String> {
    let name = file.entry.path.display();
    let present = present(target, file)?;
    if present.as_ref() == Some(&file.content) {
        return Ok(differs(target, &file.entry)?
            .map(|how| format!("{name}: {how}\n"))
            .unwrap_or_default());
    }
    let head = file.entry.shown();
    if file.secret {
        let size = file.content.len();
        let was = if present.is_some() {
            "another secret"
        } else {
            "nothing"
        };
        return Ok(format!("{head}: {was} becomes a secret of {size} bytes\n"));
    }
    let old = present.unwrap_or_default();
    let (old, new) = (
        String::from_utf8_lossy(&old),
        String::from_utf8_lossy(&file.content),
    );
    let from = if old.is_empty() {
        "/dev/null".to_owned()
    } else {
        name.to_string()
    };
    let diff = similar::TextDiff::from_lines(old.as_ref(), new.as_ref());
    Ok(diff.unified_diff().header(&from, &head).to_string())
}

fn sync(target: &Target, wanted: &Database) -> Result<Vec<String>> {
    let entry = &wanted.entry;
    let path = target.path(&entry.path);
    files::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
    let how = differs(target, entry)?;
    if how.is_some() {
        // before SQLite does it, with the permissions that its journal then has as well
        let created = fs::OpenOptions::new()
            .append(true)
            .create(true)
            .mode(entry.mode)
            .open(&path);
        created.with_context(|| format!("creating {}", path.display()))?;
        own_and_mode(target, entry)?;
    }
    let mut said: Vec<String> = database::upgrade(&path)?.into_iter().collect();
    let mut db = database::open(&path)?;
    said.extend(database::sync(&mut db, &wanted.desired, wanted.now)?);
    if let (Some(how), true) = (how, said.is_empty()) {
        said.push(format!("{}: {how}", entry.path.display()));
    }
    Ok(said)
}
