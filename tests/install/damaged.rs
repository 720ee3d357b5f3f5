//! A partition table that was damaged, and a disk that becomes larger under a server with mail.

use ezmail::{disk::raw, host::qemu::Firmware};

use crate::{
    KEYS, Medium, SIZE, World, assert_is_there, assert_layout, assert_table, host_made,
    refused::is_refused, takes_mail, wait_until_up,
};

/// The place of the checksum in the first copy of the table (UEFI 2.10, table 5-5).
const SUM: u64 = 512 + 16;

#[test]
fn full_a_damaged_table_and_a_larger_disk_lose_nothing() {
    let world = World::new("disk-damaged").unwrap();
    let disk = host_made::make(&world, "server.raw");
    let machine = host_made::start(&world, &disk, Firmware::Bios).boot();
    wait_until_up(&machine, &world, Medium::Disk);
    world.publish(&machine.records().unwrap()).unwrap();
    let mail = takes_mail(&world, "before-the-damage");
    let keys = machine.run(KEYS).unwrap();
    machine.power_off().unwrap();

    // the ISO's kernel sees no partition at all, and the answers let the disk be erased
    let raw = raw::Disk::open(&disk.path, true).unwrap();
    let sum = raw.read(SUM, 1).unwrap();
    raw.write(SUM, &[sum[0] ^ 1]).unwrap();
    raw.sync().unwrap();
    is_refused(
        &world,
        &disk,
        "has an installed server on it, with its mail, and is not erased",
    );

    let machine = host_made::start(&world, &disk, Firmware::Bios).boot();
    wait_until_up(&machine, &world, Medium::Disk);
    let console = machine.console().unwrap();
    assert!(
        console.contains("the first copy of the partition table of /dev/vda was damaged"),
        "{console}"
    );
    assert_eq!(machine.run(KEYS).unwrap(), keys);
    assert_is_there(&world, &mail);
    machine.power_off().unwrap();
    assert_table(&disk);

    disk.grow(SIZE / 2);
    let machine = host_made::start(&world, &disk, Firmware::Bios).boot();
    wait_until_up(&machine, &world, Medium::Disk);
    assert_layout(&machine);
    host_made::assert_takes_all_of(&machine, SIZE + SIZE / 2);
    assert_eq!(machine.run(KEYS).unwrap(), keys);
    assert_is_there(&world, &mail);
    machine.power_off().unwrap();
    assert_table(&disk);
}
