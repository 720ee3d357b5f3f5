//! The disks of this machine, looked at as the agent looks at them before it installs to one.

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

use super::disks::{self, Target};
use crate::{
    agent::{block, install::installed::MEDIUM, state::blank},
    disk::{image::Image, layout::Layout, mark::INSTALLING, raw::Disk},
};

/// How long disks are waited for: 2 MiB and some 250 places are read on each, on all at the same time.
const PATIENCE: Duration = Duration::from_secs(20);

/// What can be chosen on this machine.
///
/// # Errors
/// When the disks cannot be listed.
pub fn here() -> Result<Vec<Target>> {
    let mut targets = disks::targets(&block::list()?, least());
    look(&mut targets, PATIENCE);
    Ok(targets)
}

/// The smallest disk for the image that runs.
fn least() -> u64 {
    let image = Image::read(Path::new(MEDIUM)).and_then(|image| image.size());
    // without its medium nothing is installed at all, and the agent says why
    Layout::least(image.unwrap_or_default())
}

/// Looks at the disks that seem to be blank. One that does not answer holds up no other.
fn look(targets: &mut [Target], patience: Duration) {
    let (sender, looked) = mpsc::channel();
    for (n, target) in targets.iter_mut().enumerate() {
        if let Target::Disk(disk) = target
            && disk.refused.is_none()
            && disk.holds.is_none()
        {
            // until it has
            disk.refused = Some("does not answer".to_owned());
            let (sender, path, size) = (sender.clone(), PathBuf::from(&disk.path), disk.size);
            thread::spawn(move || {
                // nobody waits any more for one that was too slow
                let _ = sender.send((n, unknown(&path, size)));
            });
        }
    }
    drop(sender);
    let end = Instant::now() + patience;
    while let Ok((n, found)) = looked.recv_timeout(end.saturating_duration_since(Instant::now())) {
        if let Target::Disk(disk) = &mut targets[n] {
            disk.refused = None;
            disk.holds = match found {
                Ok(holds) => holds,
                Err(error) => Some(format!("something that cannot be read: {error:#}")),
            };
        }
    }
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
        look(&mut targets, PATIENCE);
        assert!(targets.iter().all(Target::is_free), "{targets:?}");
        assert_eq!(targets[0].to_erase(), None);
        assert_eq!(targets[1].to_erase(), Some("data of an unknown kind"));
        assert_eq!(targets[2].to_erase(), None);
        let gone = targets[3].to_erase().unwrap();
        assert!(
            gone.starts_with("something that cannot be read: opening "),
            "{gone}"
        );
    }

    #[test]
    fn a_disk_that_does_not_answer_cannot_be_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk");
        // opening it to be read takes until somebody writes
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let mut targets = [target(&path)];
        look(&mut targets, Duration::from_millis(50));
        assert!(!targets[0].is_free());
        assert!(targets[0].described().ends_with("does not answer"));
    }
}
