//! Which device is the state volume, and which may become it.

use std::path::Path;

use anyhow::{Result, bail};

use super::LABEL;
use crate::{agent::block::Device, disk::raw::Disk, util::size::size};

/// Smallest device, in bytes: below it, file system and queue leave no room for mail.
const SMALLEST: u64 = 256 << 20;

/// A device by the answers.
#[derive(Debug, Clone, Copy)]
pub struct Named<'a> {
    /// What they call it.
    pub name: &'a str,
    /// The table that names it: `state`, or `install`.
    pub table: &'static str,
}

impl std::fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}.device in the answers)", self.name, self.table)
    }
}

/// The one state volume.
///
/// # Errors
/// When there are several: to take one of them would be to guess whose mail this is.
pub fn labelled(devices: &[Device]) -> Result<Option<&Device>> {
    let found: Vec<&Device> = devices
        .iter()
        .filter(|d| d.label.as_deref() == Some(LABEL) && d.fstype.as_deref() == Some("ext4"))
        .collect();
    if let [_, _, ..] = &found[..] {
        let names: Vec<String> = found.iter().map(|d| d.described()).collect();
        bail!(
            "several state volumes are attached, and it is not clear which one is this server's: \
             {}; detach all but one and restart",
            names.join(", ")
        );
    }
    Ok(found.first().copied())
}

/// The device at `path`, where the answers want a state volume, or the server, to be.
///
/// # Errors
/// When it is no device that can be written, is in use, or is too small.
pub fn named<'a>(path: &Path, name: Named, devices: &'a [Device]) -> Result<&'a Device> {
    let Some(device) = devices.iter().find(|d| d.is_at(path)) else {
        bail!("{name} is not a disk");
    };
    if device.ro || device.kind == "rom" {
        bail!("{name} cannot be written to: name another device");
    }
    for used in std::iter::once(device).chain(parts(device, devices)) {
        if let Some(place) = used.mounted_at().next() {
            bail!(
                "{name} is in use: {} is mounted at {place}; name \
                 another device",
                used.path.display()
            );
        }
    }
    if device.size < SMALLEST {
        bail!(
            "{name} is too small: it has {}, {} is the least",
            size(device.size),
            size(SMALLEST)
        );
    }
    Ok(device)
}

/// Refuses a device that something else than a mount holds, or what stands on it: members of LVM or RAID,
/// which would be written under their holder.
///
/// # Errors
/// When it is held, or cannot be opened.
pub fn refuse_held(device: &Device, name: Named, devices: &[Device]) -> Result<()> {
    for part in parts(device, devices).into_iter().chain([device]) {
        if Disk::is_held(&part.path)? {
            bail!(
                "{name} is in use: {} is held by LVM, RAID or their like; nothing was changed. Release it \
                 (vgchange -an, mdadm --stop), or name another device",
                part.path.display()
            );
        }
    }
    Ok(())
}

/// What is known to be on a device, in words; `None` if nothing is.
pub fn holds(device: &Device, devices: &[Device]) -> Option<String> {
    let parts = parts(device, devices);
    let known = device.fstype.is_some() || device.label.is_some();
    let table = device.kind != "part" && device.pttype.is_some();
    if !known && !table && parts.is_empty() {
        return None;
    }
    let all = std::iter::once(device).chain(parts);
    Some(all.map(Device::described).collect::<Vec<_>>().join(", "))
}

/// The refusal of a device that holds `what`.
pub fn not_blank(name: Named, what: &str) -> String {
    format!(
        "{name} is not blank: {what}; nothing was changed. Name a blank device, or let the server \
         erase this one with `wipe = true` in `[{}]`",
        name.table
    )
}

