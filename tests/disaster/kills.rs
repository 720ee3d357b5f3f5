//! Backups and restores that are killed, at moments all along their way.

use crate::{
    all_answers, boot,
    disk::Disk,
    people::{ALL, Boxes, Person, fill, wait_until_delivered},
    run,
    world::{World, appliance::Appliance, sshd::Sshd},
};

#[test]
fn full_what_is_killed_leaves_no_half() {
    let world = World::new("kills").unwrap();
    let sshd = Sshd::start(&world).unwrap();
    let disk = Disk::blank(world.folder());
    let text = all_answers(&world, &sshd).unwrap();
    let machine = boot(&world, &disk, &text).unwrap();
    machine.wait_until_up(&world).unwrap();
    let people = ALL.map(|login| Person { login });
    fill(&world, &people, 5);
    let before = Boxes::read(&world, &people);
    backups(&machine, &sshd);
    restores(&machine, &world, &people, &before);
}

/// How often each is killed.
const MOMENTS: u32 = 10;

/// How many seconds `command` takes by itself.
fn takes(machine: &Appliance, command: &str) -> f64 {
    let script = format!(
        "a=$(date +%s%N); {command} >/dev/null 2>&1 || exit 1; b=$(date +%s%N); echo $((b - a))"
    );
    run(machine, &script).trim().parse::<f64>().unwrap() / 1e9
}

/// Starts `command`, kills it after `seconds` and waits; whether it was there to be killed.
fn kill_after(machine: &Appliance, command: &str, seconds: f64) -> bool {
    let script = format!(
        "{command} >/tmp/killed 2>&1 & pid=$!; sleep {seconds:.2}; kill -9 $pid 2>/dev/null && echo killed; \
         wait $pid 2>/dev/null; true"
    );
    run(machine, &script).contains("killed")
}

/// Kills `command` at moments all along the time it takes, and has `check` look after each.
fn at_all_moments(machine: &Appliance, command: &str, check: impl Fn()) {
    let mut whole = takes(machine, command);
    check();
    let mut killed = 0;
    for _ in 0..2 * MOMENTS {
        if killed == MOMENTS {
            break;
        }
        let after = whole * f64::from(killed) / f64::from(MOMENTS);
        match kill_after(machine, command, after) {
            true => killed += 1,
            // this time it was faster than the first
            false => whole *= 0.8,
        }
        check();
    }
    println!("{command}: killed at {killed} moments of {whole:.1} s");
    assert_eq!(killed, MOMENTS, "'{command}' was there to be killed");
}

/// What must be so whenever nothing is under way.
fn all_is_well(machine: &Appliance) {
    let script = "for i in $(seq 60); do \
        s=$(smtpctl show status 2>/dev/null) && ! echo \"$s\" | grep -q paused && \
        systemctl -q is-active smtpd dovecot rspamd valkey && \
        case $(systemctl is-active ezmail-switch.service) in inactive | failed) exit 0 ;; esac; \
        sleep 2; done; \
        smtpctl show status; systemctl --no-pager status smtpd dovecot ezmail-switch; exit 1";
    run(machine, script);
}

/// A backup that is killed leaves smtpd running and the store with whole backups only.
fn backups(machine: &Appliance, sshd: &Sshd) {
    let create = "mailctl backup create --full";
    at_all_moments(machine, create, || all_is_well(machine));
    // every backup that is listed is whole, and the next one is made as ever
    run(machine, "mailctl backup create");
    run(machine, "mailctl backup verify --all");
    run(
        machine,
        "mailctl backup prune --daily 1 --weekly 0 --monthly 0 --yes",
    );
    let left = sshd.names().unwrap();
    assert!(left.iter().all(|n| !n.starts_with('.')), "{left:?}");
}

/// A restore that is killed leaves the server as it was, or as the backup has it; mail is there.
fn restores(machine: &Appliance, world: &World, people: &[Person], before: &Boxes) {
    let restore = "mailctl restore --yes";
    at_all_moments(machine, restore, || {
        all_is_well(machine);
        wait_until_delivered(machine);
        Boxes::read(world, people).has_all_of(before);
    });
    run(machine, restore);
    all_is_well(machine);
    assert!(Boxes::read(world, people).len() >= before.len());
    run(machine, "mailctl restore --drop-old --yes");
}
