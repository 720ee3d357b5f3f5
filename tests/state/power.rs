//! The plug is pulled at five moments of the first boot; the next boot is good each time.

use regex::Regex;

use crate::{
    BOOT, World, answers_with_state, boot, copies, deliver, disk::Disk, world::appliance::ALICE,
};

/// Pulls the plug when the console has shown `shown`, and lets the next boot mend it.
fn cut_at(name: &str, shown: &str) {
    let world = World::new(&format!("cut-{name}")).unwrap();
    let disk = Disk::blank(world.folder());
    let answers = answers_with_state(&world, "").unwrap();
    let machine = boot(&world, &disk, Some(&answers)).unwrap();
    let pattern = Regex::new(shown).unwrap();
    machine.machine().wait_for(&pattern, BOOT).unwrap();
    machine.kill().unwrap();
    let machine = boot(&world, &disk, Some(&answers)).unwrap();
    machine.wait_until_up(&world).unwrap();
    world.publish(&machine.records().unwrap()).unwrap();
    let mail = deliver(&world, ALICE, &format!("after-{name}"));
    assert_eq!(copies(&world, ALICE, &mail), 1);
    let remains = machine.run("find /var/lib/ezmail -name '.tmp*'").unwrap();
    assert_eq!(remains, "", "remains of the cut");
    let failed = machine
        .run("systemctl --failed --plain --no-legend")
        .unwrap();
    assert_eq!(failed, "");
    println!("cut at '{name}': the next boot is good");
}

#[test]
fn full_a_cut_when_the_answers_are_found() {
    cut_at("answers", "ezmail: answers: .*EZMAIL");
}

#[test]
fn full_a_cut_when_the_state_volume_is_there() {
    cut_at("volume", "ezmail: volume ");
}

#[test]
fn full_a_cut_between_the_keys() {
    cut_at("ssh", "ezmail: ssh ");
}

#[test]
fn full_a_cut_before_the_answers_are_kept() {
    cut_at("configuration", "ezmail: configuration ");
}

#[test]
fn full_a_cut_when_the_services_start() {
    cut_at("services", "the mail services are starting");
}
