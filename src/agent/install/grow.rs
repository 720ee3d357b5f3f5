//! Lets the partition of the state take all of a disk that has become larger, and mends its table.

use std::process::Command;

use anyhow::Result;

use super::installed::Installed;
use crate::{
    agent::block,
    disk::{grow, raw::Disk},
    util::{run::Task, size::size},
};

/// Mends the table of one disk and grows the partition on it: what was done, a line each.
///
/// # Errors
/// When the disk cannot be written, or the kernel does not take the new size.
pub fn run(on: &Installed) -> Result<Vec<String>> {
    let mut done = Vec::new();
    if on.disk.ro {
        return Ok(done);
    }
    if !grow::is_due(&Disk::open(&on.disk.path, false)?)? {
        return Ok(done);
    }
    let disk = Disk::open(&on.disk.path, true)?;
    if let Some(which) = grow::mend(&disk)? {
        done.push(format!(
            "the {which} copy of the partition table of {} was damaged, and was written anew",
            on.disk.path.display()
        ));
    }
    let grown = grow::grow(&disk)?;
    // udev looks at it anew now, and the partitions go and come
    drop(disk);
    block::settle()?;
    let Some(grown) = grown else {
        return Ok(done);
    };
    let mut command = Command::new("partx");
    command.args(["--update", "--nr", &grown.number.to_string()]);
    command.arg(&on.disk.path);
    Task::new("telling the kernel of the larger partition", command).run()?;
    block::settle()?;
    done.push(format!(
        "the partition of the state on {} has {} now, and had {}",
        on.disk.path.display(),
        size(grown.length),
        size(grown.before)
    ));
    Ok(done)
}
