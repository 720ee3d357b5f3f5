//! The counting: who failed how often from where, and what follows from it.
//!
//! Nothing here knows the clock or the disk: the time comes in with every call, and what has to be
//! done comes out as [`Event`]s.

use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
    net::IpAddr,
};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{
    bans::{Ban, Bans},
    good::Good,
    limits::{DAY, DELAY, HELD, HOUR, Limits, SHORT},
    network::counted,
    window::{Bucket, Window},
};

/// The most networks, logins, and pairs of them that are counted at a time.
const MOST: usize = 20_000;
/// The most wrong passwords of a login that are told apart.
const PASSWORDS: usize = 32;
/// Logins a minute that begin without a name where somebody guesses.
const HIDDEN: u32 = 6;
/// The longest name of a login that is counted by itself.
const LONGEST_LOGIN: usize = 320;

/// A login that failed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Failure<'a> {
    pub(super) address: IpAddr,
    pub(super) login: &'a str,
    /// Whether there is such a login, if that is known.
    pub(super) exists: Option<bool>,
    /// A keyed digest of what was tried, if that is known: to tell one password from another.
    pub(super) password: Option<&'a str>,
    /// `smtp`, `imap` or `sieve`.
    pub(super) service: &'a str,
}

/// What to do with an attempt to log in, before its password is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// What to do.
    pub verdict: Verdict,
    /// Whether it comes from where a good login came from lately.
    pub spared: bool,
}

/// What to do with an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Go on.
    Allow,
    /// Go on after so many seconds.
    Delay(u32),
    /// Refuse it without looking at its password.
    Refuse,
}

/// What the journal is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    /// A network is banned.
    Banned(Ban),
    /// It would have been, if it were not spared: only logins that are known there are let try.
    Spared(IpNet),
    /// A login is not tried from a network for a while.
    Held(String, IpNet),
    /// A login is guessed from many networks.
    Guessed(String, usize),
}

/// A login that is guessed from many networks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guessed {
    /// The login, without what a device's password has behind its plus sign.
    pub login: String,
    /// How many networks guess it.
    pub networks: usize,
    /// When one of them last did, in seconds since 1970.
    pub last: i64,
}

/// A network.
#[derive(Debug)]
struct Source {
    points: Window,
    tries: Bucket,
    /// Attempts of which it is not known yet whose they are, while it is over a limit.
    hidden: Bucket,
    last: i64,
    /// When it was last said that it is spared.
    told: i64,
}

/// A login from a network.
#[derive(Debug, Default)]
struct Pair {
    wrong: Window,
    /// Digests of passwords with the time of their last use.
    passwords: Vec<(String, i64)>,
    held_until: i64,
    tries: Option<Bucket>,
    last: i64,
}

/// A login.
#[derive(Debug, Default)]
struct Login {
    networks: BTreeMap<IpNet, i64>,
    exists: bool,
    guessed_until: i64,
    last: i64,
}

/// All that the guard knows.
#[derive(Debug)]
pub(super) struct Book {
    limits: Limits,
    pub(super) bans: Bans,
    pub(super) good: Good,
    sources: HashMap<IpNet, Source>,
    pairs: HashMap<(IpNet, String), Pair>,
    logins: HashMap<String, Login>,
}

impl Book {
    pub(super) fn new(limits: Limits, bans: Bans, good: Good) -> Self {
        Self {
            limits,
            bans,
            good,
            sources: HashMap::new(),
            pairs: HashMap::new(),
            logins: HashMap::new(),
        }
    }

    /// Somebody wants to log in. Without a `login`, it is not known yet which.
    pub(super) fn ask(&mut self, now: i64, address: IpAddr, login: Option<&str>) -> Answer {
        let address = address.to_canonical();
        let spared = address.is_loopback() || self.good.spares(address, now);
        let verdict = match address.is_loopback() {
            true => Verdict::Allow,
            false => self.verdict(now, address, login, spared),
        };
        Answer { verdict, spared }
    }

