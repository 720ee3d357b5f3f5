//! What is never erased, whatever the answers say: a state volume, and an installed server, also where
//! damage hides them. Damaged mail can be saved, erased mail cannot.

use std::process::Command;

use anyhow::{Result, bail};

use super::{LABEL, choose::Named};
use crate::{
    agent::block::Device,
    disk::{STATE, ext4, gpt::Table, mark, raw::Disk},
    util::run::Task,
};

/// Whether a device is a state volume by the label that blkid(8) finds. Asks the device itself: what udev
/// says of one that has just appeared may be too little.
fn is_state_volume(device: &Device) -> Result<bool> {
    let mut command = Command::new("blkid");
    command.args(["--probe", "--match-tag", "LABEL", "--output", "value"]);
    command.arg(&device.path);
    let what = format!("looking for a state volume on {}", device.path.display());
    // 2: nothing is known of what is on it
    let found = Task::new(what, command).outcome()?;
    Ok(String::from_utf8_lossy(&found.stdout).trim() == LABEL)
}

/// Whether a device is a state volume, or was one until it was damaged: then it is found and mounted no
/// more, and no tool names it.
///
/// # Errors
/// When it cannot be read.
pub fn has_state(device: &Device) -> Result<bool> {
    Ok(is_state_volume(device)? || has_name(device)?)
}

/// Whether a superblock has the name of a state volume, whatever its checksum says.
fn has_name(device: &Device) -> Result<bool> {
    ext4::has_name(&Disk::open(&device.path, false)?, LABEL)
}

/// Refuses a state volume.
///
/// # Errors
/// When it is one, or cannot be asked.
pub fn a_state_volume(device: &Device) -> Result<()> {
    if is_state_volume(device)? {
        bail!(
            "{} is a state volume, and is not erased; restart, and it is used",
            device.path.display()
        );
    }
    Ok(())
}

/// Refuses a state volume, and what is left of a damaged one.
///
/// # Errors
/// When it is one, or cannot be read.
pub fn a_damaged_state_volume(device: &Device) -> Result<()> {
    a_state_volume(device)?;
    if has_name(device)? {
        bail!(
            "{} has a damaged state volume on it, with the mail of a server, and is not erased; nothing was \
             changed. Make a copy of it before anything else; then 'e2fsck -b 32768' may mend it. To give \
             its mail up, write zeros over its first 130 MiB",
            device.path.display()
        );
    }
    Ok(())
}

/// Whether a disk's table has the partition of a state volume, though the kernel may not see it: the
/// first copy of a table can be damaged while all behind it is whole. A partition on which no state
/// volume was made yet has no mail.
///
/// # Errors
/// When the disk cannot be read.
pub fn has_server(disk: &Disk) -> Result<bool> {
    let tables = Table::copies(disk)?;
    for (_, range) in tables.iter().flatten().filter_map(|t| t.find(STATE)) {
        let there = range.start + mark::BLOCK as u64 <= disk.size();
        if !(there && mark::fresh(range.start).is_on(disk)?) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Refuses a disk with the partition of a state volume on it.
///
/// # Errors
/// When it is one, or cannot be read.
pub fn a_server(disk: &Disk, name: Named) -> Result<()> {
    if has_server(disk)? {
        bail!(
            "{name} has an installed server on it, with its mail, and is not erased; nothing was changed. \
             If it does not boot, its partition table is damaged: detach this ISO and try, or look from a \
             rescue system with 'sfdisk --verify'. To give its mail up, run 'wipefs --all' there, and \
             write zeros over the disk's first and last MiB"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;
    use crate::agent::block::tests::devices;

    #[test]
    fn a_state_volume_whose_superblock_is_damaged_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk");
        File::create(&path).unwrap().set_len(600 << 20).unwrap();
        let device = Device {
            path,
            size: 600 << 20,
            ..devices().pop().unwrap()
        };
        a_damaged_state_volume(&device).unwrap();
        let mut command = Command::new("mke2fs");
        command.args(["-q", "-F", "-t", "ext4", "-L", LABEL]);
        command.arg(&device.path);
        Task::new("making a state volume", command).run().unwrap();
        let error = a_damaged_state_volume(&device).unwrap_err().to_string();
        let error = error.replace(&device.path.display().to_string(), "/dev/vda");
        insta::assert_snapshot!(error, @"/dev/vda is a state volume, and is not erased; restart, and it is used");

        // no tool sees it any more
        let disk = Disk::open(&device.path, true).unwrap();
        disk.zero(0..4096).unwrap();
        a_state_volume(&device).unwrap();
        let error = a_damaged_state_volume(&device).unwrap_err().to_string();
        let error = error.replace(&device.path.display().to_string(), "/dev/vda");
        insta::assert_snapshot!(error, @"/dev/vda has a damaged state volume on it, with the mail of a server, and is not erased; nothing was changed. Make a copy of it before anything else; then 'e2fsck -b 32768' may mend it. To give its mail up, write zeros over its first 130 MiB");

        disk.zero(0..130 << 20).unwrap();
        a_damaged_state_volume(&device).unwrap();
    }
}
