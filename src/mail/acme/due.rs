//! Whether to ask the authority now, and for which names.

use std::collections::BTreeMap;

use super::{History, MOST};
use crate::mail::{certificate::Origin, chain::Chain};

/// What is known when it is decided. Names are lower case.
#[derive(Debug)]
pub struct Situation<'a> {
    /// Seconds since 1970.
    pub now: i64,
    /// The names to have, the server's own first ([`super::wanted`]).
    pub wanted: &'a [String],
    /// Of each of them that does not lead here, why.
    pub astray: &'a BTreeMap<String, String>,
    /// The certificate in place, and where it comes from.
    pub present: Option<(&'a Chain, &'a Origin)>,
    /// What was asked before.
    pub history: &'a History,
}

/// A name that is left out, for the time being.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Left {
    /// The name.
    pub name: String,
    /// Why.
    pub why: String,
}

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Decision {
    /// Nothing before that second.
    Content {
        /// When it is renewed, in seconds since 1970.
        renewal: i64,
    },
    /// It is due, but the server's own name does not lead here.
    Astray(String),
    /// It is due, but the authority is not to be asked before that second.
    Pause {
        /// Seconds since 1970.
        until: i64,
    },
    /// Ask for these names.
    Ask {
        /// The server's own first.
        names: Vec<String>,
        /// Why, in words.
        why: &'static str,
    },
}

/// When a certificate is renewed: when two thirds of its time are over.
pub fn renewal(chain: &Chain) -> i64 {
    chain.not_after - (chain.not_after - chain.not_before) / 3
}

/// The names that can be asked for, and those that have to wait.
fn sort(situation: &Situation<'_>) -> (Vec<String>, Vec<Left>) {
    let (mut names, mut left) = (Vec::new(), Vec::new());
    for name in situation.wanted {
        let refused = situation.history.refusal(name, situation.now);
        let why = match (situation.astray.get(name), refused) {
            (Some(why), _) => why.clone(),
            (None, Some(refused)) => format!("the authority said: {}", refused.why),
            (None, None) if names.len() >= MOST => {
                format!("a certificate has at most {MOST} names")
            }
            (None, None) => {
                names.push(name.clone());
                continue;
            }
        };
        left.push(Left {
            name: name.clone(),
            why,
        });
    }
    (names, left)
}

/// Decides, and says which names have to wait. One that was installed by hand is renewed when it is
/// due, and not for the sake of names that it lacks.
pub fn decide(situation: &Situation<'_>) -> (Decision, Vec<Left>) {
    let (names, left) = sort(situation);
    let Some(host) = situation.wanted.first() else {
        return (Decision::Astray("the server has no name".into()), left);
    };
    let why = match situation.present {
        None => "there is none yet",
        // by itself and not by its mark, which a cut of power may have kept from being written
        Some((chain, _)) if chain.self_signed => "the one in place is self-signed",
        Some((chain, _)) if situation.now >= renewal(chain) => {
            // one that is old already when it is issued, by a wrong clock, is not asked for again at once
            if let Some(until) = situation.history.fresh(situation.now) {
                return (Decision::Pause { until }, left);
            }
            "the one in place ends soon"
        }
        Some((chain, Origin::Authority)) if names.iter().any(|n| !has(chain, n)) => {
            "there are names that it lacks"
        }
        Some((chain, _)) => {
            let renewal = renewal(chain);
            return (Decision::Content { renewal }, left);
        }
    };
    if let Some(astray) = situation.astray.get(host) {
        return (Decision::Astray(format!("{host}: {astray}")), left);
    }
    if let Some(until) = situation.history.pause(situation.now) {
        return (Decision::Pause { until }, left);
    }
    (Decision::Ask { names, why }, left)
}

