//! A server is lost with its disk, and comes back from its backup on another machine: three users,
//! two domains, messages with flags and folders, and mail that keeps arriving while the backup is made.
//! The test whose name begins with `full_` has a thousand messages, the other a fifth of them.

// clippy.toml allows it in tests, but takes only functions marked #[test] for such
#![allow(clippy::unwrap_used)]

#[path = "../world/mod.rs"]
mod world;

#[path = "../state/disk.rs"]
#[allow(dead_code, reason = "shared with the tests of the state volume")]
mod disk;
mod kills;
mod people;
mod traffic;

use std::{thread, time::Duration};

use anyhow::Result;
use regex::Regex;
use serde_json::Value;

use disk::Disk;
use people::{ALL, Boxes, Person};
use traffic::Traffic;
use world::{
    World,
    addresses::{Family, appliance},
    appliance::{ALICE, Appliance, BOB, Kind, answers, iso},
    sshd::Sshd,
};

/// From power on to what the agent says, emulated.
const BOOT: Duration = Duration::from_secs(900);
/// How long commands in the machine may take.
const LONG: Duration = Duration::from_secs(900);

/// What has to be the same on the new machine.
const KEYS: &str = "cd /var/lib/ezmail && find tls dkim ssh -type f -exec sha256sum {} + | sort";

fn all_answers(world: &World, sshd: &Sshd) -> Result<String> {
    let carol = ezmail::mail::password::hash(people::CAROL.1)?;
    Ok(format!(
        "{}\n[[user]]\naddress = \"{}\"\npassword_hash = \"{carol}\"\n\n[state]\ndevice = \"/dev/vda\"\n\n\
         [backup]\ntarget = \"{}\"\nschedule = \"never\"\npassphrase = \"{}\"\nssh_key = \"\"\"\n{}\"\"\"\n",
        answers(world)?,
        people::CAROL.0,
        sshd.location(),
        people::PASSPHRASE,
        sshd.key()?,
    ))
}

fn boot(world: &World, disk: &Disk, answers: &str) -> Result<Appliance> {
    let iso = iso()?;
    Appliance::boot_with(Kind::default(), world, &iso, Some(answers), |config| {
        config.disks.push(disk.attached());
        config.serial_log = disk.next_log(world.folder());
    })
}

/// Runs a script that may take its time.
fn run(machine: &Appliance, script: &str) -> String {
    let ran = machine.shell().run(script, LONG).unwrap();
    assert_eq!(ran.status, 0, "{script}\n{}", ran.output);
    ran.output
}

fn json(text: &str) -> Value {
    let from = text.find('{').unwrap();
    serde_json::from_str(&text[from..]).unwrap_or_else(|e| panic!("{e}: {text}"))
}

#[test]
fn a_server_that_is_lost_comes_back_from_its_backup() {
    is_lost_and_comes_back("disaster", 5);
}

#[test]
fn full_a_server_with_a_thousand_messages_comes_back_from_its_backup() {
    is_lost_and_comes_back("disaster-full", 1);
}

/// With one message of so many in the world of that name.
fn is_lost_and_comes_back(name: &str, share: u32) {
    let world = World::new(name).unwrap();
    let sshd = Sshd::start(&world).unwrap();
    let disk = Disk::blank(world.folder());
    let text = all_answers(&world, &sshd).unwrap();
    let machine = boot(&world, &disk, &text).unwrap();
    machine.wait_until_up(&world).unwrap();
    world.publish(&machine.records().unwrap()).unwrap();
    // a password that no answers file has
    let changed = (ALICE.0, people::NEW_PASSWORD);
    run(
        &machine,
        &format!("echo '{}' | mailctl user passwd {}", changed.1, changed.0),
    );
    let people = [changed, BOB, people::CAROL].map(|login| Person { login });
    let filled = people::fill(&world, &people, share);
    assert_eq!(filled, people::MESSAGES / u64::from(share));

    let lost = thread::scope(|scope| lose(scope, &world, machine, &people));
    assert!(lost.accepted.len() >= 6, "{:?}", lost.accepted);
    std::fs::remove_file(&disk.path).unwrap();

    // another machine, with the answers and where the backup is
    let disk = Disk::blank(world.folder());
    let with_restore = format!("{text}\n[restore]\nsource = \"{}\"\n", sshd.location());
    let machine = boot(&world, &disk, &with_restore).unwrap();
    let restored = Regex::new(r"ezmail: restore +.*restored").unwrap();
    machine.machine().wait_for(&restored, BOOT).unwrap();
    assert!(
        !world.is_open(appliance(Family::V4), 25).unwrap(),
        "port 25 is open before the services were started"
    );
    machine.wait_until_up(&world).unwrap();
    people::wait_until_delivered(&machine);
    let after = Boxes::read(&world, &people);
    after.has_all_of(&lost.before);
    for id in &lost.accepted {
        assert_eq!(
            after.count(id),
            1,
            "{id} was accepted and is not there once"
        );
    }
    assert_eq!(run(&machine, KEYS), lost.keys);
    assert_eq!(run(&machine, people::ROWS), lost.rows);
    for login in ALL {
        // alice's is no more the one of the answers
        let works = world.client(91, Family::V4).fetch(login, "INBOX").is_ok();
        assert_eq!(works, login.0 != ALICE.0, "{}", login.0);
    }
    run(&machine, "mailctl backup drill");
    // a reboot does not restore again
    machine.run("systemctl reboot").unwrap();
    machine.shell().wait(BOOT).unwrap();
    machine.wait_for_ports(&world).unwrap();
    Boxes::read(&world, &people).has_all_of(&lost.before);
}

/// What is known of the server that was lost.
struct Lost {
    before: Boxes,
    /// The Message-IDs of what was accepted before the backup was complete, and kept arriving.
    accepted: Vec<String>,
    keys: String,
    rows: String,
}

/// Makes two backups while mail keeps arriving, and pulls the plug.
fn lose<'scope>(
    scope: &'scope thread::Scope<'scope, '_>,
    world: &'scope World,
    machine: Appliance,
    people: &[Person],
) -> Lost {
    let traffic = Traffic::start(scope, world, people::CAROL.0);
    // the first goes out whole, the second has what came since
    traffic.wait_for(3);
    let first = json(&run(&machine, "mailctl backup create --json"));
    assert_eq!(first["notes"], serde_json::json!([]), "{first:#}");
    traffic.wait_for(3);
    let before = Boxes::read(world, people);
    let second = json(&run(&machine, "mailctl backup create --json"));
    let ahead = traffic.clock_ahead(&machine);
    let complete_until = second["complete_until"].as_f64().unwrap() - ahead;
    traffic.wait_for(1);
    let keys = run(&machine, KEYS);
    let rows = run(&machine, people::ROWS);
    // a sender whose server vanishes in the middle would wait for many minutes
    let arrived = traffic.stop();
    machine.kill().unwrap();
    let accepted = arrived.iter().filter(|a| a.at < complete_until);
    let accepted: Vec<String> = accepted.map(|a| a.id.clone()).collect();
    assert!(second["written"].as_u64() < first["written"].as_u64());
    println!(
        "backups: {} and {} bytes; {} messages were accepted before the second was complete",
        first["written"],
        second["written"],
        accepted.len()
    );
    Lost {
        before,
        accepted,
        keys,
        rows,
    }
}
