//! From the ISO to the disk, and what each order of the drives gives then.

use ezmail::{host::qemu::Firmware, util::hash::sha256_file};

use crate::{
    BEGINS, BOOT, Drives, KEYS, Medium, ON_THE_DISK, SIZE, Start, World, answers_to_install,
    assert_closed, assert_is_there, assert_layout, assert_table, disk::Disk, foreign,
    installations, takes_mail, wait_for, wait_for_reboot, wait_for_reset, wait_until_installed,
    wait_until_up,
};

/// Five boots of one disk: refused, installed to, first in order, alone, and second in order.
#[test]
fn full_bios_a_disk_with_data_is_refused_then_erased_installed_to_and_booted_in_every_order() {
    let world = World::new("install-bios").unwrap();
    let disk = foreign::somebodys(world.folder());
    let before = sha256_file(&disk.path).unwrap();
    let start = |drives, answers, once| Start {
        world: &world,
        disk: &disk,
        firmware: Firmware::Bios,
        drives,
        answers,
        once,
    };

    // without leave: what is on the disk is named, and it stays as it is
    let without = answers_to_install(&world, "");
    let machine = start(Drives::IsoThenDisk, Some(&without), false).boot();
    wait_for(&machine, r"/dev/vda .*is not blank: ");
    machine.shell().wait(BOOT).unwrap();
    let console = machine.console().unwrap();
    for shown in [
        "gpt partition table",
        "label OLDBOOT",
        "label photos",
        "nothing was changed",
        "`wipe = true` in `[install]`",
    ] {
        assert!(console.contains(shown), "no {shown}: {console}");
    }
    assert_eq!(installations(&machine), 0);
    let listening = machine.run("ss -Hltun").unwrap();
    assert_eq!(listening.trim(), "", "something listens");
    assert_closed(&world);
    machine.kill().unwrap();
    assert_eq!(sha256_file(&disk.path).unwrap(), before);

    // with leave
    let answers = answers_to_install(&world, "wipe = true\n");
    let machine = start(Drives::IsoThenDisk, Some(&answers), true).boot();
    wait_until_installed(&machine);
    wait_for_reboot(machine);
    assert_table(&disk);

    // the disk, with the ISO and the answers that once let it be erased still there
    let machine = start(Drives::DiskThenIso, Some(&answers), false).boot();
    wait_until_up(&machine, &world, Medium::Disk);
    assert_layout(&machine);
    world.publish(&machine.records().unwrap()).unwrap();
    let mail = takes_mail(&world, "on-the-disk");
    let keys = machine.run(KEYS).unwrap();
    for shown in ["ssh/ssh_host_ed25519_key", "dkim/"] {
        assert!(keys.contains(shown), "{keys}");
    }
    assert_eq!(installations(&machine), 0);
    machine.power_off().unwrap();
    assert_table(&disk);

    // the disk, and nothing else
    let machine = start(Drives::DiskAlone, None, false).boot();
    wait_until_up(&machine, &world, Medium::Disk);
    assert_eq!(machine.run(KEYS).unwrap(), keys);
    assert_is_there(&world, &mail);
    machine.power_off().unwrap();

    // the ISO before the disk: the same server, which says where it runs from
    let machine = start(Drives::IsoThenDisk, Some(&answers), false).boot();
    wait_for(&machine, ON_THE_DISK);
    wait_until_up(&machine, &world, Medium::Iso);
    assert_eq!(machine.run(KEYS).unwrap(), keys);
    assert_is_there(&world, &mail);
    assert_eq!(installations(&machine), 0);
    assert_eq!(machine.machine().resets(), 0);
    machine.power_off().unwrap();
}

/// A blank disk is passed over once, and booted then. The machine is started anew: restarted by itself, it
/// once hung before its firmware showed anything; the test of the form restarts.
#[test]
fn full_uefi_a_blank_disk_is_installed_to_and_then_booted() {
    let world = World::new("install-uefi").unwrap();
    let disk = Disk::sized(world.folder(), SIZE);
    let answers = answers_to_install(&world, "");
    let start = Start {
        world: &world,
        disk: &disk,
        firmware: Firmware::Uefi,
        drives: Drives::DiskThenIso,
        answers: Some(&answers),
        once: true,
    };
    let machine = start.boot();
    wait_until_installed(&machine);
    wait_for_reboot(machine);
    let start = Start {
        once: false,
        ..start
    };
    let machine = start.boot();
    wait_until_up(&machine, &world, Medium::Disk);
    let firmware = machine.run("test -d /sys/firmware/efi && echo uefi");
    assert_eq!(firmware.unwrap(), "uefi\n");
    assert_layout(&machine);
    world.publish(&machine.records().unwrap()).unwrap();
    takes_mail(&world, "by-uefi");
    assert_eq!(installations(&machine), 0);
    machine.power_off().unwrap();
    assert_table(&disk);
}

/// Where the firmware always takes the ISO: it is installed once, and the server runs all the same.
#[test]
fn full_the_iso_first_from_the_beginning() {
    let world = World::new("install-iso-first").unwrap();
    let disk = Disk::sized(world.folder(), SIZE);
    let answers = answers_to_install(&world, "");
    let start = Start {
        world: &world,
        disk: &disk,
        firmware: Firmware::Bios,
        drives: Drives::IsoThenDisk,
        answers: Some(&answers),
        once: false,
    };
    let machine = start.boot();
    wait_until_installed(&machine);
    wait_for_reset(&machine);
    wait_for(&machine, &format!("{ON_THE_DISK}|{BEGINS}"));
    assert_eq!(installations(&machine), 1);
    wait_until_up(&machine, &world, Medium::Iso);
    world.publish(&machine.records().unwrap()).unwrap();
    let mail = takes_mail(&world, "from-the-iso");
    let keys = machine.run(KEYS).unwrap();
    assert_eq!(installations(&machine), 1);
    // started twice in all; the firmware of BIOS resets more often than that for one reboot
    let console = machine.console().unwrap();
    let starts = console.lines().filter(|l| l.trim() == "ezmail: starting");
    assert_eq!(starts.count(), 2);
    machine.power_off().unwrap();

    // the order is put right
    let start = Start {
        drives: Drives::DiskThenIso,
        ..start
    };
    let machine = start.boot();
    wait_until_up(&machine, &world, Medium::Disk);
    assert_layout(&machine);
    assert_eq!(machine.run(KEYS).unwrap(), keys);
    assert_is_there(&world, &mail);
    machine.power_off().unwrap();
}
