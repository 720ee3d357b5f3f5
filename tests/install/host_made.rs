//! Disks made on the host by `ezmail disk`: they boot without an ISO and without answers beside them.

use std::{fs, process::Command};

use ezmail::{
    host::qemu::Firmware,
    util::{files, run::Task},
};

use crate::{
    Drives, KEYS, Medium, SIZE, Start, World, answers_to_install, assert_is_there, assert_layout,
    assert_table,
    disk::Disk,
    takes_mail, wait_until_up,
    world::appliance::{Appliance, iso},
};

/// Makes a disk of [`SIZE`] with a server on it.
pub fn make(world: &World, name: &str) -> Disk {
    let answers = world.folder().join("for-the-disk.toml");
    files::write(&answers, answers_to_install(world, ""), 0o600).unwrap();
    let path = world.folder().join(name);
    let mut command = Command::new(env!("CARGO_BIN_EXE_ezmail"));
    command.arg("disk").arg(&answers).arg(iso().unwrap());
    command.arg("-o").arg(&path);
    command.arg("--size").arg(format!("{}G", SIZE >> 30));
    Task::new("making a disk", command).run().unwrap();
    Disk::of(path)
}

/// Boots it alone.
pub fn start<'a>(world: &'a World, disk: &'a Disk, firmware: Firmware) -> Start<'a> {
    Start {
        world,
        disk,
        firmware,
        drives: Drives::DiskAlone,
        answers: None,
        once: false,
    }
}

#[test]
fn bios_a_raw_disk_on_a_larger_one_grows_and_takes_mail() {
    let world = World::new("disk-raw").unwrap();
    let disk = make(&world, "server.raw");
    assert_eq!(fs::metadata(&disk.path).unwrap().len(), SIZE);
    assert_table(&disk);
    // byte for byte what a copy onto a larger disk is
    disk.grow(SIZE / 2);
    let machine = start(&world, &disk, Firmware::Bios).boot();
    wait_until_up(&machine, &world, Medium::Disk);
    assert_layout(&machine);
    assert_takes_all_of(&machine, SIZE + SIZE / 2);
    world.publish(&machine.records().unwrap()).unwrap();
    takes_mail(&world, "on-a-raw-disk");
    machine.power_off().unwrap();
    assert_table(&disk);
}

/// Partition and file system of the state have all of a disk of so many bytes, but for what is before
/// them.
pub fn assert_takes_all_of(machine: &Appliance, disk: u64) {
    let script = "df --output=size -B1 /var/lib/ezmail | tail -n 1; \
                  echo $(($(cat /sys/class/block/vda3/size) * 512))";
    let sizes = machine.run(script).unwrap();
    let sizes: Vec<u64> = sizes.lines().map(|n| n.trim().parse().unwrap()).collect();
    // 1 GiB for two images, and a little
    assert!(sizes[1] > disk - (1030 << 20), "{sizes:?} of {disk}");
    assert!(sizes[0] > sizes[1] / 10 * 9, "{sizes:?} of {disk}");
}

/// One disk for both firmwares, as when it is moved to another machine.
#[test]
fn full_a_qcow2_disk_boots_from_bios_and_then_from_uefi() {
    let world = World::new("disk-qcow2").unwrap();
    let disk = make(&world, "server.qcow2");
    let machine = start(&world, &disk, Firmware::Bios).boot();
    wait_until_up(&machine, &world, Medium::Disk);
    assert_layout(&machine);
    world.publish(&machine.records().unwrap()).unwrap();
    let mail = takes_mail(&world, "on-a-qcow2-disk");
    let keys = machine.run(KEYS).unwrap();
    machine.power_off().unwrap();

    let machine = start(&world, &disk, Firmware::Uefi).boot();
    wait_until_up(&machine, &world, Medium::Disk);
    assert_eq!(machine.run(KEYS).unwrap(), keys);
    assert_is_there(&world, &mail);
    machine.power_off().unwrap();
}
