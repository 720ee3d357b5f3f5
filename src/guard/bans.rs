//! The bans: which there are, how long, and why.

use std::{
    collections::{BTreeMap, HashSet},
    net::IpAddr,
};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::limits::{LONGEST, REMEMBERED};

/// The most bans, past ones included; the one that ends first makes room. The sets of the firewall
/// hold as many and more.
const MOST: usize = 20_000;

/// A network that reaches no mail port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ban {
    /// The network; for v4 mostly an address, for v6 a /64.
    pub network: IpNet,
    /// Why, for people.
    pub reason: String,
    /// Since when, in seconds since 1970.
    pub since: i64,
    /// When it ends.
    pub until: i64,
    /// How often this network was banned lately, this time included.
    pub count: u32,
    /// Whether the administrator did it.
    #[serde(default)]
    pub by_hand: bool,
}

/// All bans, and those past that make the next one longer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Ban>", into = "Vec<Ban>")]
pub struct Bans(BTreeMap<IpNet, Ban>);

impl From<Vec<Ban>> for Bans {
    fn from(list: Vec<Ban>) -> Self {
        Self(list.into_iter().map(|ban| (ban.network, ban)).collect())
    }
}

impl From<Bans> for Vec<Ban> {
    fn from(bans: Bans) -> Self {
        bans.0.into_values().collect()
    }
}

impl Bans {
    /// Those that last, the latest first.
    pub fn current(&self, now: i64) -> Vec<Ban> {
        let lasting = self.0.values().filter(|ban| ban.until > now);
        let mut list: Vec<Ban> = lasting.cloned().collect();
        list.sort_by_key(|ban| (-ban.since, ban.network));
        list
    }

    /// Bans `network` until `until`, whatever was known of it before.
    pub fn add(&mut self, network: IpNet, reason: &str, now: i64, until: i64) -> Ban {
        let count = self.count(&network, now) + 1;
        self.put(Ban {
            network,
            reason: reason.to_owned(),
            since: now,
            until,
            count,
            by_hand: true,
        })
    }

    /// Bans `network` for guessing: `first` seconds the first time, four times as long each time it
    /// does not leave off.
    pub(super) fn escalate(&mut self, network: IpNet, reason: String, now: i64, first: i64) -> Ban {
        let count = self.count(&network, now) + 1;
        let times = 4_i64.saturating_pow((count - 1).min(16));
        let seconds = first.saturating_mul(times).min(LONGEST);
        self.put(Ban {
            network,
            reason,
            since: now,
            until: now + seconds,
            count,
            by_hand: false,
        })
    }

    /// Ends the bans of `network` and of what lies in it, or all; they are forgotten. Returns which
    /// lasted.
    pub fn remove(&mut self, network: Option<&IpNet>, now: i64) -> Vec<Ban> {
        let meant = |ban: &Ban| network.is_none_or(|n| n.contains(&ban.network));
        let ended = self.current(now).into_iter().filter(meant).collect();
        self.0.retain(|_, ban| !meant(ban));
        ended
    }

    /// The ban that `address` is under.
    pub fn covering(&self, address: IpAddr, now: i64) -> Option<&Ban> {
        let lasting = |net: &IpNet| self.0.get(net).filter(|ban| ban.until > now);
        let mut net = IpNet::from(address.to_canonical());
        loop {
            if let Some(ban) = lasting(&net) {
                return Some(ban);
            }
            net = net.supernet()?;
        }
    }

    /// What belongs into the sets of the firewall, which take no network within another: each with
    /// the seconds that are left.
    pub(super) fn elements(&self, now: i64) -> Vec<(IpNet, i64)> {
        let mut list: Vec<&Ban> = self.0.values().filter(|ban| ban.until > now).collect();
        list.sort_by_key(|ban| (ban.network.prefix_len(), ban.network));
        let mut kept: HashSet<IpNet> = HashSet::new();
        let mut elements = Vec::new();
        for ban in list {
            let mut wider = std::iter::successors(ban.network.supernet(), IpNet::supernet);
            if !wider.any(|net| kept.contains(&net)) {
                kept.insert(ban.network);
                elements.push((ban.network, ban.until - now));
            }
        }
        elements
    }

