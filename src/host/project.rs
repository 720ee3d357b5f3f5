//! One build: the checkout, its configuration, the cache and where results go.

use std::{
    fs::File,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, bail};
use xshell::{Shell, cmd};

use super::{base::lock, cache::Cache, config::Config, image, profile, progress::Progress};
use crate::util::{files, lock as file_lock, run::Task};

/// This project's version: part of the ISO's name.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// How long a build waits for another one that writes to the same folder.
const PATIENCE: Duration = Duration::from_secs(6 * 3600);

/// Everything a build step needs to know of its surroundings.
#[derive(Debug)]
pub struct Project {
    /// The checkout.
    pub root: PathBuf,
    /// Where results go.
    pub out: PathBuf,
    /// `ezmail.toml`, with the command line's choices over it.
    pub config: Config,
    /// Results of earlier runs.
    pub cache: Cache,
    /// What a person sees.
    pub progress: Progress,
    /// `SOURCE_DATE_EPOCH`: the one time that gets into an image, seconds since 1970.
    pub epoch: u64,
    /// Whether the base is to be made anew from what its mirror has now.
    pub update: bool,
    /// What to do where `ezmail.lock` says something else.
    pub lock: lock::Mode,
    _out: Option<File>,
}

impl Project {
    /// Opens the project at `root`, or the one that the working folder is in. Waits while another
    /// build writes to the same folder of results.
    ///
    /// # Errors
    /// When there is none, its `ezmail.toml` is wrong, or the cache is in use.
    pub fn open(
        root: Option<&Path>,
        out: Option<&Path>,
        progress: Progress,
        lock: lock::Mode,
    ) -> Result<Self> {
        let root = match root {
            Some(root) => {
                if !is_project(root) {
                    bail!(
                        "{} is no ezmail checkout: it has no profile/profiledef.sh.tera",
                        root.display()
                    );
                }
                root.to_path_buf()
            }
            None => find_root(&std::env::current_dir().context("reading the working folder")?)?,
        };
        let root = root
            .canonicalize()
            .with_context(|| format!("opening {}", root.display()))?;
        let config = Config::load(&root.join("ezmail.toml"))?;
        let epoch = epoch(&root, &progress)?;
        let locked = root.join(lock::FILE);
        if lock == lock::Mode::Locked && !locked.is_file() {
            bail!(
                "there is no {}, and --locked takes nothing that is not in it: a build without --locked \
                 writes it",
                locked.display()
            );
        }
        let out = out.map_or_else(|| root.join("out"), Path::to_path_buf);
        let mut out =
            std::path::absolute(&out).with_context(|| format!("finding {}", out.display()))?;
        plain(&out, "the folder for results (--out)", "")?;
        let cache = Cache::default_root()?;
        plain(&cache, "the cache (EZMAIL_CACHE)", OVERLAYS)?;
        let mut out_lock = None;
        if lock != lock::Mode::Look {
            files::create_dir_all(&out)?;
            out_lock = Some(alone_in(&out, &progress)?);
            sweep(&out)?;
        }
        if out.exists() {
            out = out
                .canonicalize()
                .with_context(|| format!("opening {}", out.display()))?;
        }
        Ok(Self {
            cache: Cache::open(&cache, &progress)?,
            config,
            progress,
            epoch,
            update: false,
            lock,
            root,
            out,
            _out: out_lock,
        })
    }

    /// Whether nothing is to be made: `--dry-run`.
    pub fn is_dry(&self) -> bool {
        self.lock == lock::Mode::Look
    }
}

/// What has a meaning of its own in the options by which an overlay is mounted (mount(8)).
const OVERLAYS: &str = ",:\\\"";

/// Refuses a folder whose path some tool could not be told, before anything is made.
fn plain(folder: &Path, what: &str, without: &str) -> Result<()> {
    let folder = real(folder)?;
    let fault = match folder.to_str() {
        None => "bytes that are no UTF-8".to_owned(),
        Some(text) => match text
            .chars()
            .find(|c| c.is_control() || without.contains(*c))
        {
            None => return Ok(()),
            Some(c) => format!("{c:?}"),
        },
    };
    bail!(
        "{what} has {fault} in its path, which tools cannot be told: {folder:?}; name another folder"
    )
}

/// Where a folder is or would be made: without links, as far as it is there.
fn real(folder: &Path) -> Result<PathBuf> {
    let path = std::path::absolute(folder);
    let path = path.with_context(|| format!("finding {}", folder.display()))?;
    for there in path.ancestors() {
        if let (Ok(real), Ok(rest)) = (there.canonicalize(), path.strip_prefix(there)) {
            return Ok(real.components().chain(rest.components()).collect());
        }
    }
    Ok(path)
}

