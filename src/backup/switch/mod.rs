//! From one state to another in one step, and back.
//!
//! Everything that moves is renamed, nothing is copied. The renames are written down first
//! ([`begin`], the one moment at which it is decided), then done, then the record goes to what was
//! there before. Whoever comes next after a crash finishes it ([`finish`]): the agent at boot, before
//! it reads anything of the state, or the unit that switches. What was there before stays in
//! `restore/old-TIME` with the layout of the state, until [`drop_old`].
//!
//! | module | its one job |
//! |---|---|
//! | [`layout`] | where the parts of the state lie on this server |
//! | [`record`] | what is going to be moved |
//! | [`movable`] | whether it can be, asked before anything is |
//! | [`old`] | what was there before: the way back, and what it takes |

pub mod layout;
mod movable;
mod old;
pub mod record;

use std::{
    collections::BTreeSet,
    fs::{self, DirBuilder},
    io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

pub use layout::{FOLDER, Layout};
pub use old::{Before, before, done, drop_old, is_empty, olds, size, tidy, undo};
pub use record::{Order, Record};

use self::{
    movable::Probe,
    record::{FILE, Move},
};
use super::module::{Module, Place};
use crate::util::files;

/// A file of the new state that says it is in place, once it is: it goes to the folder of restores.
pub const MARK: &str = "done.json";

/// Begins a switch: from its end on it is going to be, whatever happens.
///
/// # Errors
/// When the new state is not there, a part of the state lies on another file system, another
/// switch is under way, or the record cannot be written. Nothing was moved then.
pub fn begin(layout: &Layout, order: Order) -> Result<Record> {
    let file = layout.folder().join(FILE);
    if file.exists() {
        bail!(
            "another restore is under way ({} is there): 'systemctl start ezmail-switch' ends it, \
             and so does a restart",
            file.display()
        );
    }
    let from = layout.path(&order.from);
    if !from.is_dir() {
        bail!(
            "{} is not there: there is nothing to switch to",
            from.display()
        );
    }
    check(layout, &order.modules)?;
    let (mut out, mut into) = (Vec::new(), Vec::new());
    for place in order.modules.iter().flat_map(|m| m.places()) {
        for path in members(|path| layout.path(path), *place)? {
            out.push(Move {
                to: order.old.join(&path),
                from: path,
            });
        }
        for path in members(|path| from.join(path), *place)? {
            into.push(Move {
                from: order.from.join(&path),
                to: path,
            });
        }
    }
    if from.join(MARK).exists() {
        into.push(Move {
            from: order.from.join(MARK),
            to: Path::new(FOLDER).join(MARK),
        });
    }
    if order.modules.contains(&Module::Database)
        && !into.iter().any(|m| m.to == Path::new("mail.sqlite"))
    {
        bail!("the new state has no database: it was not put in place");
    }
    let record = Record { order, out, into };
    let folders = record.out.iter().chain(&record.into).map(|m| &m.to);
    for to in folders.chain([&record.order.old.join(FILE)]) {
        private_folder(&parent(&layout.path(to)))?;
    }
    files::sync_folder(&layout.folder())?;
    record::write(&file, &record)?;
    Ok(record)
}

/// Refuses modules that could not be exchanged by renaming alone, such as those of which a part is
/// mounted from elsewhere.
///
/// # Errors
/// When there is such a part.
pub fn check(layout: &Layout, modules: &[Module]) -> Result<()> {
    let probe = Probe::new(layout)?;
    for place in modules.iter().flat_map(|m| m.places()) {
        // what comes goes there, also where nothing goes
        probe.takes_from(&parent(&layout.path(&place.inside())))?;
        for path in members(|path| layout.path(path), *place)? {
            probe.can_take(&layout.path(&path))?;
        }
    }
    Ok(())
}

/// The files and folders of a place, as paths of the state; `real` is where those are.
///
/// The database has files beside it: what is not yet in it or taken back, and copies of before an
/// upgrade.
fn members(real: impl Fn(&Path) -> PathBuf, place: Place) -> Result<Vec<PathBuf>> {
    let path = Path::new(place.path);
    let folder = if place.mounted { path } else { Path::new("") };
    let with_others = Module::Database.places().contains(&place);
    let is_one = |name: &str| match name.strip_prefix(place.path) {
        _ if place.mounted => true,
        Some(rest) => rest.is_empty() || with_others && rest.starts_with(['-', '.']),
        None => false,
    };
    let entries = match fs::read_dir(real(folder)) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.with_context(|| format!("listing {}", real(folder).display()))?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let name = entry
            .with_context(|| format!("listing {}", real(folder).display()))?
            .file_name();
        if is_one(&name.to_string_lossy()) {
            found.push(folder.join(name));
        }
    }
    found.sort();
    Ok(found)
}