    /// Forgets what ended long ago.
    pub(super) fn forget(&mut self, now: i64) {
        // given while the clock was ahead: it lasts as long as it was meant to
        for ban in self.0.values_mut().filter(|ban| ban.since > now) {
            ban.until = now + (ban.until - ban.since);
            ban.since = now;
        }
        self.0.retain(|_, ban| ban.until + REMEMBERED > now);
    }

    fn count(&self, network: &IpNet, now: i64) -> u32 {
        let before = self.0.get(network);
        let recent = before.filter(|ban| ban.until + REMEMBERED > now);
        recent.map_or(0, |ban| ban.count)
    }

    fn put(&mut self, ban: Ban) -> Ban {
        if self.0.len() >= MOST && !self.0.contains_key(&ban.network) {
            let ends = |ban: &&Ban| (ban.by_hand, ban.until);
            let first = self.0.values().min_by_key(ends).map(|b| b.network);
            first.map(|network| self.0.remove(&network));
        }
        self.0.insert(ban.network, ban.clone());
        ban
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> IpNet {
        super::super::network::parse(text).unwrap()
    }

    #[test]
    fn who_does_not_leave_off_is_banned_longer() {
        let mut bans = Bans::default();
        let mut now = 0;
        let mut lengths = Vec::new();
        for _ in 0..8 {
            let ban = bans.escalate(net("192.0.2.7"), "x".into(), now, 900);
            lengths.push((ban.until - now) / 900);
            now = ban.until;
        }
        assert_eq!(lengths, [1, 4, 16, 64, 256, 672, 672, 672]);
        // a week of peace
        now += REMEMBERED;
        let ban = bans.escalate(net("192.0.2.7"), "x".into(), now, 900);
        assert_eq!((ban.until - now, ban.count), (900, 1));
    }

    #[test]
    fn an_address_is_found_in_its_network() {
        let mut bans = Bans::default();
        bans.add(net("192.0.2.0/24"), "", 0, 100);
        bans.add(net("2001:db8::1"), "", 0, 100);
        let covered = |text: &str, now| bans.covering(text.parse().unwrap(), now).is_some();
        assert!(covered("192.0.2.200", 99) && !covered("192.0.2.200", 100));
        assert!(covered("2001:db8::ffff:2", 0) && !covered("2001:db8:0:1::", 0));
        assert!(covered("::ffff:192.0.2.1", 0) && !covered("192.0.3.1", 0));
    }

    #[test]
    fn no_element_lies_in_another() {
        let mut bans = Bans::default();
        bans.add(net("192.0.2.7"), "", 0, 1000);
        bans.add(net("192.0.2.0/24"), "", 0, 100);
        bans.add(net("192.0.3.1"), "", 0, 50);
        let shown = |now| {
            let elements = bans.elements(now);
            let text = elements.iter().map(|(net, left)| format!("{net} {left}"));
            text.collect::<Vec<_>>().join(", ")
        };
        assert_eq!(shown(10), "192.0.2.0/24 90, 192.0.3.1/32 40");
        // the narrow one lasts longer: it comes back
        assert_eq!(shown(100), "192.0.2.7/32 900");
    }

    #[test]
    fn a_network_is_let_in_again_with_all_that_is_in_it() {
        let mut bans = Bans::default();
        for text in ["192.0.2.7", "192.0.2.8", "198.51.100.1"] {
            bans.add(net(text), "", 0, 100);
        }
        assert_eq!(bans.remove(Some(&net("192.0.2.0/24")), 1).len(), 2);
        assert_eq!(bans.remove(Some(&net("192.0.2.7")), 1).len(), 0);
        assert_eq!(bans.remove(None, 1).len(), 1);
        assert_eq!(bans, Bans::default());
    }
}
