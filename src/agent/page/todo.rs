//! What is left for a person to do, by facts that are at hand.

use super::{facts::Facts, layout::Style};
use crate::agent::status::Status;

/// One thing to do.
pub(super) struct Item {
    pub(super) style: Style,
    pub(super) text: String,
}

/// All that is left on a server whose answers were applied as `status` says, the most important
/// first.
pub(super) fn left(facts: &Facts, status: &Status) -> Vec<Item> {
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
    items.push(plain(format!(
        "Publish the DNS records: mailctl dns show ({}).",
        facts.records.display()
    )));
    if facts.self_signed {
        let text = "The certificate is self-signed: mail programs ask whether to trust it.";
        items.push(plain(text.to_owned()));
    }
    items
}
