//! The state volume: what is on it after reboots, changes and cuts of power.
//!
//! Boots of their own, since each is about what a boot finds. Those named `full_...` are for
//! `ci/test --full`.

// clippy.toml allows it in tests, but takes only functions marked #[test] for such
#![allow(clippy::unwrap_used)]

#[path = "../world/mod.rs"]
mod world;

mod devices;
mod disk;
mod lifecycle;
mod power;
mod versions;

use std::time::Duration;

use anyhow::Result;
use regex::Regex;

use disk::Disk;
use world::{
    World,
    addresses::{FAMILIES, Family, SENDER, appliance},
    appliance::{Appliance, Kind, answers, iso},
    client::Login,
    message::Mail,
};

/// From power on to what the agent says, emulated.
const BOOT: Duration = Duration::from_secs(900);
/// How long a message may take.
const ARRIVAL: Duration = Duration::from_secs(300);
/// Somebody outside.
const PEER: &str = "peer@example.com";

/// The world's answers with a state volume on the first disk.
fn answers_with_state(world: &World, more: &str) -> Result<String> {
    Ok(format!(
        "{}\n[state]\ndevice = \"/dev/vda\"\n{more}",
        answers(world)?
    ))
}

/// Boots with `disk` as the first one.
fn boot(world: &World, disk: &Disk, answers: Option<&str>) -> Result<Appliance> {
    let iso = iso()?;
    Appliance::boot_with(Kind::default(), world, &iso, answers, |config| {
        config.disks.push(disk.attached());
        config.serial_log = disk.next_log(world.folder());
    })
}

/// Waits until the console shows `text`.
fn wait_for(machine: &Appliance, text: &str) {
    let pattern = Regex::new(text).unwrap();
    machine.machine().wait_for(&pattern, BOOT).unwrap();
}

/// A message from outside, accepted.
fn deliver(world: &World, to: Login<'_>, name: &str) -> Mail {
    let mail = world.sign(Mail::new(PEER, to.0, name)).unwrap();
    world
        .client(SENDER, Family::V4)
        .deliver_patiently(&mail, ARRIVAL)
        .unwrap();
    mail
}

/// How often a message is in the inbox, once it is there at all.
fn copies(world: &World, login: Login<'_>, mail: &Mail) -> usize {
    let header = ("Message-ID", mail.id.as_str());
    let reader = world.client(90, Family::V6);
    reader
        .wait_for_mail(login, "INBOX", header, ARRIVAL)
        .unwrap()
        .len()
}

/// Nothing of the mail server is to be reached.
fn assert_closed(world: &World) {
    for family in FAMILIES {
        assert!(!world.is_open(appliance(family), 25).unwrap());
    }
}
