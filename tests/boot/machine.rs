//! The machine as the end-to-end tests use it.

use super::*;

#[test]
fn a_machine_is_watched_typed_at_and_ends() {
    let (dir, iso) = iso(&[
        READY,
        Step::Print(COM2, "on the second port\r\n"),
        Step::Echo,
        Step::Print(COM1, "\r\nbye 42\r\n"),
        Step::PowerOff,
    ]);
    let channel = dir.path().join("channel.log");
    let mut config = config(&iso);
    config.channels = vec![channel.clone()];
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    config.network = Network::User {
        forwards: parse::forward(&format!("{}:25", free.port())).unwrap(),
        restrict: true,
    };
    let mut machine = Machine::start(&config).unwrap();
    let pid = machine.pid();
    assert_eq!(machine.accel(), "TCG: because asked for");
    machine.wait_for(&pattern("is ready"), LIMIT).unwrap();
    machine
        .wait_on(1, &pattern("second port\n"), LIMIT)
        .unwrap();
    TcpStream::connect(free).unwrap();
    assert_eq!(
        machine.qmp("query-status", serde_json::json!({})).unwrap()["status"],
        "running"
    );
    let error = machine
        .wait_for(&pattern("is ready"), Duration::from_millis(100))
        .unwrap_err();
    assert!(
        matches!(error, WaitError::Timeout { .. }),
        "a text is found once: {error}"
    );
    assert!(
        error.to_string().contains("the mini guest is ready\n"),
        "{error}"
    );
    machine.type_text("hi\n!").unwrap();
    let found = machine.wait_for(&pattern(r"bye (\d+)"), LIMIT).unwrap();
    assert_eq!(found.groups, [Some("42".to_owned())]);
    assert_eq!(machine.wait_for_end(LIMIT).unwrap(), Ending::PoweredOff);
    let error = machine.wait_for(&pattern("more"), LIMIT).unwrap_err();
    assert!(
        matches!(
            error,
            WaitError::Ended {
                ending: Ending::PoweredOff,
                ..
            }
        ),
        "{error}"
    );
    assert!(lives(pid), "stopped, but there for a screenshot");
    machine.quit().unwrap();
    assert!(!lives(pid));
    assert_eq!(fs::read(&channel).unwrap(), b"on the second port\r\n");
}

#[test]
fn a_dropped_machine_is_gone() {
    let (_dir, iso) = iso(&[READY]);
    let mut machine = Machine::start(&config(&iso)).unwrap();
    let pid = machine.pid();
    machine.wait_for(&pattern("is ready"), LIMIT).unwrap();
    drop(machine);
    assert!(!lives(pid));

    let machine = Machine::start(&config(&iso)).unwrap();
    let pid = machine.pid();
    let error = machine.shutdown(Duration::from_secs(2)).unwrap_err();
    assert!(format!("{error:#}").starts_with("the guest does not react to its power button: "));
    assert!(!lives(pid));
}

#[test]
fn reboots_are_counted_or_end_the_run() {
    let (_dir, iso) = iso(&[READY, Step::Reset]);
    let mut machine = Machine::start(&config(&iso)).unwrap();
    machine
        .wait_for(&pattern("(?s)ready.*ready.*ready"), LIMIT)
        .unwrap();
    assert!(machine.resets() >= 2);
    assert!(machine.hint().starts_with("; the guest has reset itself "));
    drop(machine);

    let mut config = config(&iso);
    config.no_reboot = true;
    let mut machine = Machine::start(&config).unwrap();
    assert_eq!(machine.wait_for_end(LIMIT).unwrap(), Ending::Rebooted);
    assert_eq!(machine.port(0).text(), "the mini guest is ready\n");
}

#[test]
fn a_blank_disk_is_passed_over_and_created() {
    let (dir, iso) = iso(&[READY]);
    let mut config = config(&iso);
    for name in ["state.qcow2", "raw.img"] {
        let text = format!("{}:64M", dir.path().join(name).display());
        config.disks.push(parse::disk(&text).unwrap());
    }
    config.boot_from = ezmail::host::qemu::BootFrom::Disk;
    config.machine = MachineType::Pc;
    let mut machine = Machine::start(&config).unwrap();
    machine.wait_for(&pattern("is ready"), LIMIT).unwrap();
    // the names that snapshot-save will be given
    let nodes = machine
        .qmp("query-named-block-nodes", serde_json::json!({}))
        .unwrap();
    let names: Vec<&str> = nodes
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|n| n["node-name"].as_str())
        .collect();
    for name in ["disk0", "disk1", "iso"] {
        assert!(names.contains(&name), "{names:?}");
    }
}

#[test]
fn a_qemu_that_refuses_to_start_is_quoted() {
    let (_dir, iso) = iso(&[READY]);
    let mut config = config(&iso);
    config.extra_args = vec!["-device".into(), "no-such-device".into()];
    let error = format!("{:#}", Machine::start(&config).unwrap_err());
    assert!(
        error.contains("'no-such-device' is not a valid device model name"),
        "{error}"
    );
    assert!(
        error.contains("command: setpriv --pdeathsig KILL -- "),
        "{error}"
    );
    config.firmware = Firmware::Uefi;
    config.iso_as = IsoAs::Disk;
    config.extra_args.clear();
    Machine::start(&config).unwrap();
}
