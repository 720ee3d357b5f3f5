//! The image's root file system in two layers: what the packages make of it, which is kept from build to
//! build, and over that what a build changes. Installing packages is what takes longest but for
//! compressing, and a new template changes none.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result, ensure};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};

use super::{Request, STAGE, own_key};
use crate::{
    host::{
        base::{Base, DOWNLOADS, lock},
        pacman, print,
        rootfs::{self, Installed, LATE},
    },
    util::{files, run::Task, sandbox},
};

const STEP: &str = "root";

/// A root that may be written to; what it stands on stays as it was. It is there for this process and
/// those that it starts, until it is dropped.
#[derive(Debug)]
pub struct Root {
    path: PathBuf,
}

impl Root {
    /// Makes the root in the folder `work`, over the kept one of the same packages if there is one.
    ///
    /// # Errors
    /// When a package is not to be had, or the layers cannot be mounted.
    pub fn new(request: &Request, work: &Path, log: &Path) -> Result<(Self, Installed)> {
        let Request { project, def, .. } = request;
        let running = project
            .progress
            .start(STAGE, "installing the root file system", Some(log));
        let key = key(request)?;
        let failed = project.cache.lookup(STEP, &key).0.with_extension("failed");
        let (lower, made) = project.cache.entry(STEP, &key, |root| {
            let begun = SystemTime::now();
            files::remove_file(&failed)?;
            if install(request, root, log)? {
                files::write(&failed, log.display().to_string(), 0o644)?;
            }
            // before it is kept: a mirror may have changed meanwhile
            if let Some(resolved) = &request.ready.resolved {
                lock::check_installed(resolved, &pacman::query(root)?)?;
            }
            postdate(root, begun)
        })?;
        let [path, upper, scratch] = ["airootfs", "upper", "overlay"].map(|name| work.join(name));
        for folder in [&path, &upper, &scratch] {
            files::create_dir_all(folder)?;
        }
        // it is the mode of the image's root, whatever the umask
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(&upper, mode)
            .with_context(|| format!("setting the mode of {}", upper.display()))?;
        let command = sandbox::mount_overlay(&lower, &upper, &scratch, &path);
        Task::new("laying the root file system over the kept one", command)
            .log(log)
            .run()?;
        let root = Self { path };
        let installed = rootfs::finish(def, request.pacman, &root.path, request.base)?;
        if failed.exists() {
            let note = format!(
                "a script or a hook of a package failed when this root was made, and pacman went on: {}",
                files::read_to_string(&failed)?
            );
            project.progress.note(STAGE, note);
        }
        let count = installed.packages.len();
        running.done(match made {
            true => format!("{count} packages"),
            false => format!("{count} packages, those of the last build"),
        });
        Ok((root, installed))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let mut command = Command::new("umount");
        command.arg(&self.path);
        // it ends with this process in any case, and the scratch folder is swept by the next
        if let Err(error) = Task::new("unmounting the root file system", command).run() {
            print::aside(format_args!("ezmail: {error:#}"));
        }
    }
}

/// Installs the packages; returns whether a script or a hook of theirs failed.
fn install(request: &Request, root: &Path, log: &Path) -> Result<bool> {
    let _alone = downloads(request)?;
    let before = log.metadata().map_or(0, |m| m.len());
    rootfs::install(request.def, request.pacman, root, log)?;
    let failed = has_failed(&said_since(log, before)?);
    check_root_account(root).with_context(|| format!("the log is {}", log.display()))?;
    Ok(failed)
}

/// Makes pacman's cache ready, alone among builds where downloads are kept, until the file is dropped.
pub(super) fn downloads(request: &Request) -> Result<Option<fs::File>> {
    let alone = match request.base {
        Base::Arch => Some(request.project.cache.lock(DOWNLOADS, "downloads of Arch")?),
        Base::Standin => None,
    };
    let ours = request.built.iter().flat_map(|b| &b.files);
    forget(&request.pacman.cache_dir, ours)?;
    Ok(alone)
}

/// What a log has from its byte `start` on; scripts of packages print in whatever encoding.
fn said_since(log: &Path, start: u64) -> Result<String> {
    let all = fs::read(log).with_context(|| format!("reading {}", log.display()))?;
    let start = usize::try_from(start)?;
    Ok(String::from_utf8_lossy(all.get(start..).unwrap_or(&all)).into_owned())
}

/// Whether a script or a hook failed, by what pacman said: it goes on, and exits with 0.
fn has_failed(said: &str) -> bool {
    [
        "error: command failed to execute correctly",
        "error: command terminated by signal",
        "error: unable to run hook",
    ]
    .iter()
    .any(|words| said.contains(words))
}

/// Looks whether nobody can log in as root of the image `root` by a password.
///
/// # Errors
/// When somebody can, or it cannot be read.
pub(super) fn check_root_account(root: &Path) -> Result<()> {
    is_locked(&files::read_to_string(&root.join("etc/shadow"))?)
}

