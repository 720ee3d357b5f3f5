//! What goes wrong in the machine, short of the plug.

use std::time::Duration;

use crate::{run, world::appliance::Appliance};

/// How many of them there are in a round.
pub const FAULTS: usize = 2;

/// A process that is killed.
pub struct Kill {
    pub name: &'static str,
    /// The unit that it belongs to.
    unit: &'static str,
    /// Kills it, or says that there is none.
    script: &'static str,
    /// Whether the unit is started anew. Else its main process replaces what was killed.
    restarts: bool,
}

const fn main(name: &'static str, unit: &'static str, script: &'static str) -> Kill {
    Kill {
        name,
        unit,
        script,
        restarts: true,
    }
}

/// Everything that a message passes.
pub const KILLS: [Kill; 12] = [
    main(
        "smtpd",
        "smtpd",
        "systemctl kill --kill-whom=main --signal=KILL smtpd",
    ),
    main(
        "all of smtpd",
        "smtpd",
        "systemctl kill --kill-whom=all --signal=KILL smtpd",
    ),
    main(
        "smtpd's dispatcher",
        "smtpd",
        "pkill -KILL -f '^smtpd: dispatcher'",
    ),
    main("smtpd's queue", "smtpd", "pkill -KILL -f '^smtpd: queue'"),
    main(
        "smtpd's scheduler",
        "smtpd",
        "pkill -KILL -f '^smtpd: scheduler'",
    ),
    main("smtpd's lookup", "smtpd", "pkill -KILL -f '^smtpd: lookup'"),
    main(
        "the filter",
        "smtpd",
        "pkill -KILL -f 'filter-ezmail --socket'",
    ),
    main(
        "rspamd",
        "rspamd",
        "systemctl kill --kill-whom=main --signal=KILL rspamd",
    ),
    main(
        "valkey",
        "valkey",
        "systemctl kill --kill-whom=main --signal=KILL valkey",
    ),
    main(
        "dovecot",
        "dovecot",
        "systemctl kill --kill-whom=main --signal=KILL dovecot",
    ),
    main(
        "all of dovecot",
        "dovecot",
        "systemctl kill --kill-whom=all --signal=KILL dovecot",
    ),
    Kill {
        name: "deliveries",
        unit: "dovecot",
        // there may be none at this moment
        script: "pkill -KILL -f '^dovecot/lmtp' ; pkill -KILL -f mail.lmtp ; true",
        restarts: false,
    },
];

/// How long a unit may take to be there again.
const BACK: Duration = Duration::from_secs(120);

/// What is wrong with how the units are restarted. smtpd ends with status 0 when its filter dies
/// (`parent_shutdown` in smtpd.c), so that only `always` helps it.
pub fn restarts(machine: &Appliance) -> Vec<String> {
    let mut complaints = Vec::new();
    for (unit, enough) in [
        ("smtpd", &["always"][..]),
        ("dovecot", &["always", "on-failure", "on-abnormal"]),
        ("rspamd", &["always", "on-failure", "on-abnormal"]),
        ("valkey", &["always", "on-failure", "on-abnormal"]),
        ("kresd@1", &["always", "on-failure", "on-abnormal"]),
        ("ezmail-guard", &["always", "on-failure", "on-abnormal"]),
    ] {
        let script = format!("systemctl show --property=Restart --value {unit}");
        let restart = run(machine, &script);
        if !enough.contains(&restart.trim()) {
            let restart = restart.trim();
            complaints.push(format!(
                "{unit}: Restart={restart}, and not one of {enough:?}"
            ));
        }
    }
    complaints
}

/// Kills and waits until the unit is active again, by itself. If it is not, it is started, so that what
/// follows finds it.
pub fn comes_back(machine: &Appliance, kill: &Kill) -> Option<String> {
    let Kill { unit, script, .. } = kill;
    // NRestarts counts what systemd has started by itself; what has just come back has yet to give its
    // processes their names
    let script = format!(
        "show() {{ systemctl show --property=$1 --value {unit}; }}\n\
         before=$(show NRestarts)\n\
         for i in $(seq 60); do {{ {script}; }} && killed=yes && break; sleep 0.5; done\n\
         [ \"$killed\" ] || {{ echo 'nothing was killed'; exit 1; }}\n\
         for i in $(seq {}); do\n\
         if [ \"$(show NRestarts)\" -ge $((before + {})) ] && [ \"$(show ActiveState)\" = active ]; \
         then exit 0; fi\n\
         sleep 1\n\
         done\n\
         systemctl --no-pager --lines=5 status {unit}\n\
         systemctl reset-failed {unit}; systemctl start {unit}\n\
         exit 1",
        BACK.as_secs(),
        u32::from(kill.restarts),
    );
    let limit = BACK * 3;
    let ran = machine.shell().run(&script, limit).unwrap();
    let complaint = || format!("{}: {unit} did not come back:\n{}", kill.name, ran.output);
    (ran.status != 0).then(complaint)
}

/// The state volume has no room for so many seconds.
pub fn fill_the_disk(machine: &Appliance, seconds: usize) {
    // what the services may have: root's reserve is not for them
    let script = format!(
        "cd /var/lib/ezmail || exit 1\n\
         trap 'rm -f loss-fill' EXIT\n\
         fallocate -l $(($(stat -f -c '%a * %S' .))) loss-fill || exit 1\n\
         sleep {seconds}"
    );
    run(machine, &script);
}
