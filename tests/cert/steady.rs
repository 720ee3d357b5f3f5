//! A renewal while mail programs and mail servers are connected: nobody is cut off, nobody is refused.

use std::{
    io::Read,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use ezmail::{host::qemu::process::spawn, util::files};
use serde::Deserialize;

use super::{LOST, Setting};
use crate::world::{
    addresses::{Family, appliance},
    appliance::ALICE,
    namespace::beside,
};

/// For the last connection to end.
const END: Duration = Duration::from_secs(300);

/// What `steady.py` counts.
#[derive(Debug, Deserialize)]
struct Counts {
    /// Answers in one IMAP session.
    imap: u64,
    /// Messages handed in, each in a session of its own.
    sent: u64,
    /// Commands in SMTP sessions of some seconds.
    smtp: u64,
    /// What went wrong.
    errors: Vec<String>,
}

pub(super) fn nobody_notices(setting: &mut Setting<'_>) {
    let before = setting.all_ports_have_one();
    let started = setting.run("systemctl show -p ActiveEnterTimestampMonotonic smtpd.service");
    let stop = setting.world.folder().join("stop");
    let mut command = setting
        .world
        .namespace()
        .command("/usr/bin/python3")
        .unwrap();
    command.arg("-I").arg(beside("steady.py"));
    command.arg(appliance(Family::V4).to_string()).arg(&stop);
    command.args([ALICE.0, ALICE.1, ALICE.0]);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = spawn(command).unwrap();
    thread::sleep(Duration::from_secs(20));
    // a person does not wait for the name that was left out
    let mut said = setting.long("mailctl cert issue --new-key");
    let deadline = Instant::now() + END;
    while said.contains("it is tried again") {
        assert!(Instant::now() < deadline, "{said}");
        // as an hour later
        setting.run("sed -i s/deploy_not_before/none/ /var/lib/ezmail/tls/acme.json");
        said = setting.renew();
    }
    assert!(said.contains("the new certificate is in place"), "{said}");
    thread::sleep(Duration::from_secs(20));
    files::write(&stop, "", 0o644).unwrap();
    let mut text = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    child.wait().unwrap();
    let counts: Counts = serde_json::from_str(&text).unwrap();
    eprintln!("cert: {counts:?}");
    assert_eq!(counts.errors, Vec::<String>::new());
    assert!(
        counts.imap > 20 && counts.sent > 2 && counts.smtp > 10,
        "{counts:?}"
    );
    assert_ne!(setting.all_ports_have_one(), before);
    assert!(setting.names().iter().any(|name| name == LOST));
    let again = setting.run("systemctl show -p ActiveEnterTimestampMonotonic smtpd.service");
    assert_ne!(again, started, "smtpd has not been started anew");
}
