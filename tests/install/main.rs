//! The server installed to a disk: from the ISO and on the host, from BIOS and UEFI, with the drives
//! in any order, on disks that hold something, and killed on the way.
//!
//! Boots of their own, since each is about what the firmware and a boot find. Those named `full_...`
//! are for `ci/test --full`.

// clippy.toml allows it in tests, but takes only functions marked #[test] for such
#![allow(clippy::unwrap_used)]

#[path = "../world/mod.rs"]
mod world;

mod damaged;
#[path = "../state/disk.rs"]
#[allow(dead_code, reason = "shared with the tests of the state volume")]
mod disk;
mod foreign;
mod host_made;
mod kills;
mod lives;
mod refused;
#[path = "../wizard/screen.rs"]
mod screen;
mod wizard;

use std::{
    process::Command,
    thread,
    time::{Duration, Instant},
};

use ezmail::{
    host::qemu::{BootFrom, Ending, Firmware},
    util::run::Task,
};
use regex::Regex;

use disk::Disk;
use world::{
    World,
    addresses::{FAMILIES, Family, SENDER, appliance},
    appliance::{ALICE, Appliance, Kind, answers, iso},
    message::Mail,
};

/// From power on to what the agent says, or from one thing it says to the next, emulated.
const BOOT: Duration = Duration::from_secs(900);
/// How long a message may take.
const ARRIVAL: Duration = Duration::from_secs(300);
/// Somebody outside.
const PEER: &str = "peer@example.com";
/// A disk with room for the image and some mail; the host stores what is written.
const SIZE: u64 = 4 << 30;

/// The device in the answers: the first disk.
const DEVICE: &str = "/dev/vda";
/// What the agent says when it begins to install, and when it has.
const BEGINS: &str = r"ezmail: installing to /dev/vda \(";
const INSTALLED: &str = r"ezmail: installed; restarting from /dev/vda";
/// What it says when it was booted from the ISO, and the server is on the disk.
const ON_THE_DISK: &str = r"ezmail: the server is installed on /dev/vda; this is the ISO: ";

/// What has to be the same at each boot: the DKIM keys, the SSH host key, the certificate.
const KEYS: &str = "cd /var/lib/ezmail && find ssh tls dkim -type f -exec sha256sum {} + | sort";

/// The world's answers with the first disk to install to.
fn answers_to_install(world: &World, more: &str) -> String {
    let answers = answers(world).unwrap();
    format!("{answers}\n[install]\ndevice = \"{DEVICE}\"\n{more}")
}

/// Which drives there are, in the order in which the firmware tries them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Drives {
    IsoThenDisk,
    DiskThenIso,
    DiskAlone,
}

/// How a machine is started.
struct Start<'a> {
    world: &'a World,
    disk: &'a Disk,
    firmware: Firmware,
    drives: Drives,
    /// On a volume, which stays attached.
    answers: Option<&'a str>,
    /// The machine ends when the guest reboots.
    once: bool,
}

impl Start<'_> {
    fn boot(&self) -> Appliance {
        let kind = Kind {
            firmware: self.firmware,
            ..Kind::default()
        };
        let iso = iso().unwrap();
        Appliance::boot_with(kind, self.world, &iso, self.answers, |config| {
            config.disks.push(self.disk.attached());
            config.serial_log = self.disk.next_log(self.world.folder());
            config.no_reboot = self.once;
            match self.drives {
                Drives::IsoThenDisk => config.boot_from = BootFrom::Iso,
                Drives::DiskThenIso => config.boot_from = BootFrom::Disk,
                Drives::DiskAlone => config.iso = None,
            }
        })
        .unwrap()
    }
}

/// Waits until the console shows `text`, behind what was waited for before.
fn wait_for(machine: &Appliance, text: &str) -> String {
    let pattern = Regex::new(text).unwrap();
    let found = machine.machine().wait_for(&pattern, BOOT).unwrap();
    found.text
}

/// Waits until the installation has begun and is complete.
fn wait_until_installed(machine: &Appliance) {
    wait_for(machine, BEGINS);
    wait_for(machine, INSTALLED);
}

