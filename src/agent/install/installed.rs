//! Which disks the server is installed to.

use anyhow::{Result, bail};

use crate::{
    agent::block::Device,
    disk::{ANSWERS, BOOT, STATE},
};

/// Where the initramfs has mounted the medium that the system runs from (mkinitcpio-archiso).
pub const MEDIUM: &str = "/run/archiso/bootmnt";

/// A disk with the server on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Installed<'a> {
    /// The disk.
    pub disk: &'a Device,
    /// The partition that is booted from.
    pub boot: &'a Device,
    /// The partition of the answers.
    pub answers: &'a Device,
    /// The partition of the state volume.
    pub state: &'a Device,
}

impl Installed<'_> {
    /// Whether the running system was booted from it.
    pub fn is_booted(&self) -> bool {
        self.boot.mounted_at().any(|place| place == MEDIUM)
    }

    /// Whether one was made from the other byte by byte, or may have been. Identifiers of partitions are
    /// random.
    fn is_copy_of(&self, other: &Installed) -> bool {
        match (&self.state.partuuid, &other.state.partuuid) {
            (Some(own), Some(other)) => own == other,
            _ => true,
        }
    }
}

/// All of them.
pub fn all(devices: &[Device]) -> Vec<Installed<'_>> {
    let disks = devices.iter().filter(|d| d.kind == "disk");
    disks.filter_map(|disk| on(disk, devices)).collect()
}

/// The one that the running system was booted from.
pub fn booted(devices: &[Device]) -> Option<Installed<'_>> {
    all(devices).into_iter().find(Installed::is_booted)
}

/// Refuses a copy of the booted disk beside it: which of the two was meant is not known.
///
/// # Errors
/// When there is one.
pub fn alone(on: &Installed, devices: &[Device]) -> Result<()> {
    let all = all(devices);
    let mut others = all.iter().filter(|other| other.disk.name != on.disk.name);
    if let Some(copy) = others.find(|other| other.is_copy_of(on)) {
        bail!(
            "{} is a copy of {}, and it is not clear which of the two is this server's: detach one and \
             restart",
            copy.disk.path.display(),
            on.disk.path.display()
        );
    }
    Ok(())
}

/// The one that this server has: which it was booted from, or the only one that is attached.
pub fn own(devices: &[Device]) -> Option<Installed<'_>> {
    booted(devices).or_else(|| match all(devices)[..] {
        [on] => Some(on),
        _ => None,
    })
}

/// Without the state volumes of other installed disks than the booted one: whose they are, is known.
/// Not so of a copy of that disk: the initramfs takes the first of the two that it comes across.
pub fn of_this_server(devices: Vec<Device>) -> Vec<Device> {
    let Some(own) = booted(&devices) else {
        return devices;
    };
    let all = all(&devices);
    let others = all.iter().filter(|on| on.disk.name != own.disk.name);
    let others = others.filter(|on| !on.is_copy_of(&own));
    let others: Vec<String> = others.map(|on| on.state.name.clone()).collect();
    let mut devices = devices;
    devices.retain(|device| !others.contains(&device.name));
    devices
}

/// `/dev/sda and /dev/sdb`
pub fn listed(all: &[Installed]) -> String {
    let paths: Vec<String> = all
        .iter()
        .map(|on| on.disk.path.display().to_string())
        .collect();
    paths.join(" and ")
}

fn on<'a>(disk: &'a Device, devices: &'a [Device]) -> Option<Installed<'a>> {
    let part = |name: &str| {
        devices.iter().find(|d| {
            d.pkname.as_deref() == Some(&disk.name) && d.partlabel.as_deref() == Some(name)
        })
    };
    Some(Installed {
        disk,
        boot: part(BOOT)?,
        answers: part(ANSWERS)?,
        state: part(STATE)?,
    })
}

/// The devices of a server that is installed to `/dev/vda`, and boots from it.
#[cfg(test)]
pub(crate) fn test_devices() -> Vec<Device> {
    let disk = Device {
        path: "/dev/vda".into(),
        name: "vda".into(),
        label: None,
        fstype: None,
        pttype: Some("gpt".into()),
        partlabel: None,
        partuuid: None,
        kind: "disk".into(),
        pkname: None,
        size: 10_000_000_000,
        sector: 512,
        ro: false,
        mountpoints: vec![None],
    };
    let part = |number: u32, name: &str, fstype: Option<&str>, mounted: Option<&str>| Device {
        path: format!("/dev/vda{number}").into(),
        name: format!("vda{number}"),
        fstype: fstype.map(str::to_owned),
        partlabel: Some(name.to_owned()),
        partuuid: Some(format!("8f5d6a52-0000-4000-8000-00000000000{number}")),
        kind: "part".into(),
        pkname: Some("vda".into()),
        size: 1 << 30,
        mountpoints: vec![mounted.map(str::to_owned)],
        ..disk.clone()
    };
    vec![
        part(1, BOOT, Some("vfat"), Some(MEDIUM)),
        part(2, ANSWERS, None, None),
        part(3, STATE, None, None),
        disk,
    ]
}

/// The same on another disk, `/dev/vdb`, byte by byte.
#[cfg(test)]
pub(crate) fn test_copy(devices: &[Device]) -> Vec<Device> {
    let other = |text: &str| text.replace("vda", "vdb");
    let copy = devices.iter().cloned().map(|mut device| {
        device.path = other(&device.path.display().to_string()).into();
        device.name = other(&device.name);
        device.pkname = device.pkname.as_deref().map(other);
        device
    });
    copy.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::block::tests::devices;

    #[test]
    fn a_disk_has_all_three_partitions() {
        assert!(all(&devices()).is_empty());
        let mut installed = test_devices();
        let found = booted(&installed).unwrap();
        assert_eq!(found.state.name, "vda3");
        installed[0].mountpoints = vec![None];
        assert_eq!(booted(&installed), None);
        assert_eq!(own(&installed).unwrap().disk.name, "vda");
        let mut both = installed.clone();
        both.extend(test_copy(&installed));
        assert_eq!(all(&both).len(), 2);
        assert_eq!(own(&both), None);
        both[4].mountpoints = vec![Some(MEDIUM.to_owned())];
        let own = own(&both).unwrap();
        assert_eq!(own.disk.name, "vdb");
        assert_eq!(listed(&all(&both)), "/dev/vda and /dev/vdb");
        // a copy may as well be the server's
        let error = alone(&own, &both).unwrap_err();
        insta::assert_snapshot!(error, @"/dev/vda is a copy of /dev/vdb, and it is not clear which of the two is this server's: detach one and restart");
        assert_eq!(of_this_server(both.clone()), both);
        both[6].partuuid = Some("8f5d6a52-0000-4000-8000-000000000009".to_owned());
        alone(&booted(&both).unwrap(), &both).unwrap();
        // and the other's mail is not this server's
        let ours = of_this_server(both.clone());
        assert_eq!(listed(&all(&ours)), "/dev/vdb");
        assert_eq!(ours.len(), both.len() - 1);
        assert_eq!(of_this_server(installed.clone()), installed);
        installed.remove(1);
        assert!(all(&installed).is_empty());
    }
}
