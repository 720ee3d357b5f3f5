//! The page of a server on its way to the first mail.

use super::*;
use crate::agent::page::guide::{Guide, Known, State as Found, Step};

fn step(name: &str, state: Found, items: &[&str]) -> Step {
    Step {
        name: name.to_owned(),
        state,
        items: items.iter().map(|i| (*i).to_owned()).collect(),
    }
}

/// What `mailctl guide` leaves, with those steps.
fn known(steps: Vec<Step>) -> Known {
    Known::Told(Guide {
        looked: 0,
        changed: 0,
        outside: 0,
        read: 0,
        known: std::collections::BTreeMap::new(),
        steps,
    })
}

/// All of it right.
pub(super) fn done() -> Known {
    known(vec![
        step("Address", Found::Right, &[]),
        step("Certificate", Found::Right, &[]),
    ])
}

fn with(guide: Known) -> Facts {
    Facts { guide, ..well() }
}

/// Nothing was done since the server was set up.
fn fresh() -> Known {
    use Found::{Missing, Waits, Wrong};
    known(vec![
        step(
            "Address",
            Missing,
            &[
                "Address missing: mail.example.org. A 203.0.113.10",
                "Address missing: mail.example.org. AAAA 2001:db8:1:2::10",
            ],
        ),
        step(
            "PTR",
            Missing,
            &[
                "PTR missing: have the provider call 203.0.113.10 mail.example.org, often 'reverse \
                 DNS' in its panel.",
            ],
        ),
        step(
            "Port 25",
            Wrong,
            &[
                "Port 25: No mail server can be reached by IPv4: the provider blocks port 25. What \
                 to ask the provider for: 'mailctl check port25'.",
            ],
        ),
        step(
            "MX",
            Missing,
            &["MX missing: example.org. MX 10 mail.example.org."],
        ),
        step(
            "SPF",
            Missing,
            &["SPF missing: example.org. TXT \"v=spf1 mx -all\""],
        ),
        step(
            "DMARC",
            Missing,
            &[
                "DMARC missing: _dmarc.example.org. TXT \"v=DMARC1; p=quarantine; \
                 rua=mailto:postmaster@example.org\"",
            ],
        ),
        step(
            "Certificate",
            Waits,
            &["Certificate: an authority is asked for one when the address is right."],
        ),
        step(
            "Mail out",
            Missing,
            &["Mail out: none has left yet. 'mailctl test --to ADDRESS' sends one."],
        ),
    ])
}

fn half() -> Known {
    let Known::Told(mut guide) = fresh() else {
        unreachable!()
    };
    for step in &mut guide.steps {
        if ["Address", "Port 25", "MX", "DMARC"].contains(&step.name.as_str()) {
            step.state = Found::Right;
        }
    }
    Known::Told(guide)
}

/// The page on a console of 24 rows, from which nothing may be cut.
fn small(facts: &Facts) -> String {
    let text = fits(page(facts, true).text(Some(24), false));
    assert!(!text.contains("more lines"), "it does not fit:\n{text}");
    assert!(text.lines().count() <= 23, "{text}");
    text
}

#[test]
fn nothing_is_published() {
    let facts = Facts {
        self_signed: true,
        ..with(fresh())
    };
    let text = small(&facts);
    // the guide says what becomes of it
    assert!(!text.contains("is self-signed"), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn half_is_published() {
    insta::assert_snapshot!(small(&with(half())));
}

#[test]
fn all_is_right() {
    let text = small(&with(done()));
    assert!(!text.contains("Left to do"), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn over_ssh_all_of_the_guide_is_shown() {
    let text = page(&with(fresh()), false).text(None, false);
    assert!(text.contains("Mail out: none has left yet."), "{text}");
    assert!(!text.contains(" more: "), "{text}");
}

#[test]
fn a_full_page_still_has_the_first_step() {
    let mut facts = in_memory();
    facts.guide = fresh();
    facts.notices = vec!["A notice of some length about something that is broken.".to_owned(); 6];
    let text = page(&facts, true).text(None, false);
    assert!(text.contains("mail.example.org. A 203.0.113.10"), "{text}");
    assert!(text.contains(" more: 'mailctl guide'"), "{text}");
}

#[test]
fn services_that_fail_stay_on_the_page() {
    let mut facts = with(fresh());
    facts.services = services_like([("failed", "failed"); 6]);
    assert!(line(&facts).contains("smtpd      failed"));
}

#[test]
fn it_could_not_be_found_out() {
    let unknown = "What the DNS shows is not known: nothing could be compared: no answer";
    let facts = with(known(vec![
        step("MX", Found::Unknown, &[]),
        step("DNS", Found::Unknown, &[unknown]),
    ]));
    insta::assert_snapshot!(small(&facts));
}

#[test]
fn it_was_not_looked_yet_or_long_ago() {
    let left = |guide| {
        let text = small(&with(guide));
        text.split_once(" Left to do:\n").unwrap().1.to_owned()
    };
    insta::assert_snapshot!("not-yet", left(Known::Nothing));
    insta::assert_snapshot!("long-ago", left(Known::Stale));
    insta::assert_snapshot!("damaged", left(Known::read("{\"looked\":1", 0)));
}

/// A serial line gets a new page only for new text: what is the same but for the time is none.
#[test]
fn another_look_alone_is_no_news() {
    let Known::Told(mut guide) = fresh() else {
        unreachable!()
    };
    let before = line(&with(fresh()));
    guide.looked += 120;
    guide.outside += 120;
    assert_eq!(line(&with(Known::Told(guide))), before);
}
