//! Installs the running image to the disk that the answers name.

use std::{cell::Cell, collections::BTreeMap, fs, path::Path, process::Command};

use anyhow::{Context, Result, bail};
use zeroize::Zeroizing;

use super::installed::MEDIUM;
use crate::{
    agent::{
        block::{self, Device},
        console::{complain, say},
        state::{
            LABEL, blank,
            choose::{self, Named},
            kept, never,
        },
    },
    answers::{Answers, container::Content, model, reserved},
    disk::{
        esp,
        image::Image,
        install::{self, Install},
        layout::{Layout, SECTOR},
        mark::INSTALLING,
        raw::Disk,
    },
    util::{files, run::Task},
};

/// What is done at the moment, a line, while it is.
pub const DOING: &str = "/run/ezmail/installing";

/// Installs to the device `path`, and has the machine restart. Everything is looked at before anything
/// is written.
///
/// # Errors
/// When the disk holds something and may not be wiped, is in use or too small; when what is installed
/// does not read back; when the medium of the image is not there.
pub fn run(answers: &Answers, wanted: &model::Install, path: &Path) -> Result<()> {
    let name = Named {
        name: &wanted.device,
        table: "install",
    };
    let devices = block::list()?;
    let device = choose::named(path, name, &devices)?;
    may_be_written(device, &devices, name, wanted.wipe)?;
    let image = Image::read(Path::new(MEDIUM)).with_context(|| {
        format!("looking for the image at {MEDIUM}, to install it: is the medium still attached?")
    })?;
    Layout::new(device.size, image.size()?, &name.to_string())?;
    let code = esp::boot_code()?;
    let code = fs::read(&code).with_context(|| format!("reading {}", code.display()))?;
    let container = container(answers)?;
    say(format_args!("ezmail: installing to {}", device.described()));
    let install = Install {
        disk: &device.path,
        name: &wanted.device,
        image: &image,
        boot_code: &code,
        answers: &container,
    };
    let begun = Cell::new(false);
    let done = install::run(&install, &|line| {
        begun.set(true);
        show(device, line);
        say(format_args!("ezmail: install: {line}"));
    });
    if let Err(error) = files::remove_file(Path::new(DOING)) {
        complain(format_args!("{error:#}"));
    }
    done.with_context(|| broken_off(&device.path, begun.get()))?;
    say(format_args!(
        "ezmail: installed; restarting from {}",
        device.path.display()
    ));
    let mut command = Command::new("systemctl");
    command.args(["--no-block", "reboot"]);
    Task::new("restarting", command).run()
}

/// What an installation that failed leaves, by whether it has changed anything.
fn broken_off(disk: &Path, begun: bool) -> String {
    let left = match begun {
        false => "was not begun: nothing was changed",
        true => {
            "was broken off: that disk may not boot now, and what was on it is gone; the next start of \
             this ISO with these answers installs to it anew"
        }
    };
    format!("the installation to {} {left}", disk.display())
}

/// Leaves for the page what is done. That the page does not have it is no reason to stop.
fn show(device: &Device, line: &str) {
    let text = format!("{}: {line}\n", device.described());
    if let Err(error) = files::write_with_parents(Path::new(DOING), text, 0o644) {
        complain(format_args!("{error:#}"));
    }
}

/// The answers as they are found on the disk: whole, with hashes in place of passwords.
fn container(answers: &Answers) -> Result<Zeroizing<Vec<u8>>> {
    let text = answers.to_toml()?;
    let content = Content {
        name: kept::CURRENT.to_owned(),
        bytes: text.expose().as_bytes().to_vec().into(),
        files: BTreeMap::new(),
    };
    content
        .pack(reserved::SIZE)
        .context("writing the answers to the disk")
}

/// Refuses a disk that is none, or that holds something which may not be erased.
fn may_be_written(device: &Device, devices: &[Device], name: Named, wipe: bool) -> Result<()> {
    if device.kind != "disk" {
        bail!(
            "{name} is no whole disk, but a {}: name the disk",
            kind(device)
        );
    }
    let parts = choose::parts(device, devices);
    for part in parts.iter().copied().chain([device]) {
        if part.label.as_deref() == Some(LABEL) {
            bail!(
                "{name} has the state volume {}, with the mail of a server on it, and is not erased; \
                 nothing was changed",
                part.described()
            );
        }
        never::a_damaged_state_volume(part)?;
    }
    if device.sector != SECTOR {
        bail!(
            "{name} has sectors of {} bytes, and the server can be installed only to a disk with sectors \
             of {SECTOR}; nothing was changed. Have it run from memory with its state on this disk: \
             write `[state]` in place of `[install]`",
            device.sector
        );
    }
    let disk = Disk::open(&device.path, false)?;
    never::a_server(&disk, name)?;
    choose::refuse_held(device, name, devices)?;
    if wipe {
        return Ok(());
    }
    if let Some(what) = choose::holds(device, devices) {
        bail!(choose::not_blank(name, &what));
    }
    // an installation that was broken off has left data, and no table
    match INSTALLING.is_on(&disk)? {
        true => Ok(()),
        false => blank::check(device, name),
    }
}

