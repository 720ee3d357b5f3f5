//! What stops before a switch and starts after it.

use std::{fs, process::Command};

use anyhow::{Context, Result};

use crate::{
    agent::{apply, services},
    backup::job::Around,
    ctl::server::Server,
    util::run::Task,
};

/// What uses the state, and must not while it is exchanged.
const USERS: [&str; 24] = [
    services::TARGET,
    "smtpd.service",
    "ezmail-guard.service",
    "ezmail-sts.service",
    "dovecot.service",
    "rspamd.service",
    "valkey.service",
    "nginx.service",
    "ezmail-cert.timer",
    "ezmail-cert.service",
    "ezmail-acme.service",
    "ezmail-dkim.timer",
    "ezmail-dkim.service",
    "ezmail-daily.timer",
    "ezmail-daily.service",
    "ezmail-guide.timer",
    "ezmail-guide.service",
    "ezmail-tlsrpt.timer",
    "ezmail-tlsrpt.service",
    "ezmail-backup.timer",
    "ezmail-backup.service",
    "ezmail-drill.timer",
    "ezmail-drill.service",
    "ezmail-apply.service",
];
/// What is started again by itself; the agent sees to the rest.
const TIMERS: [&str; 5] = [
    "ezmail-cert.timer",
    "ezmail-dkim.timer",
    "ezmail-daily.timer",
    "ezmail-guide.timer",
    "ezmail-tlsrpt.timer",
];

/// A server: its services, if it runs.
pub(super) struct Services<'a>(pub(super) &'a Server);

impl Around for Services<'_> {
    type Guard = fs::File;

    fn stop(&self) -> Result<()> {
        match self.0.is_live() {
            true => systemctl("stop", &USERS, "stopping the mail services"),
            false => Ok(()),
        }
    }

    fn alone(&self) -> Result<fs::File> {
        apply::lock(&self.0.target, apply::WAIT)
    }

    fn apply(&self) -> Result<()> {
        self.0.reapply()
    }

    fn start(&self) -> Result<()> {
        if !self.0.is_live() {
            return Ok(());
        }
        // its host key may be another one
        systemctl("try-restart", &["sshd.service"], "restarting sshd")?;
        systemctl(
            "start",
            &[&[services::TARGET], &TIMERS[..]].concat(),
            "starting the services",
        )
    }
}

fn systemctl(verb: &str, units: &[&str], what: &str) -> Result<()> {
    let mut command = Command::new("systemctl");
    command.arg(verb).args(units);
    Task::new(what, command).run()
}

/// The public half of the SSH host key, if there is one.
pub(super) fn host_key(server: &Server) -> Result<Option<String>> {
    let path = server.paths.ssh_host_key.with_extension("pub");
    let bytes = server.target.read(&path)?;
    Ok(bytes.map(|b| String::from_utf8_lossy(&b).into_owned()))
}

/// The fingerprint of the SSH host key, if it is another one than before.
pub(super) fn host_key_changed(server: &Server, before: Option<&str>) -> Result<Option<String>> {
    let Some(now) = host_key(server)? else {
        return Ok(None);
    };
    if Some(now.as_str()) == before {
        return Ok(None);
    }
    let mut command = Command::new("ssh-keygen");
    command.args(["-l", "-f", "-"]);
    let text = Task::new("reading the SSH host key", command)
        .input(now)
        .output()?;
    let fingerprint = text
        .split(' ')
        .nth(1)
        .context("ssh-keygen tells no fingerprint")?;
    Ok(Some(format!(
        "the SSH host key is the one of the backup now: {fingerprint}\n(ssh will warn about it if \
         it knew the other one)"
    )))
}
