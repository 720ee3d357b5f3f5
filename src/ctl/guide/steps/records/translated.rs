//! The steps about the address and its name where the world sees other addresses than this machine has:
//! those are not among the records, so what they say cannot be compared.

use super::{ADDRESS, REVERSE};
use crate::{
    agent::page::guide::{State, Step},
    ctl::{
        check::finding::{self, Area},
        guide::steps::{Seen, first, of, step},
    },
};

const NOT_LOOKED: &str = "nobody has looked.";

/// Whether the server's name leads anywhere. Where it has addresses of its `own` as well, the records
/// tell of those.
pub(super) fn address(seen: &Seen, own: bool) -> Step {
    if !own {
        match of(seen, Area::Nat).find(|f| f.id == "nat.name") {
            Some(f) if f.state == finding::State::Ok => {}
            Some(f) if f.state.is_trouble() => {
                let item = format!(
                    "Address: {} Publish an A record with the public address.",
                    first(&f.reason)
                );
                return step(ADDRESS, State::Missing, vec![item]);
            }
            _ => return unknown(ADDRESS, reason(seen, Area::Nat)),
        }
    }
    // a name with an IPv6 address alone leads here, and most mail servers nowhere
    match &seen.translated {
        Some(Ok(false)) => {
            let item = format!(
                "Address missing: {}. A with the public IPv4 address; this machine has only a \
                 private one.",
                seen.hostname
            );
            step(ADDRESS, State::Missing, vec![item])
        }
        Some(Err(why)) => unknown(ADDRESS, why),
        Some(Ok(true)) | None => step(ADDRESS, State::Right, Vec::new()),
    }
}

/// The names of those addresses, which are known by what the server's name leads to: there is nothing
/// to look at before the step about that is right.
pub(super) fn reverse(seen: &Seen, own: bool, address: State) -> Step {
    match address {
        State::Right => names(seen, own),
        State::Unknown => unknown(REVERSE, "neither is the address."),
        State::Waits | State::Missing | State::Wrong => {
            let item = "PTR: looked at when the address is there.".to_owned();
            step(REVERSE, State::Waits, vec![item])
        }
    }
}

fn names(seen: &Seen, own: bool) -> Step {
    // IPv4 is what is translated then
    let told = |id: &str| own && id == "ptr.ipv6";
    let mut all = of(seen, Area::Ptr).filter(|f| !told(&f.id)).peekable();
    if all.peek().is_none() {
        return unknown(REVERSE, NOT_LOOKED);
    }
    let mut state = State::Right;
    let mut items = Vec::new();
    for found in all {
        let (how, item) = match found.state {
            finding::State::Ok => continue,
            finding::State::Unknown => (State::Unknown, not_known(REVERSE, &found.reason)),
            // another name that leads back is a warning there; here each address is to have this one
            finding::State::Warning | finding::State::Error => {
                let todo = found.todo.as_deref().unwrap_or_default();
                let item = format!("PTR: {} {}", first(&found.reason), first(todo));
                (State::Wrong, item)
            }
        };
        state = state.max(how);
        items.push(item);
    }
    step(REVERSE, state, items)
}

/// Why an area is not known.
fn reason(seen: &Seen, area: Area) -> &str {
    let mut unknown = of(seen, area).filter(|f| f.state == finding::State::Unknown);
    unknown.next().map_or(NOT_LOOKED, |f| f.reason.as_str())
}

fn unknown(name: &str, why: &str) -> Step {
    step(name, State::Unknown, vec![not_known(name, why)])
}

fn not_known(name: &str, why: &str) -> String {
    format!("{name} is not known: {}", first(why))
}