/// Finishes a switch that was begun; `None` if none was.
///
/// # Errors
/// When something cannot be renamed. The record is then still there, and the next call goes on.
pub fn finish(layout: &Layout) -> Result<Option<Record>> {
    let file = layout.folder().join(FILE);
    let Some(record) = record::read(&file)? else {
        return Ok(None);
    };
    roll(layout, &record, &mut || Ok(()))
        .with_context(|| format!("putting {} in place", record.order.what))?;
    Ok(Some(record))
}

/// Does what `record` says, and is not done yet. `step` comes before everything that changes
/// something: tests break it off there.
fn roll(layout: &Layout, record: &Record, step: &mut dyn FnMut() -> Result<()>) -> Result<()> {
    let there = |path: &Path| layout.path(path).symlink_metadata().is_ok();
    let came = |path: &Path| record.into.iter().any(|m| m.to == path && !there(&m.from));
    for Move { from, to } in &record.out {
        // what went is followed by what came, under the same name
        if !there(to) && there(from) && !came(from) {
            step()?;
            rename(layout, from, to)?;
        }
    }
    sync(layout, &record.out)?;
    for Move { from, to } in &record.into {
        if !there(from) {
            continue;
        }
        if there(to) {
            // made by somebody since the record was written
            step()?;
            rename(layout, to, &aside(layout, &record.order.old.join(to)))?;
        }
        step()?;
        rename(layout, from, to)?;
    }
    sync(layout, &record.into)?;
    // what is emptied now is nothing to go back to any more
    let emptied = layout.path(&record.order.from).join(FILE);
    if emptied.exists() {
        step()?;
        fs::remove_file(&emptied).with_context(|| format!("removing {}", emptied.display()))?;
        files::sync_folder(&parent(&emptied))?;
    }
    step()?;
    let old = layout.path(&record.order.old);
    let (file, done) = (layout.folder().join(FILE), old.join(FILE));
    fs::rename(&file, &done).with_context(|| format!("moving {}", file.display()))?;
    files::sync_folder(&old)?;
    files::sync_folder(&layout.folder())?;
    step()?;
    files::remove_dir_all(&layout.path(&record.order.from))
}

fn rename(layout: &Layout, from: &Path, to: &Path) -> Result<()> {
    let (from, to) = (layout.path(from), layout.path(to));
    // a folder that is mounted, on a server that has just been set up
    files::create_dir_all(&parent(&to))?;
    fs::rename(&from, &to).with_context(|| format!("moving {} to {}", from.display(), to.display()))
}

/// A name that nothing has yet.
fn aside(layout: &Layout, path: &Path) -> PathBuf {
    let names = (1..).map(|n| PathBuf::from(format!("{}.{n}", path.display())));
    let mut free = [path.to_path_buf()]
        .into_iter()
        .chain(names)
        .filter(|path| layout.path(path).symlink_metadata().is_err());
    free.next().unwrap_or_else(|| path.to_path_buf())
}

/// Waits until moves are on the disk.
fn sync(layout: &Layout, moves: &[Move]) -> Result<()> {
    let ends = moves.iter().flat_map(|m| [&m.from, &m.to]);
    let folders: BTreeSet<PathBuf> = ends.map(|path| parent(&layout.path(path))).collect();
    let mut there = folders.iter().filter(|folder| folder.is_dir());
    there.try_for_each(|folder| files::sync_folder(folder))
}

fn parent(path: &Path) -> PathBuf {
    path.parent().unwrap_or(Path::new("/")).to_path_buf()
}

/// Creates a folder, and those above it, for root alone; one that is there stays as it is.
fn private_folder(path: &Path) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("creating the folder {}", path.display()))
}

/// Creates the folder of restores, which is root's alone.
///
/// # Errors
/// When it cannot be created.
pub fn create_folder(layout: &Layout) -> Result<()> {
    let folder = layout.folder();
    private_folder(&folder)?;
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))
        .with_context(|| format!("setting the permissions of {}", folder.display()))
}

#[cfg(test)]
mod tests;
