//! One state volume through four boots: created, kept, changed, and alone.

use std::time::Duration;

use crate::{
    ARRIVAL, BOOT, PEER, World, answers_with_state, boot, copies, deliver,
    disk::Disk,
    wait_for,
    world::{
        addresses::Family,
        appliance::{ALICE, Appliance, BOB},
        client::Port,
        message::Mail,
    },
};

/// What has to be the same after every boot: keys, certificate, and whose they are.
const KEYS: &str = "cd /var/lib/ezmail && find ssh tls dkim secrets -type f -exec stat -c '%n %a %u:%g' {} + \
     -exec sha256sum {} + | sort";
/// What is there of the units: when each was started.
const STARTS: &str = "systemctl show -p Id,InvocationID nftables kresd@1 valkey rspamd dovecot smtpd sshd \
     systemd-networkd | sort";

/// Every file that an apply may write, with its time and inode; what daemons write is theirs.
const FILES: &str = "cd /var/lib/ezmail && find /etc /root answers dkim secrets ssh tls *.* -xdev -type f \
     -printf '%p %T@ %i\\n' | sort";

fn apply_again(machine: &Appliance) {
    let look = |what| machine.run(what).unwrap();
    let before = (look(STARTS), look(FILES));
    let said = look("ezmail-agent apply");
    assert!(said.contains("volume        unchanged"), "{said}");
    let steps = said.lines().filter(|l| l.ends_with(" unchanged")).count();
    let json: serde_json::Value =
        serde_json::from_str(&look("ezmail-agent status --json")).unwrap();
    let listed = json["steps"].as_array().unwrap();
    assert!(listed.len() > 9, "{json:#}");
    assert_eq!(steps, listed.len(), "{said}");
    assert!(listed.iter().all(|s| s["done"] == serde_json::json!([])));
    assert_eq!(json["state"], "/dev/vda");
    assert_eq!(before.0, look(STARTS), "a second apply restarted something");
    let after = look(FILES);
    let written: Vec<&str> = after.lines().filter(|l| !before.1.contains(l)).collect();
    assert!(written.is_empty(), "a second apply wrote {written:?}");
    assert!(after.contains("answers/found.toml") && after.contains("/etc/hosts"));
}

fn reboot(world: &World, machine: &Appliance) {
    machine.run("systemctl reboot").unwrap();
    // the shell of the next boot: the ports of this one may still answer
    machine.shell().wait(BOOT).unwrap();
    machine.wait_for_ports(world).unwrap();
}

