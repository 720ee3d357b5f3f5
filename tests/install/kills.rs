//! The machine is killed at eight moments of the installation; the next start is good each time: it
//! installs from the beginning, or boots what is there.
//!
//! QEMU dies by SIGKILL: what the guest has handed to its disk is there, what it still held is not.

use std::{
    fmt, thread,
    time::{Duration, Instant},
};

use ezmail::host::qemu::Firmware;
use regex::Regex;

use crate::{
    BEGINS, BOOT, Drives, FAMILIES, INSTALLED, Medium, SIZE, Start, World, answers_to_install,
    appliance, assert_layout, booted, disk::Disk, installations, wait_for, wait_for_reboot,
    wait_for_reset,
};

/// How often it is killed.
const MOMENTS: usize = 8;
/// At most so many of these are right behind what the agent says; the others are spread evenly.
const LINES: usize = 5;
/// A step of the installation.
const STEP: &str = r"ezmail: install: [^\n]+\n";
/// What the agent says when it has decided not to install, since it runs from the disk.
const RUNS: &str = r"ezmail: volume ";

/// When it is killed.
#[derive(Debug, Clone)]
enum Moment {
    /// As soon as the console shows this step.
    Step(String),
    /// So long after the installation has begun.
    After(Duration),
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Step(line) => write!(f, "at '{line}'"),
            Self::After(time) => write!(f, "after {:.1} s", time.as_secs_f64()),
        }
    }
}

struct Installation<'a> {
    world: &'a World,
    answers: &'a str,
    firmware: Firmware,
    disk: Disk,
}

impl<'a> Installation<'a> {
    fn new(world: &'a World, answers: &'a str, firmware: Firmware) -> Self {
        let disk = Disk::sized(world.folder(), SIZE);
        Self {
            world,
            answers,
            firmware,
            disk,
        }
    }

    fn start(&self, once: bool) -> crate::Appliance {
        let start = Start {
            world: self.world,
            disk: &self.disk,
            firmware: self.firmware,
            drives: Drives::DiskThenIso,
            answers: Some(self.answers),
            once,
        };
        start.boot()
    }

    /// Installs without a kill; the steps it shows, and how long it takes.
    fn measure(&self) -> (Vec<String>, Duration) {
        let machine = self.start(true);
        wait_for(&machine, BEGINS);
        let begun = Instant::now();
        let mut steps = Vec::new();
        let installed = Regex::new(INSTALLED).unwrap();
        loop {
            let shown = wait_for(&machine, &format!("{STEP}|{INSTALLED}"));
            if installed.is_match(&shown) {
                break;
            }
            steps.push(shown.trim().to_owned());
        }
        let time = begun.elapsed();
        wait_for_reboot(machine);
        (steps, time)
    }

    /// Installs until that moment, or the end if that comes first.
    fn kill_at(&self, moment: &Moment) {
        let machine = self.start(true);
        wait_for(&machine, BEGINS);
        let begun = Instant::now();
        match moment {
            Moment::Step(line) => {
                wait_for(&machine, &regex::escape(line));
            }
            Moment::After(time) => {
                while begun.elapsed() < *time && machine.machine().poll().unwrap().is_none() {
                    thread::sleep(Duration::from_millis(20));
                }
            }
        }
        machine.kill().unwrap();
    }

    /// Starts the machine once more: what it does of the two things that are right. If `wholly`, also
    /// until it is a server.
    fn starts_again(&self, wholly: bool) -> &'static str {
        let machine = self.start(false);
        let shown = wait_for(&machine, &format!("{BEGINS}|{RUNS}"));
        let installs = Regex::new(BEGINS).unwrap().is_match(&shown);
        if !installs {
            assert_eq!(booted(&machine), Medium::Disk);
        } else if wholly {
            wait_for(&machine, INSTALLED);
            wait_for_reset(&machine);
            assert_eq!(booted(&machine), Medium::Disk);
        }
        if wholly {
            let deadline = Instant::now() + BOOT;
            for family in FAMILIES {
                machine
                    .wait_for_port(self.world, appliance(family), 25, deadline)
                    .unwrap();
            }
            assert_layout(&machine);
            assert_eq!(installations(&machine), usize::from(installs));
        }
        machine.kill().unwrap();
        match installs {
            true => "installs again",
            false => "boots from the disk",
        }
    }
}

/// Some of the steps, the first and the last among them, and moments between.
fn moments(steps: &[String], time: Duration) -> Vec<Moment> {
    let count = steps.len().min(LINES);
    let mut moments: Vec<Moment> = (0..count)
        .map(|n| n * (steps.len() - 1) / (count - 1).max(1))
        .map(|n| Moment::Step(steps[n].clone()))
        .collect();
    let rest = u32::try_from(MOMENTS - count).unwrap();
    moments.extend((1..=rest).map(|n| Moment::After(time * n / (rest + 1))));
    moments
}

#[test]
fn full_killed_at_eight_moments() {
    let world = World::new("install-kills").unwrap();
    let answers = answers_to_install(&world, "");
    let (steps, time) = Installation::new(&world, &answers, Firmware::Bios).measure();
    assert!(steps.len() > 1, "{steps:?}");
    println!("installed in {:.1} s: {steps:#?}", time.as_secs_f64());
    let moments = moments(&steps, time);
    assert_eq!(moments.len(), MOMENTS);
    // a step in the middle by UEFI, the last one by BIOS
    let last = steps.len().min(LINES) - 1;
    for (n, moment) in moments.iter().enumerate() {
        let firmware = match n % 2 == last % 2 {
            true => Firmware::Bios,
            false => Firmware::Uefi,
        };
        let installation = Installation::new(&world, &answers, firmware);
        installation.kill_at(moment);
        let wholly = n == last || n + 1 == last;
        println!("killed {moment} ({firmware:?}): it starts again");
        let does = installation.starts_again(wholly);
        println!("killed {moment} ({firmware:?}): it {does}");
    }
}

#[test]
fn the_moments_are_spread() {
    let steps: Vec<String> = "abcdefg".chars().map(String::from).collect();
    let shown = |steps: &[String]| {
        let moments = moments(steps, Duration::from_secs(8));
        let shown: Vec<String> = moments.iter().map(Moment::to_string).collect();
        shown.join(", ")
    };
    assert_eq!(
        shown(&steps),
        "at 'a', at 'b', at 'd', at 'e', at 'g', after 2.0 s, after 4.0 s, after 6.0 s"
    );
    assert_eq!(
        shown(&steps[..3]),
        "at 'a', at 'b', at 'c', after 1.3 s, after 2.7 s, after 4.0 s, after 5.3 s, after 6.7 s"
    );
    assert_eq!(shown(&steps[..1]).split(", ").count(), MOMENTS);
}
