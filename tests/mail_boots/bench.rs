//! What `ci/bench boot` prints: not asserted, but each machine has to take and send a message.

use std::{
    env,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

use anyhow::Result;
use ezmail::{
    host::qemu::Disk,
    util::{files, run::Task},
};

use crate::{
    takes_and_sends_mail,
    world::{
        World,
        appliance::{Appliance, Kind, answers, iso},
    },
};

/// How long a machine is left alone before its memory is read.
const IDLE: Duration = Duration::from_secs(60);

/// Memory sizes in MiB, the largest first; `EZMAIL_BENCH_MEMORY` names others.
fn sizes() -> Vec<u64> {
    let text = env::var("EZMAIL_BENCH_MEMORY").unwrap_or_else(|_| "1024 768 512".to_owned());
    text.split_whitespace()
        .map(|word| word.parse().unwrap())
        .collect()
}

/// Whether an installed disk is measured in place of the ISO: `EZMAIL_BENCH_FROM=disk`.
fn from_disk() -> bool {
    match env::var("EZMAIL_BENCH_FROM").as_deref() {
        Ok("disk") => true,
        Ok("iso") | Err(_) => false,
        Ok(other) => panic!("EZMAIL_BENCH_FROM is '{other}'; it may be iso or disk"),
    }
}

/// The disk of a server with these answers, made on the host.
fn installed(world: &World, answers: &str) -> Result<PathBuf> {
    let (file, disk) = (
        world.folder().join("a.toml"),
        world.folder().join("disk.raw"),
    );
    files::write(&file, answers, 0o600)?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_ezmail"));
    command.arg("disk").arg(&file).arg(iso()?);
    command.arg("-o").arg(&disk).args(["--size", "4G"]);
    Task::new("making a disk", command).run()?;
    Ok(disk)
}

fn start(kind: Kind, world: &World, disk: &Path) -> Result<Appliance> {
    Appliance::boot_with(kind, world, &iso()?, None, |config| {
        config.iso = None;
        config.disks.push(Disk::new(disk, None));
    })
}

fn tell(appliance: &Appliance, what: &str) -> Result<()> {
    let uptime = appliance.run("cut -d' ' -f1 /proc/uptime")?;
    println!("{what}: kernel to all ports: {} s", uptime.trim());
    Ok(())
}

/// One boot of a machine with so much memory.
fn measure(memory_mib: u64) -> Result<()> {
    let name = format!("bench-{memory_mib}");
    let world = World::new(&name)?;
    let kind = Kind {
        memory_mib,
        ..Kind::default()
    };
    let answers = answers(&world)?;
    let appliance = match from_disk() {
        false => Appliance::boot_as(kind, &world, &iso()?, &answers)?,
        true => {
            let disk = installed(&world, &answers)?;
            let first = start(kind, &world, &disk)?;
            first.wait_until_up(&world)?;
            tell(&first, &format!("{memory_mib} MiB: first start from disk"))?;
            first.power_off()?;
            start(kind, &world, &disk)?
        }
    };
    appliance.wait_until_up(&world)?;
    tell(&appliance, &format!("{memory_mib} MiB"))?;
    thread::sleep(IDLE);
    let memory = appliance.run(
        "awk '/^MemTotal/ {t=$2} /^MemAvailable/ {a=$2} END {printf \"%d MiB of %d MiB\", (t-a)/1024, t/1024}' /proc/meminfo",
    )?;
    println!("{memory_mib} MiB: in use when idle: {memory} that the kernel has");
    let processes = appliance.run("ps -eo rss=,comm= --sort=-rss | head -n 8")?;
    println!("{processes}");
    world.publish(&appliance.records()?)?;
    takes_and_sends_mail(&world, &name);
    let killed = appliance.run("journalctl -b --no-pager -k | grep -ci 'out of memory' || true")?;
    println!("{memory_mib} MiB: takes and sends a message; out of memory: {killed}");
    Ok(())
}

#[test]
fn boot() {
    for memory_mib in sizes() {
        // a machine that is too small is a result, not the end of the measurement
        let done = catch_unwind(AssertUnwindSafe(|| measure(memory_mib)));
        match done {
            Ok(Ok(())) => {}
            Ok(Err(error)) => println!("{memory_mib} MiB: does not work: {error:#}"),
            Err(_) => println!("{memory_mib} MiB: does not take or send a message"),
        }
    }
}