    fn verdict(&mut self, now: i64, address: IpAddr, login: Option<&str>, spared: bool) -> Verdict {
        if self.bans.covering(address, now).is_some() {
            return Verdict::Refuse;
        }
        let (limits, network) = (self.limits, counted(address));
        let login = login.map(account);
        let known = |login: &String| self.good.knows(address, login, now);
        let owner = login.as_ref().is_some_and(known);
        let tries = limits.tries * if spared { 4 } else { 1 };
        let source = self.source(network, now);
        // an office comes back all at once when its line does
        if !owner && !source.tries.take(now, tries) {
            return Verdict::Refuse;
        }
        let over = source.is_over(&limits, now);
        let Some(login) = login else {
            // where somebody guesses, this may be anybody
            return match over {
                false => Verdict::Allow,
                true if source.hidden.take(now, HIDDEN) => Verdict::Delay(DELAY),
                true => Verdict::Refuse,
            };
        };
        if over && !owner {
            return Verdict::Refuse;
        }
        // elsewhere the next thing is a ban, which cannot lock anybody out who is known there
        let pair = self.pairs.get_mut(&(network, login.clone()));
        if let Some(pair) = pair.filter(|pair| spared && pair.held_until > now) {
            let few = limits.pair.max(1);
            let tries = pair.tries.get_or_insert_with(|| Bucket::full(few, now));
            return match owner && tries.take(now, few) {
                true => Verdict::Delay(DELAY),
                false => Verdict::Refuse,
            };
        }
        let guessed = self.logins.get(&login);
        match guessed.is_some_and(|l| l.guessed_until > now) && !owner {
            true => Verdict::Delay(DELAY),
            false => Verdict::Allow,
        }
    }

    /// A login went well. Whether that is worth writing down soon.
    pub(super) fn passed(&mut self, now: i64, address: IpAddr, login: &str) -> bool {
        let address = address.to_canonical();
        if address.is_loopback() {
            return false;
        }
        let login = account(login);
        self.pairs.remove(&(counted(address), login.clone()));
        self.good.login(address, &login, now)
    }

    /// A login failed.
    pub(super) fn failed(&mut self, now: i64, failure: &Failure<'_>) -> Vec<Event> {
        let address = failure.address.to_canonical();
        if address.is_loopback() || self.bans.covering(address, now).is_some() {
            return Vec::new();
        }
        let (limits, network) = (self.limits, counted(address));
        let login = account(failure.login);
        let mut events = Vec::new();
        let spared = self.good.spares(address, now);

        let pair = entry(&mut self.pairs, (network, login.clone()), |p| p.last);
        pair.last = now;
        if failure.password.is_some_and(|p| pair.is_again(p, now)) {
            return events;
        }
        pair.wrong.push(now, 1);
        if pair.held_until <= now && pair.wrong.sum(now, SHORT) >= limits.pair {
            pair.held_until = now + HELD;
            pair.tries = None;
            if spared && failure.exists == Some(true) {
                events.push(Event::Held(login.clone(), network));
            }
        }

        let exists = failure.exists;
        let record = entry(&mut self.logins, login.clone(), |l| l.last);
        if let Some(count) = record.spread(network, exists, now, &limits) {
            events.push(Event::Guessed(login.clone(), count));
        }

        let source = self.source(network, now);
        source.last = now;
        source
            .points
            .push(now, if exists == Some(false) { 2 } else { 1 });
        if !source.is_over(&limits, now) {
            return events;
        }
        if spared {
            if source.told + HOUR <= now {
                source.told = now;
                events.push(Event::Spared(network));
            }
            return events;
        }
        let wrong = source.points.len();
        source.points.clear();
        let service = failure.service;
        let whom = match exists {
            Some(true) => format!(" for {login}"),
            _ => String::new(),
        };
        let reason = format!("{wrong} wrong passwords, the last over {service}{whom}");
        let ban = self.bans.escalate(network, reason, now, limits.first);
        events.push(Event::Banned(ban));
        events
    }

    /// The logins that are guessed from many networks, by name.
    pub(super) fn guessed(&self, now: i64) -> Vec<Guessed> {
        let guessed = self.logins.iter().filter(|(_, l)| l.guessed_until > now);
        let mut list: Vec<Guessed> = guessed
            .map(|(name, login)| Guessed {
                login: name.clone(),
                networks: login.networks.len(),
                last: login.last,
            })
            .collect();
        list.sort_by(|a, b| a.login.cmp(&b.login));
        list
    }

