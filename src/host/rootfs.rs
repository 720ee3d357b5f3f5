//! The image's root file system: overlay, packages, version, cleanup, in mkarchiso's order.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use super::{
    base::Base,
    copy, pacman,
    pacman::Pacman,
    profile::ProfileDef,
    project::VERSION,
    repo::{self, Record},
};
use crate::util::{files, hash};

/// What of the overlay no package's scriptlet or hook reads, and is changed most: the templates. A root
/// that has all else is kept from build to build.
pub const LATE: &str = "usr/share/ezmail";

/// What was installed.
#[derive(Debug)]
pub struct Installed {
    /// `pacman -Q`, sorted by name.
    pub packages: Vec<(String, String)>,
    /// The records of these packages in the repositories they came from.
    pub records: Vec<Record>,
}

/// Fills the empty folder `root` with the overlay and the packages, whose scriptlets and hooks see it:
/// all of it but [`LATE`].
///
/// # Errors
/// When a package is not to be had, or the overlay does not fit into the root.
pub fn install(def: &ProfileDef, pacman: &Pacman, root: &Path, log: &Path) -> Result<()> {
    let overlay = def.folder.join("airootfs");
    copy::tree_without(&overlay, root, Some(LATE))?;
    give_to_root(root)?;
    permissions(def, root)?;
    pacman.install(root, &def.packages, log)
}

/// Puts the rest of the overlay and the version files into a root that [`install`] has filled.
///
/// # Errors
/// When something cannot be written, or the package database of the root cannot be read.
pub fn finish(def: &ProfileDef, pacman: &Pacman, root: &Path, base: Base) -> Result<Installed> {
    let late = def.folder.join("airootfs").join(LATE);
    if late.exists() {
        let to = root.join(LATE);
        copy::tree(&late, &to)?;
        give_to_root(&to)?;
    }
    let packages = pacman::query(root)?;
    version_files(root, base)?;
    Installed::new(packages, pacman, root)
}

impl Installed {
    /// Finds the records of `packages` in the databases that pacman keeps in `root`.
    ///
    /// # Errors
    /// When a database cannot be read.
    pub fn new(packages: Vec<(String, String)>, pacman: &Pacman, root: &Path) -> Result<Self> {
        let mut records = Vec::new();
        for section in &pacman.sections {
            let database = root.join(format!("var/lib/pacman/sync/{}.db", section.name));
            for record in repo::read_database(&database, &section.name)? {
                let installed = packages
                    .iter()
                    .any(|(n, v)| *n == record.name && *v == record.version);
                if installed && !records.iter().any(|r: &Record| r.name == record.name) {
                    records.push(record);
                }
            }
        }
        records.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self { packages, records })
    }
}

fn give_to_root(root: &Path) -> Result<()> {
    for entry in walkdir::WalkDir::new(root) {
        let entry = entry.context("walking the overlay")?;
        std::os::unix::fs::lchown(entry.path(), Some(0), Some(0))
            .with_context(|| format!("giving {} to root", entry.path().display()))?;
    }
    Ok(())
}

/// Applies `file_permissions` to what the overlay brought.
fn permissions(def: &ProfileDef, root: &Path) -> Result<()> {
    for (path, value) in &def.file_permissions {
        if Path::new(path.trim_start_matches('/')).starts_with(LATE) {
            bail!(
                "file_permissions of '{path}' in profiledef.sh: modes below /{LATE} are the usual"
            );
        }
        let (owner, group, mode) = parse_permission(value)
            .with_context(|| format!("file_permissions of '{path}' in profiledef.sh"))?;
        let target = root.join(path.trim_start_matches('/'));
        if path.split('/').any(|p| p == "..") {
            bail!("file_permissions of '{path}' in profiledef.sh leads out of the image");
        }
        if !target.exists() {
            if path.ends_with('/') || path == "/root" {
                files::create_dir_all(&target)?;
            } else {
                bail!("file_permissions names '{path}', which the overlay does not have");
            }
        }
        let each = if path.ends_with('/') { usize::MAX } else { 0 };
        for entry in walkdir::WalkDir::new(&target).max_depth(each) {
            let entry = entry?;
            let what = || format!("setting the permissions of {}", entry.path().display());
            chown(entry.path(), Some(owner), Some(group)).with_context(what)?;
            let mode = fs::Permissions::from_mode(mode);
            fs::set_permissions(entry.path(), mode).with_context(what)?;
        }
    }
    Ok(())
}

fn parse_permission(value: &str) -> Result<(u32, u32, u32)> {
    let parts: Vec<&str> = value.split(':').collect();
    let [owner, group, mode] = parts[..] else {
        bail!("'{value}' is not 'uid:gid:mode'");
    };
    let number = |text: &str| {
        text.parse()
            .with_context(|| format!("'{text}' is not a number"))
    };
    let mode = u32::from_str_radix(mode, 8)
        .with_context(|| format!("'{mode}' is not an octal mode such as 0750"))?;
    Ok((number(owner)?, number(group)?, mode))
}

fn version_files(root: &Path, base: Base) -> Result<()> {
    files::write_scratch(
        &root.join("version"),
        format!("{VERSION}-{}\n", base.name()),
        0o644,
    )?;
    let inside = root.join("usr/lib/os-release");
    let path = if inside.exists() {
        inside
    } else {
        root.join("etc/os-release")
    };
    let text = os_release(&files::read_to_string(&path)?, base);
    files::write_scratch(&path, text, 0o644)
}