/// The partitions of a disk, what stands on it otherwise, and what stands on those.
pub fn parts<'a>(device: &Device, devices: &'a [Device]) -> Vec<&'a Device> {
    let on = |name: &str| {
        let of = devices.iter().filter(|d| d.pkname.as_deref() == Some(name));
        of.collect::<Vec<_>>()
    };
    let mut parts = on(&device.name);
    let mut next = 0;
    // lsblk lists a device once under each that it stands on
    while next < parts.len() {
        for device in on(&parts[next].name) {
            if !parts.iter().any(|p| p.name == device.name) {
                parts.push(device);
            }
        }
        next += 1;
    }
    parts
}

/// What a device stands on: the disk of a partition, and what that stands on.
pub fn disks<'a>(device: &Device, devices: &'a [Device]) -> Vec<&'a Device> {
    let under = |device: &Device| {
        let names = devices.iter().filter(|d| d.name == device.name);
        let under = names.filter_map(|d| d.pkname.clone());
        under.collect::<Vec<_>>()
    };
    let mut found: Vec<&Device> = Vec::new();
    let mut next = under(device);
    while let Some(name) = next.pop() {
        if found.iter().any(|d| d.name == name) {
            continue;
        }
        if let Some(disk) = devices.iter().find(|d| d.name == name) {
            found.push(disk);
            next.extend(under(disk));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::block::tests::devices;

    fn state(name: &str) -> Named<'_> {
        Named {
            name,
            table: "state",
        }
    }

    #[test]
    fn the_label_decides() {
        let mut all = devices();
        let found = labelled(&all).unwrap().unwrap();
        assert_eq!(found.path, Path::new("/dev/vdb"));
        let copy = Device {
            path: "/dev/vdd".into(),
            ..found.clone()
        };
        all.push(copy);
        let error = labelled(&all).unwrap_err();
        insta::assert_snapshot!(error, @"several state volumes are attached, and it is not clear which one is this server's: /dev/vdb (ext4, label ezmail-state, 1.07 GB), /dev/vdd (ext4, label ezmail-state, 1.07 GB); detach all but one and restart");
        all.retain(|d| d.label.as_deref() != Some(LABEL));
        assert_eq!(labelled(&all).unwrap(), None);
    }

    #[test]
    fn each_refusal_says_what_was_found() {
        let all = devices();
        let refused = |device: &str| named(Path::new(device), state(device), &all).unwrap_err();
        insta::assert_snapshot!(refused("/dev/null"), @"/dev/null (state.device in the answers) is not a disk");
        insta::assert_snapshot!(refused("/dev/sr0"), @"/dev/sr0 (state.device in the answers) cannot be written to: name another device");
        insta::assert_snapshot!(refused("/dev/vdb"), @"/dev/vdb (state.device in the answers) is in use: /dev/vdb is mounted at /var/lib/ezmail; name another device");
        let mut small = devices();
        small[6].size = 1 << 20;
        let error = named(Path::new("/dev/vdc"), state("/dev/vdc"), &small).unwrap_err();
        insta::assert_snapshot!(error, @"/dev/vdc (state.device in the answers) is too small: it has 1.0 MB, 268.4 MB is the least");
    }

    #[test]
    fn what_a_device_holds_is_named() {
        let all = devices();
        assert_eq!(holds(&all[6], &all), None);
        let what = holds(&all[2], &all).unwrap();
        insta::assert_snapshot!(not_blank(state("/dev/vda"), &what), @"/dev/vda (state.device in the answers) is not blank: /dev/vda (gpt partition table, 10.00 GB), /dev/vda1 (vfat, label EFI, 512.0 MB), /dev/vda2 (ext4, 9.00 GB); nothing was changed. Name a blank device, or let the server erase this one with `wipe = true` in `[state]`");
        let part = holds(&all[4], &all).unwrap();
        assert_eq!(part, "/dev/vda2 (ext4, 9.00 GB)");
        assert_eq!(parts(&all[2], &all).len(), 2);
        assert_eq!(disks(&all[4], &all), [&all[2]]);
        assert!(disks(&all[2], &all).is_empty());
    }
}
