//! How many passwords smtpd may look at, whoever asks for it.
//!
//! smtpd's lookup process checks one password at a time, and every lookup for a delivery waits
//! behind it. So logins are let through at a rate that leaves it most of its time, whatever a flood
//! of them asks for, and whether or not ezmail-guard runs. Who comes from where a good login came
//! from lately has a share of its own, which strangers cannot use up.

use std::{
    collections::HashMap,
    net::IpAddr,
    time::{Duration, Instant},
};

use super::protocol::Id;

/// Logins at once, and a second after that, of strangers and of those who are known.
const STRANGERS: Rate = Rate {
    most: 20.0,
    a_second: 4.0,
};
const KNOWN: Rate = Rate {
    most: 40.0,
    a_second: 10.0,
};

/// Logins that have begun without their password, and may come all at once later: of one address and
/// of all strangers, and of all who are known.
const UNFINISHED_OF_ADDRESS: usize = 3;
const UNFINISHED_OF_STRANGERS: usize = 40;
const UNFINISHED_OF_KNOWN: usize = 80;

/// How long such a login is waited for: smtpd ends silent sessions after that.
const UNFINISHED_FOR: Duration = Duration::from_secs(300);

#[derive(Debug, Clone, Copy)]
struct Rate {
    most: f64,
    a_second: f64,
}

#[derive(Debug)]
struct Bucket {
    rate: Rate,
    left: f64,
    filled: Instant,
}

impl Bucket {
    fn full(rate: Rate, now: Instant) -> Self {
        Self {
            rate,
            left: rate.most,
            filled: now,
        }
    }

    fn take(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.left = (self.left + passed * self.rate.a_second).min(self.rate.most);
        self.filled = now;
        let any = self.left >= 1.0;
        if any {
            self.left -= 1.0;
        }
        any
    }
}

#[derive(Debug)]
struct Unfinished {
    address: Option<IpAddr>,
    known: bool,
    since: Instant,
}

/// Lets logins through.
#[derive(Debug)]
pub(super) struct Gate {
    strangers: Bucket,
    known: Bucket,
    unfinished: HashMap<Id, Unfinished>,
}

impl Gate {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            strangers: Bucket::full(STRANGERS, now),
            known: Bucket::full(KNOWN, now),
            unfinished: HashMap::new(),
        }
    }

    /// Whether smtpd may look at the password of `session`. `known` is for where good logins came
    /// from; `complete` when the password is there already.
    pub(super) fn enter(
        &mut self,
        now: Instant,
        session: Id,
        address: Option<IpAddr>,
        known: bool,
        complete: bool,
    ) -> bool {
        self.done(session);
        let bucket = match known {
            true => &mut self.known,
            false => &mut self.strangers,
        };
        if !complete {
            self.unfinished
                .retain(|_, u| now.saturating_duration_since(u.since) < UNFINISHED_FOR);
            let all = self.unfinished.values().filter(|u| u.known == known);
            let of_address = all.clone().filter(|u| u.address == address).count();
            let full = match known {
                true => all.count() >= UNFINISHED_OF_KNOWN,
                false => {
                    all.count() >= UNFINISHED_OF_STRANGERS || of_address >= UNFINISHED_OF_ADDRESS
                }
            };
            if full {
                return false;
            }
        }
        if !bucket.take(now) {
            return false;
        }
        if !complete {
            let since = now;
            let unfinished = Unfinished {
                address,
                known,
                since,
            };
            self.unfinished.insert(session, unfinished);
        }
        true
    }

    /// The login of `session` is over, one way or another.
    pub(super) fn done(&mut self, session: Id) {
        self.unfinished.remove(&session);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u8) -> Option<IpAddr> {
        Some([192, 0, 2, n].into())
    }

    #[test]
    fn a_flood_gets_its_share_and_no_more() {
        let begin = Instant::now();
        let mut gate = Gate::new(begin);
        let mut count = |known, seconds: u64| {
            let tries = (0..seconds * 1000).filter(|ms| {
                let now = begin + Duration::from_millis(*ms);
                gate.enter(now, Id(*ms), address((ms % 250) as u8), known, true)
            });
            tries.count()
        };
        // 20 at once and 4 a second
        assert!((59..=61).contains(&count(false, 10)));
        // and nothing of it is taken from those who are known
        assert!((139..=141).contains(&count(true, 10)));
    }

    #[test]
    fn those_who_keep_their_password_back_are_few() {
        let now = Instant::now();
        let at = |n: u64| now + Duration::from_millis(250 * n);
        let mut gate = Gate::new(now);
        let held = (0..20).filter(|n| gate.enter(at(*n), Id(*n), address(1), false, false));
        assert_eq!(held.count(), UNFINISHED_OF_ADDRESS);
        let held = (20..200)
            .filter(|n| gate.enter(at(*n), Id(*n), address(*n as u8), false, false))
            .count();
        assert_eq!(held, UNFINISHED_OF_STRANGERS - UNFINISHED_OF_ADDRESS);
        // a password that comes with its name is still let through, and who is known as well
        assert!(gate.enter(at(200), Id(500), address(9), false, true));
        assert!(gate.enter(at(200), Id(501), address(9), true, false));
        // one of them is over
        assert!(!gate.enter(at(201), Id(502), address(9), false, false));
        gate.done(Id(20));
        assert!(gate.enter(at(202), Id(502), address(9), false, false));
        // and in the end all are
        assert!(gate.enter(at(200 + 4 * 301), Id(503), address(9), false, false));
    }
}
