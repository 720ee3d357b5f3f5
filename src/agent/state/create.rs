//! Makes the file system of the state volume.
//!
//! Power may fail at any moment of it, and the next boot has to tell a half-made state volume from
//! somebody else's data. So a mark is written first, to the end of the device, beyond the file
//! system; the file system is made with another label; and the label that makes it the state
//! volume comes last. What has the mark and not the label is made again from the start.

use std::{fs::File, path::Path, process::Command};

use anyhow::{Context, Result};

use super::{
    LABEL,
    choose::{holds, parts},
    never,
};
use crate::{
    agent::block::Device,
    disk::{
        mark::{self, Mark},
        raw::Disk,
    },
    util::run::Task,
};

/// The file system's label while it is made.
const UNFINISHED: &str = "ezmail-new";
/// What is left free at the end of the device; the file system grows over it when it is opened.
const TAIL: u64 = 1 << 20;
/// What the mark says.
const MARK: &str = "ezmail: a state volume is being created on this device\n";

/// The mark: the last block of the device.
fn begun(device: &Device) -> Mark {
    Mark {
        text: MARK,
        place: device.size - mark::BLOCK as u64,
    }
}

/// Whether the making of a state volume was broken off here. A table, a partition, or another file system
/// than a half-made one is somebody's, whatever the mark says: it lies where few others write.
///
/// # Errors
/// When the device cannot be read.
pub fn is_unfinished(device: &Device, devices: &[Device]) -> Result<bool> {
    let half = device.label.as_deref() == Some(UNFINISHED);
    if !half && holds(device, devices).is_some() || device.size < TAIL {
        return Ok(false);
    }
    begun(device).is_on(&Disk::open(&device.path, false)?)
}

/// Makes the state volume on `device`, erasing what is on it if `erase`; returns what was done,
/// a line each. Whether it may be done has been decided.
///
/// # Errors
/// When a tool fails or the device cannot be written.
pub fn run(device: &Device, devices: &[Device], erase: bool) -> Result<Vec<String>> {
    let mut done = Vec::new();
    let parts = parts(device, devices);
    for part in parts.iter().copied().chain([device]) {
        never::a_state_volume(part)?;
    }
    begun(device).set(&Disk::open(&device.path, true)?)?;
    if erase {
        for part in parts.iter().copied().chain([device]) {
            let mut command = Command::new("wipefs");
            command
                .args(["--all", "--force", "--quiet"])
                .arg(&part.path);
            Task::new(format!("erasing {}", part.path.display()), command).run()?;
        }
        done.push(format!("{} erased", device.described()));
    }
    let mut command = Command::new("mke2fs");
    command
        .args(["-q", "-F", "-t", "ext4", "-m", "1", "-L", UNFINISHED])
        // a damaged file system takes no more mail
        .args(["-e", "remount-ro"])
        // the first mail does not wait for it, and no write is left to guess at
        .args(["-E", "nodiscard,lazy_itable_init=1,lazy_journal_init=0"])
        .arg(&device.path)
        .arg(format!("{}k", (device.size - TAIL) / 1024));
    Task::new("creating the state volume", command).run()?;
    sync(&device.path)?;
    let mut command = Command::new("e2label");
    command.arg(&device.path).arg(LABEL);
    Task::new("naming the state volume", command).run()?;
    sync(&device.path)?;
    unmark(device)?;
    done.push(format!("created on {}", device.path.display()));
    Ok(done)
}

/// Takes the mark away, where the file system does not reach to it.
///
/// # Errors
/// When the device cannot be written.
pub fn unmark(device: &Device) -> Result<()> {
    begun(device).clear(&Disk::open(&device.path, true)?)
}

fn sync(device: &Path) -> Result<()> {
    File::open(device)
        .and_then(|f| f.sync_all())
        .with_context(|| format!("syncing {}", device.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::block::tests::devices;

    /// A file in a device's place: the tools take it as well.
    fn device(folder: &Path) -> Device {
        let path = folder.join("disk");
        let file = File::create(&path).unwrap();
        file.set_len(300 << 20).unwrap();
        Device {
            path,
            size: 300 << 20,
            ..devices().pop().unwrap()
        }
    }

    fn label(device: &Device) -> String {
        let mut command = Command::new("e2label");
        command.arg(&device.path);
        let text = Task::new("reading the label", command).output().unwrap();
        text.trim().to_owned()
    }

    #[test]
    fn what_was_broken_off_is_known_and_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut device = device(folder.path());
        assert!(!is_unfinished(&device, &[]).unwrap());
        begun(&device)
            .set(&Disk::open(&device.path, true).unwrap())
            .unwrap();
        assert!(is_unfinished(&device, &[]).unwrap());
        // somebody has put something else there since
        let others: [fn(&mut Device); 3] = [
            |device| device.label = Some("old-state".to_owned()),
            |device| device.fstype = Some("vfat".to_owned()),
            |device| device.pttype = Some("dos".to_owned()),
        ];
        for other in others {
            let mut device = device.clone();
            other(&mut device);
            assert!(!is_unfinished(&device, &[]).unwrap(), "{device:?}");
        }
        let part = Device {
            pkname: Some(device.name.clone()),
            name: "part".to_owned(),
            ..device.clone()
        };
        assert!(!is_unfinished(&device, &[part]).unwrap());
        device.label = Some(UNFINISHED.to_owned());
        device.fstype = Some("ext4".to_owned());
        assert!(is_unfinished(&device, &[]).unwrap());
        device.label = None;
        device.fstype = None;
        let done = run(&device, &[], false).unwrap();
        assert_eq!(done.len(), 1);
        assert_eq!(label(&device), LABEL);
        // neither the label nor the mark says so any more
        device.label = Some(LABEL.to_owned());
        assert!(!is_unfinished(&device, &[]).unwrap());
        device.label = None;
        assert!(!is_unfinished(&device, &[]).unwrap());
        // the mark lies beyond the file system, which the tools find sound
        let mut command = Command::new("e2fsck");
        command.args(["-f", "-n"]).arg(&device.path);
        Task::new("checking", command).run().unwrap();
    }

    #[test]
    fn what_was_there_is_erased_when_that_is_allowed() {
        let folder = tempfile::tempdir().unwrap();
        let device = device(folder.path());
        let mut command = Command::new("mke2fs");
        command.args(["-q", "-F", "-L", "other"]).arg(&device.path);
        Task::new("making another file system", command)
            .run()
            .unwrap();
        let error = crate::agent::state::blank::check(
            &device,
            crate::agent::state::choose::Named {
                name: "/dev/vdc",
                table: "state",
            },
        )
        .unwrap_err();
        let text = error.to_string();
        assert!(text.contains("there is data of an unknown kind"), "{text}");
        let done = run(&device, &[], true).unwrap();
        assert!(done[0].ends_with(" erased"), "{done:?}");
        assert_eq!(label(&device), LABEL);
        // and never again, even if nobody has told us what it is
        let error = run(&device, &[], true).unwrap_err().to_string();
        assert!(
            error.contains("is a state volume, and is not erased"),
            "{error}"
        );
    }
}
