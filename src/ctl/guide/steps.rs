//! The steps to the first mail, by what was found: nothing here touches the system.

mod records;

use super::flow::Flow;
use crate::{
    agent::page::guide::{State, Step},
    ctl::{
        check::finding::{self, Area, Finding},
        dns::check::Report,
    },
};

/// The step about outgoing port 25.
pub(super) const PORT25: &str = "Port 25";
/// The step about the certificate. The page looks for its name.
const CERTIFICATE: &str = "Certificate";
/// The steps about mail that has flowed.
pub(super) const WENT: &str = "Mail out";
pub(super) const CAME: &str = "Mail in";

/// What was found.
pub(super) struct Seen {
    /// The server's name.
    pub(super) hostname: String,
    /// An address here that everybody may write to.
    pub(super) postmaster: String,
    /// The records in the DNS, or why they could not be compared.
    pub(super) dns: Result<Report, String>,
    /// Whether the server's name has an IPv4 address, or why that is not known, where this machine has
    /// only private ones; none where it has others, or none at all.
    pub(super) translated: Option<Result<bool, String>>,
    /// Those of `mailctl check`: certificate, where it was looked port 25, and where public addresses
    /// are not this machine's own, what is said of them.
    pub(super) findings: Vec<Finding>,
    /// What is to become of a certificate of the server's own making.
    pub(super) authority: Authority,
    /// The mail that has flowed, or why that is not known.
    pub(super) mail: Result<Flow, String>,
}

/// Whether an authority is to give a certificate in place of one of the server's own making.
pub(super) enum Authority {
    /// None is asked, or there is no such certificate.
    NotAsked,
    /// One is asked as soon as the name leads here.
    Expected,
    /// It was asked in vain, and why.
    Refused(String),
    /// That could not be found out, and why.
    Unknown(String),
}

/// A step, as it was found.
pub(super) struct Found {
    /// The step.
    pub(super) step: Step,
    /// It waits for nothing but the resolver to forget an earlier record.
    pub(super) late: bool,
}

impl From<Step> for Found {
    fn from(step: Step) -> Self {
        Self { step, late: false }
    }
}

/// The steps, in the order in which they are best done: what takes others days comes first.
pub(super) fn steps(seen: &Seen) -> Vec<Found> {
    let records = records::steps(seen);
    let leads_here = records.address.step.state == State::Right;
    let mut steps = vec![records.address, records.reverse, port25(seen).into()];
    steps.extend(records.others);
    steps.push(certificate(seen, leads_here).into());
    steps.extend(mail(seen).map(Found::from));
    steps
}

fn step(name: &str, state: State, items: Vec<String>) -> Step {
    Step {
        name: name.to_owned(),
        state,
        items,
    }
}

/// The first line of a reason: the others have details.
fn first(reason: &str) -> &str {
    reason.lines().next().unwrap_or_default()
}

fn of(seen: &Seen, area: Area) -> impl Iterator<Item = &Finding> {
    seen.findings.iter().filter(move |f| f.area == area)
}

/// By IPv4, or a relay: where IPv6 alone is blocked, mail leaves nevertheless.
fn port25(seen: &Seen) -> Step {
    let mut errors = of(seen, Area::Port25).filter(|f| f.state == finding::State::Error);
    if let Some(error) = errors.next() {
        let item = format!(
            "Port 25: {} What to ask the provider for: 'mailctl check port25'.",
            first(&error.reason)
        );
        return step(PORT25, State::Wrong, vec![item]);
    }
    match of(seen, Area::Port25).next() {
        Some(found) if found.state != finding::State::Unknown => {
            step(PORT25, State::Right, Vec::new())
        }
        Some(found) => {
            let item = format!("Port 25 is not known: {}", first(&found.reason));
            step(PORT25, State::Unknown, vec![item])
        }
        // not looked this time
        None => step(PORT25, State::Unknown, Vec::new()),
    }
}

fn certificate(seen: &Seen, leads_here: bool) -> Step {
    let find = |state: finding::State| of(seen, Area::Certificate).find(|f| f.state == state);
    if let Some(error) = find(finding::State::Error) {
        let item = format!("Certificate: {}", first(&error.reason));
        return step(CERTIFICATE, State::Wrong, vec![item]);
    }
    let not_known = |why: &str| format!("Certificate is not known: {}", first(why));
    if let Some(unknown) = find(finding::State::Unknown) {
        return step(
            CERTIFICATE,
            State::Unknown,
            vec![not_known(&unknown.reason)],
        );
    }
    let (state, text) = match (&seen.authority, leads_here) {
        (Authority::NotAsked, _) => return step(CERTIFICATE, State::Right, Vec::new()),
        (Authority::Unknown(why), _) => (State::Unknown, not_known(why)),
        (_, false) => (
            State::Waits,
            "Certificate: an authority is asked for one when the address is right.".to_owned(),
        ),
        (Authority::Expected, true) => (
            State::Waits,
            "Certificate: the authority is asked within some minutes.".to_owned(),
        ),
        (Authority::Refused(why), true) => (
            State::Wrong,
            format!(
                "Certificate: the authority gave none: {}. See 'mailctl cert status'.",
                first(why).trim_end_matches('.')
            ),
        ),
    };
    step(CERTIFICATE, state, vec![text])
}

fn mail(seen: &Seen) -> [Step; 2] {
    let flow = match &seen.mail {
        Ok(flow) => flow,
        Err(why) => {
            let of = |name| {
                let item = format!("{name} is not known: {}", first(why));
                step(name, State::Unknown, vec![item])
            };
            return [of(WENT), of(CAME)];
        }
    };
    let of = |name, done: bool, text: String| match done {
        true => step(name, State::Right, Vec::new()),
        false => step(name, State::Missing, vec![text]),
    };
    [
        of(
            WENT,
            flow.went,
            "Mail out: none has left yet. 'mailctl test --to ADDRESS' sends one and tells what the \
             other server says."
                .to_owned(),
        ),
        of(
            CAME,
            flow.came,
            format!(
                "Mail in: none has come yet. Write to {} from elsewhere; where nothing comes though \
                 the DNS is right, the provider may block port 25.",
                seen.postmaster
            ),
        ),
    ]
}
