//! The thread that brings bans to the firewall, and bans and good logins to the disk.

use std::{
    collections::BTreeSet,
    net::IpAddr,
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{self, Receiver},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use ipnet::IpNet;

use super::{
    admin, firewall,
    kept::Kept,
    server::{Shared, Wake, log, now},
};

/// How often the clock is looked at.
const TICK: Duration = Duration::from_secs(5);
/// After so many ticks the firewall is filled anew.
const SELDOM: u32 = 60;
/// After so many, good logins are written down, and sshd's are looked for.
const SOMETIMES: u32 = 12;

/// Brings bans to the firewall and all to the disk, until told to stop.
pub(super) struct Housekeeper {
    pub(super) shared: Arc<Shared>,
    pub(super) wakes: Receiver<Wake>,
    pub(super) file: PathBuf,
    /// Whether there is a firewall to fill.
    pub(super) firewall: bool,
}

impl Housekeeper {
    /// Works until [`Wake::Stop`].
    pub(super) fn run(self) {
        let mut filled: Option<BTreeSet<IpNet>> = None;
        let (mut dirty, mut ticks) = (false, 0_u32);
        let mut last = Complaint::default();
        let mut next = Instant::now();
        loop {
            let wait = next.saturating_duration_since(Instant::now());
            let wake = self.wakes.recv_timeout(wait);
            let (mut fill, mut save) = (false, false);
            match wake {
                Ok(Wake::Bans) => {
                    // of a flood of them, one filling is enough
                    thread::sleep(Duration::from_millis(50));
                    (fill, save) = (true, true);
                }
                Ok(Wake::Good) => dirty = true,
                Ok(Wake::Stop) | Err(mpsc::RecvTimeoutError::Disconnected) => {
                    last.say(self.save());
                    return;
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    next = Instant::now() + TICK;
                    last.say(self.admins(match ticks {
                        0 => Some("-30d"),
                        n if n.is_multiple_of(SOMETIMES) => Some("-3min"),
                        _ => None,
                    }));
                    self.shared.book().forget(now());
                    // one ban may have hidden another, or the rules were taken away meanwhile
                    let current = self.current();
                    fill = filled.as_ref() != Some(&current)
                        || (ticks.is_multiple_of(SELDOM) && !current.is_empty());
                    save = dirty && ticks.is_multiple_of(SOMETIMES);
                    ticks = ticks.wrapping_add(1);
                }
            }
            if fill && self.firewall {
                let elements = self.shared.book().bans.elements(now());
                let done = firewall::fill(&elements);
                filled = done
                    .is_ok()
                    .then(|| elements.iter().map(|(net, _)| *net).collect());
                last.say(done);
            }
            if save {
                let done = self.save();
                dirty = done.is_err();
                last.say(done);
            }
        }
    }

    fn current(&self) -> BTreeSet<IpNet> {
        let elements = self.shared.book().bans.elements(now());
        elements.into_iter().map(|(network, _)| network).collect()
    }

    /// Looks where the administrator is logged in from, and in the journal where from lately.
    fn admins(&self, journal: Option<&str>) -> Result<()> {
        let now = now();
        let mut found: Vec<(IpAddr, i64)> =
            admin::sessions()?.into_iter().map(|a| (a, now)).collect();
        if let Some(since) = journal
            && self.firewall
        {
            found.extend(admin::journal(since)?);
        }
        let mut book = self.shared.book();
        let mut new = false;
        for (address, at) in found {
            new |= book.good.admin(address, at);
        }
        drop(book);
        if new {
            self.shared.wake(Wake::Good);
        }
        Ok(())
    }

    fn save(&self) -> Result<()> {
        let book = self.shared.book();
        let kept = Kept::new(book.bans.clone(), book.good.clone());
        drop(book);
        kept.write(&self.file)
    }
}

/// What went wrong, said once until it is something else.
#[derive(Default)]
struct Complaint(String);

impl Complaint {
    fn say(&mut self, done: Result<()>) {
        if let Err(error) = done {
            let text = format!("{error:#}");
            if text != self.0 {
                log(&text);
                self.0 = text;
            }
        }
    }
}
