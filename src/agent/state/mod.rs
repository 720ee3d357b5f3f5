//! The state volume: the disk that holds everything worth keeping.
//!
//! | module | its one job |
//! |---|---|
//! | [`choose`] | which device it is, or where it may be created |
//! | [`blank`] | whether a device holds anything |
//! | [`create`] | makes the file system, so that a broken-off try is made again |
//! | [`never`] | what is not erased, whatever the answers say |
//! | [`volume`] | checks it, mounts it, grows it |
//! | [`journal`] | the journal of all boots as one |
//! | [`format`] | which version of ezmail wrote it |
//! | [`kept`] | the answers that are kept on it |
//!
//! Everything but [`format`] and [`kept`] is for the running appliance alone: an apply to a folder
//! takes what is below the folder for the state.

pub mod blank;
pub mod choose;
pub mod create;
pub mod format;
pub mod journal;
pub mod kept;
pub mod never;
pub mod volume;

use std::{
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use super::{
    block::{self, Device},
    install::installed,
    paths::Paths,
    status::StepStatus,
};
use crate::{
    answers::model,
    disk::{mark, raw::Disk},
};
use choose::Named;

/// The label of the file system.
pub const LABEL: &str = "ezmail-state";

/// What its part of an apply is called.
pub const STEP: &str = "volume";

/// How long a device that the answers name may take to appear.
const PATIENCE: Duration = Duration::from_secs(15);

/// The state volume of the running appliance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// The device.
    pub device: PathBuf,
    /// What was done to have it in place, a line each.
    pub done: Vec<String>,
    /// Whether it was just made, and nothing is on it yet.
    pub new: bool,
}

impl State {
    /// As a step of the apply.
    pub fn step(&self) -> StepStatus {
        StepStatus {
            name: STEP.to_owned(),
            title: "the state volume".to_owned(),
            done: self.done.clone(),
        }
    }
}

/// Puts an existing state volume in place, whatever the answers say: it is found by its label.
///
/// # Errors
/// When there are several, or the one there is cannot be checked, mounted or read.
pub fn open_existing(paths: &Paths) -> Result<Option<State>> {
    let devices = installed::of_this_server(block::list()?);
    match choose::labelled(&devices)? {
        Some(device) => volume::open(device, paths).map(Some),
        None => Ok(None),
    }
}

/// Creates the state volume on the device that the answers name, and puts it in place.
///
/// Only for answers with a `[state]`, and where [`open_existing`] found none. One that has appeared
/// since is taken.
///
/// # Errors
/// When the device is not there, holds something and may not be wiped, or cannot be written.
pub fn create(wanted: &model::State, paths: &Paths) -> Result<State> {
    let name = Named {
        name: &wanted.device,
        table: "state",
    };
    let path = wait_for(name)?;
    // it may have come late, and then be the state volume
    let devices = installed::of_this_server(block::list()?);
    if let Some(device) = choose::labelled(&devices)? {
        return volume::open(device, paths);
    }
    let device = choose::named(&path, name, &devices)?;
    choose::refuse_held(device, name, &devices)?;
    for part in choose::parts(device, &devices).into_iter().chain([device]) {
        never::a_damaged_state_volume(part)?;
    }
    // a partition may be one of a server: the disk that it is on tells
    for disk in choose::disks(device, &devices).into_iter().chain([device]) {
        never::a_server(&Disk::open(&disk.path, false)?, name)?;
    }
    let unfinished = create::is_unfinished(device, &devices)?;
    let erase = wanted.wipe || unfinished;
    if !erase {
        if let Some(what) = choose::holds(device, &devices) {
            bail!(choose::not_blank(name, &what));
        }
        blank::check(device, name)?;
    }
    create_on(device, &devices, erase, paths)
}

/// Makes the state volume on a device of which it has been decided, and puts it in place.
fn create_on(device: &Device, devices: &[Device], erase: bool, paths: &Paths) -> Result<State> {
    let mut done = create::run(device, devices, erase)?;
    let mut state = volume::open(&device.named(LABEL), paths)?;
    done.append(&mut state.done);
    state.done = done;
    state.new = true;
    Ok(state)
}

/// Creates the state volume on the partition that an installation has made for it.
///
/// # Errors
/// When there is something on it that the installation has not left there, or the device fails.
pub fn create_installed(device: &Device, devices: &[Device], paths: &Paths) -> Result<State> {
    let fresh = mark::fresh(0).is_on(&Disk::open(&device.path, false)?)?;
    if !fresh && !create::is_unfinished(device, devices)? {
        bail!(
            "{} was made for the state volume, and holds something else; nothing was changed. If it \
             was the state volume, it is damaged: make a copy of the device before anything else",
            device.described()
        );
    }
    create_on(device, devices, true, paths)
}

/// The node behind the name in the answers, which may be a link such as `/dev/disk/by-id/...`. It is
/// waited for, and until what is on it is known.
///
/// # Errors
/// When it does not appear.
pub fn wait_for(name: Named) -> Result<PathBuf> {
    let device = Path::new(name.name);
    let deadline = Instant::now() + PATIENCE;
    loop {
        match device.canonicalize() {
            Ok(path) => {
                block::settle()?;
                return Ok(path);
            }
            Err(_) if Instant::now() < deadline => thread::sleep(Duration::from_millis(500)),
            Err(e) => {
                let known: Vec<String> = block::list()?
                    .iter()
                    .filter(|d| d.kind == "disk" || d.kind == "part")
                    .map(block::Device::described)
                    .collect();
                return Err(e).with_context(|| {
                    format!(
                        "there is no state volume, and {name} is not there; there are: {}",
                        known.join(", ")
                    )
                });
            }
        }
    }
}
