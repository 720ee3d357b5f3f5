//! Putting a certificate in place: laid ready, and then by the agent, which tells the daemons.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use super::drain::Quiet;
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
    /// It lies ready: smtpd has a client that does not end.
    Later,
}

/// Lays a certificate ready with its key. The certificate is written last: with it, all is there.
///
/// # Errors
/// When a file cannot be written; nothing has changed then.
pub(super) fn lay_ready(
    server: &Server,
    certificate: &str,
    key: &Secret,
    origin: &Origin,
) -> Result<()> {
    let folder = server.target.path(&server.paths.tls_next);
    if folder.exists() {
        files::remove_dir_all(&folder)?;
    }
    files::create_dir_all(&folder)?;
    let mark = origin.mark(certificate.as_bytes()).unwrap_or_default();
    files::write(&folder.join("key.pem"), key.expose(), 0o600)?;
    files::write(&folder.join("mark"), mark, 0o644)?;
    files::write(&folder.join("cert.pem"), certificate, 0o644)
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
    let quiet = Quiet::wait()?;
    let late = ready_since(server)?.is_some_and(|since| now - since >= PATIENCE);
    if quiet.is_none() && !late {
        return Ok(Deployed::Later);
    }
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
