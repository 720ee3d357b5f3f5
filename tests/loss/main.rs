//! Five hundred messages come in while whatever takes part is killed, the disk is full for a while and
//! the plug is pulled, ten times. Every message that got 250 is in a mailbox or in the queue at the end.
//!
//! For `ci/test --full`. What is random comes from a seed, which is printed; `EZMAIL_SEED` sets it.

// clippy.toml allows it in tests, but takes only functions marked #[test] for such
#![allow(clippy::unwrap_used)]

#[path = "../world/mod.rs"]
mod world;

#[path = "../state/disk.rs"]
#[allow(dead_code, reason = "shared with the tests of the state volume")]
mod disk;
mod faults;
mod ledger;
mod random;
mod senders;

use std::{
    thread,
    time::{Duration, Instant},
};

use faults::{FAULTS, KILLS, comes_back, fill_the_disk, restarts};
use ledger::Ledger;
use random::{Deck, Random};
use senders::Senders;
use world::{
    World,
    appliance::{Appliance, Kind, answers, iso},
};

use disk::Disk;

/// How often the plug is pulled.
const ROUNDS: usize = 10;
/// How many messages there are for each time.
const PER_ROUND: usize = 50;
/// How long the senders go on with what was not taken, after the machine is up again.
const LATE: Duration = Duration::from_secs(300);
/// How long commands in the machine may take.
const LONG: Duration = Duration::from_secs(300);

/// Runs a script that may take its time.
fn run(machine: &Appliance, script: &str) -> String {
    let ran = machine.shell().run(script, LONG).unwrap();
    assert_eq!(ran.status, 0, "{script}\n{}", ran.output);
    ran.output
}

/// One machine after the other, on the same disk.
struct Setting {
    world: World,
    disk: Disk,
    answers: String,
}

impl Setting {
    fn new() -> Self {
        let world = World::new("loss").unwrap();
        let disk = Disk::blank(world.folder());
        let answers = format!(
            "{}\n[state]\ndevice = \"/dev/vda\"\n",
            answers(&world).unwrap()
        );
        Self {
            world,
            disk,
            answers,
        }
    }

    fn boot(&self) -> Appliance {
        let (iso, kind) = (iso().unwrap(), Kind::default());
        let text = Some(self.answers.as_str());
        let machine = Appliance::boot_with(kind, &self.world, &iso, text, |config| {
            config.disks.push(self.disk.attached());
            config.serial_log = self.disk.next_log(self.world.folder());
        });
        let machine = machine.unwrap();
        machine.wait_until_up(&self.world).unwrap();
        machine
    }
}

#[test]
fn full_what_got_250_is_not_lost() {
    let mut random = Random::new();
    let setting = Setting::new();
    let machine = setting.boot();
    setting.world.publish(&machine.records().unwrap()).unwrap();
    // what does not come back at all needs no ten rounds
    let mut complaints = restarts(&machine);
    for kill in &KILLS {
        complaints.extend(comes_back(&machine, kill));
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));

    let (mut ledger, mut deck) = (Ledger::default(), Deck::default());
    let mut machine = machine;
    for round in 0..ROUNDS {
        machine = self::round(
            &setting,
            machine,
            round,
            (&mut random, &mut deck),
            &mut ledger,
        );
    }
    settle(&machine);
    ledger.look(&setting.world, &machine);
    println!("{}", ledger.report());
    // of what was never taken nothing can be lost
    assert!(
        ledger.accepted() * 10 >= ROUNDS * PER_ROUND * 8,
        "too few were taken: {}",
        ledger.report()
    );
    assert!(ledger.lost().is_empty(), "lost: {:#?}", ledger.lost());
    assert!(ledger.odd().is_empty(), "{:#?}", ledger.odd());
    assert!(ledger.complaints.is_empty(), "{:#?}", ledger.complaints);
}

/// Fifty messages, some faults, and a machine without power in the middle of them; the next machine.
fn round(
    setting: &Setting,
    machine: Appliance,
    round: usize,
    (random, deck): (&mut Random, &mut Deck),
    ledger: &mut Ledger,
) -> Appliance {
    let start = Instant::now();
    let first = round * PER_ROUND;
    let (half, end) = (first + PER_ROUND / 2, first + PER_ROUND);
    thread::scope(|scope| {
        let senders = Senders::start(scope, &setting.world);
        senders.give(first..half);
        let faults = faults(&machine, &senders, (random, deck), ledger);
        // however long that took, there is enough left for a cut in the middle
        senders.give(half..end);
        let some = random.between(2, PER_ROUND / 3);
        senders.wait_for(senders.taken() + some, LATE);
        thread::sleep(Duration::from_millis(random.below(1500) as u64));
        let taken = senders.taken();
        machine.kill().unwrap();
        let machine = setting.boot();
        let taken_at_all = senders.wait_for(PER_ROUND, LATE);
        ledger.add(senders.stop());
        println!(
            "round {round}: {faults:?}; {taken} of {PER_ROUND} taken before the cut, \
             {taken_at_all} in the end, {} s",
            start.elapsed().as_secs()
        );
        machine
    })
}

/// Some of the faults, each after a while in which mail comes in.
fn faults(
    machine: &Appliance,
    senders: &Senders,
    (random, deck): (&mut Random, &mut Deck),
    ledger: &mut Ledger,
) -> Vec<&'static str> {
    let mut done = Vec::new();
    for _ in 0..FAULTS {
        senders.wait_for(senders.taken() + random.between(1, 6), LATE);
        // one more than there are: the disk
        let number = deck.draw(KILLS.len() + 1, random);
        if let Some(kill) = KILLS.get(number) {
            done.push(kill.name);
            ledger.complaints.extend(comes_back(machine, kill));
        } else {
            done.push("the disk is full");
            fill_the_disk(machine, random.between(5, 15));
        }
    }
    done
}

/// Waits until all services are up, and the queue is empty or does not get shorter any more.
fn settle(machine: &Appliance) {
    let units = "smtpd dovecot rspamd valkey kresd@1 ezmail-guard nftables";
    let script = format!(
        "for i in $(seq 60); do systemctl -q is-active {units} && exit 0; sleep 2; done; \
         systemctl --no-pager status {units}; exit 1"
    );
    // is-active is content with one of them
    for unit in units.split(' ') {
        run(machine, &script.replace(units, unit));
    }
    let deadline = Instant::now() + Duration::from_secs(900);
    let (mut length, mut since) = (usize::MAX, Instant::now());
    while length > 0 && since.elapsed() < Duration::from_secs(120) && Instant::now() < deadline {
        let queue = run(
            machine,
            "smtpctl schedule all >/dev/null 2>&1; smtpctl show queue",
        );
        let now = queue.lines().count();
        if now != length {
            (length, since) = (now, Instant::now());
        }
        thread::sleep(Duration::from_secs(5));
    }
    println!("{length} envelopes stay in the queue");
}
