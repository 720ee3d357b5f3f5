//! Results of build steps, kept under the hash of everything that went in.
//!
//! An entry appears in one rename, so what is there is whole; the folder may be deleted at any
//! time, which costs only time. Several builds share a cache: what two of them need, one makes
//! while the other waits.
//!
//! | in the folder | what |
//! |---|---|
//! | `lock` | shared by every build, taken by who deletes entries |
//! | `locks/` | one for each entry or folder that one build at a time may write; its time is that of the last use |
//! | `work/` | a folder for each build under way, with a lock that says so |
//! | `logs/` | a folder for each build of late |
//! | the rest | entries, and downloads |

mod own;
pub mod usage;

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
    sync::Mutex,
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result};

use self::own::Own;
use super::progress::Progress;
use crate::util::{files, lock};

/// How long a build waits for another's work: the longest package takes a quarter of an hour on
/// two cores.
const PATIENCE: Duration = Duration::from_secs(6 * 3600);

/// The builds whose logs are kept.
const LOGS: usize = 20;

/// The folder of cached results, in use by this process.
#[derive(Debug)]
pub struct Cache {
    root: PathBuf,
    own: Own,
    logs: PathBuf,
    progress: Progress,
    /// Shared locks of the entries that this build has used: none is replaced under it.
    held: Mutex<BTreeMap<String, File>>,
    _in_use: File,
}

impl Cache {
    /// `$EZMAIL_CACHE`, else `$XDG_CACHE_HOME/ezmail`, else `~/.cache/ezmail`.
    ///
    /// # Errors
    /// When none of these variables is set.
    pub fn default_root() -> Result<PathBuf> {
        let var = |name| {
            std::env::var_os(name)
                .filter(|v| !v.is_empty())
                .map(PathBuf::from)
        };
        var("EZMAIL_CACHE")
            .or_else(|| var("XDG_CACHE_HOME").map(|p| p.join("ezmail")))
            .or_else(|| var("HOME").map(|p| p.join(".cache/ezmail")))
            .context("neither EZMAIL_CACHE nor HOME is set: there is no place for the cache")
    }

