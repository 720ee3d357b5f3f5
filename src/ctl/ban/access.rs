//! The guard that runs, or what it keeps on a server in a folder.

use std::{env, net::IpAddr, os::unix::fs::chown, path::Path, time::Duration};

use anyhow::{Context, Result, bail};
use ipnet::IpNet;

use crate::{
    ctl::server::{Server, now},
    guard::{self, Ban, Kept, Overview, Reply, Request},
};

/// How long the guard may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the guard knows.
///
/// # Errors
/// When it does not answer, or what it keeps cannot be read.
pub fn overview(server: &Server) -> Result<Overview> {
    if !server.is_live() {
        return Ok(Overview {
            bans: Kept::read(&file(server))?.bans.current(now()?),
            ..Overview::default()
        });
    }
    match ask(&Request::List)? {
        Reply::Overview(overview) => Ok(overview),
        other => unexpected(&other),
    }
}

/// Bans `network`.
///
/// # Errors
/// As [`overview`]; nothing is changed then.
pub(super) fn add(server: &Server, network: IpNet, seconds: i64, reason: &str) -> Result<Ban> {
    if !server.is_live() {
        let now = now()?;
        return change(server, |kept| {
            kept.bans.add(network, reason, now, now + seconds)
        });
    }
    let reason = reason.to_owned();
    let request = Request::Add {
        network,
        seconds,
        reason,
    };
    match ask(&request)? {
        Reply::Bans(bans) if bans.len() == 1 => Ok(bans[0].clone()),
        other => unexpected(&other),
    }
}

/// Lets `network` in again, or all: the bans that ended.
///
/// # Errors
/// As [`add`].
pub(super) fn remove(server: &Server, network: Option<&IpNet>) -> Result<Vec<Ban>> {
    if !server.is_live() {
        let now = now()?;
        return change(server, |kept| kept.bans.remove(network, now));
    }
    let network = network.copied();
    match ask(&Request::Remove { network })? {
        Reply::Bans(bans) => Ok(bans),
        other => unexpected(&other),
    }
}

/// Where administrators are logged in from: the caller, and who else has a session.
///
/// # Errors
/// When sessions cannot be read.
pub(super) fn administrators(server: &Server) -> Result<Vec<IpAddr>> {
    let caller = env::var("SSH_CONNECTION").unwrap_or_default();
    let caller = caller.split(' ').next().and_then(|text| text.parse().ok());
    let mut found: Vec<IpAddr> = caller.into_iter().collect();
    if server.is_live() {
        found.extend(guard::sessions()?);
    }
    found.sort();
    found.dedup();
    Ok(found)
}

fn file(server: &Server) -> std::path::PathBuf {
    server.target.path(&server.paths.guard).join(guard::FILE)
}

fn ask(request: &Request) -> Result<Reply> {
    let reply = guard::ask(Path::new(guard::SOCKET), request, PATIENCE).context(
        "'systemctl restart ezmail-guard' starts it, 'journalctl -u ezmail-guard' tells why it \
         does not run",
    )?;
    match reply {
        Reply::Refused(why) => bail!("ezmail-guard refuses: {why}; mailctl is for root"),
        reply => Ok(reply),
    }
}

fn unexpected<T>(reply: &Reply) -> Result<T> {
    bail!("ezmail-guard answers what was not asked: {reply:?}")
}

fn change<T>(server: &Server, work: impl FnOnce(&mut Kept) -> T) -> Result<T> {
    let path = file(server);
    let mut kept = Kept::read(&path)?;
    let done = work(&mut kept);
    kept.write(&path)
        .context("the guard's folder is made when the agent applies the answers")?;
    if let Some((user, group)) = server.target.ids("ezmail-guard", "ezmail-guard")? {
        chown(&path, Some(user), Some(group))
            .with_context(|| format!("giving away {}", path.display()))?;
    }
    Ok(done)
}
