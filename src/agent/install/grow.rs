//! Lets the partition of the state take all of a disk that has become larger.

use std::process::Command;

use anyhow::Result;

use super::installed::Installed;
use crate::{
    disk::{grow, raw::Disk},
    util::{run::Task, size::size},
};

/// Grows the partition on one disk: what was done, if there was something to do.
///
/// # Errors
/// When the disk cannot be written, or the kernel does not take the new size.
pub fn run(on: &Installed) -> Result<Option<String>> {
    if on.disk.ro {
        return Ok(None);
    }
    let Some(grown) = grow::grow(&Disk::open(&on.disk.path, true)?)? else {
        return Ok(None);
    };
    let mut command = Command::new("partx");
    command.args(["--update", "--nr", &grown.number.to_string()]);
    command.arg(&on.disk.path);
    Task::new("telling the kernel of the larger partition", command).run()?;
    let mut settle = Command::new("udevadm");
    settle.args(["settle", "--timeout=30"]);
    Task::new("waiting for the disks", settle).run()?;
    Ok(Some(format!(
        "the partition of the state on {} has {} now, and had {}",
        on.disk.path.display(),
        size(grown.length),
        size(grown.before)
    )))
}
