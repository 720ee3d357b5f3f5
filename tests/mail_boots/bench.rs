//! What `ci/bench boot` prints: not asserted, but each machine has to take and send a message.

use std::{
    env,
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
    time::Duration,
};

use anyhow::Result;

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

/// One boot of a machine with so much memory.
fn measure(memory_mib: u64) -> Result<()> {
    let name = format!("bench-{memory_mib}");
    let world = World::new(&name)?;
    let kind = Kind {
        memory_mib,
        ..Kind::default()
    };
    let answers = answers(&world)?;
    let appliance = Appliance::boot_as(kind, &world, &iso()?, &answers)?;
    appliance.wait_until_up(&world)?;
    let uptime = appliance.run("cut -d' ' -f1 /proc/uptime")?;
    println!("{memory_mib} MiB: kernel to all ports: {} s", uptime.trim());
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
