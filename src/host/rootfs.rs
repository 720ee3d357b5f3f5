//! The image's root file system: overlay, packages, version, in mkarchiso's order; then [`super::clean`].

use std::{
    fs,
    os::unix::fs::{PermissionsExt, lchown},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use super::{
    base::Base,
    copy,
    inside::inside,
    pacman,
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
        let to = inside(root, LATE)?;
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
        lchown(entry.path(), Some(0), Some(0))
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
        let target = inside(root, path)
            .with_context(|| format!("file_permissions of '{path}' in profiledef.sh"))?;
        if !target.exists() {
            if path.ends_with('/') || path == "/root" {
                files::create_dir_all(&target)?;
            } else {
                bail!("file_permissions names '{path}', which the overlay does not have");
            }
        }
        let each = if path.ends_with('/') { usize::MAX } else { 0 };
        let walk = walkdir::WalkDir::new(&target).follow_root_links(false);
        for entry in walk.max_depth(each) {
            let entry = entry?;
            let what = || format!("setting the permissions of {}", entry.path().display());
            lchown(entry.path(), Some(owner), Some(group)).with_context(what)?;
            // a link in a folder has no mode, and what it leads to may be anybody's
            if !entry.path_is_symlink() {
                let mode = fs::Permissions::from_mode(mode);
                fs::set_permissions(entry.path(), mode).with_context(what)?;
            }
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
        &inside(root, "version")?,
        format!("{VERSION}-{}\n", base.name()),
        0o644,
    )?;
    let mut path = inside(root, "usr/lib/os-release")?;
    if !path.exists() {
        path = inside(root, "etc/os-release")?;
    }
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
    let boot = inside(root, "boot")?;
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
            let path = inside(root, Path::new("boot").join(&name))?;
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
    use std::os::unix::fs::symlink;

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
    fn own() -> String {
        let process = rustix::process::geteuid().as_raw();
        format!("{process}:{}", rustix::process::getegid().as_raw())
    }

    #[test]
    fn permissions_stay_in_the_image() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("image");
        fs::create_dir_all(root.join("opt/tools")).unwrap();
        let outside = dir.path().join("outside");
        for file in [&outside, &root.join("opt/tools/a"), &root.join("b")] {
            fs::write(file, "").unwrap();
            fs::set_permissions(file, fs::Permissions::from_mode(0o640)).unwrap();
        }
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        let set = |path: &str| {
            let value = format!("{}:755", own());
            let def = ProfileDef {
                file_permissions: [(path.to_owned(), value)].into(),
                ..ProfileDef::default()
            };
            permissions(&def, &root)
        };
        symlink(&outside, root.join("opt/tools/out")).unwrap();
        symlink("../../b", root.join("opt/tools/in")).unwrap();
        set("/opt/tools/").unwrap();
        assert_eq!(mode(&root.join("opt/tools/a")), 0o755);
        assert_eq!(mode(&root.join("b")), 0o640, "a link in a folder");
        set("/opt/tools/in").unwrap();
        assert_eq!(mode(&root.join("b")), 0o755, "a link that was named");

        let error = |path: &str| format!("{:#}", set(path).unwrap_err());
        let text = error("/opt/tools/out");
        let expected = "file_permissions of '/opt/tools/out' in profiledef.sh: /opt/tools/out in the \
                        image is a link that leads out of it, to ";
        assert!(text.starts_with(expected), "{text}");
        symlink(dir.path(), root.join("all")).unwrap();
        assert!(error("/all/").contains("/all in the image is a link"));
        assert!(error("/../outside").contains("leads out of the image"));
        assert_eq!(mode(&outside), 0o640);
    }

    #[test]
    fn version_and_boot_files_are_those_of_the_image() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("image");
        fs::create_dir_all(root.join("usr/lib")).unwrap();
        fs::create_dir(root.join("boot")).unwrap();
        let outside = dir.path().join("outside");
        fs::write(&outside, "NAME=host\n").unwrap();
        symlink(&outside, root.join("usr/lib/os-release")).unwrap();
        symlink(&outside, root.join("boot/vmlinuz-linux")).unwrap();
        let refused = |result: Result<()>| {
            let text = format!("{:#}", result.unwrap_err());
            assert!(text.contains("leads out of it"), "{text}");
        };
        refused(version_files(&root, Base::Arch));
        refused(boot_files(&root, &dir.path().join("to")).map(drop));
        assert_eq!(fs::read_to_string(&outside).unwrap(), "NAME=host\n");
    }
}