#[test]
fn a_state_volume_is_created_kept_and_changed() {
    let world = World::new("state").unwrap();
    let disk = Disk::blank(world.folder());
    let first = answers_with_state(&world, "").unwrap();
    let machine = boot(&world, &disk, Some(&first)).unwrap();
    machine.wait_until_up(&world).unwrap();
    let console = machine.console().unwrap();
    assert!(console.contains("created on /dev/vda"), "{console}");
    world.publish(&machine.records().unwrap()).unwrap();
    let to_alice = deliver(&world, ALICE, "before-the-reboot");
    let to_bob = deliver(&world, BOB, "to-a-user-who-goes");
    assert_eq!(copies(&world, ALICE, &to_alice), 1);
    assert_eq!(copies(&world, BOB, &to_bob), 1);
    mounts_are_tame(&machine);
    apply_again(&machine);
    // what only mailctl could do: the same answers do not undo it
    machine
        .run("sqlite3 /var/lib/ezmail/mail.sqlite \"UPDATE user SET quota_bytes = 123456789 WHERE local_part = 'alice'\"")
        .unwrap();
    let keys = machine.run(KEYS).unwrap();
    assert!(keys.contains("ssh/ssh_host_ed25519_key 600 0:0"), "{keys}");

    // mail that is on its way out when the machine goes down
    let outward = Mail::new(ALICE.0, PEER, "in-the-queue");
    let busy = world.mx().respond("rcpt", "451 4.3.0 not now").unwrap();
    let user = world.client(20, Family::V4);
    user.deliver(Port::Submissions, Some(ALICE), &outward)
        .unwrap();
    reboot(&world, &machine);
    assert_eq!(machine.run(KEYS).unwrap(), keys);
    assert_eq!(copies(&world, ALICE, &to_alice), 1);
    let quota = "sqlite3 /var/lib/ezmail/mail.sqlite \"SELECT quota_bytes FROM user WHERE local_part = 'alice'\"";
    assert_eq!(machine.run(quota).unwrap(), "123456789\n");
    drop(busy);
    machine.run("smtpctl schedule all").unwrap();
    world.mx().wait_for(&outward.id, ARRIVAL).unwrap();
    journal_of_two_boots(&machine);
    let password = machine.run("journalctl --no-pager | grep -c 'wood stapler' || true");
    assert_eq!(password.unwrap(), "0\n");
    machine.power_off().unwrap();

    // other answers, on a disk that has grown
    disk.grow(512 << 20);
    let changed = changed(&first);
    let machine = boot(&world, &disk, Some(&changed)).unwrap();
    machine.wait_until_up(&world).unwrap();
    let console = machine.console().unwrap();
    for shown in [
        "the answers have changed:",
        "-address = \"bob@example.net\"",
        "user bob@example.net removed; the mail is kept",
        "user carol@example.net added",
    ] {
        assert!(console.contains(shown), "{shown}: {console}");
    }
    let size = machine
        .run("df --output=size -BM /var/lib/ezmail | tail -n 1")
        .unwrap();
    let size: u64 = size.trim().trim_end_matches('M').parse().unwrap();
    assert!(size > 1300, "{size} MiB");
    assert_eq!(machine.run(KEYS).unwrap(), keys);
    assert_eq!(copies(&world, ALICE, &to_alice), 1);
    let files = machine
        .run("find /var/vmail/example.net/bob -type f | wc -l")
        .unwrap();
    assert!(files.trim().parse::<u64>().unwrap() > 0, "{files}");
    let refused = world.client(21, Family::V4).fetch(BOB, "INBOX");
    assert!(refused.is_err(), "a removed user can log in");
    let alias = deliver(&world, ("info@example.org", ""), "to-the-changed-alias");
    assert_eq!(copies(&world, ALICE, &alias), 1);
    machine.power_off().unwrap();

    // the state volume alone
    let machine = boot(&world, &disk, None).unwrap();
    wait_for(&machine, "answers: those that are kept with the state");
    machine.wait_until_up(&world).unwrap();
    assert_eq!(machine.run(KEYS).unwrap(), keys);
    assert_eq!(copies(&world, ALICE, &alias), 1);
    apply_again(&machine);
    machine.power_off().unwrap();
}

/// Bob goes and Carol comes; the address of both is Alice's alone.
fn changed(first: &str) -> String {
    let mut text = first.replace("bob@example.net", "carol@example.net");
    let list = "to = [\"alice@example.org\", \"carol@example.net\"]";
    assert!(text.contains(list), "{text}");
    text = text.replace(list, "to = [\"alice@example.org\"]");
    text
}

fn mounts_are_tame(machine: &Appliance) {
    for place in [
        "/var/lib/ezmail",
        "/var/vmail",
        "/var/spool/smtpd",
        "/var/log/journal",
    ] {
        let options = machine
            .run(&format!("findmnt -no OPTIONS --mountpoint {place}"))
            .unwrap();
        for option in ["nodev", "nosuid", "noexec"] {
            assert!(options.contains(option), "{place}: {options}");
        }
    }
    let shown = machine.run("ezmail-agent status").unwrap();
    assert!(shown.contains("state volume: /dev/vda"), "{shown}");
}

/// One journal over both boots, and nothing of it outside of the volume.
fn journal_of_two_boots(machine: &Appliance) {
    let shell = |script: &str| {
        let limit = Duration::from_secs(180);
        machine.shell().run(script, limit).unwrap()
    };
    let boots = shell("journalctl --list-boots --no-pager -q | wc -l");
    assert_eq!(boots.output, "2\n");
    let folders = shell("ls /var/log/journal");
    assert_eq!(folders.output.lines().count(), 1, "{}", folders.output);
    let before =
        shell("journalctl --no-pager -q -b -1 -u ezmail-agent | grep -c 'created on /dev/vda'");
    assert_eq!(before.output, "1\n");
    // "System Journal (...) is 16M, max 256M, 240M free."
    let limit = shell("journalctl -b -o cat -u systemd-journald | grep -F 'System Journal'");
    let (_, after) = limit.output.rsplit_once(" max ").unwrap();
    let (size, _) = after.split_once("M,").unwrap();
    assert!(size.parse::<f64>().unwrap() <= 256.0, "{}", limit.output);
}