    /// Opens the cache at `root`, creating it where needed; `progress` hears of what is waited for.
    ///
    /// # Errors
    /// When its entries are being deleted, or it cannot be written.
    pub fn open(root: &Path, progress: &Progress) -> Result<Self> {
        files::create_dir_all(root)?;
        let root = root
            .canonicalize()
            .with_context(|| format!("opening {}", root.display()))?;
        let in_use = lock::share(&root.join("lock"), Duration::ZERO)?.with_context(|| {
            format!(
                "'ezmail clean' or 'ezmail cache' is deleting what is in {}; try again when it is done",
                root.display()
            )
        })?;
        own::sweep(&root.join("work"))?;
        let own = Own::new(&root.join("work"))?;
        let logs = root.join("logs").join(own::log_name()?);
        Ok(Self {
            root,
            own,
            logs,
            progress: progress.clone(),
            held: Mutex::default(),
            _in_use: in_use,
        })
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A folder inside, created if need be, that is no entry: downloads.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn folder(&self, name: &str) -> Result<PathBuf> {
        let path = self.root.join(name);
        files::create_dir_all(&path)?;
        Ok(path)
    }

    /// Where the entry of `step` under `key` is or will be, and whether it is there.
    pub fn lookup(&self, step: &str, key: &str) -> (PathBuf, bool) {
        let path = self.root.join(step).join(short(key));
        let there = path.exists();
        (path, there)
    }

    /// The entry of `step` under `key`; if it is not there yet, `make` fills an empty folder
    /// that then becomes the entry. Returns the entry and whether it was made now.
    ///
    /// # Errors
    /// Whatever `make` returns; nothing is kept then.
    pub fn entry(
        &self,
        step: &str,
        key: &str,
        make: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<(PathBuf, bool)> {
        let path = self.lookup(step, key).0;
        // the lock's time is that of the entry's last use
        let name = format!("{step}/{}", short(key));
        let lock = loop {
            if path.exists() {
                // who makes it anew has it alone
                let shared = self.hold(&name, step)?;
                if path.exists() {
                    self.keep(&name, shared)?;
                    return Ok((path, false));
                }
            }
            if let Some(lock) = lock::take(&self.lock_path(&name), Duration::ZERO)? {
                break lock;
            }
            // until it is made, or was not
            self.hold(&name, step)?;
        };
        if path.exists() {
            self.keep(&name, lock)?;
            return Ok((path, false));
        }
        files::create_dir_all(&self.root.join(step))?;
        let scratch = self.scratch(&step.replace('/', "-"))?;
        make(scratch.path())?;
        let from = scratch.keep();
        fs::rename(&from, &path)
            .with_context(|| format!("putting {} in its place", path.display()))?;
        files::sync_folder(&self.root.join(step))?;
        self.keep(&name, lock)?;
        Ok((path, true))
    }

    /// Makes the entry of `step` under `key` anew, which is there; the old one stays until the new one
    /// is whole, and while another build uses it.
    ///
    /// # Errors
    /// Whatever `make` returns; the old entry is kept then.
    pub fn replace(
        &self,
        step: &str,
        key: &str,
        make: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let name = format!("{step}/{}", short(key));
        self.let_go(&name);
        let lock = self.lock(&name, step)?;
        let scratch = self.scratch(&step.replace('/', "-"))?;
        make(scratch.path())?;
        let path = self.lookup(step, key).0;
        // one step, so that a kill leaves one of them in place; the old one goes with the scratch
        let cwd = rustix::fs::CWD;
        let flags = rustix::fs::RenameFlags::EXCHANGE;
        rustix::fs::renameat_with(cwd, scratch.path(), cwd, &path, flags)
            .with_context(|| format!("putting {} in its place", path.display()))?;
        self.keep(&name, lock)?;
        Ok(path)
    }

    /// Waits until nobody makes an entry, and shares its lock.
    fn hold(&self, name: &str, what: &str) -> Result<File> {
        let path = self.lock_path(name);
        if let Some(lock) = lock::share(&path, Duration::ZERO)? {
            return Ok(lock);
        }
        self.waiting(what);
        lock::share(&path, PATIENCE)?.with_context(|| too_long(what))
    }

    /// Keeps a lock, shared from now on, and notes the use.
    fn keep(&self, name: &str, lock: File) -> Result<()> {
        let path = self.lock_path(name);
        set_time(&lock, &path)?;
        rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockShared)
            .with_context(|| format!("locking {}", path.display()))?;
        if let Ok(mut held) = self.held.lock() {
            held.insert(name.to_owned(), lock);
        }
        Ok(())
    }

    fn let_go(&self, name: &str) {
        if let Ok(mut held) = self.held.lock() {
            held.remove(name);
        }
    }

    /// Waits until no other build works at `name`, which a person knows as `what`.
    ///
    /// # Errors
    /// When another has it for hours.
    pub fn lock(&self, name: &str, what: &str) -> Result<File> {
        let path = self.lock_path(name);
        if let Some(lock) = lock::take(&path, Duration::ZERO)? {
            set_time(&lock, &path)?;
            return Ok(lock);
        }
        self.waiting(what);
        let lock = lock::take(&path, PATIENCE)?.with_context(|| too_long(what))?;
        set_time(&lock, &path)?;
        Ok(lock)
    }

    fn waiting(&self, what: &str) {
        let line = format!("another build has {what} under way: waiting");
        self.progress.note("cache", line);
    }

    fn lock_path(&self, name: &str) -> PathBuf {
        self.root.join("locks").join(name)
    }

    /// An empty folder that is gone when it is dropped, on the cache's file system.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn scratch(&self, name: &str) -> Result<tempfile::TempDir> {
        use std::os::unix::fs::PermissionsExt;
        tempfile::Builder::new()
            .prefix(&format!("{name}-"))
            // root file systems are entered by other users
            .permissions(fs::Permissions::from_mode(0o755))
            .tempdir_in(self.own.path())
            .with_context(|| format!("creating a folder in {}", self.own.path().display()))
    }

