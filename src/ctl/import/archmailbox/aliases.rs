//! Aliases: where they led there, and what becomes of that here.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    plan::{Here, Plan, State},
    tables::Tables,
};
use crate::{
    answers::model::AliasAddress,
    mail::address::{Address, DomainName, ROLES},
};

/// Where an address without a domain leads, over others of that kind; each of them in `seen` once,
/// as they may lead in circles.
fn resolved(
    tables: &Tables,
    name: &str,
    seen: &mut BTreeSet<String>,
) -> Vec<Result<Address, String>> {
    if name.contains('@') {
        return vec![name.parse().map_err(|e| format!("{name}: {e}"))];
    }
    let name = name.to_lowercase();
    match tables.virtuals.get(&name) {
        Some(_) if seen.contains(&name) => Vec::new(),
        Some(to) => {
            seen.insert(name);
            let each = to.iter().flat_map(|to| resolved(tables, to, seen));
            each.collect()
        }
        None => vec![Err(format!("nobody is {name}"))],
    }
}

/// Plans what is to be done with the aliases of the domains in `taken`.
pub(super) fn plan(
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
        let mut seen = BTreeSet::from([name.clone()]);
        let (targets, wrong): (Vec<_>, Vec<_>) = to
            .iter()
            .flat_map(|to| resolved(tables, to, &mut seen))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_in_circles_end() {
        let all: Vec<String> = (0..40).map(|n| format!("a{n}")).collect();
        let mut tables = Tables::default();
        for name in &all {
            let mut to = all.clone();
            to.push(format!("{name}@example.org"));
            tables.virtuals.insert(name.clone(), to);
        }
        let found = resolved(&tables, "a0", &mut BTreeSet::new());
        assert_eq!(found.len(), 40);
    }
}
