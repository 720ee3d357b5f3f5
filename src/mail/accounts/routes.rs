//! Where every address of the database leads, and what is wrong with that.

use std::collections::BTreeSet;

use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::{AccountError, aliases};
use crate::{
    answers::Answers,
    mail::{
        address::{Address, DomainName},
        routes::Routes,
    },
};

/// Who reads the server's own mail: the answers say it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roles {
    /// That of the role addresses.
    pub postmaster: Address,
    /// The notices, where they go elsewhere.
    pub notify: Option<Address>,
}

impl Roles {
    /// Those of the answers.
    pub fn of(answers: &Answers) -> Self {
        Self {
            postmaster: answers.postmaster.clone(),
            notify: answers.notify.clone(),
        }
    }

    /// The addresses, and what each is.
    pub(super) fn named(&self) -> impl Iterator<Item = (&'static str, &Address)> {
        let notify = self.notify.iter().map(|a| ("the address for notices", a));
        notify.chain([("the postmaster", &self.postmaster)])
    }

    /// What is wrong with `routes`, a sentence each.
    pub(in crate::mail) fn problems(&self, routes: &Routes) -> BTreeSet<String> {
        let mut problems = BTreeSet::new();
        for (what, address) in self.named() {
            if !self.misses(routes, address) {
                continue;
            }
            problems.insert(format!(
                "nobody would have {address}, which the answers name as {what}: apply answers with \
                 another one first, with 'ezmail-agent apply --answers FILE'"
            ));
        }
        for (name, to) in &routes.taken {
            for target in to.iter().filter(|to| routes.is_nobody(to)) {
                problems.insert(format!(
                    "the alias {name} would lead to {target}, and nobody has that address"
                ));
            }
            if let Some(way) = routes.way_back(name, to) {
                let way = way.join(" to ");
                problems.insert(format!("the alias {name} would lead back to itself: {way}"));
            }
        }
        problems
    }

    /// The postmaster is somebody by name, as a role would lead to itself.
    fn misses(&self, routes: &Routes, address: &Address) -> bool {
        let name = address.base().to_string();
        match *address == self.postmaster {
            true => routes.domains.contains(&address.domain) && !routes.taken.contains_key(&name),
            false => routes.is_nobody(address),
        }
    }
}

/// All that the database has.
///
/// # Errors
/// When it cannot be read, or has what is no address.
pub fn load(db: &Connection, roles: &Roles) -> Result<Routes, AccountError> {
    let mut routes = Routes {
        postmaster: Some(roles.postmaster.clone()),
        ..Routes::default()
    };
    let mut query = db.prepare("SELECT name FROM domain")?;
    for name in query.query_map([], |row| row.get::<_, String>(0))? {
        let name = name?;
        let domain: DomainName = name
            .parse()
            .map_err(|e| AccountError::Damaged(format!("the domain {name}: {e}")))?;
        routes.domains.insert(domain);
    }
    for alias in aliases::list(db)? {
        let to = alias.to.iter().map(|to| {
            let damaged =
                |e| AccountError::Damaged(format!("the alias {}: {to}: {e}", alias.address));
            to.parse().map_err(damaged)
        });
        let to = to.collect::<Result<Vec<Address>, _>>()?;
        routes.taken.insert(alias.address, to);
    }
    let mut query = db.prepare(
        "SELECT local_part || '@' || name FROM user JOIN domain ON domain.id = domain_id",
    )?;
    for address in query.query_map([], |row| row.get(0))? {
        routes.taken.insert(address?, Vec::new());
    }
    Ok(routes)
}
