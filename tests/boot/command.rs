//! `ezmail boot`: what it prints, and its exit statuses.

use super::*;

#[test]
fn until_is_shown() {
    let (dir, iso) = iso(&[READY]);
    let output = ezmail(&iso, "--until guest.is.ready --screenshot shots/s.png")
        .env("EZMAIL_ACCEL", "auto")
        .output()
        .unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{errors}");
    let lines: Vec<&str> = errors.lines().collect();
    assert!(
        lines[0].starts_with("KVM: ") || lines[0].starts_with("TCG: because "),
        "{errors}"
    );
    assert_eq!(lines[1], "screenshot: shots/s.png");
    assert!(lines[2].starts_with("ezmail boot: OK after "), "{errors}");
    assert!(
        lines[2].contains(": the console shows \"guest is ready\"; serial log: "),
        "{errors}"
    );
    assert!(lines[2].ends_with("mini.serial.log"), "{errors}");
    assert_eq!(output.stdout, b"the mini guest is ready\n");
    let (width, height) = png_size(&dir.path().join("shots/s.png"));
    assert!(width >= 640 && height >= 400, "{width}x{height}");
    // the log has every byte
    let log = fs::read(dir.path().join("mini.serial.log")).unwrap();
    assert_eq!(log, b"\x1b[32mthe mini guest\x1b[0m is ready\r\n");
}

#[test]
fn a_timeout_is_status_2() {
    let (dir, iso) = iso(&[READY]);
    let (status, output, last) = run(
        &iso,
        "--quiet --until never --timeout 3 --serial-log a/b.log",
    );
    assert_eq!(status, 2, "{last}");
    assert!(last.starts_with("ezmail boot: TIMEOUT after "), "{last}");
    assert!(
        last.ends_with("did not show what --until waits for within 3 s; serial log: a/b.log"),
        "{last}"
    );
    assert!(output.stdout.is_empty());
    assert!(dir.path().join("a/b.log").is_file());
}

#[test]
fn a_failing_guest_is_status_3() {
    let (_dir, panics) = iso(&[
        READY,
        Step::Print(COM1, "[ 1.0] Kernel panic - not syncing: no root\r\n"),
    ]);
    let (status, _, last) = run(&panics, "--until login:");
    assert_eq!(status, 3, "{last}");
    assert!(last.contains("FAILED after "), "{last}");
    assert!(
        last.contains("its console shows: [ 1.0] Kernel panic - not syncing: no root;"),
        "{last}"
    );
    let (status, _, last) = run(&panics, "--fail-on mini.guest");
    assert_eq!(status, 3, "{last}");
    assert!(
        last.contains("its console shows: the mini guest is ready;"),
        "{last}"
    );
    // what comes first counts
    let (status, _, last) = run(&panics, "--until is.ready");
    assert_eq!(status, 0, "{last}");
}

#[test]
fn a_power_off_is_a_success_unless_something_was_awaited() {
    let (_dir, iso) = iso(&[READY, Step::PowerOff]);
    let (status, _, last) = run(&iso, "--screenshot off.png");
    assert_eq!(status, 0, "{last}");
    assert!(
        last.contains(": the guest powered off; serial log: "),
        "{last}"
    );
    // the screen is still there
    png_size(&iso.with_file_name("off.png"));
    let (status, _, last) = run(&iso, "--until login:");
    assert_eq!(status, 3, "{last}");
    let (status, _, last) = run(&iso, "--machine pc --iso-as disk");
    assert_eq!(status, 0, "{last}");
}

#[test]
fn uefi() {
    let (_dir, iso) = iso(&[READY, Step::PowerOff]);
    let (status, _, last) = run(&iso, "--uefi --memory 256 --timeout 240");
    assert_eq!(status, 0, "{last}");
    let log = fs::read_to_string(iso.with_extension("serial.log")).unwrap();
    assert!(log.contains("the mini guest"), "{log}");
}

#[test]
fn wrong_use_is_status_1() {
    let (dir, iso) = iso(&[READY]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let (status, _, last) = run(&iso, &format!("--forward {port}:25"));
    assert_eq!(status, 1);
    assert!(
        last.starts_with(&format!("ezmail: port {port} on 127.0.0.1 is in use: ")),
        "{last}"
    );
    let (status, _, _) = run(&iso, "--no-such-option");
    assert_eq!(status, 1);
    let (status, _, last) = run(&dir.path().join("none.iso"), "");
    assert_eq!(status, 1);
    assert!(
        last.contains("none.iso cannot be read: No such file"),
        "{last}"
    );
    let (status, _, last) = run(&iso, "--memory 999999999");
    assert_eq!(status, 1);
    assert!(
        last.contains("999999999 MiB of memory is more than this host has"),
        "{last}"
    );
    assert!(
        !iso.with_extension("serial.log").exists(),
        "nothing was started"
    );
}

#[test]
fn signals() {
    let (dir, iso) = iso(&[READY]);
    let start = || {
        ezmail(&iso, "--quiet")
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    let booted = || {
        let log = iso.with_extension("serial.log");
        wait_until("the boot", || {
            fs::read(&log).is_ok_and(|text| text.ends_with(b"ready\r\n"))
        });
    };

    let mut child = start();
    let qemu = qemu_of(&child);
    booted();
    signal("USR1", child.id());
    let shot = dir.path().join("screen-1.png");
    wait_until("the screenshot", || shot.exists());
    png_size(&shot);
    signal("TERM", child.id());
    assert_eq!(child.wait().unwrap().code(), Some(143));
    assert!(!lives(qemu));

    // Ctrl-C twice: this guest does not react to the power button
    fs::remove_file(iso.with_extension("serial.log")).unwrap();
    let mut child = start();
    let qemu = qemu_of(&child);
    booted();
    signal("INT", child.id());
    std::thread::sleep(Duration::from_millis(300));
    assert!(lives(qemu));
    signal("INT", child.id());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(!lives(qemu));

    // killed without a chance to clean up
    fs::remove_file(iso.with_extension("serial.log")).unwrap();
    let mut child = start();
    let qemu = qemu_of(&child);
    booted();
    child.kill().unwrap();
    child.wait().unwrap();
    wait_until("QEMU's end", || !lives(qemu));

    // and the other way round
    fs::remove_file(iso.with_extension("serial.log")).unwrap();
    let mut child = start();
    let qemu = qemu_of(&child);
    booted();
    signal("KILL", qemu);
    assert_eq!(child.wait().unwrap().code(), Some(3));
}

#[test]
fn the_console_takes_what_is_piped_in() {
    let (_dir, iso) = iso(&[READY, Step::Echo, Step::PowerOff]);
    let mut child = ezmail(&iso, "--console")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let log = iso.with_extension("serial.log");
    wait_until("the boot", || {
        fs::read(&log).is_ok_and(|text| text.ends_with(b"ready\r\n"))
    });
    std::io::Write::write_all(child.stdin.as_mut().unwrap(), b"hello!").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stdout.ends_with(b"hello!"));
}
