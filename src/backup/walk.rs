//! What there is on the disk, while the server runs.
//!
//! Mail moves while it is looked at: a message that is read gets another name, one that is filed
//! another folder. So a folder is listed again until it did not change meanwhile, and all folders
//! are looked at again until none has changed since it was listed: at that moment everything was
//! where the list says.

use std::{
    fs::{self, Metadata},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result};

use super::{
    catalog::{Catalog, Local},
    manifest::{Content, Item, Kind},
    module::Module,
};
use crate::agent::{paths::Paths, target::Target};

/// A change within this time of the last one may leave a folder's time as it was: the kernel's
/// clock for files ticks slower.
const TICK: Duration = Duration::from_millis(20);
/// How often a folder is listed before it is taken as it is: it is looked at again later anyway.
const LISTINGS: u32 = 5;

/// A place of a module: its path in a backup, and where it is on this disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// Its path on the state volume.
    pub path: PathBuf,
    /// Where it is.
    pub at: PathBuf,
}

/// Where a path on the state volume is on a server: some folders of it are seen elsewhere, and
/// without a state volume they are only there.
pub fn place(target: &Target, paths: &Paths, path: &Path) -> PathBuf {
    let elsewhere = [
        ("mail", &paths.mail),
        ("queue", &paths.spool),
        ("rspamd", &paths.rspamd),
        ("valkey", &paths.valkey),
    ];
    for (name, seen) in elsewhere {
        if let Ok(rest) = path.strip_prefix(name) {
            return match rest.as_os_str().is_empty() {
                true => target.path(seen),
                false => target.path(seen).join(rest),
            };
        }
    }
    target.path(&paths.state).join(path)
}

/// All places of `modules`.
pub fn roots(modules: &[Module], target: &Target, paths: &Paths) -> Vec<Root> {
    let places = modules.iter().flat_map(|m| m.places());
    let root = |path: &str| Root {
        path: path.into(),
        at: place(target, paths, Path::new(path)),
    };
    places.map(|p| root(p.path)).collect()
}

/// Whether a file never changes once it is there: a message in a Maildir (maildir(5)).
pub fn is_message(path: &Path) -> bool {
    let parent = path.parent().and_then(Path::file_name);
    is_in_maildir(path) && parent.is_some_and(|name| name == "cur" || name == "new")
}

/// Whether a path is below `mail/DOMAIN/LOCAL_PART/Maildir`: people may be called `cur` or `tmp`.
fn is_in_maildir(path: &Path) -> bool {
    let mut parts = path.iter().skip(3);
    path.starts_with("mail")
        && parts.next().is_some_and(|p| p == "Maildir")
        && parts.next().is_some()
}

/// Whether a path is `mail/DOMAIN/LOCAL_PART/import` or below: what `mailctl import imap` keeps of
/// other servers.
fn is_copy_of_others(path: &Path) -> bool {
    path.starts_with("mail") && path.iter().nth(3).is_some_and(|p| p == "import")
}

/// Whether a path is left out of backups, by its name or place.
///
/// dovecot makes its indexes anew from what is there; what is in `tmp`, `incoming` and `temporary`
/// nobody has accepted yet; the copy of a mailbox elsewhere is brought anew from there; the
/// passphrase must not be in what it opens.
pub fn is_left_out(path: &Path) -> bool {
    let Some(name) = path.file_name().and_then(|n| n.to_str()) else {
        return false;
    };
    let folder = path.parent().unwrap_or(Path::new(""));
    let within = folder.file_name().and_then(|n| n.to_str()).unwrap_or("");
    let begins = |prefixes: &[&str]| prefixes.iter().any(|p| name.starts_with(p));
    match Module::of(path) {
        None => true,
        Some(Module::Mail) if is_copy_of_others(path) => true,
        Some(Module::Mail) if !is_in_maildir(path) || is_message(path) => false,
        Some(Module::Mail) => {
            within == "tmp"
                || begins(&["dovecot.index", "dovecot.list.index", "dovecot.map.index"])
                || name.ends_with(".lock")
        }
        Some(Module::Queue) => {
            let folders = ["queue/incoming", "queue/temporary", "queue/purge"];
            folders.iter().any(|f| folder == Path::new(f))
        }
        Some(Module::Keys) => begins(&["backup-passphrase", ".tmp"]),
        Some(Module::Spam) => begins(&["temp-"]) || name.ends_with(".sock"),
        Some(_) => begins(&[".tmp"]),
    }
}