fn kind(device: &Device) -> &str {
    match device.kind.as_str() {
        "part" => "partition",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        agent::block::tests::devices,
        disk::{
            STATE,
            gpt::{Kind, Table},
            mark,
        },
    };

    const NAME: Named<'_> = Named {
        name: "/dev/vda",
        table: "install",
    };

    /// A blank file in a disk's place.
    fn disk(folder: &Path) -> Device {
        let path = folder.join("disk");
        fs::File::create(&path).unwrap().set_len(64 << 20).unwrap();
        Device {
            path,
            size: 64 << 20,
            ..devices().pop().unwrap()
        }
    }

    #[test]
    fn a_blank_disk_and_one_that_was_broken_off_at_are_taken() {
        let folder = tempfile::tempdir().unwrap();
        let device = disk(folder.path());
        may_be_written(&device, &[], NAME, false).unwrap();
        let raw = Disk::open(&device.path, true).unwrap();
        raw.write(30 << 20, &[7; 1 << 20]).unwrap();
        let error = may_be_written(&device, &[], NAME, false).unwrap_err();
        insta::assert_snapshot!(error, @"/dev/vda (install.device in the answers) is not blank: there is data of an unknown kind at byte 31595883; nothing was changed. Name a blank device, or let the server erase this one with `wipe = true` in `[install]`");
        may_be_written(&device, &[], NAME, true).unwrap();
        INSTALLING.set(&raw).unwrap();
        may_be_written(&device, &[], NAME, false).unwrap();
        // somebody has put something else onto it since
        let other = Device {
            pttype: Some("gpt".into()),
            ..device
        };
        let error = may_be_written(&other, &[], NAME, false)
            .unwrap_err()
            .to_string();
        let error = error.replace(&other.path.display().to_string(), "/dev/vda");
        insta::assert_snapshot!(error, @"/dev/vda (install.device in the answers) is not blank: /dev/vda (gpt partition table, 67.1 MB); nothing was changed. Name a blank device, or let the server erase this one with `wipe = true` in `[install]`");
    }

    #[test]
    fn a_server_behind_a_damaged_table_is_not_erased() {
        let folder = tempfile::tempdir().unwrap();
        let device = disk(folder.path());
        let raw = Disk::open(&device.path, true).unwrap();
        let parts = [(Kind::Linux, STATE, 8 << 20..63 << 20)];
        let table = Table::new(&parts).unwrap();
        // the first copy is lost, and lsblk sees no partition
        table.write_backup(&raw).unwrap();
        mark::fresh(8 << 20).set(&raw).unwrap();
        may_be_written(&device, &[], NAME, true).unwrap();
        raw.write(8 << 20, &[1; 4096]).unwrap();
        INSTALLING.set(&raw).unwrap();
        for wipe in [true, false] {
            let error = may_be_written(&device, &[], NAME, wipe).unwrap_err();
            assert!(
                error
                    .to_string()
                    .contains("is not erased; nothing was changed"),
                "{error}"
            );
        }
        let error = may_be_written(&device, &[], NAME, true).unwrap_err();
        insta::assert_snapshot!(error, @"/dev/vda (install.device in the answers) has an installed server on it, with its mail, and is not erased; nothing was changed. If it does not boot, its partition table is damaged: detach this ISO and try, or look from a rescue system with 'sfdisk --verify'. To give its mail up, run 'wipefs --all' there, and write zeros over the disk's first and last MiB");
    }

    #[test]
    fn what_is_left_is_said() {
        let said = |begun| broken_off(Path::new("/dev/vda"), begun);
        insta::assert_snapshot!(said(false), @"the installation to /dev/vda was not begun: nothing was changed");
        insta::assert_snapshot!(said(true), @"the installation to /dev/vda was broken off: that disk may not boot now, and what was on it is gone; the next start of this ISO with these answers installs to it anew");
    }

    #[test]
    fn other_sectors_than_of_512_bytes_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let device = Device {
            sector: 4096,
            ..disk(folder.path())
        };
        let error = may_be_written(&device, &[], NAME, true).unwrap_err();
        insta::assert_snapshot!(error, @"/dev/vda (install.device in the answers) has sectors of 4096 bytes, and the server can be installed only to a disk with sectors of 512; nothing was changed. Have it run from memory with its state on this disk: write `[state]` in place of `[install]`");
    }

    #[test]
    fn a_partition_and_a_state_volume_are_refused() {
        let all = devices();
        let error = may_be_written(&all[4], &all, NAME, true).unwrap_err();
        insta::assert_snapshot!(error, @"/dev/vda (install.device in the answers) is no whole disk, but a partition: name the disk");
        let error = may_be_written(&all[5], &all, NAME, true).unwrap_err();
        insta::assert_snapshot!(error, @"/dev/vda (install.device in the answers) has the state volume /dev/vdb (ext4, label ezmail-state, 1.07 GB), with the mail of a server on it, and is not erased; nothing was changed");
    }
}
