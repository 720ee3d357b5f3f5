//! Answers on a volume, found by its label.

use std::{
    path::{Component, Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use super::{Found, Source};
use crate::{
    agent::block::{self, Device},
    util::run::Task,
};
use anyhow::{Context, Result, bail};

/// The label that needs no mention on the kernel command line.
pub const LABEL: &str = "EZMAIL";
/// The file that is looked for.
pub const FILE: &str = "answers.toml";
/// File systems that are mounted: their drivers are told to write nothing.
const KINDS: [(&str, &str); 4] = [
    ("vfat", "ro,nodev,nosuid,noexec"),
    ("ext4", "ro,nodev,nosuid,noexec,noload"),
    ("iso9660", "ro,nodev,nosuid,noexec"),
    ("udf", "ro,nodev,nosuid,noexec"),
];
/// How long a volume that was asked for by name may take to appear.
const PATIENCE: Duration = Duration::from_secs(15);

/// A volume with answers on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    label: String,
    file: PathBuf,
    /// Whether the administrator named it: it has to be there then.
    named: bool,
}

impl Volume {
    /// The volume `EZMAIL`.
    pub fn standard() -> Self {
        Self {
            label: LABEL.to_owned(),
            file: FILE.into(),
            named: false,
        }
    }

    /// From the kernel command line: `LABEL` or `LABEL/path/of/the/file`.
    ///
    /// # Errors
    /// When it is neither.
    pub fn named(value: &str) -> Result<Self> {
        let (label, file) = value.split_once('/').unwrap_or((value, FILE));
        let file = if file.is_empty() { FILE } else { file };
        let file = PathBuf::from(file);
        let inside = file.components().all(|c| matches!(c, Component::Normal(_)));
        if label.is_empty() || !inside {
            bail!(
                "ezmail.answers={value}: the label of a volume was expected, perhaps followed by \
                 the path of a file on it, as in ezmail.answers={LABEL}/server/{FILE}; or a URL, \
                 as in ezmail.answers=https://example.org/{FILE}"
            );
        }
        Ok(Self {
            label: label.to_owned(),
            file,
            named: true,
        })
    }

    fn device(&self) -> Result<Option<Device>> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut found = with_label(&block::list()?, &self.label)?;
            if found.is_some() || !self.named || Instant::now() >= deadline {
                return Ok(found.take());
            }
            thread::sleep(Duration::from_millis(500));
        }
    }
}

impl Source for Volume {
    fn name(&self) -> String {
        match self.named {
            true => format!("the volume {} (kernel command line)", self.label),
            false => format!("the volume {}", self.label),
        }
    }

    fn look(&self) -> Result<Option<Found>> {
        let Some(device) = self.device()? else {
            if self.named {
                bail!(
                    "the kernel command line names a volume with the label {}: there is none",
                    self.label
                );
            }
            return Ok(None);
        };
        let source = format!(
            "{} on {} ({})",
            self.file.display(),
            self.name(),
            device.path.display()
        );
        let read = |folder: &Path| {
            no_links(folder, &self.file)?;
            let found = Found::read(&folder.join(&self.file), source)?;
            Ok(found.on(&device, self.file.parent().unwrap_or(Path::new(""))))
        };
        mounted(&device, read).map(Some)
    }
}

/// The one device with the label.
fn with_label(devices: &[Device], label: &str) -> Result<Option<Device>> {
    let found: Vec<_> = devices
        .iter()
        .filter(|d| d.label.as_deref() == Some(label))
        .collect();
    if let [_, _, ..] = &found[..] {
        let paths: Vec<_> = found.iter().map(|d| d.path.display().to_string()).collect();
        bail!(
            "several volumes have the label {label}: {}; detach all but one",
            paths.join(", ")
        );
    }
    Ok(found.first().map(|d| (*d).clone()))
}

/// Refuses a way through a link: it could lead off the volume.
fn no_links(folder: &Path, file: &Path) -> Result<()> {
    let mut way = folder.to_path_buf();
    for part in file.parent().into_iter().flat_map(Path::components) {
        way.push(part);
        if way.is_symlink() {
            bail!(
                "{} on the volume is a link, which is not followed: name the folder itself",
                way.strip_prefix(folder).unwrap_or(&way).display()
            );
        }
    }
    Ok(())
}

