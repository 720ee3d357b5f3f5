//! The services on the running system: checked before they start, restarted when their files
//! changed.

use std::{collections::BTreeSet, path::Path, process::Command, thread};

use anyhow::{Context, Result, bail};

use crate::util::run::{Task, find_program};

/// Pulls in every mail service; nothing starts it but a successful apply.
pub const TARGET: &str = "ezmail-mail.target";

const FIREWALL: &str = "nftables.service";
const NETWORK: &str = "systemd-networkd.service";
const SSH: &str = "sshd.service";
/// The timers of backups and of their drills: the image enables neither.
const TIMERS: [&str; 2] = ["ezmail-backup.timer", "ezmail-drill.timer"];

/// Services that take new files without an end to what they are doing.
const RELOADED: [&str; 3] = ["rspamd.service", "dovecot.service", "nginx.service"];

/// The daemons' own checkers: program, arguments, and what is checked.
const CHECKS: [(&str, &[&str], &str); 4] = [
    ("smtpd", &["-n"], "checking smtpd.conf"),
    ("doveconf", &["-n"], "checking dovecot.conf"),
    (
        "rspamadm",
        &["configtest"],
        "checking rspamd's configuration",
    ),
    (
        "nginx",
        &["-e", "stderr", "-t", "-q"],
        "checking nginx.conf",
    ),
];

/// Closes the firewall before anything else: whatever comes next is behind it.
///
/// # Errors
/// When nft refuses the rules, or they cannot be loaded.
pub fn firewall(changed: bool) -> Result<()> {
    let mut check = Command::new("nft");
    check.args(["-c", "-f", "/etc/nftables.conf"]);
    Task::new("checking the firewall's rules", check).run()?;
    // Waited for: it asks for nothing that waits for us. A reload replaces the rules at once,
    // a restart would be without any for a moment.
    let verb = if changed {
        "reload-or-restart"
    } else {
        "start"
    };
    systemctl(&[verb, FIREWALL]).context("loading the firewall's rules")
}

/// Tells the network about changed files, and lets the administrator in.
///
/// # Errors
/// When systemd does not take the order.
pub fn network_and_ssh(changed: &BTreeSet<String>, ssh: bool) -> Result<()> {
    if changed.contains(NETWORK) {
        // at boot it is not running yet and reads the files when it starts
        systemctl(&["try-restart", "--no-block", NETWORK])?;
    }
    let verb = match (ssh, changed.contains(SSH)) {
        (false, _) => "stop",
        (true, true) => "restart",
        (true, false) => "start",
    };
    systemctl(&[verb, "--no-block", SSH]).context("starting or stopping sshd")
}

/// Runs the daemons' own checkers on the files that were written, side by side.
///
/// # Errors
/// All that they complain about.
pub fn check() -> Result<()> {
    let results: Vec<Result<()>> = thread::scope(|scope| {
        let threads = CHECKS.map(|(program, arguments, what)| {
            scope.spawn(move || {
                let mut command = Command::new(program);
                command.args(arguments);
                Task::new(what, command).run()
            })
        });
        let join = |t: thread::ScopedJoinHandle<'_, _>| {
            t.join()
                .unwrap_or_else(|_| bail!("a checker's thread ended early"))
        };
        threads.into_iter().map(join).collect()
    });
    let errors: Vec<String> = results
        .into_iter()
        .filter_map(|r| r.err().map(|e| format!("{e:#}")))
        .collect();
    match errors.is_empty() {
        true => Ok(()),
        false => bail!("{}", errors.join("\n")),
    }
}

/// Starts the mail services and restarts those whose files changed. Waits for none of them: at
/// boot they come after the agent's own unit.
///
/// # Errors
/// When systemd does not take the order.
pub fn start(changed: &BTreeSet<String>) -> Result<()> {
    let others = [FIREWALL, NETWORK, SSH];
    let units: Vec<&str> = changed
        .iter()
        .map(String::as_str)
        .filter(|u| !others.contains(u) && !TIMERS.contains(u))
        .collect();
    let (reload, restart): (Vec<&str>, Vec<&str>) =
        units.into_iter().partition(|unit| RELOADED.contains(unit));
    for (verb, units) in [("try-reload-or-restart", reload), ("try-restart", restart)] {
        if !units.is_empty() {
            let words = [&[verb, "--no-block"][..], &units].concat();
            systemctl(&words).context("telling services whose files changed")?;
        }
    }
    systemctl(&["start", "--no-block", TARGET]).context("starting the mail services")
}

/// Starts the timers of backups, by the hours that were written, or stops them.
///
/// # Errors
/// When systemd does not take the order.
pub fn timers(changed: &BTreeSet<String>, wanted: bool) -> Result<()> {
    let changed = TIMERS.iter().any(|timer| changed.contains(*timer));
    if wanted && changed {
        systemctl(&["daemon-reload"]).context("telling systemd the hours of backups")?;
    }
    let verb = match (wanted, changed) {
        (false, _) => "stop",
        (true, true) => "restart",
        (true, false) => "start",
    };
    let words = [&[verb, "--no-block"][..], &TIMERS].concat();
    systemctl(&words).context("starting or stopping the timers of backups")
}

fn systemctl(words: &[&str]) -> Result<()> {
    let mut command = Command::new("systemctl");
    command.args(words);
    Task::new("ordering a service", command).run()
}

/// Whether this system runs systemd at all, as sd_booted(3) finds out.
///
/// # Errors
/// When it does not, or has no systemctl: an apply to `/` is for the appliance alone.
pub fn require_systemd() -> Result<()> {
    if Path::new("/run/systemd/system").is_dir() && find_program("systemctl").is_some() {
        return Ok(());
    }
    bail!(
        "this machine was not booted with systemd: it is not an appliance; to see what would be \
         written, give a folder with --root"
    )
}