/// Looks whether nobody can log in as root by a password: `50-lock-root.hook` of the overlay sees to that.
///
/// # Errors
/// When somebody can, or root is not there.
fn is_locked(shadow: &str) -> Result<()> {
    let field = |line: &'_ str| line.strip_prefix("root:").map(str::to_owned);
    let root = shadow.lines().find_map(field);
    let root = root.context("the image's etc/shadow has no root")?;
    ensure!(
        root.starts_with('!'),
        "the account of root is not locked: 50-lock-root.hook, or a hook before it, failed; the log has its \
         words. Mend that, and build again"
    );
    Ok(())
}

/// Removes package files of ours from pacman's cache: those of one name and version differ from build to
/// build, and pacman takes what it has there, or stops at its checksum.
fn forget<'a>(cache: &Path, ours: impl Iterator<Item = &'a PathBuf>) -> Result<()> {
    for name in ours.filter_map(|path| path.file_name()) {
        files::remove_file(&cache.join(name))?;
    }
    Ok(())
}

/// A time that is later than that of any image: 2100-01-01.
const LATER: i64 = 4_102_444_800;

/// Gives what is newer than `begun` a time that lies behind every image's: mksquashfs(1) gives that the
/// image's own, by `SOURCE_DATE_EPOCH`. So an image does not show when its kept root was made.
fn postdate(root: &Path, begun: SystemTime) -> Result<()> {
    // file systems round
    let begun = begun - Duration::from_secs(2);
    let time = Timespec {
        tv_sec: LATER,
        tv_nsec: 0,
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    for entry in walkdir::WalkDir::new(root) {
        let entry = entry.context("walking the root file system")?;
        let what = || format!("setting the time of {}", entry.path().display());
        if entry
            .metadata()
            .map_err(Into::into)
            .and_then(|m| m.modified())
            .with_context(what)?
            >= begun
        {
            utimensat(CWD, entry.path(), &times, AtFlags::SYMLINK_NOFOLLOW).with_context(what)?;
        }
    }
    Ok(())
}

/// Hash of all that the kept root is made from.
fn key(request: &Request) -> Result<String> {
    let Request { def, ready, .. } = request;
    // 2: whatever the umask
    let mut key = own_key(STEP, 2)?;
    key.add("base", &ready.key)
        .add("packages", def.packages.join("\n"))
        .add("permissions", format!("{:?}", def.file_permissions))
        .add_tree_without("overlay", &def.folder.join("airootfs"), Some(LATE))?;
    for built in request.built {
        key.add(&built.prepared.name, &built.key);
    }
    Ok(key.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_of_ours_are_not_taken_from_what_was_downloaded() {
        let cache = tempfile::tempdir().unwrap();
        let at = |name: &str| cache.path().join(name);
        for name in ["ours-1-1-any.pkg.tar.zst", "arch-1-1-any.pkg.tar.zst"] {
            fs::write(at(name), "").unwrap();
        }
        let ours = ["ours-1-1-any.pkg.tar.zst", "new-1-1-any.pkg.tar.zst"];
        let ours = ours.map(|name| Path::new("/built").join(name));
        forget(cache.path(), ours.iter()).unwrap();
        assert!(!at("ours-1-1-any.pkg.tar.zst").exists());
        assert!(at("arch-1-1-any.pkg.tar.zst").exists());
    }

    #[test]
    fn an_account_that_is_not_locked_is_found() {
        assert!(is_locked("root:!*:20000::::::\nsmtpd:!*:1::::::\n").is_ok());
        for shadow in [
            "root:*:20000::::::\n",
            "root::1::::::\n",
            "smtpd:!*:1::::::\n",
        ] {
            assert!(is_locked(shadow).is_err(), "{shadow}");
        }
    }

    #[test]
    fn a_hook_that_failed_is_seen() {
        let line = "env: 'usermod': No such file or directory\n";
        let failed = "error: command failed to execute correctly\n(4/4) Cleaning\n";
        assert!(has_failed(&format!("{line}{failed}")));
        assert!(!has_failed(line));
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        fs::write(&log, b"error: unable to run hook\n\xfcber\n").unwrap();
        assert_eq!(said_since(&log, 26).unwrap(), "\u{fffd}ber\n");
    }

    #[test]
    fn what_the_clock_dates_is_dated_later_and_what_packages_date_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        fs::create_dir_all(root.join("new")).unwrap();
        std::os::unix::fs::symlink("nowhere", root.join("link")).unwrap();
        fs::write(root.join("old"), "").unwrap();
        rootfs::set_mtime(&root.join("old"), 1_000_000_000).unwrap();
        postdate(&root, SystemTime::now()).unwrap();
        let seconds = |name: &str| {
            let time = root.join(name).symlink_metadata().unwrap().modified();
            let time = time.unwrap().duration_since(SystemTime::UNIX_EPOCH);
            time.unwrap().as_secs()
        };
        for new in ["", "new", "link"] {
            assert_eq!(seconds(new), LATER as u64, "{new}");
        }
        assert_eq!(seconds("old"), 1_000_000_000);
    }
}