fn has(chain: &Chain, name: &str) -> bool {
    name.parse().is_ok_and(|name| chain.covers(&name))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{super::Failure, *};
    use crate::mail::certificate;

    /// For mx1.example.net and mail.example.org.
    const CHAIN: &str = include_str!("../../../tests/vectors/tls/p256.pem");
    const HOST: &str = "mx1.example.net";

    fn wanted(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    /// Decides about the certificate of the vector at a moment of its life, in thirds.
    fn judged(
        origin: &Origin,
        thirds: i64,
        names: &[&str],
        astray: &[&str],
        history: &History,
    ) -> (Decision, Vec<Left>) {
        let chain = Chain::parse(CHAIN).unwrap();
        let third = (chain.not_after - chain.not_before) / 3;
        let astray = astray
            .iter()
            .map(|name| ((*name).to_owned(), "it does not exist".to_owned()));
        decide(&Situation {
            now: chain.not_before + thirds * third + 100,
            wanted: &wanted(names),
            astray: &astray.collect(),
            present: Some((&chain, origin)),
            history,
        })
    }

    fn asked(decision: &Decision) -> Option<(Vec<&str>, &str)> {
        match decision {
            Decision::Ask { names, why } => Some((names.iter().map(String::as_str).collect(), why)),
            _ => None,
        }
    }

    #[test]
    fn it_is_renewed_in_its_last_third() {
        let none = History::default();
        let names = [HOST, "mail.example.org"];
        for origin in [Origin::Authority, Origin::Elsewhere] {
            let (decision, _) = judged(&origin, 1, &names, &[], &none);
            assert!(matches!(decision, Decision::Content { .. }), "{decision:?}");
            let (decision, _) = judged(&origin, 2, &names, &[], &none);
            let (asked, why) = asked(&decision).unwrap();
            assert_eq!(
                (&asked[..], why),
                (&names[..], "the one in place ends soon")
            );
        }
    }

    #[test]
    fn a_self_signed_one_is_replaced_at_once() {
        let made =
            certificate::self_signed(&HOST.parse().unwrap(), &[HOST.to_owned()].into(), None);
        let chain = Chain::parse(&made.unwrap().certificate).unwrap();
        // whatever its mark says
        for origin in [Origin::Made(BTreeSet::new()), Origin::Elsewhere] {
            let (decision, _) = decide(&Situation {
                now: chain.not_before + 100,
                wanted: &wanted(&[HOST]),
                astray: &BTreeMap::new(),
                present: Some((&chain, &origin)),
                history: &History::default(),
            });
            assert!(asked(&decision).is_some(), "{decision:?}");
        }
    }

    #[test]
    fn one_that_was_just_issued_is_not_renewed() {
        let chain = Chain::parse(CHAIN).unwrap();
        let mut history = History::default();
        history.succeeded(renewal(&chain), &[]);
        let (decision, _) = judged(&Origin::Authority, 2, &[HOST], &[], &history);
        assert!(matches!(decision, Decision::Pause { .. }), "{decision:?}");
    }

    #[test]
    fn a_name_that_leads_elsewhere_delays_itself_alone() {
        let none = History::default();
        let names = [HOST, "mail.example.org", "mta-sts.example.org"];
        let new = &["mta-sts.example.org"];
        // asked for when it leads here
        let (decision, left) = judged(&Origin::Authority, 0, &names, &[], &none);
        let (found, why) = asked(&decision).unwrap();
        assert_eq!(
            (&found[..], why),
            (&names[..], "there are names that it lacks")
        );
        assert_eq!(left, []);
        // until then, nothing to do
        let (decision, left) = judged(&Origin::Authority, 0, &names, new, &none);
        assert!(matches!(decision, Decision::Content { .. }), "{decision:?}");
        assert_eq!(left[0].name, new[0]);
        // one that was installed by hand is left as it is
        let (decision, _) = judged(&Origin::Elsewhere, 0, &names, &[], &none);
        assert!(matches!(decision, Decision::Content { .. }), "{decision:?}");
        // a renewal goes without it
        let (decision, _) = judged(&Origin::Authority, 2, &names, new, &none);
        assert_eq!(asked(&decision).unwrap().0, names[..2]);
    }

    #[test]
    fn without_the_servers_own_name_nothing_is_asked() {
        let (decision, _) = judged(&Origin::Authority, 2, &[HOST], &[HOST], &History::default());
        let want = Decision::Astray("mx1.example.net: it does not exist".into());
        assert_eq!(decision, want);
    }

    #[test]
    fn the_authority_is_left_in_peace_after_a_failure() {
        let chain = Chain::parse(CHAIN).unwrap();
        let now = renewal(&chain) + 100;
        let mut history = History::default();
        history.failed(&Failure::Untrusted, HOST, now - 10);
        let (decision, _) = judged(&Origin::Authority, 2, &[HOST], &[], &history);
        assert!(matches!(decision, Decision::Pause { .. }), "{decision:?}");
    }

    #[test]
    fn what_the_authority_could_not_verify_is_left_out() {
        let chain = Chain::parse(CHAIN).unwrap();
        let mut history = History::default();
        let failure = Failure::Name {
            name: "mail.example.org".into(),
            detail: "no route".into(),
        };
        history.failed(&failure, HOST, renewal(&chain));
        let names = [HOST, "mail.example.org"];
        let (decision, left) = judged(&Origin::Authority, 2, &names, &[], &history);
        assert_eq!(asked(&decision).unwrap().0, [HOST]);
        assert_eq!(left[0].why, "the authority said: no route");
    }

    #[test]
    fn no_more_names_than_an_authority_takes() {
        let many: Vec<String> = (0..150).map(|n| format!("n{n}.example.org")).collect();
        let (decision, left) = decide(&Situation {
            now: 5,
            wanted: &many,
            astray: &BTreeMap::new(),
            present: None,
            history: &History::default(),
        });
        assert_eq!(asked(&decision).unwrap().0.len(), MOST);
        assert_eq!(left.len(), 50);
    }
}
