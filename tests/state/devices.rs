//! Which devices are taken for the state volume, and which are refused.

use std::process::Command;

use ezmail::util::run::Task;

use crate::{BOOT, World, answers_with_state, assert_closed, boot, disk::Disk, wait_for};

/// Somebody's file system, with a file on it.
fn foreign(disk: &Disk) {
    let mut command = Command::new("mke2fs");
    command
        .args(["-q", "-F", "-t", "ext4", "-L", "photos"])
        .arg(&disk.path);
    Task::new("making somebody's disk", command).run().unwrap();
}

#[test]
fn full_a_foreign_disk_is_refused_and_erased_only_with_leave() {
    let world = World::new("foreign").unwrap();
    let disk = Disk::blank(world.folder());
    foreign(&disk);
    let before = ezmail::util::hash::sha256_file(&disk.path).unwrap();
    let answers = answers_with_state(&world, "").unwrap();
    let machine = boot(&world, &disk, Some(&answers)).unwrap();
    wait_for(
        &machine,
        r"/dev/vda \(state.device in the answers\) is not blank: /dev/vda",
    );
    let console = machine.console().unwrap();
    assert!(console.contains("label photos"), "{console}");
    machine.shell().wait(BOOT).unwrap();
    let listening = machine.run("ss -Hltun").unwrap();
    assert_eq!(listening.trim(), "", "something listens");
    assert_closed(&world);
    machine.kill().unwrap();
    assert_eq!(ezmail::util::hash::sha256_file(&disk.path).unwrap(), before);

    let answers = answers_with_state(&world, "wipe = true\n").unwrap();
    let machine = boot(&world, &disk, Some(&answers)).unwrap();
    wait_for(&machine, "label photos.* erased; created on /dev/vda");
    machine.wait_until_up(&world).unwrap();
    machine.power_off().unwrap();

    // `wipe` never erases a state volume, and a slip in the answers does not stop the server
    let slip = answers.replace("postmaster = \"alice@", "postmaster = \"nobody@");
    assert_ne!(slip, answers);
    let machine = boot(&world, &disk, Some(&slip)).unwrap();
    wait_for(
        &machine,
        "volume        /dev/vda mounted at /var/lib/ezmail",
    );
    wait_for(&machine, "the server goes on with the answers that it has");
    wait_for(&machine, "nobody@example.org");
    machine.wait_until_up(&world).unwrap();
    let failed = machine
        .run("systemctl --failed --plain --no-legend")
        .unwrap();
    assert!(failed.starts_with("ezmail-agent.service"), "{failed}");
    assert_eq!(failed.lines().count(), 1, "{failed}");
    machine.kill().unwrap();
}

#[test]
fn full_a_disk_that_is_not_there_is_no_reason_to_run_from_memory() {
    let world = World::new("missing").unwrap();
    let disk = Disk::blank(world.folder());
    let answers = answers_with_state(&world, "").unwrap();
    let answers = answers.replace("/dev/vda", "/dev/disk/by-id/virtio-gone");
    let machine = boot(&world, &disk, Some(&answers)).unwrap();
    wait_for(
        &machine,
        "there is no state volume, and no device /dev/disk/by-id/virtio-gone",
    );
    machine.shell().wait(BOOT).unwrap();
    assert_closed(&world);
}
