//! The plug is pulled at five moments of the first boot; the next boot is good each time.

use regex::Regex;

use crate::{
    BOOT, World, answers_with_state, boot, copies, deliver, disk::Disk, world::appliance::ALICE,
};

/// What the console shows at the moment of the cut, from finding the answers to the services.
const MOMENTS: [(&str, &str); 5] = [
    ("answers", "ezmail: answers: .*EZMAIL"),
    ("volume", "ezmail: volume "),
    ("ssh", "ezmail: ssh "),
    ("configuration", "ezmail: configuration "),
    ("services", "the mail services are starting"),
];

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
fn full_five_cuts_of_power() {
    for (name, shown) in MOMENTS {
        cut_at(name, shown);
    }
}