/// Lists `roots` into a catalog and keeps it up to date.
#[derive(Debug)]
pub struct Walk<'a> {
    roots: &'a [Root],
    catalog: &'a Catalog,
}

impl<'a> Walk<'a> {
    /// Lists into `catalog`, which holds nothing else.
    pub fn new(roots: &'a [Root], catalog: &'a Catalog) -> Self {
        Self { roots, catalog }
    }

    /// Lists everything. Places that are not there are left out.
    ///
    /// # Errors
    /// When a folder cannot be read.
    pub fn list(&self) -> Result<()> {
        for root in self.roots {
            self.item(&root.path, &root.at)?;
        }
        Ok(())
    }

    /// Lists again what has changed since; whether something had.
    ///
    /// # Errors
    /// As [`Walk::list`].
    pub fn refresh(&self) -> Result<bool> {
        let mut changed = false;
        for (path, listed) in self.catalog.folders()? {
            if self.catalog.get(&path)?.is_none() {
                continue; // gone with a folder above it
            }
            let at = self.at(&path)?;
            match metadata(&at)? {
                Some(now) if now.is_dir() && ctime_ns(&now) == listed => {}
                Some(_) => {
                    changed = true;
                    self.item(&path, &at)?;
                }
                None => {
                    changed = true;
                    self.catalog.remove(&path)?;
                }
            }
        }
        // a file that is a place of its own is in no folder that is looked at
        for root in self.roots {
            let now = metadata(&root.at)?;
            let listed = self.catalog.local(&root.path)?;
            let is_folder = now.as_ref().is_some_and(Metadata::is_dir);
            if !(is_folder && listed.is_some()) && now.as_ref().map(local) != listed {
                changed = true;
                self.catalog.remove(&root.path)?;
                self.item(&root.path, &root.at)?;
            }
        }
        Ok(changed)
    }

