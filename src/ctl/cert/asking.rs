//! Asking the authority until it issues a certificate, without the names that it cannot verify.

use anyhow::Result;

use super::{
    NotIssued, deploy,
    facts::{Facts, Present},
    order,
};
use crate::{
    ctl::server::Server,
    mail::{
        acme::{Failure, Left, renewal},
        certificate::{self, Origin},
    },
    util::secret::Secret,
};

/// How many names at most are left out, one after the other, before the authority is left in peace.
const LEFT: usize = 2;

/// What to ask for.
pub(super) struct Wanted {
    /// The names, the server's own first.
    pub names: Vec<String>,
    /// Those that have to wait already.
    pub left: Vec<Left>,
    /// Whether to ask even if the certificate in place has all names that are left.
    pub whatever: bool,
    /// Whether to make another key.
    pub new_key: bool,
}

/// What was issued, and lies ready.
pub(super) struct Issued {
    /// Its names.
    pub names: Vec<String>,
    /// Those that have to wait.
    pub left: Vec<Left>,
    /// Whether its key is another one than that in place.
    pub new_key: bool,
}

/// Asks, notes what comes of it, and lays a certificate that comes ready.
///
/// # Errors
/// [`NotIssued`] when the authority gives none; others when it cannot be asked.
pub(super) fn issued(
    server: &Server,
    facts: &mut Facts,
    directory: &str,
    wanted: Wanted,
) -> Result<Issued> {
    let Wanted {
        mut names,
        mut left,
        whatever,
        new_key,
    } = wanted;
    let host = facts.host().to_owned();
    let old = facts.present.as_ref().and_then(usable).filter(|_| !new_key);
    let new_key = old.is_none();
    // who has published the key's hash in the DNS need not change it
    let key = old.map_or_else(certificate::new_key, Ok)?;
    let mut refused = 0;
    loop {
        let failure = match order::order(directory, &facts.answers, &names, &key)? {
            Ok(chain) => {
                deploy::lay_ready(server, &chain, &key, &Origin::Authority)?;
                facts.history.succeeded(facts.now, &names);
                facts.keep_history(server)?;
                return Ok(Issued {
                    names,
                    left,
                    new_key,
                });
            }
            Err(failure) => failure,
        };
        facts.history.failed(&failure, &host, facts.now);
        let given_up = match &failure {
            Failure::Name { name, detail } if *name != host => {
                names.retain(|n| n != name);
                let why = format!("the authority said: {detail}");
                left.push(Left {
                    name: name.clone(),
                    why,
                });
                refused += 1;
                if refused > LEFT {
                    facts.history.rest(facts.now);
                }
                // the same once more would be of no use, and authorities count it
                let same = !whatever && facts.is_content_with(&names);
                refused > LEFT || same
            }
            _ => true,
        };
        facts.keep_history(server)?;
        if given_up {
            return Err(NotIssued(failure.to_string()).into());
        }
    }
}

impl Facts {
    /// Whether the certificate in place is an authority's, has these names, and does not end soon.
    fn is_content_with(&self, names: &[String]) -> bool {
        self.present.as_ref().is_some_and(|present| {
            present.origin == Origin::Authority
                && self.now < renewal(&present.chain)
                && names.iter().all(|name| self.has(name))
        })
    }
}

/// The key in place, where the next certificate may have it: P-256, and not one that the answers gave
/// and have taken back.
fn usable(present: &Present) -> Option<Secret> {
    let key = present.key.clone()?;
    let ours = present.origin != Origin::Answers;
    (ours && certificate::request(&["a.example".to_owned()], &key).is_ok()).then_some(key)
}
