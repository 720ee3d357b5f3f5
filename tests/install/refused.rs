//! A disk with the state of another server is never erased, whatever the answers say.

use std::time::Duration;

use ezmail::host::qemu::Firmware;

use crate::{BOOT, Drives, Start, World, answers_to_install, disk::Disk, foreign, installations};

/// As the other server has it.
const CONTENTS: &[(&str, &[u8])] = &[
    ("state.json", br#"{"format": 1, "version": "0.1.0"}"#),
    ("mail/other.org/erin/cur/1", b"Subject: mine\r\n\r\n"),
];

/// Boots the ISO with leave to erase the disk: that is refused, with `text`.
pub fn is_refused(world: &World, disk: &Disk, text: &str) {
    let answers = answers_to_install(world, "wipe = true\n");
    let start = Start {
        world,
        disk,
        firmware: Firmware::Bios,
        drives: Drives::IsoThenDisk,
        answers: Some(&answers),
        once: false,
    };
    let machine = start.boot();
    machine.shell().wait(BOOT).unwrap();
    // until the agent has ended, well or not
    let settled = "while [ \"$(systemctl show -P ActiveState ezmail-agent)\" = activating ] || \
                   systemctl list-jobs --plain --no-legend | grep -q ezmail-agent.service; \
                   do sleep 1; done";
    let ran = machine.shell().run(settled, Duration::from_secs(300));
    assert_eq!(ran.unwrap().status, 0);
    let console = machine.console().unwrap();
    assert!(console.contains(text), "{console}");
    assert_eq!(installations(&machine), 0, "{console}");
    assert!(!console.contains("ezmail: install: "), "{console}");
    assert_eq!(machine.machine().resets(), 0);
    machine.kill().unwrap();
}

/// As that, and all that was on the disk is there; the volume begins at `offset`, and is `device`.
fn is_never_erased(world: &World, disk: &Disk, offset: u64, device: &str) {
    let text = format!(
        "the state volume of this server is {device}, and `[install]` makes one of its own on /dev/vda"
    );
    is_refused(world, disk, &text);
    for (path, bytes) in CONTENTS {
        let (text, label) = foreign::read(disk, offset, path);
        assert_eq!(text.as_bytes(), *bytes, "{path}");
        assert_eq!(label, "ezmail-state");
    }
}

#[test]
fn full_a_disk_that_is_the_state_of_another_server() {
    let world = World::new("install-state").unwrap();
    let disk = foreign::state_volume(world.folder(), CONTENTS);
    is_never_erased(&world, &disk, 0, "/dev/vda");
}

#[test]
fn full_a_disk_with_the_state_of_another_server_in_a_partition() {
    let world = World::new("install-partition").unwrap();
    let disk = foreign::state_partition(world.folder(), CONTENTS);
    is_never_erased(&world, &disk, 1 << 20, "/dev/vda1");
}
