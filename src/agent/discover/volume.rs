//! Answers on a volume, found by its label.

use std::{
    path::{Component, Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::{Found, Source};
use crate::util::run::Task;

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
        if value.contains("://") {
            bail!(
                "ezmail.answers={value}: answers are not fetched from the network; \
                 give the label of a volume, as in ezmail.answers={LABEL}"
            );
        }
        let (label, file) = value.split_once('/').unwrap_or((value, FILE));
        let file = if file.is_empty() { FILE } else { file };
        let file = PathBuf::from(file);
        let inside = file.components().all(|c| matches!(c, Component::Normal(_)));
        if label.is_empty() || !inside {
            bail!(
                "ezmail.answers={value}: the label of a volume was expected, perhaps followed by \
                 the path of a file on it, as in ezmail.answers={LABEL}/server/{FILE}"
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
            let mut found = with_label(&devices()?, &self.label)?;
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
        device.read(&self.file, source).map(Some)
    }
}

/// A block device, as lsblk knows it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Device {
    pub path: PathBuf,
    pub label: Option<String>,
    pub fstype: Option<String>,
    /// The kernel's name of the disk, for a partition.
    pub pkname: Option<String>,
}

pub(super) fn devices() -> Result<Vec<Device>> {
    let mut command = Command::new("lsblk");
    command.args(["--json", "--list", "--output", "PATH,LABEL,FSTYPE,PKNAME"]);
    parse(&Task::new("looking for volumes", command).output()?)
}

fn parse(json: &str) -> Result<Vec<Device>> {
    #[derive(Deserialize)]
    struct List {
        blockdevices: Vec<Device>,
    }
    let list: List = serde_json::from_str(json).context("reading what lsblk says")?;
    Ok(list.blockdevices)
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

impl Device {
    /// Mounts the volume, reads the file and what lies beside it, and unmounts it.
    fn read(&self, file: &Path, source: String) -> Result<Found> {
        let kind = self.fstype.as_deref().unwrap_or("none");
        let Some((kind, options)) = KINDS.iter().find(|(k, _)| *k == kind) else {
            let known: Vec<_> = KINDS.iter().map(|(k, _)| *k).collect();
            bail!(
                "the volume on {} has the file system {kind}; {} can be read",
                self.path.display(),
                known.join(", ")
            );
        };
        let folder = tempfile::tempdir().context("creating a folder to mount the volume on")?;
        let mut mount = Command::new("mount");
        mount.args(["-t", kind, "-o", options]);
        mount.args([self.path.as_path(), folder.path()]);
        Task::new("mounting the volume with the answers", mount).run()?;
        let found = Found::read(&folder.path().join(file), source);
        let mut umount = Command::new("umount");
        umount.arg(folder.path());
        Task::new("unmounting the volume with the answers", umount).run()?;
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As lsblk of util-linux 2.38 prints it.
    const LSBLK: &str = r#"{
       "blockdevices": [
          {"path":"/dev/sr0", "label":"EZMAIL_BOOT", "fstype":"iso9660", "pkname":null},
          {"path":"/dev/loop0", "label":null, "fstype":"squashfs", "pkname":null},
          {"path":"/dev/vda", "label":"EZMAIL", "fstype":"vfat", "pkname":null}
       ]
    }"#;

    #[test]
    fn a_label_names_one_device() {
        let mut all = parse(LSBLK).unwrap();
        let found = with_label(&all, "EZMAIL").unwrap().unwrap();
        assert_eq!(
            (found.path.to_str(), found.fstype.as_deref()),
            (Some("/dev/vda"), Some("vfat"))
        );
        assert_eq!(with_label(&all, "OTHER").unwrap(), None);
        all.push(Device {
            path: "/dev/vdb".into(),
            ..found
        });
        let error = with_label(&all, "EZMAIL").unwrap_err().to_string();
        insta::assert_snapshot!(error, @"several volumes have the label EZMAIL: /dev/vda, /dev/vdb; detach all but one");
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
        for bad in ["/x", "A/../x", "A//etc/x", "https://example.org/a.toml"] {
            assert!(named(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_unknown_file_system_is_named() {
        let device = Device {
            path: "/dev/vdx".into(),
            label: Some("EZMAIL".into()),
            fstype: Some("ntfs".into()),
            pkname: None,
        };
        let error = device.read(Path::new(FILE), String::new()).err().unwrap();
        insta::assert_snapshot!(error, @"the volume on /dev/vdx has the file system ntfs; vfat, ext4, iso9660, udf can be read");
    }
}
