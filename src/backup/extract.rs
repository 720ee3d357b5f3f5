//! Reads a backup whole: into a folder, or only to see that it is all right.
//!
//! Every file is compared with its SHA-256 in the manifest on its way, and every archive is read to
//! its end, where it is known to be whole.

use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, chown, lchown, symlink},
    path::{Path, PathBuf},
    time::{Duration, UNIX_EPOCH},
};

use anyhow::{Context, Result, bail, ensure};

use super::{
    archive::{Entry, Reader, stream_error},
    create::Watch,
    manifest::{Content, Item, Kind, MANIFEST, Mark},
    module::Module,
    name,
    open::{DAMAGED, Opened, explain, section},
    store::Store,
    walk::is_message,
};
use crate::{
    encpipe::{Key, StreamError},
    util::hash,
};

/// How much was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Extracted {
    /// Files and symbolic links.
    pub files: u64,
    /// Their length together, in bytes.
    pub bytes: u64,
}

/// Extracts `modules` of a backup into the folder `to`, which is laid out like the state volume
/// then, with owners and modes, and waits until it is on the disk. Without `to`, nothing is
/// written.
///
/// # Errors
/// When an archive cannot be read or is not whole and authentic, a file is not what the manifest
/// says, or `to` cannot be written. What is in `to` by then is a part.
pub fn extract(
    opened: &Opened,
    store: &dyn Store,
    key: &Key,
    modules: &[Module],
    to: Option<&Path>,
    watch: &dyn Watch,
) -> Result<Extracted> {
    let mut needed: BTreeMap<Option<String>, u64> =
        opened.catalog.archives(modules)?.into_iter().collect();
    // it says that it is whole, even where others have all the bytes
    needed.entry(None).or_default();
    watch.phase("reading the backup", needed.values().sum());
    if let Some(to) = to {
        folders(opened, modules, to)?;
    }
    let mut run = Run {
        opened,
        modules,
        to,
        watch,
        done: Extracted::default(),
    };
    for archive in needed.keys() {
        run.archive(store, archive.as_deref(), key)?;
    }
    if let Some(to) = to {
        links(opened, modules, to)?;
        own_folders(opened, modules, to)?;
        sync(to)?;
    }
    opened.catalog.each(None, |item| {
        let wanted = Module::of(&item.path).is_some_and(|m| modules.contains(&m));
        if wanted && matches!(item.kind, Kind::Symlink { .. }) {
            run.done.files += 1;
        }
        Ok(())
    })?;
    Ok(run.done)
}

struct Run<'a> {
    opened: &'a Opened,
    modules: &'a [Module],
    to: Option<&'a Path>,
    watch: &'a dyn Watch,
    done: Extracted,
}

impl Run<'_> {
    /// `None` is the archive with the manifest.
    fn archive(&mut self, store: &dyn Store, archive: Option<&str>, key: &Key) -> Result<()> {
        let name = archive.unwrap_or(&self.opened.archive);
        let expected = self.opened.catalog.count(archive, self.modules)?;
        let before = self.done.files;
        let mut manifest = false;
        let header = &self.opened.header;
        let check = |mark: &Mark| {
            let right = match archive {
                None => mark.part.is_none() && mark.id == header.id,
                Some(name) => name::Kind::of(name).is_some_and(|k| match k {
                    name::Kind::Archive(id) => mark.part.is_none() && mark.id == id,
                    name::Kind::Part(id, n) => mark.part == Some(n) && mark.id == id,
                    name::Kind::Manifest(_) => false,
                }),
            };
            let (id, part) = (
                &mark.id,
                mark.part.map_or(String::new(), |n| format!(", part {n}")),
            );
            ensure!(right, "it is another archive under that name: {id}{part}");
            Ok(())
        };
        let mut read = || -> Result<()> {
            let mail = self.modules.contains(&Module::Mail);
            let section = match (mail, archive) {
                (false, None) => section(store, name, key)?,
                // messages are before it
                _ => None,
            };
            let reader = match section {
                Some(reader) => reader,
                None => Reader::new(store.open(name)?, key)?,
            };
            reader.read(check, |entry| {
                if archive.is_none() && entry.path == Path::new(MANIFEST) {
                    let mut sum = hash::Running::default();
                    sum.read(&mut *entry).context("reading the manifest")?;
                    manifest = sum.finish_bytes() == self.opened.manifest;
                    return Ok(());
                }
                self.entry(archive, entry)
            })?;
            ensure!(
                archive.is_some() || manifest,
                "the manifest beside it is of another backup"
            );
            Ok(())
        };
        read()
            .with_context(|| format!("reading {name} in {}", store.name()))
            .map_err(|error| match stream_error(&error) {
                // the manifest could be read with that passphrase
                Some(StreamError::WrongKey) => error.context(DAMAGED),
                _ => explain(error),
            })?;
        let found = self.done.files - before;
        ensure!(
            found == expected,
            "{name} has {found} of the {expected} files that the manifest says are in it"
        );
        Ok(())
    }

    fn entry(&mut self, archive: Option<&str>, entry: &mut Entry<'_>) -> Result<()> {
        let mut items = self.opened.catalog.of_entry(archive, &entry.path)?;
        items.retain(|item| Module::of(&item.path).is_some_and(|m| self.modules.contains(&m)));
        let Some((first, others)) = items.split_first() else {
            return Ok(());
        };
        let Kind::File(content) = &first.kind else {
            bail!("{} is no file in the manifest", first.path.display());
        };
        let shown = entry.path.display().to_string();
        let (sha256, size) = match self.to {
            Some(to) => write(&at(to, &first.path), first, content, entry)?,
            None => digest(entry, &mut std::io::sink())?,
        };
        ensure!(
            (sha256, size) == (content.sha256, content.size),
            "{shown} is not what the manifest says it is: the backup is damaged; take another one"
        );
        self.done.files += 1;
        self.done.bytes += size;
        for other in others {
            let Kind::File(also) = &other.kind else {
                bail!("{} is no file in the manifest", other.path.display());
            };
            ensure!(
                (also.sha256, also.size) == (sha256, size),
                "the manifest contradicts itself about {shown}"
            );
            if let Some(to) = self.to {
                copy(to, first, other)?;
            }
            self.done.files += 1;
            self.done.bytes += size;
        }
        self.watch.done(size);
        Ok(())
    }
}

