//! smtpd finishes what it is doing: it can be restarted then without cutting anybody off.
//!
//! smtpd reads its certificate when it starts, and has no way to be told of another. So new
//! connections wait in the firewall, which a client takes for a slow network; new deliveries wait in
//! the queue; and what has begun comes to its end.

use std::{
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

use crate::{
    smtpd::{Busy, paused, smtpctl},
    util::{guard::Guard, run::Task},
};

/// The ports that wait, and how long if nobody lets them go on.
const HELD: &str = "{ 25 timeout 4m, 465 timeout 4m, 587 timeout 4m }";
/// What smtpd does not begin meanwhile. It goes on taking connections: those that are in its queue
/// already would be lost with it.
const PAUSED: [&str; 2] = ["mda", "mta"];
/// How long to wait for what has begun: a client that goes on longer is not cut off, the restart is
/// put off instead.
const LIMIT: Duration = Duration::from_secs(90);
/// How long nothing must be under way: a connection may have been taken a moment ago.
const STILL: Duration = Duration::from_secs(1);

/// Lets all go on, in an smtpd that was started anew or not.
const RELEASE: &str = "failed=0
    nft delete element inet ezmail held '{ 25, 465, 587 }' || failed=1
    for part in mda mta; do
      if smtpctl show status | grep -qi \"^$part.*paused\"; then smtpctl resume $part || failed=1; fi
    done
    [ $failed = 0 ]";

/// While it lives, nothing new begins; however this process ends, it goes on then.
pub(super) struct Quiet(Guard);

impl Quiet {
    /// Waits until smtpd has nothing to do; `None` if it has not come to an end in time, or somebody
    /// else has paused it.
    ///
    /// # Errors
    /// When the firewall or smtpd cannot be told, or smtpd does not say what it does.
    pub(super) fn wait() -> Result<Option<Self>> {
        if !paused()?.is_empty() {
            return Ok(None);
        }
        let quiet = Self(Guard::new(RELEASE)?);
        let mut command = Command::new("nft");
        command.args(["add", "element", "inet", "ezmail", "held", HELD]);
        Task::new("letting new connections wait", command).run()?;
        for part in PAUSED {
            smtpctl(&["pause", part], "having smtpd begin nothing new")?;
        }
        let deadline = Instant::now() + LIMIT;
        let mut idle = None;
        while Instant::now() < deadline {
            if !Busy::now()?.is_idle() {
                idle = None;
            } else if idle.get_or_insert_with(Instant::now).elapsed() >= STILL {
                return Ok(Some(quiet));
            }
            thread::sleep(Duration::from_millis(250));
        }
        quiet.end()?;
        Ok(None)
    }

    /// Lets everything go on.
    ///
    /// # Errors
    /// When the firewall or smtpd cannot be told.
    pub(super) fn end(self) -> Result<()> {
        self.0.end().context("having smtpd and its ports go on")
    }
}
