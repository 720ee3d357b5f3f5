//! What an image's root file system must not carry is taken out of it, after the packages are in.

use std::{fs, path::Path};

use anyhow::{Context, Result};

use super::{inside::inside, rootfs::set_mtime};
use crate::util::files;

const LOGS: &str = "var/log";

/// Removes what an image must not carry: caches, logs, databases of repositories, the time of
/// the build.
///
/// # Errors
/// When something cannot be removed, or is a link that leads out of the image.
pub fn clean(root: &Path, epoch: u64) -> Result<()> {
    for folder in [
        "boot",
        "var/lib/pacman/sync",
        "var/cache/pacman/pkg",
        LOGS,
        "var/tmp",
        "tmp",
        "run",
        "etc/pacman.d/hooks",
        "etc/pacman.d/gnupg",
    ] {
        empty(root, folder, false)?;
    }
    let _ = fs::remove_dir(root.join("var/lib/pacman/sync"));
    // files only: folders in /var/lib/pacman are the package database
    empty(root, "var/lib/pacman", true)?;
    empty(root, "var/cache/ldconfig", true)?;
    for entry in walkdir::WalkDir::new(root) {
        let entry = entry.context("walking the image")?;
        let name = entry.file_name().to_string_lossy();
        let left = [".pacnew", ".pacsave", ".pacorig"]
            .iter()
            .any(|s| name.ends_with(s));
        // account files' backups name who was there before
        let backup = matches!(&*name, "passwd-" | "group-" | "shadow-" | "gshadow-")
            && entry.path().parent() == Some(&root.join("etc"));
        if entry.file_type().is_file() && (left || backup) {
            fs::remove_file(entry.path())
                .with_context(|| format!("removing {}", entry.path().display()))?;
        }
    }
    files::write_scratch(&inside(root, "etc/machine-id")?, "uninitialized\n", 0o444)?;
    install_dates(root, epoch)?;
    let shadow = inside(root, "etc/shadow")?;
    let text = with_change_date(&files::read_to_string(&shadow)?, epoch);
    files::write_scratch(&shadow, text, 0o600)?;
    let clock = inside(root, "usr/lib/clock-epoch")?;
    files::write_scratch(&clock, "", 0o644)?;
    set_mtime(&clock, epoch)
}

/// Removes what is in the folder `name` of the image, or its files alone.
fn empty(root: &Path, name: &str, only_files: bool) -> Result<()> {
    let folder = inside(root, name)?;
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
        let entry = entry?;
        let what = || format!("removing {}", entry.path().display());
        // of a link, the link itself
        if !entry.file_type()?.is_dir() {
            fs::remove_file(entry.path()).with_context(what)?;
        } else if !only_files {
            if name == LOGS {
                // daemons expect their log folders
                empty(
                    root,
                    &format!("{name}/{}", entry.file_name().display()),
                    false,
                )?;
            } else {
                fs::remove_dir_all(entry.path()).with_context(what)?;
            }
        }
    }
    Ok(())
}

/// pacman before 7.1 writes the current time as the date of installation.
fn install_dates(root: &Path, epoch: u64) -> Result<()> {
    let database = Path::new("var/lib/pacman/local");
    let local = inside(root, database)?;
    for entry in fs::read_dir(&local).with_context(|| format!("reading {}", local.display()))? {
        let path = inside(root, database.join(entry?.file_name()).join("desc"))?;
        if path.is_file() {
            let text = files::read_to_string(&path)?;
            files::write_scratch(&path, with_install_date(&text, epoch), 0o644)?;
        }
    }
    Ok(())
}

fn with_install_date(text: &str, epoch: u64) -> String {
    let mut after = false;
    let lines = text.lines().map(|line| {
        let line = if after {
            epoch.to_string()
        } else {
            line.to_owned()
        };
        after = line == "%INSTALLDATE%";
        line + "\n"
    });
    lines.collect()
}