    /// Where this build's log of `name` goes.
    ///
    /// # Errors
    /// When the folder cannot be created.
    pub fn log(&self, name: &str) -> Result<PathBuf> {
        if !self.logs.exists() {
            own::begin_logs(&self.logs, LOGS)?;
        }
        Ok(self.logs.join(format!("{}.log", name.replace('/', "-"))))
    }
}

fn too_long(what: &str) -> String {
    format!("another build has had {what} under way for six hours; end it, and try again")
}

/// As much of a key as names an entry.
fn short(key: &str) -> &str {
    &key[..key.len().min(32)]
}

fn set_time(file: &File, path: &Path) -> Result<()> {
    file.set_modified(SystemTime::now())
        .with_context(|| format!("setting the time of {}", path.display()))
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    const KEY: &str = "0123456789abcdef0123456789abcdef";

    fn open(root: &Path) -> Result<Cache> {
        Cache::open(root, &Progress::quiet())
    }

    #[test]
    fn an_entry_is_made_once_and_a_failed_one_is_not_kept() {
        let dir = tempfile::tempdir().unwrap();
        let cache = open(dir.path()).unwrap();
        cache
            .entry("step", KEY, |path| {
                fs::write(path.join("half"), "x")?;
                bail!("no")
            })
            .unwrap_err();
        assert!(!cache.lookup("step", KEY).1);
        let (path, made) = cache
            .entry("step", KEY, |p| Ok(fs::write(p.join("f"), "x")?))
            .unwrap();
        assert!(made);
        assert_eq!(fs::read(path.join("f")).unwrap(), b"x");
        let (_, made) = cache.entry("step", KEY, |_| bail!("made twice")).unwrap();
        assert!(!made);
        assert_eq!(fs::read_dir(cache.own.path()).unwrap().count(), 0);
    }

    #[test]
    fn two_builds_make_what_both_need_once() {
        let dir = tempfile::tempdir().unwrap();
        let caches = [open(dir.path()).unwrap(), open(dir.path()).unwrap()];
        let made: Vec<bool> = std::thread::scope(|scope| {
            let run = |cache| {
                scope.spawn(move || {
                    Cache::entry(cache, "step", KEY, |path| {
                        std::thread::sleep(Duration::from_millis(200));
                        Ok(fs::write(path.join("f"), "x")?)
                    })
                    .unwrap()
                    .1
                })
            };
            let both = caches.each_ref().map(run);
            both.map(|t| t.join().unwrap()).into()
        });
        assert_eq!(made.iter().filter(|m| **m).count(), 1, "{made:?}");
    }

    #[test]
    fn an_entry_is_replaced_in_one_step_and_not_under_who_uses_it() {
        let dir = tempfile::tempdir().unwrap();
        let [user, other] = [open(dir.path()).unwrap(), open(dir.path()).unwrap()];
        let write = |text: &'static str| move |p: &Path| Ok(fs::write(p.join("f"), text)?);
        let (path, _) = user.entry("step", KEY, write("old")).unwrap();
        let name = format!("locks/step/{KEY}");
        let free = || lock::take(&dir.path().join(&name), Duration::ZERO).unwrap();
        assert!(free().is_none());
        drop(user);
        let replaced = other.replace("step", KEY, write("new")).unwrap();
        assert_eq!(replaced, path);
        assert_eq!(fs::read(path.join("f")).unwrap(), b"new");
        assert!(free().is_none());
        assert_eq!(fs::read_dir(other.own.path()).unwrap().count(), 0);
    }

    #[test]
    fn who_deletes_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let alone = lock::take(&dir.path().join("lock"), Duration::ZERO).unwrap();
        let error = format!("{:#}", open(dir.path()).unwrap_err());
        assert!(
            error.contains("'ezmail clean' or 'ezmail cache'"),
            "{error}"
        );
        drop(alone);
        open(dir.path()).unwrap();
    }
}