/// os-release(5) with `IMAGE_ID` and `IMAGE_VERSION` set.
fn os_release(text: &str, base: Base) -> String {
    let ours = ["IMAGE_ID=", "IMAGE_VERSION="];
    let mut lines: Vec<String> = text
        .lines()
        .filter(|l| !ours.iter().any(|o| l.starts_with(o)))
        .map(str::to_owned)
        .collect();
    lines.push(format!("IMAGE_ID=ezmail-{}", base.name()));
    lines.push(format!("IMAGE_VERSION={VERSION}"));
    lines.join("\n") + "\n"
}

/// Kernel and initramfs, which leave the root for the ISO's own tree.
#[derive(Debug)]
pub struct BootFiles {
    /// Paths of kernel and initramfs images, in a folder outside the root.
    pub files: Vec<PathBuf>,
}

/// Copies kernel and initramfs out of `root` into the folder `to`.
///
/// # Errors
/// When the root has none.
pub fn boot_files(root: &Path, to: &Path) -> Result<BootFiles> {
    files::create_dir_all(to)?;
    let mut found = Vec::new();
    let boot = root.join("boot");
    for entry in fs::read_dir(&boot).with_context(|| format!("reading {}", boot.display()))? {
        let path = entry?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if name.starts_with("vmlinuz-")
            || (name.starts_with("initramfs-") && name.ends_with(".img"))
        {
            let target = to.join(&name);
            fs::copy(&path, &target).with_context(|| format!("copying {}", path.display()))?;
            fs::set_permissions(&target, fs::Permissions::from_mode(0o644))?;
            found.push(target);
        }
    }
    found.sort();
    for kind in ["vmlinuz-", "initramfs-"] {
        if !found.iter().any(|p| {
            p.file_name()
                .is_some_and(|n| n.to_string_lossy().starts_with(kind))
        }) {
            bail!("the image's /boot has no {kind}*: is a kernel in the package list?");
        }
    }
    Ok(BootFiles { files: found })
}

/// Removes what an image must not carry: caches, logs, databases of repositories, the time of
/// the build.
///
/// # Errors
/// When something cannot be removed.
pub fn clean(root: &Path, epoch: u64) -> Result<()> {
    for folder in [
        "boot",
        "var/lib/pacman/sync",
        "var/cache/pacman/pkg",
        "var/log",
        "var/tmp",
        "tmp",
        "run",
        "etc/pacman.d/hooks",
        "etc/pacman.d/gnupg",
    ] {
        empty(&root.join(folder), false)?;
    }
    let _ = fs::remove_dir(root.join("var/lib/pacman/sync"));
    // files only: folders in /var/lib/pacman are the package database
    empty(&root.join("var/lib/pacman"), true)?;
    empty(&root.join("var/cache/ldconfig"), true)?;
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
    files::write_scratch(&root.join("etc/machine-id"), "uninitialized\n", 0o444)?;
    install_dates(root, epoch)?;
    let shadow = root.join("etc/shadow");
    let text = with_change_date(&files::read_to_string(&shadow)?, epoch);
    files::write_scratch(&shadow, text, 0o600)?;
    let clock = root.join("usr/lib/clock-epoch");
    files::write_scratch(&clock, "", 0o644)?;
    set_mtime(&clock, epoch)
}

/// Sets a file's time of modification, in seconds since 1970.
///
/// # Errors
/// When the file is not there.
pub fn set_mtime(path: &Path, seconds: u64) -> Result<()> {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
    fs::File::open(path)
        .and_then(|f| f.set_modified(time))
        .with_context(|| format!("setting the time of {}", path.display()))
}

fn empty(folder: &Path, only_files: bool) -> Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let entry = entry?;
        let what = || format!("removing {}", entry.path().display());
        if !entry.file_type()?.is_dir() {
            fs::remove_file(entry.path()).with_context(what)?;
        } else if !only_files {
            if folder.ends_with("var/log") {
                // daemons expect their log folders
                empty(&entry.path(), false)?;
            } else {
                fs::remove_dir_all(entry.path()).with_context(what)?;
            }
        }
    }
    Ok(())
}

/// pacman before 7.1 writes the current time as the date of installation.
fn install_dates(root: &Path, epoch: u64) -> Result<()> {
    let local = root.join("var/lib/pacman/local");
    for entry in fs::read_dir(&local).with_context(|| format!("reading {}", local.display()))? {
        let path = entry?.path().join("desc");
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

/// `NAME VERSION` a line, as mkarchiso's `pkglist.x86_64.txt`.
pub fn package_list(packages: &[(String, String)]) -> String {
    packages.iter().map(|(n, v)| format!("{n} {v}\n")).collect()
}

/// SHA-512 of a file in the format of sha512sum(1), named without its folder.
///
/// # Errors
/// When the file cannot be read.
pub fn sha512_line(path: &Path) -> Result<String> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Ok(format!("{}  {name}\n", hash::sha512_file(path)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_are_parsed() {
        assert_eq!(parse_permission("0:301:2555").unwrap(), (0, 301, 0o2555));
        let error = |v: &str| format!("{:#}", parse_permission(v).unwrap_err());
        assert_eq!(error("0:0"), "'0:0' is not 'uid:gid:mode'");
        assert!(error("0:0:rwx").starts_with("'rwx' is not an octal mode such as 0750"));
    }

    #[test]
    fn the_image_is_named_once() {
        let text = os_release("NAME=x\nIMAGE_ID=old\n", Base::Standin);
        assert_eq!(
            text,
            format!("NAME=x\nIMAGE_ID=ezmail-standin\nIMAGE_VERSION={VERSION}\n")
        );
    }

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
}
