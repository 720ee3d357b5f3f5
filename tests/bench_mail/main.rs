//! `ci/bench mail`: how fast mail goes in and out, against the same image without
//! `durable-queue.patch` and against a mail server of Debian's packages. Figures are printed, never
//! asserted; what is asserted is that every server scans, signs and loses nothing.

// clippy.toml allows it in tests, but takes only functions marked #[test] for such
#![allow(clippy::unwrap_used)]

#[path = "../world/mod.rs"]
mod world;

mod debian;
mod load;
mod measure;
mod memory;
mod messages;
mod server;
mod settings;
mod stock;
mod table;

use jiff::Timestamp;

use load::Way;
use measure::{Mailbag, host, measure};
use settings::Settings;
use world::World;

#[test]
fn compare() {
    let settings = Settings::of_environment().unwrap();
    let world = World::new("bench-mail").unwrap();
    let prepared = server::prepare(&settings, &world).unwrap();
    let inward = Mailbag::fill(&world, &settings, Way::In, "in").unwrap();
    eprintln!("{} messages in for each server are ready", inward.len());
    let (mut columns, mut failed, mut accel) = (Vec::new(), Vec::new(), None);
    for server in settings.servers.clone() {
        match measure(&world, &settings, &prepared, server, &inward) {
            Ok((column, how)) => {
                columns.push(column);
                // a long run that is broken off has said something
                eprintln!("{}", table::table(&columns));
                accel = Some(how);
            }
            Err(error) => failed.push(format!("{}: {error:#}", server.name())),
        }
    }
    println!(
        "{}; {}\n{}; machines of {} MiB with {} CPU; {} messages of 1 KB and {} of 100 KB, \
         {} connections\n\n{}",
        Timestamp::now().strftime("%F %R UTC"),
        accel.as_deref().unwrap_or("no machine came up"),
        host().unwrap(),
        settings.memory_mib,
        settings.cpus,
        settings.small,
        settings.large,
        settings.connections,
        table::table(&columns)
    );
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
