//! Boots of their own: from UEFI, with broken answers, with embedded ones, and the measurements of
//! `ci/bench boot`.

// clippy.toml allows it in tests, but takes only functions marked #[test] for such
#![allow(clippy::unwrap_used)]

#[path = "../world/mod.rs"]
mod world;

#[cfg(feature = "by-hand")]
mod bench;
mod clock;
mod embedded;
mod journal;
mod sources;

use std::time::Duration;

use ezmail::host::qemu::Firmware;
use regex::Regex;

use world::{
    World,
    addresses::{FAMILIES, Family, SENDER, appliance},
    appliance::{ALICE, Appliance, Kind, answers, iso},
    client::Port,
    message::Mail,
};

const PEER: &str = "peer@example.com";
/// From power on to what the console says, emulated.
const BOOT: Duration = Duration::from_secs(600);
/// How long a message may take.
const ARRIVAL: Duration = Duration::from_secs(240);

/// One message in, read over IMAPS, and one out, at the MX.
fn takes_and_sends_mail(world: &World, name: &str) {
    let inward = world
        .sign(Mail::new(PEER, ALICE.0, &format!("{name}-in")))
        .unwrap();
    world
        .client(SENDER, Family::V4)
        .deliver_patiently(&inward, ARRIVAL)
        .unwrap();
    let header = ("Message-ID", inward.id.as_str());
    let reader = world.client(90, Family::V6);
    let found = reader
        .wait_for_mail(ALICE, "INBOX", header, ARRIVAL)
        .unwrap();
    assert_eq!(found.len(), 1);
    let outward = Mail::new(ALICE.0, PEER, &format!("{name}-out"));
    let user = world.client(20, Family::V4);
    user.deliver(Port::Submissions, Some(ALICE), &outward)
        .unwrap();
    let message = world.mx().wait_for(&outward.id, ARRIVAL).unwrap();
    let signatures = world.verify_dkim(&message.raw).unwrap();
    assert_eq!(signatures.len(), 2, "{signatures:#?}");
    assert!(signatures.iter().all(|s| s.pass), "{signatures:#?}");
}

#[test]
fn from_uefi_without_a_hand_and_with_a_clean_journal() {
    let world = World::new("uefi").unwrap();
    let kind = Kind {
        firmware: Firmware::Uefi,
        ..Kind::default()
    };
    let answers = answers(&world).unwrap();
    let appliance = Appliance::boot_as(kind, &world, &iso().unwrap(), &answers).unwrap();
    appliance.wait_until_up(&world).unwrap();
    let firmware = appliance.run("test -d /sys/firmware/efi && echo uefi");
    assert_eq!(firmware.unwrap(), "uefi\n");
    world.publish(&appliance.records().unwrap()).unwrap();
    takes_and_sends_mail(&world, "uefi");
    journal::a_normal_day(&world, &appliance);
    journal::assert_clean(&appliance);
}

#[test]
fn with_broken_answers_the_console_says_so_and_port_25_stays_closed() {
    let world = World::new("broken").unwrap();
    let text = answers(&world)
        .unwrap()
        .replace("postmaster = \"alice@", "postmaster = \"nobody@");
    let line = 1 + text
        .lines()
        .position(|l| l.starts_with("postmaster"))
        .unwrap();
    let machine = Appliance::boot(&world, &iso().unwrap(), &text).unwrap();
    let said = Regex::new("the answers from .* are not right, so nothing was changed").unwrap();
    machine.machine().wait_for(&said, BOOT).unwrap();
    let page = Regex::new("ezmail: the answers were not applied").unwrap();
    machine.machine().wait_for(&page, BOOT).unwrap();
    let console = machine.console().unwrap();
    assert!(console.contains("nobody@example.org"), "{console}");
    assert!(
        console.contains(&format!("answers.toml:{line}:")),
        "no line {line}: {console}"
    );
    machine.shell().wait(BOOT).unwrap();
    let status = machine.run("ezmail-agent status || true").unwrap();
    assert!(status.contains("failed"), "{status}");
    let journal = machine
        .run("journalctl -b --no-pager -u ezmail-agent")
        .unwrap();
    assert!(said.is_match(&journal), "{journal}");
    // from inside: the network may not even be up
    let listening = machine.run("ss -Hltun").unwrap();
    assert_eq!(listening.trim(), "", "something listens");
    for family in FAMILIES {
        assert!(!world.is_open(appliance(family), 25).unwrap());
    }
}
