//! A machine whose clock is years off: no signature of the DNS is valid for it, and it finds its
//! time servers all the same.

use std::{
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use crate::world::{
    World,
    addresses::{FAMILIES, MX_NAME, time_server},
    appliance::{Appliance, Kind, answers, iso},
    namespace::{Service, beside},
};

/// timesyncd tries four servers for ten seconds each and rests for thirty.
const PATIENCE: Duration = Duration::from_secs(400);

/// How far the guest's clock is from ours, in seconds.
fn off(appliance: &Appliance) -> u64 {
    let shown = appliance.run("date +%s").unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    now.as_secs().abs_diff(shown.trim().parse().unwrap())
}

/// Whether the guest's resolver answers for a signed name.
fn resolves(appliance: &Appliance) -> bool {
    let script = format!("getent ahosts {MX_NAME}");
    let ran = appliance.shell().run(&script, Duration::from_secs(60));
    ran.unwrap().status == 0
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "{what} did not happen");
        thread::sleep(Duration::from_secs(2));
    }
}

#[test]
fn a_clock_that_is_years_off_is_set_although_nothing_validates() {
    let world = World::new("clock").unwrap();
    // ahead: a clock that is behind the image's age, systemd sets to that (clock-epoch)
    let kind = Kind {
        clock: Some("2031-01-01T00:00:00"),
        ..Kind::default()
    };
    let text = answers(&world).unwrap();
    let appliance = Appliance::boot_as(kind, &world, &iso().unwrap(), &text).unwrap();
    appliance.wait_until_up(&world).unwrap();
    let seconds = off(&appliance);
    assert!(seconds > 60 * 24 * 3600, "{seconds}");
    assert!(!resolves(&appliance), "an expired signature was taken");

    let mut command = world.namespace().command("/usr/bin/python3").unwrap();
    command.arg("-I").arg(beside("ntp.py"));
    command.args(FAMILIES.map(|family| time_server(family).to_string()));
    let log = world.folder().join("ntp.log");
    let _server = Service::start("ntp.py", command, &log).unwrap();
    until("setting the clock", || off(&appliance) < 60);
    until("resolving a signed name", || resolves(&appliance));
}