/// shadow(5) with the day of every account's last change that of the image: systemd-sysusers and
/// usermod write the day of the build.
fn with_change_date(text: &str, epoch: u64) -> String {
    let day = (epoch / 86_400).to_string();
    let lines = text.lines().map(|line| {
        let mut fields: Vec<&str> = line.split(':').collect();
        if let Some(changed) = fields.get_mut(2) {
            *changed = &day;
        }
        fields.join(":") + "\n"
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn the_day_of_the_last_change_is_the_epochs() {
        let text = with_change_date("root:!*:20779::::::\nsshd:!*:1:0:9:7:::\n", 86_400 * 7);
        assert_eq!(text, "root:!*:7::::::\nsshd:!*:7:0:9:7:::\n");
    }

    #[test]
    fn the_date_of_installation_is_the_epoch() {
        let text = "%NAME%\na\n\n%INSTALLDATE%\n999\n\n%SIZE%\n999\n";
        assert_eq!(with_install_date(text, 5), text.replacen("999", "5", 1));
    }

    /// As much of a root as [`clean`] asks for.
    fn image(root: &Path) {
        for folder in [
            "etc",
            "usr/lib",
            "var/lib/pacman/local/a-1",
            "var/log/daemon",
            "run",
        ] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        for (file, text) in [
            ("etc/shadow", "root:!*:1::::::\n"),
            ("etc/shadow-", "x"),
            ("var/lib/pacman/local/a-1/desc", "%INSTALLDATE%\n9\n"),
            // pacman's own, among the folders
            ("var/lib/pacman/local/ALPM_DB_VERSION", "9\n"),
            ("var/log/daemon/log", "x"),
            ("run/pid", "x"),
        ] {
            fs::write(root.join(file), text).unwrap();
        }
    }

    #[test]
    fn an_image_is_cleaned_and_its_links_are_taken_as_links() {
        let dir = tempfile::tempdir().unwrap();
        let (root, host) = (dir.path().join("image"), dir.path().join("host"));
        image(&root);
        fs::create_dir(&host).unwrap();
        fs::write(host.join("letter"), "dear").unwrap();
        symlink(&host, root.join("run/link")).unwrap();
        clean(&root, 86_400 * 7).unwrap();
        let read = |name: &str| fs::read_to_string(root.join(name)).unwrap();
        assert_eq!(read("etc/machine-id"), "uninitialized\n");
        assert_eq!(read("etc/shadow"), "root:!*:7::::::\n");
        assert_eq!(
            read("var/lib/pacman/local/a-1/desc"),
            "%INSTALLDATE%\n604800\n"
        );
        assert!(!root.join("etc/shadow-").exists());
        let left = |name: &str| fs::read_dir(root.join(name)).unwrap().count();
        assert_eq!(
            (left("run"), left("var/log"), left("var/log/daemon")),
            (0, 1, 0)
        );
        assert!(host.join("letter").exists());
    }

    #[test]
    fn nothing_of_the_hosts_is_emptied_or_written() {
        for (name, ours) in [
            ("var/tmp", false),
            ("tmp", false),
            ("boot", false),
            ("etc/pacman.d", false),
            ("etc/machine-id", true),
            ("usr/lib/clock-epoch", true),
            ("etc/shadow", true),
            ("var/lib/pacman/local/a-1/desc", true),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let (root, host) = (dir.path().join("image"), dir.path().join("host"));
            image(&root);
            fs::create_dir_all(host.join("hooks")).unwrap();
            fs::write(host.join("hooks/letter"), "dear").unwrap();
            fs::write(host.join("letter"), "dear").unwrap();
            let _ = fs::remove_file(root.join(name));
            let to = if ours {
                host.join("letter")
            } else {
                host.clone()
            };
            symlink(to, root.join(name)).unwrap();
            let error = format!("{:#}", clean(&root, 1).unwrap_err());
            let expected = format!("/{name} in the image is a link that leads out of it, to ");
            assert!(error.starts_with(&expected), "{error}");
            for letter in ["letter", "hooks/letter"] {
                assert_eq!(
                    fs::read_to_string(host.join(letter)).unwrap(),
                    "dear",
                    "{name}"
                );
            }
        }
    }
}
