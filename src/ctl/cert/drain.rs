//! smtpd finishes what it is doing: it can be restarted then without cutting anybody off.
//!
//! smtpd reads its certificate when it starts, and has no way to be told of another. So nothing new is
//! delivered for a while; then new connections wait in the firewall for a moment, which a client takes
//! for a slow network; and what has begun comes to its end.

use std::{
    fs::File,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

use crate::{
    smtpd::{self, Busy, paused, smtpctl},
    util::{guard::Guard, run::Task},
};

/// The ports that wait, and how long if nobody lets them go on.
const HELD: &str = "{ 25 timeout 4m, 465 timeout 4m, 587 timeout 4m }";
/// What smtpd does not begin meanwhile. It goes on taking connections: those that are in its queue
/// already would be lost with it.
const PAUSED: [&str; 2] = ["mda", "mta"];
/// How long deliveries may take to end; nobody waits for them.
const DELIVERIES: Duration = Duration::from_secs(90);
/// How long new connections wait for those to end that are there: less than a mail program or server is
/// patient. A client that goes on longer is not cut off, the restart is put off instead.
const SESSIONS: Duration = Duration::from_secs(20);
/// How long nothing must be under way: a connection may have been taken a moment ago.
const STILL: Duration = Duration::from_secs(1);

/// Lets all go on, in an smtpd that was started anew or not.
const RELEASE: &str = "failed=0
    nft flush set inet ezmail held || failed=1
    for part in mda mta; do
      if smtpctl show status | grep -qi \"^$part.*paused\"; then smtpctl resume $part || failed=1; fi
    done
    [ $failed = 0 ]";

/// While it lives, nothing new begins; however this process ends, it goes on then.
pub(super) struct Quiet {
    guard: Guard,
    _lock: File,
}

/// What came of waiting.
pub(super) enum Waited {
    /// smtpd has nothing to do.
    Quiet(Quiet),
    /// It has not come to an end in time.
    Busy,
    /// Somebody else holds it: a backup, or the administrator.
    Taken,
}

impl Quiet {
    /// Waits until smtpd has nothing to do.
    ///
    /// # Errors
    /// When the firewall or smtpd cannot be told, or smtpd does not say what it does.
    pub(super) fn wait() -> Result<Waited> {
        let Some(lock) = smtpd::hold(Duration::ZERO)? else {
            return Ok(Waited::Taken);
        };
        if !paused()?.is_empty() {
            return Ok(Waited::Taken);
        }
        let guard = Guard::new(RELEASE)?;
        for part in PAUSED {
            smtpctl(&["pause", part], "having smtpd begin nothing new")?;
        }
        if until(DELIVERIES, |busy| busy.deliveries == 0)? {
            let mut command = Command::new("nft");
            command.args(["add", "element", "inet", "ezmail", "held", HELD]);
            Task::new("letting new connections wait", command).run()?;
            if until(SESSIONS, Busy::is_idle)? {
                return Ok(Waited::Quiet(Self { guard, _lock: lock }));
            }
        }
        guard.end().context("having smtpd and its ports go on")?;
        Ok(Waited::Busy)
    }

    /// Lets everything go on.
    ///
    /// # Errors
    /// When the firewall or smtpd cannot be told.
    pub(super) fn end(self) -> Result<()> {
        let ended = self.guard.end();
        ended.context("having smtpd and its ports go on")
    }
}

/// Waits until `quiet` holds for a while, at most `limit`; whether it does.
fn until(limit: Duration, quiet: impl Fn(Busy) -> bool) -> Result<bool> {
    let deadline = Instant::now() + limit;
    let mut since = None;
    while Instant::now() < deadline {
        if !quiet(Busy::now()?) {
            since = None;
        } else if since.get_or_insert_with(Instant::now).elapsed() >= STILL {
            return Ok(true);
        }
        thread::sleep(Duration::from_millis(250));
    }
    Ok(false)
}
