//! Block devices, as lsblk(8) knows them.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::util::{run::Task, size::size};

/// The columns that [`Device`] is made from.
const COLUMNS: &str =
    "PATH,KNAME,LABEL,FSTYPE,PTTYPE,PARTLABEL,PARTUUID,TYPE,PKNAME,SIZE,LOG-SEC,RO,MOUNTPOINTS";

/// A block device: a disk, a partition, or what stands on one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Device {
    /// Its node under `/dev`.
    pub path: PathBuf,
    /// The kernel's name, by which [`Self::pkname`] names it.
    #[serde(rename = "kname")]
    pub name: String,
    /// The label of the file system on it.
    pub label: Option<String>,
    /// The kind of that file system, such as `ext4`.
    pub fstype: Option<String>,
    /// The kind of its partition table, such as `gpt`; partitions have that of their disk.
    pub pttype: Option<String>,
    /// The name that a partition has in its table.
    #[serde(default)]
    pub partlabel: Option<String>,
    /// The identifier that a partition has in its table; a copy of a disk has the same.
    #[serde(default)]
    pub partuuid: Option<String>,
    /// `disk`, `part`, `rom`, `loop`, ...
    #[serde(rename = "type")]
    pub kind: String,
    /// The kernel's name of the device that it is a part of.
    pub pkname: Option<String>,
    /// Its size in bytes; 0 of a device that has just gone.
    #[serde(deserialize_with = "or_nothing")]
    pub size: u64,
    /// Bytes of a sector, as the device counts them.
    #[serde(rename = "log-sec", default = "usual_sector")]
    pub sector: u64,
    /// Whether it cannot be written.
    pub ro: bool,
    /// Where it is mounted; lsblk has one null for "nowhere".
    #[serde(default)]
    pub mountpoints: Vec<Option<String>>,
}

impl Device {
    /// Whether `path`, which is no link, is its node: a mapped device has two names.
    pub fn is_at(&self, path: &Path) -> bool {
        self.path == path || Path::new("/dev").join(&self.name) == path
    }

    /// Where it is mounted.
    pub fn mounted_at(&self) -> impl Iterator<Item = &str> {
        self.mountpoints.iter().filter_map(Option::as_deref)
    }

    /// The same device after a file system of that label was made on it.
    #[must_use]
    pub fn named(&self, label: &str) -> Self {
        Self {
            label: Some(label.to_owned()),
            ..self.clone()
        }
    }

    /// `/dev/vda1 (vfat, label EFI, 512.0 MB)`
    pub fn described(&self) -> String {
        let mut words: Vec<String> = Vec::new();
        words.extend(self.fstype.clone());
        if self.kind != "part" {
            words.extend(self.pttype.as_ref().map(|t| format!("{t} partition table")));
        }
        words.extend(self.label.as_ref().map(|l| format!("label {l}")));
        words.push(size(self.size));
        format!("{} ({})", self.path.display(), words.join(", "))
    }
}

fn usual_sector() -> u64 {
    512
}

/// Every block device there is.
///
/// # Errors
/// When lsblk cannot be run.
pub fn list() -> Result<Vec<Device>> {
    let mut command = Command::new("lsblk");
    command.args(["--json", "--bytes", "--list", "--output", COLUMNS]);
    let task = Task::new("looking for disks", command);
    // a label may be of bytes that are no UTF-8
    parse(&String::from_utf8_lossy(&task.bytes()?))
}

/// Waits until what is on the devices is known: udev looks at each that comes, or was written to.
///
/// # Errors
/// When that takes more than half a minute.
pub fn settle() -> Result<()> {
    let mut command = Command::new("udevadm");
    command.args(["settle", "--timeout=30"]);
    Task::new("waiting for the disks", command).run()
}

fn or_nothing<'de, D: serde::Deserializer<'de>>(size: D) -> Result<u64, D::Error> {
    Ok(Option::deserialize(size)?.unwrap_or_default())
}

/// What `lsblk --json --bytes --list` prints.
fn parse(json: &str) -> Result<Vec<Device>> {
    #[derive(Deserialize)]
    struct List {
        blockdevices: Vec<Device>,
    }
    let list: List = serde_json::from_str(json).context("reading what lsblk says")?;
    Ok(list.blockdevices)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// As lsblk of util-linux 2.41 prints it.
    pub const LSBLK: &str = r#"{
       "blockdevices": [
          {"path":"/dev/sr0", "kname":"sr0", "label":"EZMAIL_BOOT", "fstype":"iso9660", "pttype":"dos", "type":"rom", "pkname":null, "size":250000000, "ro":false, "mountpoints":["/run/archiso/bootmnt"]},
          {"path":"/dev/loop0", "kname":"loop0", "label":null, "fstype":"squashfs", "pttype":null, "type":"loop", "pkname":null, "size":190000000, "ro":true, "mountpoints":["/run/archiso/airootfs"]},
          {"path":"/dev/vda", "kname":"vda", "label":null, "fstype":null, "pttype":"gpt", "type":"disk", "pkname":null, "size":10000000000, "log-sec":512, "ro":false, "mountpoints":[null]},
          {"path":"/dev/vda1", "kname":"vda1", "label":"EFI", "fstype":"vfat", "pttype":"gpt", "type":"part", "pkname":"vda", "size":512000000, "ro":false, "mountpoints":[null]},
          {"path":"/dev/vda2", "kname":"vda2", "label":null, "fstype":"ext4", "pttype":"gpt", "type":"part", "pkname":"vda", "size":9000000000, "ro":false, "mountpoints":[null]},
          {"path":"/dev/vdb", "kname":"vdb", "label":"ezmail-state", "fstype":"ext4", "pttype":null, "type":"disk", "pkname":null, "size":1073741824, "ro":false, "mountpoints":["/var/lib/ezmail", "/var/vmail"]},
          {"path":"/dev/vdc", "kname":"vdc", "label":null, "fstype":null, "pttype":null, "type":"disk", "pkname":null, "size":1073741824, "ro":false, "mountpoints":[null]}
       ]
    }"#;

    /// The devices of [`LSBLK`].
    pub fn devices() -> Vec<Device> {
        parse(LSBLK).unwrap()
    }

    #[test]
    fn devices_are_described() {
        let all = devices();
        let lines: Vec<String> = all.iter().map(Device::described).collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
        /dev/sr0 (iso9660, dos partition table, label EZMAIL_BOOT, 250.0 MB)
        /dev/loop0 (squashfs, 190.0 MB)
        /dev/vda (gpt partition table, 10.00 GB)
        /dev/vda1 (vfat, label EFI, 512.0 MB)
        /dev/vda2 (ext4, 9.00 GB)
        /dev/vdb (ext4, label ezmail-state, 1.07 GB)
        /dev/vdc (1.07 GB)
        ");
        assert_eq!(all[5].mounted_at().count(), 2);
        assert_eq!(all[2].mounted_at().count(), 0);
        assert!(parse("{}").is_err());
        let gone = LSBLK.replace("\"size\":250000000", "\"size\":null");
        assert_eq!(parse(&gone).unwrap()[0].size, 0);
        assert!(all[3].is_at(Path::new("/dev/vda1")) && !all[3].is_at(Path::new("/dev/vda")));
    }
}