/// Waits until no other build writes to the folder `out`; none does until the file is dropped.
///
/// # Errors
/// When another one does for hours, or the lock cannot be made.
pub fn alone_in(out: &Path, progress: &Progress) -> Result<File> {
    let path = out.join(".lock");
    if let Some(lock) = file_lock::take(&path, Duration::ZERO)? {
        return Ok(lock);
    }
    progress.note(
        "out",
        format!("another build writes to {}: waiting", out.display()),
    );
    file_lock::take(&path, PATIENCE)?.with_context(|| {
        format!(
            "another build has been writing to {} for six hours; end it, or name another folder with \
             --out DIR",
            out.display()
        )
    })
}

/// Removes what a killed build left among the results: an ISO and a profile that were not whole, under
/// names that nobody else gives.
fn sweep(out: &Path) -> Result<()> {
    for entry in std::fs::read_dir(out).with_context(|| format!("reading {}", out.display()))? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(profile::SCRATCH) && entry.file_type()?.is_dir() {
            files::remove_dir_all(&entry.path())?;
        } else if name.starts_with(image::SCRATCH)
            && name.ends_with(".iso")
            && entry.file_type()?.is_file()
        {
            files::remove_file(&entry.path())?;
        }
    }
    Ok(())
}

/// The nearest folder at or above `start` that is a checkout.
///
/// # Errors
/// When there is none.
pub fn find_root(start: &Path) -> Result<PathBuf> {
    match start.ancestors().find(|p| is_project(p)) {
        Some(root) => Ok(root.to_path_buf()),
        None => bail!(
            "{} is not inside an ezmail checkout; go to one, or name it with --project DIR",
            start.display()
        ),
    }
}

fn is_project(path: &Path) -> bool {
    path.join("profile/profiledef.sh.tera").is_file() && path.join("packages").is_dir()
}

/// The times that all parts of an image can tell, from 1980-01-02 to 2099-12-31: FAT begins with 1980,
/// in local time, and what the build's clock dates is dated 2100 meanwhile (see `image/root.rs`).
const EPOCHS: RangeInclusive<u64> = 315_619_200..=4_102_444_799;

/// `SOURCE_DATE_EPOCH` if set, else the time of the last commit, else now.
fn epoch(root: &Path, progress: &Progress) -> Result<u64> {
    let given = std::env::var_os("SOURCE_DATE_EPOCH");
    let given = given.as_ref().map(|value| value.to_string_lossy());
    epoch_of(given.as_deref(), root, |note| progress.note("image", note))
}

fn epoch_of(given: Option<&str>, root: &Path, tell: impl FnOnce(&str)) -> Result<u64> {
    if let Some(value) = given {
        return parse_epoch("SOURCE_DATE_EPOCH", value);
    }
    if root.join(".git").exists() {
        let sh = Shell::new().context("opening the working folder")?;
        // safe.directory: under sudo the checkout is another user's
        let command = cmd!(
            sh,
            "git -c safe.directory={root} -C {root} log -1 --format=%ct"
        );
        let time = Task::new("reading the time of the last commit", command).output()?;
        return parse_epoch("the time of the last commit", time.trim());
    }
    tell(CLOCK);
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .context("the clock is before 1970")?;
    parse_epoch("the clock", &now.as_secs().to_string())
}

/// What is said of a checkout without history.
const CLOCK: &str = "takes its time from the clock: there is neither .git nor SOURCE_DATE_EPOCH, so every \
                     build makes another ISO";

