//! Where the server may live: the disks of a machine, or its memory.

use crate::{
    agent::{
        block::Device,
        state::{
            LABEL,
            choose::{holds, parts},
        },
    },
    disk::layout::SECTOR,
    util::size::size,
};

/// Why a disk is not taken that is never erased.
pub const MAIL: &str = "has the mail of a server on it";

/// A place for the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A disk of this machine.
    Disk(Disk),
    /// One of another machine, whose name is typed.
    Named,
    /// None: all is gone after a reboot.
    Memory,
}

/// A disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// Its node below `/dev`.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// What is on it, in words; none: it is blank.
    pub holds: Option<String>,
    /// Why it cannot be taken, if it cannot.
    pub refused: Option<String>,
}

impl Target {
    /// Whether it can be chosen.
    pub fn is_free(&self) -> bool {
        !matches!(self, Self::Disk(disk) if disk.refused.is_some())
    }

    /// What has to be erased first.
    pub fn to_erase(&self) -> Option<&str> {
        match self {
            Self::Disk(disk) => disk.holds.as_deref(),
            _ => None,
        }
    }

    /// Whether it is the same place, whatever is on it by now.
    pub fn is_at(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Disk(one), Self::Disk(other)) => one.path == other.path,
            _ => self == other,
        }
    }

    /// It in a line.
    pub fn described(&self) -> String {
        match self {
            Self::Disk(disk) => {
                let what = match (&disk.refused, &disk.holds) {
                    (Some(why), _) => why,
                    (None, Some(_)) => "not blank",
                    (None, None) => "blank",
                };
                format!("{:<12} {:>9}  {what}", disk.path, size(disk.size))
            }
            Self::Named => "a disk of the server:".to_owned(),
            Self::Memory => "memory only: all is gone after a reboot".to_owned(),
        }
    }
}

/// What can be chosen on a machine with these devices: its disks, those that cannot be taken with the
/// reason, and memory. A disk has to have `least` bytes. Optical drives, loops, the medium that the
/// machine runs from and what has no size (a card reader without a card) are left out.
pub fn targets(devices: &[Device], least: u64) -> Vec<Target> {
    let disks = devices.iter().filter(|d| {
        let odd = d.name.starts_with("zram") || d.name.starts_with("fd");
        d.kind == "disk" && d.size > 0 && !odd && !is_medium(d, devices)
    });
    let mut seen: Vec<&str> = Vec::new();
    let mut targets = Vec::new();
    for device in disks {
        if seen.contains(&device.name.as_str()) {
            continue;
        }
        seen.push(&device.name);
        targets.push(Target::Disk(Disk {
            path: device.path.display().to_string(),
            size: device.size,
            holds: holds(device, devices),
            refused: refused(device, devices, least),
        }));
    }
    targets.push(Target::Memory);
    targets
}

/// Whether it is the ISO on a USB stick: archiso mounts that, or names it so.
fn is_medium(device: &Device, devices: &[Device]) -> bool {
    let mut all = std::iter::once(device).chain(parts(device, devices));
    all.any(|d| {
        d.mounted_at()
            .any(|place| place.starts_with("/run/archiso"))
            || d.fstype.as_deref() == Some("iso9660")
    })
}

fn refused(device: &Device, devices: &[Device], least: u64) -> Option<String> {
    let mut all = std::iter::once(device).chain(parts(device, devices));
    if device.ro {
        return Some("cannot be written to".to_owned());
    }
    if all.clone().any(|d| d.label.as_deref() == Some(LABEL)) {
        return Some(MAIL.to_owned());
    }
    if device.sector != SECTOR {
        return Some(format!(
            "has sectors of {} bytes, not of {SECTOR}",
            device.sector
        ));
    }
    if let Some(place) = all.find_map(|d| d.mounted_at().next()) {
        return Some(format!("in use, mounted at {place}"));
    }
    if device.size < least {
        return Some(format!("too small, {} is the least", size(least)));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{agent::block::tests::devices, disk::layout::Layout};

    #[test]
    fn disks_are_listed_with_what_speaks_against_them() {
        let mut all = devices();
        all[6].size = 10_000_000_000;
        let stick = Device {
            path: "/dev/sda".into(),
            name: "sda".into(),
            fstype: Some("iso9660".into()),
            ..all[6].clone()
        };
        let locked = Device {
            path: "/dev/sdb".into(),
            name: "sdb".into(),
            ro: true,
            ..all[6].clone()
        };
        let small = Device {
            path: "/dev/sdc".into(),
            name: "sdc".into(),
            size: 1_600_000_000,
            ..all[6].clone()
        };
        let used = Device {
            path: "/dev/sdd".into(),
            name: "sdd".into(),
            mountpoints: vec![Some("/mnt".to_owned())],
            ..all[6].clone()
        };
        let large_sectors = Device {
            path: "/dev/sde".into(),
            name: "sde".into(),
            sector: 4096,
            ..all[6].clone()
        };
        all.extend([stick, locked, small, used, large_sectors]);
        let lines = targets(&all, Layout::least(0));
        let text: Vec<String> = lines.iter().map(Target::described).collect();
        insta::assert_snapshot!(text.join("\n"), @r#"
        /dev/vda      10.00 GB  not blank
        /dev/vdb       1.07 GB  has the mail of a server on it
        /dev/vdc      10.00 GB  blank
        /dev/sdb      10.00 GB  cannot be written to
        /dev/sdc       1.60 GB  too small, 1.61 GB is the least
        /dev/sdd      10.00 GB  in use, mounted at /mnt
        /dev/sde      10.00 GB  has sectors of 4096 bytes, not of 512
        memory only: all is gone after a reboot
        "#);
        assert_eq!(targets(&[], 0), [Target::Memory]);
        let what = lines[0].to_erase().unwrap();
        assert!(what.contains("/dev/vda1 (vfat, label EFI"), "{what}");
        assert_eq!(lines[2].to_erase(), None);
        assert!(lines[0].is_free() && !lines[1].is_free());
        assert!(lines[0].is_at(&lines[0]) && !lines[0].is_at(&lines[2]));
    }
}
