//! The networks where good logins came from, and those of the administrator.

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{
    limits::SPARED,
    network::{counted, spared},
};

/// The most networks that are remembered: a personal server has few.
const NETWORKS: usize = 4096;
/// The most logins that are remembered of a network.
const LOGINS: usize = 64;

/// The good logins of the last 30 days.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Good {
    /// For each network, the logins and when they last went well.
    networks: BTreeMap<IpNet, BTreeMap<String, i64>>,
    /// Where the administrator came from by SSH, and when.
    admins: BTreeMap<IpNet, i64>,
}

impl Good {
    /// Notes a good login; whether that is worth writing down soon: its network or login is new.
    pub(super) fn login(&mut self, address: IpAddr, login: &str, now: i64) -> bool {
        let network = spared(address);
        if !self.networks.contains_key(&network) && self.networks.len() >= NETWORKS {
            let last = |logins: &BTreeMap<String, i64>| logins.values().max().copied();
            let oldest = self.networks.iter().min_by_key(|(_, logins)| last(logins));
            let oldest = oldest.map(|(network, _)| *network);
            oldest.map(|network| self.networks.remove(&network));
        }
        let logins = self.networks.entry(network).or_default();
        if !logins.contains_key(login) && logins.len() >= LOGINS {
            let oldest = logins.iter().min_by_key(|(_, at)| **at);
            let oldest = oldest.map(|(login, _)| login.clone());
            oldest.map(|login| logins.remove(&login));
        }
        logins.insert(login.to_owned(), now).is_none()
    }

    /// Notes that the administrator was there.
    pub(super) fn admin(&mut self, address: IpAddr, at: i64) -> bool {
        let network = counted(address);
        if !self.admins.contains_key(&network) && self.admins.len() >= NETWORKS {
            let oldest = self.admins.iter().min_by_key(|(_, at)| **at);
            let oldest = oldest.map(|(network, _)| *network);
            oldest.map(|network| self.admins.remove(&network));
        }
        let last = self.admins.entry(network).or_insert(i64::MIN);
        let new = *last == i64::MIN;
        *last = at.max(*last);
        new
    }

    /// Whether nobody is banned there.
    pub(super) fn spares(&self, address: IpAddr, now: i64) -> bool {
        let recent = |at: &i64| *at + SPARED > now;
        let logins = self.networks.get(&spared(address));
        logins.is_some_and(|l| l.values().any(recent))
            || self.admins.get(&counted(address)).is_some_and(recent)
    }

    /// Whether `login` went well there.
    pub(super) fn knows(&self, address: IpAddr, login: &str, now: i64) -> bool {
        let logins = self.networks.get(&spared(address));
        let at = logins.and_then(|l| l.get(login));
        at.is_some_and(|at| *at + SPARED > now)
    }

    /// How many networks are spared.
    pub(super) fn count(&self) -> usize {
        self.networks.len() + self.admins.len()
    }

    /// Forgets what is too long ago.
    pub(super) fn forget(&mut self, now: i64) {
        let recent = |at: i64| at + SPARED > now;
        for logins in self.networks.values_mut() {
            logins.retain(|_, at| recent(*at));
        }
        self.networks.retain(|_, logins| !logins.is_empty());
        self.admins.retain(|_, at| recent(*at));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::limits::DAY;

    #[test]
    fn a_good_login_spares_its_network_for_a_month() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let mut good = Good::default();
        assert!(good.login(ip("192.0.2.7"), "a@example.org", 0));
        assert!(!good.login(ip("192.0.2.8"), "a@example.org", DAY));
        let (near, far) = (ip("192.0.2.200"), ip("192.0.3.1"));
        assert!(good.spares(near, 31 * DAY - 1) && !good.spares(near, 31 * DAY));
        assert!(!good.spares(far, DAY));
        assert!(good.knows(near, "a@example.org", DAY) && !good.knows(near, "b@example.org", DAY));
        assert!(good.admin(far, 0) && !good.admin(far, DAY));
        assert!(good.spares(far, DAY) && !good.spares(ip("192.0.3.2"), DAY));
        good.forget(31 * DAY);
        assert_eq!(good, Good::default());
    }

    #[test]
    fn the_oldest_makes_room() {
        let mut good = Good::default();
        for n in 0..=NETWORKS {
            let bytes = u32::try_from(n << 8).unwrap().to_be_bytes();
            good.login(bytes.into(), "a", i64::try_from(n).unwrap());
        }
        assert_eq!(good.count(), NETWORKS);
        assert!(!good.spares([0, 0, 0, 1].into(), 10));
        (0..=LOGINS).for_each(|n| {
            good.login(
                [9, 9, 9, 9].into(),
                &n.to_string(),
                i64::try_from(n).unwrap(),
            );
        });
        assert!(!good.knows([9, 9, 9, 9].into(), "0", 10));
    }
}