fn parse_epoch(what: &str, value: &str) -> Result<u64> {
    let epoch = value
        .parse()
        .with_context(|| format!("{what} is '{value}'; it must be whole seconds since 1970"))?;
    if !EPOCHS.contains(&epoch) {
        bail!(
            "{what} is {value}; an image can tell times from 1980-01-02 to 2099-12-31 alone: set \
             SOURCE_DATE_EPOCH to {} to {}",
            EPOCHS.start(),
            EPOCHS.end()
        );
    }
    Ok(epoch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checkout_is_found_from_below() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for folder in ["profile", "packages", "src/host"] {
            std::fs::create_dir_all(root.join(folder)).unwrap();
        }
        assert!(find_root(&root.join("src/host")).is_err());
        std::fs::write(root.join("profile/profiledef.sh.tera"), "").unwrap();
        assert_eq!(find_root(&root.join("src/host")).unwrap(), root);
    }

    #[test]
    fn what_a_killed_build_left_is_swept_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let folders = [".ezmail-profile-x1", ".profile-mine"];
        for name in folders {
            std::fs::create_dir_all(at(name).join("sub")).unwrap();
        }
        let files = [
            ".ezmail-new-ezmail-1-x86_64.iso",
            ".ezmail-new-notes",
            ".mine.iso.new",
            "ezmail-1-x86_64.iso",
        ];
        for name in files {
            std::fs::write(at(name), "").unwrap();
        }
        sweep(dir.path()).unwrap();
        let left = |names: &[&str]| -> Vec<bool> { names.iter().map(|n| at(n).exists()).collect() };
        assert_eq!(left(&folders), [false, true]);
        assert_eq!(left(&files), [false, true, true, true]);
    }

    #[test]
    fn paths_that_tools_cannot_be_told_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir(at("disk,1")).unwrap();
        std::os::unix::fs::symlink(at("disk,1"), at("link")).unwrap();
        let error =
            |path: &Path, without| plain(path, "the cache", without).unwrap_err().to_string();
        // where it leads counts, and what is not there yet
        let behind = error(&at("link/new/cache"), OVERLAYS);
        assert!(
            behind.starts_with("the cache has ',' in its path"),
            "{behind}"
        );
        assert!(plain(&at("link/new/cache"), "", "").is_ok());
        assert!(error(&at("a\nb"), "").contains("'\\n'"));
        let bytes = std::os::unix::ffi::OsStrExt::from_bytes(&b"/a\xff"[..]);
        assert!(error(Path::new::<std::ffi::OsStr>(bytes), "").contains("no UTF-8"));
        assert!(plain(&at("a b%20#?ü$repo"), "", OVERLAYS).is_ok());
    }

    #[test]
    fn a_wrong_epoch_is_refused() {
        let error = |value: &str| {
            let result = parse_epoch("SOURCE_DATE_EPOCH", value);
            format!("{:#}", result.unwrap_err())
        };
        insta::assert_snapshot!(error("today"), @"SOURCE_DATE_EPOCH is 'today'; it must be whole seconds since 1970: invalid digit found in string");
        insta::assert_snapshot!(error("1"), @"SOURCE_DATE_EPOCH is 1; an image can tell times from 1980-01-02 to 2099-12-31 alone: set SOURCE_DATE_EPOCH to 315619200 to 4102444799");
        assert!(error("4102444800").contains("can tell times"));
        assert!(error("18446744073709551616").contains("whole seconds"));
        for good in [315_619_200, 1_700_000_000, 4_102_444_799] {
            assert_eq!(parse_epoch("it", &good.to_string()).unwrap(), good);
        }
        let date = |seconds| jiff::Timestamp::from_second(seconds).unwrap().to_string();
        assert_eq!(date(315_619_200), "1980-01-02T00:00:00Z");
        assert_eq!(date(4_102_444_799), "2099-12-31T23:59:59Z");
    }

    #[test]
    fn a_checkout_without_history_is_told_of_and_takes_the_clock() {
        let dir = tempfile::tempdir().unwrap();
        let told = |epoch: Option<&str>| {
            let mut notes = Vec::new();
            let epoch = epoch_of(epoch, dir.path(), |note| notes.push(note.to_owned()));
            (epoch.unwrap(), notes)
        };
        assert_eq!(told(Some("1700000000")), (1_700_000_000, Vec::new()));
        let (epoch, notes) = told(None);
        assert!(epoch > 1_700_000_000);
        insta::assert_snapshot!(notes.join("\n"), @"takes its time from the clock: there is neither .git nor SOURCE_DATE_EPOCH, so every build makes another ISO");
    }

    #[test]
    fn locked_without_a_lock_file_fails_at_once() {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["profile", "packages"] {
            std::fs::create_dir(dir.path().join(folder)).unwrap();
        }
        std::fs::write(dir.path().join("profile/profiledef.sh.tera"), "").unwrap();
        let out = dir.path().join("out");
        let progress = Progress::quiet();
        let open = Project::open(Some(dir.path()), Some(&out), progress, lock::Mode::Locked);
        let error = format!("{:#}", open.unwrap_err());
        let base = dir.path().canonicalize().unwrap();
        let error = error.replace(&base.display().to_string(), "DIR");
        insta::assert_snapshot!(error, @"there is no DIR/ezmail.lock, and --locked takes nothing that is not in it: a build without --locked writes it");
        assert!(!out.exists(), "nothing was made");
    }
}
