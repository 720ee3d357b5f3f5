//! Stories as a person reads them.

use super::story::{Client, Event, Happened, Story};
use crate::{ctl::words, util::size::size};

/// How many symbols of a judgement are named.
const SYMBOLS: usize = 6;

/// One line for a message: when it began, its number, from, to, and how it stands.
pub fn line(story: &Story) -> String {
    let time = story.events.first().map_or(0, |e| e.time);
    let to = match story.to.as_slice() {
        [] => "?".to_owned(),
        [one] => one.clone(),
        [one, more @ ..] => format!("{one} and {} more", more.len()),
    };
    format!(
        "{}  {:<16}  {} -> {to}: {}\n",
        words::time(time),
        story.id,
        sender(story),
        last(story).map_or_else(|| "in the queue".to_owned(), |e| brief(&e.what))
    )
}

/// An event in few words, where from and to stand beside it.
fn brief(what: &Happened) -> String {
    match what {
        Happened::Refused { command, reply, .. } => {
            format!("refused {}: {reply}", step(command))
        }
        Happened::Stored { folder, .. } => format!("stored in {folder}"),
        Happened::Done { words, .. } => words.clone(),
        Happened::Delivered {
            relay: Some(_),
            answer,
            ..
        } => format!("delivered: {answer}"),
        Happened::Delivered { .. } => "handed to dovecot".to_owned(),
        Happened::Waits { answer, .. } => format!("waits: {answer}"),
        Happened::Bounced { answer, .. } => format!("undeliverable: {answer}"),
        Happened::Accepted { .. } => "in the queue".to_owned(),
        other => happened(other),
    }
}

/// What was refused: a command, or all of the message.
fn step(command: &str) -> &str {
    match command {
        "" | "." | "DATA" => "the message",
        command => command,
    }
}

/// All that is known about a message, an event a line.
pub fn story(story: &Story) -> String {
    let mut text = format!(
        "{} from {} to {}\n",
        story.id,
        sender(story),
        list(&story.to)
    );
    if let Some(id) = &story.message_id {
        text += &format!("  Message-ID <{id}>\n");
    }
    for event in &story.events {
        text += &format!("  {}\n", self::event(event));
    }
    text
}

/// An event with its time.
pub fn event(event: &Event) -> String {
    format!("{}  {}", words::time(event.time), happened(&event.what))
}

fn sender(story: &Story) -> &str {
    match story.from.as_deref() {
        Some("") => "<>",
        Some(from) => from,
        None => "?",
    }
}

fn list(addresses: &[String]) -> String {
    match addresses.is_empty() {
        true => "?".to_owned(),
        false => addresses.join(", "),
    }
}

/// How a message stands, in words.
pub fn outcome(story: &Story) -> String {
    last(story).map_or_else(|| "in the queue".to_owned(), |e| happened(&e.what))
}

/// What tells how a message stands: bad news first.
fn last(story: &Story) -> Option<&Event> {
    let newest = |pick: fn(&Happened) -> bool| story.events.iter().rev().find(|e| pick(&e.what));
    if let Some(bounced) = newest(|h| matches!(h, Happened::Bounced { .. })) {
        return Some(bounced);
    }
    let delivered_later = |event: &Event, who: &str| {
        let mut later = story.events.iter().filter(|d| d.time > event.time);
        later.any(|d| matches!(&d.what, Happened::Delivered { to, .. } if to == who))
    };
    let waits = story.events.iter().rev().find(|e| match &e.what {
        Happened::Waits { to, .. } => !delivered_later(e, to),
        _ => false,
    });
    waits
        .or_else(|| newest(|h| matches!(h, Happened::Stored { .. } | Happened::Done { .. })))
        .or_else(|| newest(|h| matches!(h, Happened::Delivered { .. })))
        .or(story.events.last())
}

/// An event in words.
pub fn happened(what: &Happened) -> String {
    match what {
        Happened::Judged(v) => {
            let names = v.symbols.iter().take(SYMBOLS);
            let names: Vec<_> = names.map(|s| format!("{} {:+}", s.name, s.score)).collect();
            let action = match v.action.as_str() {
                "no action" => "good",
                "add header" | "rewrite subject" => "spam, for Junk",
                "reject" => "spam, refused",
                "greylist" | "soft reject" => "unknown, to come again later",
                other => other,
            };
            let more = match names.is_empty() {
                true => String::new(),
                false => format!(": {}", names.join(", ")),
            };
            let signed = match v.signed.as_slice() {
                [] => String::new(),
                selectors => format!("; signed with {}", selectors.join(" and ")),
            };
            format!(
                "judged {action}, {} of {} points{more}{signed}",
                v.score, v.limit
            )
        }
        Happened::Unjudged { reason } => {
            format!("could not be judged ({reason}): the sender is to come again")
        }
        Happened::Accepted {
            client,
            size: bytes,
        } => {
            format!("accepted {}, from {}", size(*bytes), who(client))
        }
        Happened::Refused {
            client,
            command,
            reply,
        } => {
            format!(
                "refused {} with '{reply}', from {}",
                step(command),
                who(client)
            )
        }
        Happened::Stored { user, folder } => format!("stored in {folder} of {user}"),
        Happened::Done { user, words } => format!("dovecot, for {user}: {words}"),
        Happened::Delivered {
            to,
            relay: Some(relay),
            tls,
            answer,
        } => {
            let over = match tls {
                Some(tls) => short(tls),
                None => "plain text",
            };
            format!("delivered to {to} at {relay} over {over}: {answer}")
        }
        Happened::Delivered { to, .. } => format!("handed to dovecot for {to}"),
        Happened::Waits { to, relay, answer } => {
            format!("waits for {to}{}: {answer}", said_by(relay.as_deref()))
        }
        Happened::Bounced { to, relay, answer } => format!(
            "undeliverable to {to}{}, the sender is told: {answer}",
            said_by(relay.as_deref())
        ),
    }
}

fn said_by(relay: Option<&str>) -> String {
    match relay {
        Some("-" | "") => String::new(),
        Some(relay) => format!(", {relay} said"),
        None => ", dovecot said".to_owned(),
    }
}

fn who(client: &Client) -> String {
    let mut text = match (client.address.as_str(), client.host.as_str()) {
        ("", _) => return "somebody".to_owned(),
        ("local", _) => return "this server itself".to_owned(),
        (address, "" | "<unknown>") => address.to_owned(),
        (address, host) => format!("{host} [{}]", address.trim_matches(['[', ']'])),
    };
    match &client.tls {
        Some(tls) => text += &format!(" over {}", short(tls)),
        None => text += " in plain text",
    }
    if let Some(user) = &client.user {
        text += &format!(", logged in as {user}");
    }
    text
}

/// The version alone: `TLSv1.3`.
fn short(tls: &str) -> &str {
    tls.split(':').next().unwrap_or(tls)
}