    /// Lets networks in again: what was counted of them is forgotten as well.
    pub(super) fn remove(&mut self, network: Option<&IpNet>, now: i64) -> Vec<Ban> {
        let meant = |net: &IpNet| network.is_none_or(|n| n.contains(net));
        self.sources.retain(|net, _| !meant(net));
        self.pairs.retain(|(net, _), _| !meant(net));
        self.bans.remove(network, now)
    }

    /// Forgets what is too long ago.
    pub(super) fn forget(&mut self, now: i64) {
        self.sources.retain(|_, s| s.last + DAY > now);
        self.pairs.retain(|_, p| p.last + DAY > now);
        self.logins.retain(|_, l| l.last + HOUR > now);
        self.bans.forget(now);
        self.good.forget(now);
    }

    fn source(&mut self, network: IpNet, now: i64) -> &mut Source {
        let tries = self.limits.tries;
        room(&mut self.sources, &network, |s| s.last);
        self.sources.entry(network).or_insert_with(|| Source {
            points: Window::default(),
            tries: Bucket::full(tries, now),
            hidden: Bucket::full(HIDDEN, now),
            last: now,
            told: i64::MIN / 2,
        })
    }
}

impl Source {
    fn is_over(&self, limits: &Limits, now: i64) -> bool {
        !self.points.is_over(now)
            && (self.points.sum(now, SHORT) >= limits.short
                || self.points.sum(now, DAY) >= limits.long)
    }
}

impl Pair {
    /// Whether this password was tried within the last day; it is from now on.
    fn is_again(&mut self, password: &str, now: i64) -> bool {
        self.passwords.retain(|(_, at)| *at + DAY > now);
        if let Some((_, at)) = self.passwords.iter_mut().find(|(p, _)| p == password) {
            *at = now;
            return true;
        }
        if self.passwords.len() == PASSWORDS {
            self.passwords.remove(0);
        }
        self.passwords.push((password.to_owned(), now));
        false
    }
}

impl Login {
    /// Notes that `network` guesses it; how many do, if that has just become many.
    fn spread(
        &mut self,
        network: IpNet,
        exists: Option<bool>,
        now: i64,
        limits: &Limits,
    ) -> Option<usize> {
        self.last = now;
        self.exists |= exists == Some(true);
        self.networks.retain(|_, at| *at + HOUR > now);
        if self.networks.len() < MOST / 100 {
            self.networks.insert(network, now);
        }
        let many = self.networks.len() >= limits.spread;
        // a name that there is not is nobody's worry
        if !many || !self.exists {
            return None;
        }
        let new = self.guessed_until <= now;
        self.guessed_until = now + HOUR;
        new.then_some(self.networks.len())
    }
}

/// The account behind a login: in lower case, without the label of a device's password.
fn account(login: &str) -> String {
    let login: String = login.chars().take(LONGEST_LOGIN).collect();
    let login = login.to_lowercase();
    match login.rsplit_once('@') {
        Some((local, domain)) => {
            let local = local.split('+').next().unwrap_or_default();
            format!("{local}@{domain}")
        }
        None => login,
    }
}

/// The value at `key`, made if there is none.
fn entry<K: Eq + Hash + Clone, V: Default>(
    map: &mut HashMap<K, V>,
    key: K,
    last: fn(&V) -> i64,
) -> &mut V {
    room(map, &key, last);
    map.entry(key).or_default()
}

/// Makes room for `key`: the tenth that was used longest ago goes.
fn room<K: Eq + Hash + Clone, V>(map: &mut HashMap<K, V>, key: &K, last: fn(&V) -> i64) {
    if map.len() < MOST || map.contains_key(key) {
        return;
    }
    let mut times: Vec<i64> = map.values().map(last).collect();
    let (_, middle, _) = times.select_nth_unstable(MOST / 10);
    let middle = *middle;
    map.retain(|_, value| last(value) > middle);
}

#[cfg(test)]
mod tests;
