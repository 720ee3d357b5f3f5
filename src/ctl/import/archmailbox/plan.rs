//! What is to be done with what the backup has: what is new here, there already, or different.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use zeroize::Zeroizing;

use super::{aliases, dkim::FoundKey, tables::Tables};
use crate::{
    answers::model::AliasAddress,
    mail::{
        address::{Address, DomainName},
        password,
        routes::Routes,
    },
};

/// What is here.
#[derive(Debug)]
pub struct Here {
    /// Every address and where it leads.
    pub routes: Routes,
    /// Users and the hashes of their passwords.
    pub users: BTreeMap<String, Zeroizing<String>>,
    /// DKIM keys by domain and selector: the public half, if the file is good.
    pub keys: BTreeMap<(String, String), Option<String>>,
    /// Who reads what arrives at the role addresses.
    pub postmaster: Address,
}

/// How something of the backup stands to what is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It comes.
    New,
    /// It is here already.
    Here,
    /// Something else is in its place here, which stays.
    Different,
    /// It comes in place of what is here.
    Replaced,
    /// It does not come.
    LeftOut,
}

/// Something of the backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Item {
    /// `domain`, `user`, `alias` or `dkim-key`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// What becomes of it.
    pub state: State,
}

/// What is to be done.
#[derive(Debug, Default)]
pub struct Plan {
    /// All that the backup has.
    pub items: Vec<Item>,
    /// Domains to add.
    pub domains: Vec<DomainName>,
    /// Users to add; without a hash where it is of no use.
    pub users: Vec<(Address, Option<Zeroizing<String>>)>,
    /// Users who get the password of the backup.
    pub passwords: Vec<(Address, Zeroizing<String>)>,
    /// Aliases to add.
    pub aliases: Vec<(AliasAddress, Vec<Address>)>,
    /// Aliases that are removed before.
    pub replaced: Vec<AliasAddress>,
    /// Keys that sign from now on.
    pub keys: Vec<FoundKey>,
    /// What else there is to know, a sentence each.
    pub notes: Vec<String>,
}

impl Plan {
    pub(super) fn item(&mut self, kind: &'static str, name: impl Into<String>, state: State) {
        let name = name.into();
        self.items.push(Item { kind, name, state });
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        let to_do = |item: &Item| matches!(item.state, State::New | State::Replaced);
        !self.items.iter().any(to_do)
    }

    /// Whether all that the backup has is here in the end.
    pub fn is_whole(&self) -> bool {
        let missing = |item: &Item| matches!(item.state, State::Different | State::LeftOut);
        !self.items.iter().any(missing)
    }
}

/// The domains of the backup: those of its list, and those of its users, which an early version did
/// not list.
pub fn domains(tables: &Tables) -> BTreeSet<String> {
    let of_users = tables.users.keys().filter_map(|user| user.split_once('@'));
    let of_users = of_users.map(|(_, domain)| domain.to_owned());
    tables.domains.iter().cloned().chain(of_users).collect()
}

/// Plans what is to be done for the domains in `wanted`, all of them if it is empty. A key that is of
/// no use comes with its file's name, and the reason.
pub fn plan(
    tables: &Tables,
    keys: Vec<Result<FoundKey, (String, String)>>,
    here: &Here,
    wanted: &[DomainName],
    overwrite: bool,
) -> Plan {
    let mut plan = Plan::default();
    let mut taken = BTreeSet::new();
    for name in domains(tables) {
        match name.parse::<DomainName>() {
            Ok(domain) if !wanted.is_empty() && !wanted.contains(&domain) => {}
            Ok(domain) => {
                let state = match here.routes.domains.contains(&domain) {
                    true => State::Here,
                    false => State::New,
                };
                plan.item("domain", domain.as_str(), state);
                if state == State::New {
                    plan.domains.push(domain.clone());
                }
                taken.insert(domain);
            }
            Err(error) => {
                plan.notes
                    .push(format!("the domain {name} is left out: {error}"));
                plan.item("domain", name, State::LeftOut);
            }
        }
    }
    users(tables, here, &taken, overwrite, &mut plan);
    aliases::plan(tables, here, &taken, overwrite, &mut plan);
    for key in keys {
        match key {
            Ok(key) => one_key(key, here, overwrite, &mut plan),
            Err((name, why)) => {
                plan.notes.push(why);
                plan.item("dkim-key", name, State::LeftOut);
            }
        }
    }
    plan
}

fn users(
    tables: &Tables,
    here: &Here,
    taken: &BTreeSet<DomainName>,
    overwrite: bool,
    plan: &mut Plan,
) {
    for (name, hash) in &tables.users {
        let address = match Address::own(name) {
            Ok(address) if taken.contains(&address.domain) => address,
            Ok(_) => continue,
            Err(error) => {
                plan.notes
                    .push(format!("the user {name} is left out: {error}"));
                plan.item("user", name, State::LeftOut);
                continue;
            }
        };
        let good = password::check_phc(hash);
        let state = match here.users.get(name) {
            // of a hash that is of no use here nothing can be said
            Some(ours) if ours == hash || good.is_err() => State::Here,
            Some(_) if overwrite => {
                plan.passwords.push((address, hash.clone()));
                State::Replaced
            }
            Some(_) => {
                plan.notes.push(format!(
                    "the user {name} has another password here, which stays"
                ));
                State::Different
            }
            None if here.routes.taken.contains_key(name) => {
                plan.notes.push(format!(
                    "the user {name} is left out: that is an alias here; 'mailctl alias remove \
                     {name}' makes room"
                ));
                State::Different
            }
            None => {
                if let Err(error) = &good {
                    plan.notes.push(format!(
                        "the user {name} needs a new password, 'mailctl user passwd {name}': {error}"
                    ));
                }
                plan.users
                    .push((address, good.is_ok().then(|| hash.clone())));
                State::New
            }
        };
        plan.item("user", name, state);
    }
}

fn one_key(key: FoundKey, here: &Here, overwrite: bool, plan: &mut Plan) {
    let name = format!("{}._domainkey.{}", key.selector, key.domain);
    let known = here.keys.get(&(key.domain.clone(), key.selector.clone()));
    let state = match known {
        None => State::New,
        Some(Some(public)) if *public == key.info.public => State::Here,
        Some(_) if overwrite => State::Replaced,
        Some(_) => {
            plan.notes
                .push(format!("{name} is another key here, which stays"));
            State::Different
        }
    };
    if matches!(state, State::New | State::Replaced) {
        plan.keys.push(key);
    }
    plan.item("dkim-key", name, state);
}
