//! What is to be done with what the backup has: what is new here, there already, or different.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use zeroize::Zeroizing;

use super::{dkim::FoundKey, tables::Tables};
use crate::{
    answers::model::AliasAddress,
    mail::{
        address::{Address, DomainName, ROLES},
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
    fn item(&mut self, kind: &'static str, name: impl Into<String>, state: State) {
        let name = name.into();
        self.items.push(Item { kind, name, state });
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        let to_do = |item: &Item| matches!(item.state, State::New | State::Replaced);
        !self.items.iter().any(to_do)
    }
}

/// The domains of the backup: those of its list, and those of its users, which an early version did
/// not list.
pub fn domains(tables: &Tables) -> BTreeSet<String> {
    let of_users = tables.users.keys().filter_map(|user| user.split_once('@'));
    let of_users = of_users.map(|(_, domain)| domain.to_owned());
    tables.domains.iter().cloned().chain(of_users).collect()
}

/// Plans what is to be done for the domains in `wanted`, all of them if it is empty.
pub fn plan(
    tables: &Tables,
    keys: Vec<Result<FoundKey, String>>,
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
    aliases(tables, here, &taken, overwrite, &mut plan);
    for key in keys {
        match key {
            Ok(key) => one_key(key, here, overwrite, &mut plan),
            Err(why) => plan.notes.push(why),
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

/// Where an address without a domain leads, over others of that kind.
fn resolved(tables: &Tables, name: &str, depth: usize) -> Vec<Result<Address, String>> {
    if name.contains('@') {
        return vec![name.parse().map_err(|e| format!("{name}: {e}"))];
    }
    match tables.virtuals.get(&name.to_lowercase()) {
        Some(to) if depth < 10 => {
            let each = to.iter().flat_map(|to| resolved(tables, to, depth + 1));
            each.collect()
        }
        _ => vec![Err(format!("nobody is {name}"))],
    }
}

fn aliases(
    tables: &Tables,
    here: &Here,
    taken: &BTreeSet<DomainName>,
    overwrite: bool,
    plan: &mut Plan,
) {
    let mut found: BTreeMap<String, (AliasAddress, Vec<Address>)> = BTreeMap::new();
    for (name, to) in &tables.virtuals {
        if ROLES.contains(&name.as_str()) {
            if name == "postmaster" {
                plan.notes.push(format!(
                    "the postmaster was {} there; here it is who the answers say, {}, for all role \
                     addresses",
                    to.join(", "),
                    here.postmaster
                ));
            }
            continue;
        }
        let (targets, wrong): (Vec<_>, Vec<_>) = to
            .iter()
            .flat_map(|to| resolved(tables, to, 0))
            .partition(Result::is_ok);
        for why in wrong.into_iter().filter_map(Result::err) {
            plan.notes
                .push(format!("the alias {name} leads there no more: {why}"));
        }
        let targets: Vec<Address> = targets.into_iter().filter_map(Result::ok).collect();
        let names: Vec<String> = match name.contains('@') {
            true => vec![name.clone()],
            false => taken
                .iter()
                .map(|domain| format!("{name}@{domain}"))
                .collect(),
        };
        for name in names {
            let address = match name.strip_prefix('@') {
                Some(domain) => domain
                    .parse()
                    .map(AliasAddress::CatchAll)
                    .map_err(|e| format!("{e}")),
                None => Address::own(&name)
                    .map(AliasAddress::Exact)
                    .map_err(|e| format!("{e}")),
            };
            let domain = match &address {
                Ok(AliasAddress::CatchAll(domain)) => domain,
                Ok(AliasAddress::Exact(address)) => &address.domain,
                Err(error) => {
                    plan.notes
                        .push(format!("the alias {name} is left out: {error}"));
                    plan.item("alias", name, State::LeftOut);
                    continue;
                }
            };
            if !taken.contains(domain) {
                continue;
            }
            if tables.users.contains_key(&name) {
                plan.notes.push(format!(
                    "the alias {name} is left out: that is a user as well, whose mailbox gets the \
                     mail"
                ));
                plan.item("alias", name, State::LeftOut);
            } else if let Ok(address) = address {
                let entry = found.entry(name).or_insert((address, Vec::new()));
                entry.1.extend(targets.iter().cloned());
            }
        }
    }
    settle(&mut found, here, plan);
    for (name, (address, mut to)) in found {
        to.sort_by_key(ToString::to_string);
        to.dedup();
        let state = match here.routes.taken.get(&name) {
            None => State::New,
            Some(ours) if ours.is_empty() => State::Different,
            Some(ours) if to.iter().all(|to| ours.contains(to)) => State::Here,
            Some(_) if overwrite => State::Replaced,
            Some(_) => State::Different,
        };
        match state {
            State::New => plan.aliases.push((address, to)),
            State::Replaced => {
                plan.replaced.push(address.clone());
                plan.aliases.push((address, to));
            }
            State::Different => plan.notes.push(elsewhere(&name, &to, here)),
            State::Here | State::LeftOut => {}
        }
        plan.item("alias", name, state);
    }
}

fn elsewhere(name: &str, to: &[Address], here: &Here) -> String {
    let list = |to: &[Address]| {
        let to: Vec<String> = to.iter().map(ToString::to_string).collect();
        to.join(", ")
    };
    let there = list(to);
    match here.routes.taken.get(name) {
        Some(ours) if !ours.is_empty() => format!(
            "the alias {name} leads to {} here, which stays; there it led to {there}",
            list(ours)
        ),
        _ => format!("the alias {name} is left out: that is a user here; there it led to {there}"),
    }
}

/// Leaves out what leads to nobody or to itself, until nothing does.
fn settle(
    found: &mut BTreeMap<String, (AliasAddress, Vec<Address>)>,
    here: &Here,
    plan: &mut Plan,
) {
    let mut routes = here.routes.clone();
    routes.domains.extend(plan.domains.iter().cloned());
    for (user, _) in &plan.users {
        routes.taken.insert(user.to_string(), Vec::new());
    }
    let ours = routes.taken.clone();
    loop {
        for (name, (_, to)) in &mut *found {
            // addresses of ours are kept in lower case
            for to in &mut *to {
                if routes.domains.contains(&to.domain) {
                    to.local = to.local.to_ascii_lowercase();
                }
            }
            if !ours.contains_key(name) {
                routes.taken.insert(name.clone(), to.clone());
            }
        }
        let before = found.values().map(|(_, to)| to.len()).sum::<usize>();
        let mut gone = Vec::new();
        for (name, (_, to)) in &mut *found {
            let nobody: Vec<String> = to
                .iter()
                .filter(|to| routes.is_nobody(to))
                .map(ToString::to_string)
                .collect();
            if !nobody.is_empty() {
                plan.notes.push(format!(
                    "the alias {name} leads there no more: nobody is {}",
                    nobody.join(", ")
                ));
            }
            to.retain(|to| !routes.is_nobody(to));
            if !to.is_empty() && routes.way_back(name, to).is_some() {
                plan.notes.push(format!(
                    "the alias {name} is left out: it leads back to itself"
                ));
                to.clear();
            }
            if to.is_empty() {
                gone.push(name.clone());
            }
        }
        for name in &gone {
            found.remove(name);
            if !ours.contains_key(name) {
                routes.taken.remove(name);
            }
            plan.item("alias", name, State::LeftOut);
        }
        if found.values().map(|(_, to)| to.len()).sum::<usize>() == before && gone.is_empty() {
            return;
        }
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