/// Waits until the guest has asked for its first reboot, and drops what its shell said before.
fn wait_for_reset(machine: &Appliance) {
    let deadline = Instant::now() + BOOT;
    loop {
        let mut inner = machine.machine();
        assert_eq!(inner.poll().unwrap(), None);
        if inner.resets() > 0 {
            break;
        }
        assert!(Instant::now() < deadline, "no reboot");
        drop(inner);
        thread::sleep(Duration::from_millis(100));
    }
    machine.shell().forget().unwrap();
}

/// Waits until a machine that was started with `once` has asked for a reboot, and ends it.
fn wait_for_reboot(machine: Appliance) {
    let ending = machine.machine().wait_for_end(BOOT).unwrap();
    assert_eq!(ending, Ending::Rebooted);
    machine.kill().unwrap();
}

/// What the kernel was booted from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Medium {
    Iso,
    Disk,
}

/// Waits for the shell of this boot, and asks what was booted: an installed system has a file with a
/// name of its own for its mark, the ISO the identifier of its volume.
fn booted(machine: &Appliance) -> Medium {
    machine.shell().wait(BOOT).unwrap();
    let line = machine.run("cat /proc/cmdline").unwrap();
    match (
        line.contains("archisosearchfilename=/ezmail-"),
        line.contains("archisosearchuuid="),
    ) {
        (true, false) => Medium::Disk,
        (false, true) => Medium::Iso,
        _ => panic!("the kernel command line is of neither: {line}"),
    }
}

/// Waits until this boot, whose shell was not waited for, is of `medium` and takes mail.
fn wait_until_up(machine: &Appliance, world: &World, medium: Medium) {
    assert_eq!(booted(machine), medium);
    machine.wait_for_ports(world).unwrap();
    let failed = machine
        .run("systemctl --failed --plain --no-legend")
        .unwrap();
    assert_eq!(failed, "");
}

/// How often the console has shown that an installation begins.
fn installations(machine: &Appliance) -> usize {
    let console = machine.console().unwrap();
    Regex::new(BEGINS).unwrap().find_iter(&console).count()
}

/// The three partitions are there, the state is on the third, and that ends where the disk does.
fn assert_layout(machine: &Appliance) {
    let labels = "lsblk -nro PARTLABEL /dev/vda | grep .";
    assert_eq!(
        machine.run(labels).unwrap(),
        "ezmail-boot\nezmail-answers\nezmail-state\n"
    );
    let mounted = "findmnt -no SOURCE --mountpoint /var/lib/ezmail";
    assert_eq!(machine.run(mounted).unwrap(), "/dev/vda3\n");
    // in units of 512 bytes; behind it are the second table and less than 1 MiB
    let left = machine
        .run("cd /sys/class/block && echo $(($(cat vda/size) - $(cat vda3/start) - $(cat vda3/size)))")
        .unwrap();
    let left: u64 = left.trim().parse().unwrap();
    assert!((33..=33 + 2048).contains(&left), "{left} units are left");
}

/// A program of others finds nothing wrong with the partition table of a raw disk, which is off.
fn assert_table(disk: &Disk) {
    let mut command = Command::new("sfdisk");
    command.arg("--verify").arg(&disk.path);
    let said = Task::new("checking the partition table", command)
        .output()
        .unwrap();
    assert!(said.contains("No errors detected."), "{said}");
}

/// A message from outside, accepted and read.
fn takes_mail(world: &World, name: &str) -> Mail {
    let mail = world.sign(Mail::new(PEER, ALICE.0, name)).unwrap();
    world
        .client(SENDER, Family::V4)
        .deliver_patiently(&mail, ARRIVAL)
        .unwrap();
    assert_is_there(world, &mail);
    mail
}

/// The message is in the inbox, once.
fn assert_is_there(world: &World, mail: &Mail) {
    let header = ("Message-ID", mail.id.as_str());
    let reader = world.client(90, Family::V6);
    let found = reader
        .wait_for_mail(ALICE, "INBOX", header, ARRIVAL)
        .unwrap();
    assert_eq!(found.len(), 1, "{}", mail.id);
}

/// Nothing of the mail server is to be reached.
fn assert_closed(world: &World) {
    for family in FAMILIES {
        assert!(!world.is_open(appliance(family), 25).unwrap());
    }
}
