//! `kill -9` at any moment: the next build goes on, and makes the same ISO.

use std::{
    fs,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use ezmail::host::image;

use crate::desk::Desk;

/// How often the build is killed.
const MOMENTS: u32 = 10;

#[test]
fn full_a_build_that_is_killed_ten_times_ends_well() {
    let whole = Desk::new();
    let time = |desk: &Desk| {
        let start = Instant::now();
        let output = desk.run(&["build", "--quiet"]);
        assert!(output.status.success(), "{output:?}");
        start.elapsed()
    };
    let from_nothing = time(&whole);
    fs::remove_dir_all(whole.path().join("out")).unwrap();
    let from_packages = time(&whole);

    let desk = Desk::new();
    let mut killed = 0;
    // moments by a fixed seed, from all over the build
    let mut state = 2_463_534_242_u32;
    for moment in 0..3 * MOMENTS {
        if killed == MOMENTS {
            break;
        }
        // every other build goes on from what the last one left
        let takes = match moment % 2 {
            0 => from_nothing,
            _ => from_packages,
        };
        if moment % 2 == 0 {
            forget(&desk);
        }
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        killed += u32::from(kill_after(
            &desk,
            takes.mul_f64(f64::from(state % 1000) / 1000.0),
        ));
        desk.wait_until_quiet();
    }
    println!(
        "killed at {killed} moments of {:.1} s, or of {:.1} s",
        from_nothing.as_secs_f64(),
        from_packages.as_secs_f64()
    );
    assert_eq!(killed, MOMENTS, "the build was there to be killed");

    let output = desk.run(&["build", "--quiet"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(desk.iso(), whole.iso());
    let left = fs::read_dir(desk.cache().join("work")).unwrap().count();
    assert_eq!(left, 0, "scratch folders of killed builds");
    let hidden = fs::read_dir(desk.path().join("out")).unwrap().flatten();
    let new = hidden.filter(|e| e.file_name().to_string_lossy().starts_with(image::SCRATCH));
    assert_eq!(new.count(), 0, "half an ISO");
}

/// Starts a build and kills the program that was started; whether it was there to be killed.
fn kill_after(desk: &Desk, after: Duration) -> bool {
    let mut child = desk
        .command(&["build", "--quiet"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    thread::sleep(after);
    let ended = child.try_wait().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    ended.is_none()
}

/// Takes away what earlier builds made here.
fn forget(desk: &Desk) {
    let made = ["packages/encpipe", "packages/ezmail", "build-root", "root"];
    let made = made.map(|name| desk.cache().join(name));
    for path in made.into_iter().chain([desk.path().join("out")]) {
        if path.exists() {
            fs::remove_dir_all(path).unwrap();
        }
    }
}
