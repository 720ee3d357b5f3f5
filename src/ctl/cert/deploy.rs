//! Putting a certificate in place: laid ready, and then by the agent, which tells the daemons.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use super::drain::{Quiet, Waited};
use crate::{
    agent::health::{self, Health, PARTS},
    ctl::{answering, server::Server},
    mail::certificate::Origin,
    util::{files, secret::Secret},
};

/// How long a certificate may lie ready while smtpd has a client that does not end, in seconds. Then
/// smtpd is restarted all the same: mail servers and programs come again.
const PATIENCE: i64 = 86_400;

/// How long smtpd may take to be started anew, on a slow machine.
const RESTART: Duration = Duration::from_secs(120);

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deployed {
    /// It is in place, and every daemon has it.
    Done,
    /// It lies ready: smtpd has something to do that does not end, or a backup holds mail.
    Later,
}

/// Lays a certificate ready with its key: all of it, by one rename, or nothing.
///
/// # Errors
/// When a file cannot be written; nothing lies ready then, or what did before.
pub(super) fn lay_ready(
    server: &Server,
    certificate: &str,
    key: &Secret,
    origin: &Origin,
) -> Result<()> {
    let next = server.target.path(&server.paths.tls_next);
    let [new, old] = ["new", "old"].map(|end| next.with_extension(end));
    for folder in [&new, &old] {
        if folder.exists() {
            files::remove_dir_all(folder)?;
        }
    }
    files::create_dir_all(&new)?;
    let mark = origin.mark(certificate.as_bytes()).unwrap_or_default();
    files::write(&new.join("key.pem"), key.expose(), 0o600)?;
    files::write(&new.join("mark"), mark, 0o644)?;
    files::write(&new.join("cert.pem"), certificate, 0o644)?;
    let what = || format!("laying a certificate ready in {}", next.display());
    if next.exists() {
        fs::rename(&next, &old).with_context(what)?;
    }
    fs::rename(&new, &next).with_context(what)?;
    files::sync_folder(next.parent().unwrap_or(&next))?;
    match old.exists() {
        true => files::remove_dir_all(&old),
        false => Ok(()),
    }
}

/// Since when one lies ready, in seconds since 1970.
///
/// # Errors
/// When the file cannot be looked at.
pub(super) fn ready_since(server: &Server) -> Result<Option<i64>> {
    let path = server.target.path(&server.paths.tls_next.join("cert.pem"));
    if !path.exists() {
        return Ok(None);
    }
    let what = || format!("looking at {}", path.display());
    let time = path
        .metadata()
        .and_then(|data| data.modified())
        .with_context(what)?;
    let since = time.duration_since(std::time::UNIX_EPOCH)?.as_secs();
    Ok(Some(i64::try_from(since)?))
}

/// Puts in place what lies ready.
///
/// # Errors
/// When the agent refuses it, or a daemon does not come back; what lies ready stays there if it was
/// not taken.
pub(super) fn deploy(server: &Server, now: i64) -> Result<Deployed> {
    if !server.is_live() {
        server.reapply()?;
        return Ok(Deployed::Done);
    }
    let smtpd = PARTS.iter().find(|part| part.unit == "smtpd.service");
    let smtpd = smtpd.context("smtpd is none of the services")?;
    let runs = health::ask(&[smtpd.unit])?;
    if runs.iter().all(|state| state.health() != Health::Runs) {
        // nobody to wait for
        server.reapply_in_unit()?;
        return Ok(Deployed::Done);
    }
    let quiet = match Quiet::wait()? {
        Waited::Quiet(quiet) => Some(quiet),
        Waited::Taken => return Ok(Deployed::Later),
        Waited::Busy => {
            let since = ready_since(server)?;
            if since.is_none_or(|since| now - since < PATIENCE) {
                return Ok(Deployed::Later);
            }
            None
        }
    };
    server.reapply_in_unit()?;
    // the agent has given the order and does not wait for it
    let deadline = Instant::now() + RESTART;
    while health::ask(&[smtpd.unit])?.iter().any(|state| state.queued) {
        if Instant::now() >= deadline {
            bail!("smtpd is not started anew: see 'journalctl -u smtpd'");
        }
        thread::sleep(Duration::from_millis(200));
    }
    answering::wait(smtpd, &server.paths)?;
    if let Some(quiet) = quiet {
        quiet.end()?;
    }
    Ok(Deployed::Done)
}
