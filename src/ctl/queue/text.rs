//! The queue as a person reads it.

use std::fmt::Write;

use super::envelope::{Envelope, State};
use crate::ctl::{output::table, words};

/// The whole queue, oldest first.
pub fn list(envelopes: &[Envelope], now: i64) -> String {
    if envelopes.is_empty() {
        return "The queue is empty: no mail waits here.\n".to_owned();
    }
    let row = |e: &Envelope| {
        [
            e.id.clone(),
            words::duration(now - e.created),
            sender(e).to_owned(),
            e.destination.clone(),
            why(e),
        ]
    };
    let rows: Vec<_> = envelopes.iter().map(row).collect();
    table(["ID", "AGE", "FROM", "TO", "WHY IT WAITS"], &rows)
}

/// One message: its envelopes and its header.
pub fn show(envelopes: &[Envelope], message: &str, now: i64) -> String {
    let mut text = String::new();
    for e in envelopes {
        let to = match e.recipient == e.destination {
            true => e.destination.clone(),
            false => format!("{} (sent to {})", e.destination, e.recipient),
        };
        let ago = |time: i64| format!("{} ago", words::duration(now - time));
        let tried = match e.last_try {
            Some(time) => format!("last {}", ago(time)),
            None => "not yet".to_owned(),
        };
        let gives_up = match e.expires - now {
            left if left > 0 => format!("in {}", words::duration(left)),
            _ => "at the next attempt".to_owned(),
        };
        for (name, value) in [
            ("envelope", e.id.clone()),
            ("from", sender(e).to_owned()),
            ("to", to),
            ("came", ago(e.created)),
            ("tried", tried),
            ("gives up", gives_up),
            ("waits", why(e)),
        ] {
            // writing to a string cannot fail
            let _ = writeln!(text, "{name:<9} {value}");
        }
        text.push('\n');
    }
    text + message.trim_end() + "\n"
}

/// The header of a message, up to its empty line.
pub fn header(message: &str) -> String {
    let lines = message.lines().take_while(|line| !line.is_empty());
    lines.map(|line| format!("{line}\n")).collect()
}

fn sender(envelope: &Envelope) -> &str {
    match envelope.sender.as_str() {
        "" => "<> (a bounce)",
        sender => sender,
    }
}

/// Why an envelope is still here, in words.
pub fn why(envelope: &Envelope) -> String {
    let has = |flag: &str| envelope.flags.iter().any(|f| f == flag);
    if has("suspend") {
        return "held by hand: smtpctl resume envelope".to_owned();
    }
    let reason = match envelope.error.as_str() {
        "" => None,
        error => Some(error),
    };
    match envelope.state {
        State::Offline => "smtpd does not run: mailctl service list".to_owned(),
        State::Invalid => "smtpd has taken it off its schedule".to_owned(),
        State::Inflight { since } => {
            format!("being delivered, for {}", words::duration(since))
        }
        State::Pending { .. } if has("hold") => "others for the same server go first".to_owned(),
        State::Pending { next_try_in } => {
            let next = match next_try_in {
                ..=0 => "due now".to_owned(),
                seconds => format!("next try in {}", words::duration(seconds)),
            };
            match reason {
                Some(reason) => format!("{next}: {reason}"),
                None => next,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::envelope::parse, *};
    use crate::ctl::queue::envelope::tests::WAITING;

    #[test]
    fn the_list_says_why() {
        let line = "c0ffee0212345678|inet6|mda||@|info@example.org|bob@example.net|1699999990|\
                    1700432000|0|0|inflight|12|\n";
        let envelopes = parse(&format!("{line}{WAITING}\n")).unwrap();
        insta::assert_snapshot!(list(&envelopes, 1_700_007_200), @r"
        ID                AGE  FROM               TO                WHY IT WAITS
        c0ffee0212345678  2h   <> (a bounce)      bob@example.net   being delivered, for 12s
        c0ffee0112345678  2h   alice@example.org  peer@example.com  next try in 6m: 451 4.3.0 later
        ");
        insta::assert_snapshot!(list(&[], 0), @"The queue is empty: no mail waits here.");
    }

    #[test]
    fn one_message_is_shown_with_its_header() {
        let envelopes = parse(WAITING).unwrap();
        let message = "Received: from x\n\tby y\nSubject: z\n\nsecret\n";
        insta::assert_snapshot!(show(&envelopes, &header(message), 1_700_000_160), @r"
        envelope  c0ffee0112345678
        from      alice@example.org
        to        peer@example.com
        came      2m ago
        tried     last 1m ago
        gives up  in 4d
        waits     next try in 6m: 451 4.3.0 later

        Received: from x
        	by y
        Subject: z
        ");
    }
}