fn at(to: &Path, path: &Path) -> PathBuf {
    to.join(path)
}

fn digest(from: &mut impl Read, to: &mut impl Write) -> Result<([u8; 32], u64)> {
    let mut sum = hash::Running::default();
    let mut size = 0;
    let mut buffer = vec![0; 1 << 16];
    loop {
        let n = from.read(&mut buffer).context("reading the archive")?;
        if n == 0 {
            return Ok((sum.finish_bytes(), size));
        }
        sum.update(&buffer[..n]);
        to.write_all(&buffer[..n])?;
        size += n as u64;
    }
}

fn write(
    path: &Path,
    item: &Item,
    content: &Content,
    from: &mut impl Read,
) -> Result<([u8; 32], u64)> {
    let what = || format!("writing {}", path.display());
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut file = options.open(path).with_context(what)?;
    let found = digest(from, &mut file).with_context(what)?;
    finish(&file, item, content).with_context(what)?;
    Ok(found)
}

/// Owner before mode: a change of owner takes set-id bits away.
fn finish(file: &File, item: &Item, content: &Content) -> std::io::Result<()> {
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::fchown(file, Some(item.uid), Some(item.gid))?;
    }
    file.set_permissions(Permissions::from_mode(item.mode))?;
    let time = match u64::try_from(content.mtime) {
        Ok(after) => UNIX_EPOCH + Duration::from_secs(after),
        Err(_) => UNIX_EPOCH - Duration::from_secs(content.mtime.unsigned_abs()),
    };
    file.set_modified(time)
}

/// A second file with the same bytes: the same file where that is as good.
fn copy(to: &Path, first: &Item, other: &Item) -> Result<()> {
    let (from, path) = (at(to, &first.path), at(to, &other.path));
    let what = || format!("writing {}", path.display());
    let same = |a: &Item, b: &Item| {
        let times = match (&a.kind, &b.kind) {
            (Kind::File(a), Kind::File(b)) => a.mtime == b.mtime,
            _ => false,
        };
        times && (a.mode, a.uid, a.gid) == (b.mode, b.uid, b.gid)
    };
    // as dovecot does when it copies a message
    if is_message(&first.path) && is_message(&other.path) && same(first, other) {
        return fs::hard_link(&from, &path).with_context(what);
    }
    let Kind::File(content) = &other.kind else {
        bail!("{} is no file in the manifest", other.path.display());
    };
    let mut source = File::open(&from).with_context(|| format!("opening {}", from.display()))?;
    write(&path, other, content, &mut source).map(drop)
}

/// All items of `modules` of one kind, in the order of their paths.
fn each(
    opened: &Opened,
    modules: &[Module],
    mut each: impl FnMut(&Item) -> Result<()>,
) -> Result<()> {
    for module in modules {
        opened.catalog.each(Some(*module), |item| each(&item))?;
    }
    Ok(())
}

/// Makes the folders, passed by their owner alone until all is there.
fn folders(opened: &Opened, modules: &[Module], to: &Path) -> Result<()> {
    each(opened, modules, |item| {
        let folder = match item.kind {
            Kind::Directory => Some(item.path.as_path()),
            _ => item.path.parent(),
        };
        let folder = at(to, folder.unwrap_or(Path::new("")));
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder
            .create(&folder)
            .with_context(|| format!("creating {}", folder.display()))
    })
}

/// Makes the symbolic links, when nothing is written through them any more.
fn links(opened: &Opened, modules: &[Module], to: &Path) -> Result<()> {
    each(opened, modules, |item| {
        let Kind::Symlink { target } = &item.kind else {
            return Ok(());
        };
        let path = at(to, &item.path);
        let what = || format!("creating {}", path.display());
        symlink(target, &path).with_context(what)?;
        if rustix::process::geteuid().is_root() {
            lchown(&path, Some(item.uid), Some(item.gid)).with_context(what)?;
        }
        Ok(())
    })
}

fn own_folders(opened: &Opened, modules: &[Module], to: &Path) -> Result<()> {
    each(opened, modules, |item| {
        if item.kind != Kind::Directory {
            return Ok(());
        }
        let path = at(to, &item.path);
        let what = || format!("setting the owner of {}", path.display());
        if rustix::process::geteuid().is_root() {
            chown(&path, Some(item.uid), Some(item.gid)).with_context(what)?;
        }
        fs::set_permissions(&path, Permissions::from_mode(item.mode)).with_context(what)
    })
}

fn sync(to: &Path) -> Result<()> {
    let what = || format!("syncing {}", to.display());
    let folder = File::open(to).with_context(what)?;
    rustix::fs::syncfs(&folder).with_context(what)
}
