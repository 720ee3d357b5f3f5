//! The disks of this machine, looked at as the agent looks at them before it installs to one.

use std::{
    fs::File,
    path::Path,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

use super::disks::{self, Target};
use crate::{
    agent::{
        block::{self, Device},
        install::installed::MEDIUM,
        state::{blank, choose::parts, never},
    },
    disk::{image::Image, layout::Layout, mark::INSTALLING, raw::Disk},
};

/// How long disks are waited for: 2 MiB and some 250 places are read on each, on all at the same time.
const PATIENCE: Duration = Duration::from_secs(20);

/// What can be chosen on this machine.
///
/// # Errors
/// When the disks cannot be listed.
pub fn here() -> Result<Vec<Target>> {
    let devices = block::list()?;
    let mut targets = disks::targets(&devices, least());
    look(&mut targets, &devices, PATIENCE);
    Ok(targets)
}

/// The smallest disk for the image that runs.
fn least() -> u64 {
    let image = Image::read(Path::new(MEDIUM)).and_then(|image| image.size());
    // without its medium nothing is installed at all, and the agent says why
    Layout::least(image.unwrap_or_default())
}

/// Looks at the disks that may be taken. One that does not answer holds up no other.
fn look(targets: &mut [Target], devices: &[Device], patience: Duration) {
    let (sender, looked) = mpsc::channel();
    for (n, target) in targets.iter_mut().enumerate() {
        if let Target::Disk(disk) = target
            && disk.refused.is_none()
        {
            // until it has
            disk.refused = Some("does not answer".to_owned());
            let (sender, disk) = (sender.clone(), disk.clone());
            let device = devices.iter().find(|d| d.is_at(Path::new(&disk.path)));
            let parts = device.map(|d| parts(d, devices).into_iter().chain([d]).cloned());
            let parts: Vec<Device> = parts.into_iter().flatten().collect();
            thread::spawn(move || {
                // nobody waits any more for one that was too slow
                let _ = sender.send((n, examine(&disk, &parts)));
            });
        }
    }
    drop(sender);
    let end = Instant::now() + patience;
    while let Ok((n, found)) = looked.recv_timeout(end.saturating_duration_since(Instant::now())) {
        if let Target::Disk(disk) = &mut targets[n] {
            (disk.holds, disk.refused) = match found {
                Ok(Found::Mail) => (disk.holds.take(), Some(disks::MAIL.to_owned())),
                Ok(Found::Held) => (disk.holds.take(), Some("in use".to_owned())),
                Ok(Found::Holds(holds)) => (holds, None),
                // which the agent refuses, too
                Err(_) => (disk.holds.take(), Some("cannot be read".to_owned())),
            };
        }
    }
}

/// What a look at a disk finds.
enum Found {
    /// The mail of a server, which is never erased, also where damage hides it.
    Mail,
    /// Something that is at work on it.
    Held,
    /// Something else, in words; none: it is blank.
    Holds(Option<String>),
}

/// Looks at a disk; `parts` are what stands on it, and itself.
fn examine(disk: &disks::Disk, parts: &[Device]) -> Result<Found> {
    let path = Path::new(&disk.path);
    for part in parts {
        if never::has_state(part)? {
            return Ok(Found::Mail);
        }
    }
    if never::has_server(&Disk::open(path, false)?)? {
        return Ok(Found::Mail);
    }
    for part in parts {
        if Disk::is_held(&part.path)? {
            return Ok(Found::Held);
        }
    }
    Ok(Found::Holds(match &disk.holds {
        Some(known) => Some(known.clone()),
        None => unknown(path, disk.size)?,
    }))
}

/// What a disk holds that lsblk knows nothing of. What an installation that was broken off has left is
/// nothing: the agent begins it anew.
fn unknown(path: &Path, size: u64) -> Result<Option<String>> {
    if INSTALLING.is_on(&Disk::open(path, false)?)? {
        return Ok(None);
    }
    let what = || format!("reading {}", path.display());
    let mut file = File::open(path).with_context(what)?;
    let found = blank::first_data(&mut file, size).with_context(what)?;
    Ok(found.map(|_| "data of an unknown kind".to_owned()))
}

#[cfg(test)]
mod tests {
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;
    use crate::{
        agent::block::tests::devices,
        disk::{
            STATE,
            gpt::{Kind, Table},
        },
        util::run::Task,
    };

    const SIZE: u64 = 64 << 20;

    fn target(path: &Path) -> Target {
        Target::Disk(disks::Disk {
            path: path.display().to_string(),
            size: SIZE,
            holds: None,
            refused: None,
        })
    }

    #[test]
    fn a_disk_that_the_agent_would_refuse_is_not_blank() {
        let folder = tempfile::tempdir().unwrap();
        let mut targets = Vec::new();
        for name in ["blank", "data", "begun"] {
            let path = folder.path().join(name);
            File::create(&path).unwrap().set_len(SIZE).unwrap();
            let disk = Disk::open(&path, true).unwrap();
            if name != "blank" {
                disk.write(30 << 20, &[7; 1 << 20]).unwrap();
            }
            if name == "begun" {
                INSTALLING.set(&disk).unwrap();
            }
            targets.push(target(&path));
        }
        targets.extend([target(&folder.path().join("gone")), Target::Memory]);
        look(&mut targets, &[], PATIENCE);
        assert!(targets[..3].iter().all(Target::is_free), "{targets:?}");
        assert_eq!(targets[0].to_erase(), None);
        assert_eq!(targets[1].to_erase(), Some("data of an unknown kind"));
        assert_eq!(targets[2].to_erase(), None);
        assert!(targets[3].described().ends_with("cannot be read"));
    }

    #[test]
    fn a_disk_with_mail_that_damage_hides_cannot_be_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk");
        File::create(&path).unwrap().set_len(SIZE).unwrap();
        let disk = Disk::open(&path, true).unwrap();
        // the second copy of the table alone
        let parts = [(Kind::Linux, STATE, 8 << 20..63 << 20)];
        Table::new(&parts).unwrap().write_backup(&disk).unwrap();
        let mut targets = [target(&path)];
        look(&mut targets, &[], PATIENCE);
        assert!(targets[0].described().ends_with(disks::MAIL));

        // a file system whose first superblock is lost, on a disk with something that is known
        disk.zero(0..SIZE).unwrap();
        let mut command = std::process::Command::new("mke2fs");
        command.args(["-q", "-F", "-t", "ext4", "-b", "1024", "-L", "ezmail-state"]);
        command.arg(&path);
        Task::new("making a state volume", command).run().unwrap();
        disk.zero(0..4096).unwrap();
        let device = Device {
            path: path.clone(),
            ..devices().pop().unwrap()
        };
        let mut targets = [target(&path)];
        if let Target::Disk(disk) = &mut targets[0] {
            disk.holds = Some("something".to_owned());
        }
        look(&mut targets, &[device], PATIENCE);
        assert!(!targets[0].is_free(), "{targets:?}");
    }

    #[test]
    fn a_disk_that_does_not_answer_cannot_be_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk");
        // opening it to be read takes until somebody writes
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let mut targets = [target(&path)];
        look(&mut targets, &[], Duration::from_millis(50));
        assert!(!targets[0].is_free());
        assert!(targets[0].described().ends_with("does not answer"));
    }
}
