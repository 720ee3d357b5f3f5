//! Where mail for an address of ours goes: the same rules for the answers and for the database.

use std::collections::{BTreeMap, BTreeSet};

use super::address::{Address, DomainName, ROLES};

/// All addresses of a server, and where each leads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Routes {
    /// The mail domains.
    pub domains: BTreeSet<DomainName>,
    /// Every address, and every catch-all as `@domain`, with its targets; none for a mailbox.
    pub taken: BTreeMap<String, Vec<Address>>,
    /// Who reads what arrives at the role addresses that nobody has.
    pub postmaster: Option<Address>,
}

impl Routes {
    /// How an address of ours is delivered: the entry that takes it, and where that leads. Looked
    /// up in this order: itself without `+detail`, the role addresses, the catch-all.
    pub fn entry(&self, address: &Address) -> Option<(String, Vec<Address>)> {
        let base = address.base();
        let catch_all = format!("@{}", base.domain);
        let taken = |name: String| self.taken.get(&name).map(|to| (name, to.clone()));
        if let Some(found) = taken(base.to_string()) {
            return Some(found);
        }
        if self.domains.contains(&base.domain) && ROLES.contains(&base.local.as_str()) {
            return Some((base.to_string(), self.postmaster.iter().cloned().collect()));
        }
        taken(catch_all)
    }

    /// Whether mail for this address would be refused here: the domain is ours, and nobody has it.
    pub fn is_nobody(&self, address: &Address) -> bool {
        self.domains.contains(&address.domain) && self.entry(address).is_none()
    }

    /// The way from the alias `start`, which leads to `to`, back to itself; `None` if there is
    /// none. Depth first; every address is looked at once.
    pub fn way_back(&self, start: &str, to: &[Address]) -> Option<Vec<String>> {
        let mut seen = BTreeSet::new();
        let from = vec![start.to_owned()];
        let mut open: Vec<(Address, Vec<String>)> =
            to.iter().map(|to| (to.clone(), from.clone())).collect();
        while let Some((address, mut way)) = open.pop() {
            let Some((name, next)) = self.entry(&address) else {
                continue;
            };
            way.push(address.to_string());
            if name == start {
                return Some(way);
            }
            if seen.insert(name) {
                open.extend(next.into_iter().map(|to| (to, way.clone())));
            }
        }
        None
    }
}
