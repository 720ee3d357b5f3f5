//! Installing to disk, and where the state of an installed server is.
//!
//! | module | its one job |
//! |---|---|
//! | [`installed`] | which disks the server is installed to |
//! | [`run`] | installs, by [`crate::disk::install`] |
//! | [`grow`] | a partition over a disk that has become larger |

pub mod grow;
pub mod installed;
pub mod run;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::{
    block::{self, Device},
    console::{complain, say},
    paths::Paths,
    state::{self, State, choose::Named},
};
use crate::answers::{Answers, model};
use installed::Installed;

/// What is to be done for the state of a server that has none yet.
#[derive(Debug, PartialEq, Eq)]
enum Next<'a> {
    /// Nothing: it runs from memory.
    Memory,
    /// A state volume is created on the device that the answers name.
    Create(&'a model::State),
    /// It is created on the partition that an installation has made for it.
    Own(Box<Device>),
    /// The server is installed to this device, which is there.
    Install(&'a model::Install, PathBuf),
}

/// Decides. The device that the answers name is waited for.
///
/// # Errors
/// When it is not there, the server is on another disk already, or the devices cannot be listed.
fn next(answers: &Answers) -> Result<Next<'_>> {
    if let Some(wanted) = &answers.state {
        return Ok(Next::Create(wanted));
    }
    let devices = block::list()?;
    if let Some(on) = installed::booted(&devices) {
        installed::alone(&on, &devices)?;
        return Ok(Next::Own(Box::new(on.state.clone())));
    }
    let Some(wanted) = &answers.install else {
        return not_named(&devices);
    };
    let name = Named {
        name: &wanted.device,
        table: "install",
    };
    let path = state::wait_for(name)?;
    named(wanted, path, &block::list()?)
}

/// The ISO, and answers that name no disk: that of a server whose disk was made on a host, if it is
/// there.
fn not_named(devices: &[Device]) -> Result<Next<'static>> {
    Ok(match &installed::all(devices)[..] {
        [] => Next::Memory,
        [on] => Next::Own(Box::new(on.state.clone())),
        several => bail!(
            "the server is installed on {}, and none of them was booted: detach all but one, or boot \
             from it",
            installed::listed(several)
        ),
    })
}

/// The ISO, and answers that name the disk at `path`.
fn named<'a>(wanted: &'a model::Install, path: PathBuf, devices: &[Device]) -> Result<Next<'a>> {
    let all = installed::all(devices);
    if let Some(on) = all.iter().find(|on| on.disk.is_at(&path)) {
        return Ok(Next::Own(Box::new(on.state.clone())));
    }
    // the kernel may have named the disks in another order than at the last start
    if !all.is_empty() {
        bail!(
            "the server is installed on {} already, and `[install]` names {}, which is another disk; \
             nothing was changed. Detach this ISO, and the disk is booted; to install to {}, detach \
             the other disk first",
            installed::listed(&all),
            wanted.device,
            wanted.device
        );
    }
    Ok(Next::Install(wanted, path))
}

/// What was done for the state of a server that had none.
#[derive(Debug)]
pub enum Done {
    /// It has one now, or runs from memory. One that is not new has come late: what it holds, answers
    /// among it, has not been looked at.
    State(Option<State>),
    /// The server was installed, and the machine restarts from its disk.
    Restarts,
}

/// Does what [`next`] decides.
///
/// # Errors
/// When the device is not there, holds something else, or cannot be written.
pub fn first(answers: &Answers, paths: &Paths) -> Result<Done> {
    let next = next(answers)?;
    // a disk that came late may have the state volume
    if !matches!(next, Next::Create(_))
        && let Some(state) = state::open_existing(paths)?
    {
        return Ok(Done::State(Some(state)));
    }
    Ok(Done::State(match next {
        Next::Memory => None,
        Next::Create(wanted) => Some(state::create(wanted, paths)?),
        Next::Own(device) => {
            let devices = block::list()?;
            Some(state::create_installed(&device, &devices, paths)?)
        }
        Next::Install(wanted, path) => {
            run::run(answers, wanted, &path)?;
            return Ok(Done::Restarts);
        }
    }))
}

