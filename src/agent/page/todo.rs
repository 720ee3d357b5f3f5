//! What is left for a person to do, by facts that are at hand.

use super::{
    facts::Facts,
    guide::{self, Known, State},
    layout::{Block, Style},
};
use crate::agent::{
    health::{Health, Service},
    status::Status,
};

/// However full the page is, so many lines are about the way to the first mail.
const LEAST: usize = 4;

/// The guide's step that is right, too, where no authority is asked for a certificate.
const CERTIFICATE: &str = "Certificate";

/// One thing to do.
struct Item {
    style: Style,
    text: String,
}

/// All that is left on a server whose answers were applied as `status` says, the most important first;
/// nothing, if there is nothing to say. What is on the way to the first mail is cut to get into `room`
/// lines.
pub(super) fn block(facts: &Facts, status: &Status, room: usize) -> Block {
    let mut block = Block::default();
    let items = left(facts, status);
    let open = facts.guide.open();
    let told = matches!(facts.guide, Known::Told(_));
    if open.is_some() {
        let title = " Left to do; 'mailctl guide' has more, and looks at once:";
        block.add(Style::Title, title);
    } else if !items.is_empty() {
        block.add(Style::Title, " Left to do:");
    } else if told && facts.services.iter().all(runs) {
        block.add(Style::Good, &format!(" {}", guide::text::DONE));
    }
    for item in items {
        block.add(item.style, &format!(" - {}", item.text));
    }
    if let Some(guide) = open {
        let mut right = Block::default();
        if let Some(text) = guide::text::right(guide, facts.self_signed.then_some(CERTIFICATE)) {
            right.add(Style::Good, &format!(" {text}"));
        }
        let room = room.saturating_sub(block.len() + right.len()).max(LEAST);
        block.append(guide::text::fit(guide, room)).append(right);
    }
    block
}

fn runs(service: &Service) -> bool {
    service.state.health() == Health::Runs
}

/// All but the way to the first mail.
fn left(facts: &Facts, status: &Status) -> Vec<Item> {
    let plain = |text: String| Item {
        style: Style::Plain,
        text,
    };
    let mut items = Vec::new();
    if status.state.is_none() {
        items.push(Item {
            style: Style::Loud,
            text: "THIS SERVER RUNS FROM MEMORY: MAIL, KEYS AND SETTINGS ARE GONE AFTER A REBOOT. \
                   Name a disk for them in the answers: [state] device."
                .to_owned(),
        });
    }
    items.extend(facts.notices.iter().map(|text| Item {
        style: Style::Bad,
        text: text.clone(),
    }));
    if !facts.ssh.keys {
        let text = "Name an SSH key in the answers: nobody can log in from outside.";
        items.push(plain(text.to_owned()));
    }
    if let Some(text) = untold(&facts.guide) {
        items.push(plain(format!(
            "Publish the DNS records: mailctl dns show ({}).",
            facts.records.display()
        )));
        items.push(plain(text));
    }
    // the guide knows whether an authority is asked for another
    let told = facts.guide.open().and_then(|g| g.state_of(CERTIFICATE));
    if facts.self_signed && told.is_none_or(|state| state == State::Right) {
        let text = "The certificate is self-signed: mail programs ask whether to trust it.";
        items.push(plain(text.to_owned()));
    }
    items
}

/// Why it is not known how far it is to the first mail; none if it is.
fn untold(guide: &Known) -> Option<String> {
    match guide {
        Known::Told(_) => None,
        Known::Nothing => {
            Some("Whether they are there, and port 25 open, is being checked.".into())
        }
        Known::Stale => Some(
            "Whether they are there was checked hours ago: see 'journalctl -u ezmail-guide'."
                .to_owned(),
        ),
        Known::Damaged(why) => Some(format!(
            "Whether they are there is being checked again: {} is damaged ({why}).",
            guide::FILE
        )),
    }
}