    /// Lists a file again that was not as it was listed.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn again(&self, path: &Path) -> Result<()> {
        let at = self.at(path)?;
        match metadata(&at)? {
            Some(found) => self.enter(path, &at, &found),
            None => self.catalog.remove(path),
        }
    }

    /// Lists again the files that were written to in place, which no folder tells of.
    ///
    /// # Errors
    /// When one cannot be looked at.
    pub fn recheck(&self) -> Result<()> {
        let mut files = Vec::new();
        self.catalog.each(None, |item| {
            if matches!(item.kind, Kind::File(_)) && !is_message(&item.path) {
                files.push(item.path);
            }
            Ok(())
        })?;
        files.iter().try_for_each(|path| self.again(path))
    }

    /// Where a path of the catalog is on the disk.
    ///
    /// # Errors
    /// When it is below none of the places.
    pub fn at(&self, path: &Path) -> Result<PathBuf> {
        let root = self.roots.iter().find(|r| path.starts_with(&r.path));
        let root = root.with_context(|| format!("{} is of no place", path.display()))?;
        match path.strip_prefix(&root.path) {
            Ok(rest) if !rest.as_os_str().is_empty() => Ok(root.at.join(rest)),
            _ => Ok(root.at.clone()),
        }
    }

    /// Lists a file, or a folder with all below it.
    fn item(&self, path: &Path, at: &Path) -> Result<()> {
        let Some(found) = metadata(at)? else {
            return self.catalog.remove(path);
        };
        if !found.is_dir() {
            return self.enter(path, at, &found);
        }
        for _ in 0..LISTINGS {
            let before = fs::symlink_metadata(at);
            let Some(before) = present(before, at)? else {
                return self.catalog.remove(path);
            };
            self.enter(path, at, &before)?;
            self.children(path, at)?;
            let after = present(fs::symlink_metadata(at), at)?;
            let stood = after.is_some_and(|a| ctime_ns(&a) == ctime_ns(&before));
            if stood && is_settled(&before) {
                break;
            }
            thread::sleep(TICK);
        }
        Ok(())
    }

    fn children(&self, path: &Path, at: &Path) -> Result<()> {
        let mut gone: Vec<PathBuf> = self
            .catalog
            .in_folder(path)?
            .into_iter()
            .map(|i| i.path)
            .collect();
        let Some(entries) = present(fs::read_dir(at), at)? else {
            return self.catalog.remove(path);
        };
        let mut folders = Vec::new();
        for entry in entries {
            let entry = entry.with_context(|| format!("listing {}", at.display()))?;
            let (path, at) = (path.join(entry.file_name()), entry.path());
            if is_left_out(&path) {
                continue;
            }
            // renamed or removed since: its folder is listed again
            let Some(found) = metadata(&at)? else {
                continue;
            };
            gone.retain(|g| *g != path);
            match found.is_dir() {
                true => folders.push((path, at)),
                false => self.enter(&path, &at, &found)?,
            }
        }
        for path in gone {
            self.catalog.remove(&path)?;
        }
        for (path, at) in folders {
            self.item(&path, &at)?;
        }
        Ok(())
    }

    /// Enters what is there, unless it is known as it is.
    fn enter(&self, path: &Path, at: &Path, found: &Metadata) -> Result<()> {
        let local = local(found);
        if self.catalog.local(path)? == Some(local) {
            return Ok(());
        }
        let kind = if found.is_dir() {
            Kind::Directory
        } else if found.is_symlink() {
            match present(fs::read_link(at), at)? {
                Some(target) => Kind::Symlink { target },
                None => return Ok(()),
            }
        } else if found.is_file() {
            Kind::File(Content {
                mtime: found.mtime(),
                size: found.len(),
                sha256: [0; 32],
                archive: None,
                entry: None,
            })
        } else {
            return Ok(()); // a socket or a pipe has no content to keep
        };
        let item = Item {
            path: path.to_path_buf(),
            mode: found.mode() & 0o7777,
            uid: found.uid(),
            gid: found.gid(),
            kind,
        };
        self.catalog.seen(&item, local)
    }
}

/// Whether the last change is long enough ago to have another time than the next one.
fn is_settled(found: &Metadata) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok();
    let changed = u64::try_from(ctime_ns(found)).map(Duration::from_nanos);
    match (now, changed) {
        (Some(now), Ok(changed)) => now.saturating_sub(changed) >= TICK || changed > now + TICK,
        _ => true,
    }
}

/// What a file is on this disk.
pub fn local(found: &Metadata) -> Local {
    Local {
        dev: found.dev(),
        ino: found.ino(),
        ctime_ns: ctime_ns(found),
    }
}

/// The time of the last change that nobody can set: of content, name, owner or mode.
fn ctime_ns(found: &Metadata) -> i64 {
    found
        .ctime()
        .saturating_mul(1_000_000_000)
        .saturating_add(found.ctime_nsec())
}

/// What is at a path, itself and not where it leads; `None` if nothing is.
///
/// # Errors
/// When it cannot be looked at.
pub fn metadata(at: &Path) -> Result<Option<Metadata>> {
    present(fs::symlink_metadata(at), at)
}

/// `None` for what is not there any more.
fn present<T>(result: io::Result<T>, at: &Path) -> Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e).with_context(|| format!("looking at {}", at.display())),
    }
}

#[cfg(test)]
mod tests;