/// Lets the partition of an installed server's state grow with its disk, and tells who has booted the
/// ISO in place of that disk.
///
/// # Errors
/// When the devices cannot be listed.
pub fn look() -> Result<()> {
    let devices = block::list()?;
    if let Some(on) = installed::own(&devices) {
        match grow::run(&on) {
            Ok(done) => done
                .iter()
                .for_each(|line| say(format_args!("ezmail: {line}"))),
            // the mail that is there matters more
            Err(error) => complain(format_args!("the state volume does not grow: {error:#}")),
        }
    }
    if let Some(notice) = notice(&devices) {
        say(format_args!("ezmail: {notice}"));
    }
    Ok(())
}

/// Refuses answers that want the server on a disk while its state volume is somewhere else: there would
/// be two of them.
///
/// # Errors
/// When it is so.
pub fn check(answers: &Answers, state: &State) -> Result<()> {
    let Some(wanted) = &answers.install else {
        return Ok(());
    };
    let devices = installed::of_this_server(block::list()?);
    elsewhere(wanted, &state.device, &installed::all(&devices))
}

fn elsewhere(wanted: &model::Install, state: &Path, all: &[Installed]) -> Result<()> {
    if all.iter().any(|on| on.state.is_at(state)) {
        return Ok(());
    }
    bail!(
        "the state volume of this server is {}, and `[install]` makes one of its own on {}: write \
         `[state]` in its place. To move to an installed disk, make a backup, and install with \
         `[restore]` and without this volume",
        state.display(),
        wanted.device
    )
}

/// What to tell of a server that is installed, and was booted from something else.
fn notice(devices: &[Device]) -> Option<String> {
    let all = installed::all(devices);
    if all.iter().any(Installed::is_booted) {
        return None;
    }
    all.first().map(|on| {
        format!(
            "the server is installed on {}; this is the ISO: detach it, so that the disk is booted",
            on.disk.path.display()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use installed::test_devices;

    #[test]
    fn a_state_elsewhere_is_not_left_behind() {
        let devices = test_devices();
        let all = installed::all(&devices);
        let wanted = model::Install {
            device: "/dev/vda".into(),
            wipe: true,
        };
        elsewhere(&wanted, Path::new("/dev/vda3"), &all).unwrap();
        let error = elsewhere(&wanted, Path::new("/dev/vdb"), &all).unwrap_err();
        insta::assert_snapshot!(error, @"the state volume of this server is /dev/vdb, and `[install]` makes one of its own on /dev/vda: write `[state]` in its place. To move to an installed disk, make a backup, and install with `[restore]` and without this volume");
    }

    #[test]
    fn a_disk_that_is_not_the_servers_is_not_installed_to() {
        let wanted = model::Install {
            device: "/dev/sda".into(),
            wipe: true,
        };
        let mut devices = test_devices();
        devices[0].mountpoints = vec![None];
        let error = named(&wanted, "/dev/sda".into(), &devices).unwrap_err();
        insta::assert_snapshot!(error, @"the server is installed on /dev/vda already, and `[install]` names /dev/sda, which is another disk; nothing was changed. Detach this ISO, and the disk is booted; to install to /dev/sda, detach the other disk first");
        let own = named(&wanted, "/dev/vda".into(), &devices).unwrap();
        assert_eq!(own, Next::Own(Box::new(devices[2].clone())));
        let install = named(&wanted, "/dev/sda".into(), &devices[3..]).unwrap();
        assert_eq!(install, Next::Install(&wanted, "/dev/sda".into()));

        assert_eq!(not_named(&devices).unwrap(), own);
        assert_eq!(not_named(&[]).unwrap(), Next::Memory);
        devices.extend(installed::test_copy(&devices));
        let error = not_named(&devices).unwrap_err();
        insta::assert_snapshot!(error, @"the server is installed on /dev/vda and /dev/vdb, and none of them was booted: detach all but one, or boot from it");
    }

    #[test]
    fn who_boots_the_iso_of_an_installed_server_is_told() {
        let mut devices = test_devices();
        assert_eq!(notice(&devices), None);
        devices[0].mountpoints = vec![None];
        insta::assert_snapshot!(notice(&devices).unwrap(), @"the server is installed on /dev/vda; this is the ISO: detach it, so that the disk is booted");
        devices.truncate(2);
        assert_eq!(notice(&devices), None);
    }
}