/// Whether what is on a device is a file system that is mounted here.
pub(super) fn is_known(device: &Device) -> bool {
    KINDS
        .iter()
        .any(|(k, _)| device.fstype.as_deref() == Some(k))
}

/// Mounts a volume read-only, hands its folder to `read`, and unmounts it.
///
/// # Errors
/// When it cannot be mounted, and those of `read`.
pub(super) fn mounted<T>(device: &Device, read: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
    let kind = device.fstype.as_deref().unwrap_or("none");
    let Some((kind, options)) = KINDS.iter().find(|(k, _)| *k == kind) else {
        let known: Vec<_> = KINDS.iter().map(|(k, _)| *k).collect();
        bail!(
            "the volume on {} has the file system {kind}; {} can be read",
            device.path.display(),
            known.join(", ")
        );
    };
    let folder = tempfile::tempdir().context("creating a folder to mount the volume on")?;
    let mut mount = Command::new("mount");
    mount.args(["-t", kind, "-o", options]);
    mount.args([device.path.as_path(), folder.path()]);
    Task::new("mounting the volume with the answers", mount).run()?;
    let result = read(folder.path());
    let mut umount = Command::new("umount");
    umount.arg(folder.path());
    Task::new("unmounting the volume with the answers", umount).run()?;
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::block::tests::devices;

    fn volume(path: &str, fstype: &str) -> Device {
        Device {
            path: path.into(),
            label: Some(LABEL.to_owned()),
            fstype: Some(fstype.to_owned()),
            ..devices().remove(0)
        }
    }

    #[test]
    fn a_label_names_one_device() {
        let mut all = devices();
        all.push(volume("/dev/vdd", "vfat"));
        let found = with_label(&all, "EZMAIL").unwrap().unwrap();
        assert_eq!(
            (found.path.to_str(), found.fstype.as_deref()),
            (Some("/dev/vdd"), Some("vfat"))
        );
        assert_eq!(with_label(&all, "OTHER").unwrap(), None);
        all.push(volume("/dev/vde", "vfat"));
        let error = with_label(&all, "EZMAIL").unwrap_err().to_string();
        insta::assert_snapshot!(error, @"several volumes have the label EZMAIL: /dev/vdd, /dev/vde; detach all but one");
    }

    #[test]
    fn the_command_line_names_label_and_file() {
        let named = |value: &str| Volume::named(value).map(|v| (v.label, v.file));
        assert_eq!(named("DATA").unwrap(), ("DATA".into(), FILE.into()));
        assert_eq!(named("DATA/").unwrap(), ("DATA".into(), FILE.into()));
        assert_eq!(
            named("MY DISK/a/b.toml").unwrap(),
            ("MY DISK".into(), "a/b.toml".into())
        );
        for bad in ["/x", "A/../x", "A//etc/x"] {
            assert!(named(bad).is_err(), "{bad}");
        }
        let error = Volume::named("/x").unwrap_err().to_string();
        insta::assert_snapshot!(error, @"ezmail.answers=/x: the label of a volume was expected, perhaps followed by the path of a file on it, as in ezmail.answers=EZMAIL/server/answers.toml; or a URL, as in ezmail.answers=https://example.org/answers.toml");
    }

    #[test]
    fn a_link_on_the_way_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("a")).unwrap();
        std::os::unix::fs::symlink("/etc", dir.path().join("a/b")).unwrap();
        no_links(dir.path(), Path::new("a/x.toml")).unwrap();
        let error = no_links(dir.path(), Path::new("a/b/x.toml")).unwrap_err();
        insta::assert_snapshot!(error, @"a/b on the volume is a link, which is not followed: name the folder itself");
    }

    #[test]
    fn an_unknown_file_system_is_named() {
        let device = volume("/dev/vdx", "ntfs");
        let error = mounted(&device, |_| Ok(())).unwrap_err();
        insta::assert_snapshot!(error, @"the volume on /dev/vdx has the file system ntfs; vfat, ext4, iso9660, udf can be read");
    }
}
