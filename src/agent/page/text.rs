//! The page, from facts: nothing here touches the system.

use super::{
    Enter, State,
    facts::{Agent, Facts},
    layout::{Block, Page, Style, WIDTH},
    todo,
};
use crate::agent::{
    discover::wizard,
    health::{Health, Service},
    status::{Outcome, Status},
};

/// The least rows of a screen. What is shown in full only as far as it fits goes by them, so that all
/// terminals have the same page.
const ROWS: usize = 24;

/// The page for `facts`. `console`: for a terminal where nobody has logged in; its last lines say
/// how to.
pub fn page(facts: &Facts, console: bool) -> Page {
    let state = state(facts);
    let head = head(facts, state);
    let (foot, room) = match console {
        true => {
            let foot = foot(facts, state);
            // the last row stays free
            let room = ROWS.saturating_sub(head.len() + foot.len() + 1);
            (foot, room)
        }
        false => (Block::default(), usize::MAX),
    };
    Page {
        state,
        head,
        body: body(facts, state, room),
        foot,
    }
}

/// The page when the facts are not to be had, because of `error`.
pub fn trouble(error: &anyhow::Error) -> Page {
    let mut page = Page {
        state: State::Unknown,
        head: Block::default(),
        body: Block::default(),
        foot: Block::default(),
    };
    page.head
        .add(Style::Bad, " How this server is could not be found out:");
    quote(&format!("{error:#}"), &mut page.body);
    page.foot.add(
        Style::Plain,
        " It is tried again. Press Enter to try at once.",
    );
    page
}

/// What Enter does on a page for `facts`.
pub fn enter(facts: &Facts) -> Enter {
    let from_form = match &facts.agent {
        Agent::Told(status) => status.source.as_deref() == Some(wizard::NAME),
        _ => false,
    };
    match state(facts) {
        State::Waiting => Enter::Form,
        State::Refused if from_form => Enter::Form,
        _ if facts.console_password => Enter::Login,
        _ => Enter::Draw,
    }
}

fn state(facts: &Facts) -> State {
    let status = match &facts.agent {
        Agent::Works => return State::Starting,
        Agent::Silent | Agent::Unreadable(_) => return State::Refused,
        Agent::Told(status) => status,
    };
    match status.outcome {
        Outcome::Waiting => State::Waiting,
        Outcome::Failed => State::Refused,
        Outcome::Installed => State::Starting,
        Outcome::Ready => of_services(facts),
    }
}

fn of_services(facts: &Facts) -> State {
    let any = |wanted: &[Health]| {
        let mut states = facts.services.iter().map(|s| s.state.health());
        states.any(|health| wanted.contains(&health))
    };
    if any(&[Health::Failed, Health::Stopped, Health::Held]) {
        State::Broken
    } else if any(&[Health::Starts]) || !facts.closed.is_empty() {
        State::Starting
    } else {
        State::Ready
    }
}

fn head(facts: &Facts, state: State) -> Block {
    let mut head = Block::default();
    let (left, right) = (facts.release.to_string(), &facts.hostname);
    // a space at each end, and one between them
    let gap = (WIDTH - 2).saturating_sub(left.len() + right.len()).max(1);
    let title = format!(" {left}{}{right}", " ".repeat(gap));
    head.add(Style::Title, &title);
    head.add(Style::Plain, &format!(" {}", "-".repeat(WIDTH - 2)));
    if facts.release.is_standin() {
        let text = "The stand-in base is for trying and testing, not for a server on the Internet.";
        head.add(Style::Loud, &format!(" {text}"));
    }
    let (style, text) = match (state, &facts.agent) {
        (State::Starting, Agent::Works) if !facts.installing.is_empty() => {
            (Style::Loud, "Installing to disk: leave the machine on.")
        }
        (State::Starting, Agent::Works) => (
            Style::Title,
            "Starting: the answers are looked for and applied.",
        ),
        (State::Starting, Agent::Told(status)) if status.outcome == Outcome::Installed => (
            Style::Title,
            "Installed. The machine restarts from its disk.",
        ),
        (State::Starting, _) => (Style::Title, "Starting: the mail services come up."),
        (State::Waiting, _) => (Style::Loud, "Waiting for answers."),
        (State::Refused, Agent::Told(_)) => {
            (Style::Bad, "The answers were not applied. The agent said:")
        }
        (State::Refused | State::Unknown, _) => (Style::Bad, "It is not known what the agent did."),
        (State::Broken, _) => (Style::Bad, "Not every service of the mail server runs."),
        (State::Ready, _) => (Style::Good, "The mail server is ready."),
    };
    head.add(style, &format!(" {text}"));
    head
}

/// The middle. `room` says how many lines it had better have at most.
fn body(facts: &Facts, state: State, room: usize) -> Block {
    let mut body = Block::default();
    match &facts.agent {
        Agent::Works if !facts.installing.is_empty() => quote(&facts.installing, &mut body),
        Agent::Works => addresses(facts, &mut body),
        Agent::Silent => {
            let text = "It left no status: see 'journalctl -u ezmail-agent'.";
            body.add(Style::Plain, &format!(" {text}"));
        }
        Agent::Unreadable(error) => {
            quote(error, &mut body);
        }
        Agent::Told(status) => {
            if let Some(message) = &status.message {
                body.gap();
                quote(message, &mut body);
                body.gap();
            }
            told(facts, state, status, room, &mut body);
        }
    }
    body
}

/// Somebody else's words, in line with ours.
fn quote(text: &str, body: &mut Block) {
    for line in text.lines() {
        body.add(Style::Plain, &format!(" {line}"));
    }
}

fn told(facts: &Facts, state: State, status: &Status, room: usize, body: &mut Block) {
    addresses(facts, body);
    if let Some(source) = &status.source {
        body.add(Style::Plain, &format!(" Answers    {source}"));
    }
    // what goes on running although new answers were refused is worth a look, too
    let runs = |s: &Service| s.state.health() == Health::Runs;
    let applied = matches!(state, State::Starting | State::Broken | State::Ready);
    if state == State::Ready && facts.guide.open().is_some() {
        // the way to the first mail needs the room
        let names: Vec<&str> = facts.services.iter().map(short).collect();
        body.add(
            Style::Plain,
            &format!(" Services   {} run", names.join(", ")),
        );
    } else if applied || facts.services.iter().any(runs) {
        body.gap();
        services(facts, body);
        if status.outcome == Outcome::Ready && !facts.closed.is_empty() {
            let ports: Vec<String> = facts.closed.iter().map(u16::to_string).collect();
            let text = format!(" Not yet open: TCP port {}", ports.join(", "));
            body.add(Style::Plain, &text);
        }
    }
    if applied {
        let todo = todo::block(facts, status, room.saturating_sub(body.len() + 1));
        if !todo.is_empty() {
            body.gap().append(todo);
        }
    }
}

/// The name of a service: an instance's number says nothing to a person.
fn short(service: &Service) -> &str {
    service.name().split('@').next().unwrap_or_default()
}

fn addresses(facts: &Facts, body: &mut Block) {
    let list: Vec<String> = facts.addresses.iter().map(ToString::to_string).collect();
    let list = match list.is_empty() {
        true => "none yet".to_owned(),
        false => list.join(", "),
    };
    body.add(Style::Plain, &format!(" Addresses  {list}"));
}

fn services(facts: &Facts, body: &mut Block) {
    let mut logs = String::new();
    for service in &facts.services {
        let health = service.state.health();
        let name = short(service);
        let line = format!(" {name:<9}  {:<9}  {}", health.word(), service.purpose);
        match health {
            Health::Runs | Health::Starts => {
                body.add(Style::Plain, &line);
            }
            Health::Held => {
                body.add(Style::Bad, &format!("{line}, held by the administrator"));
                let without = format!("            - {}", service.without);
                body.add(Style::Plain, &without);
            }
            Health::Failed | Health::Stopped => {
                body.add(Style::Bad, &line);
                let without = format!("            - {}", service.without);
                body.add(Style::Plain, &without);
                logs += &format!(" -u {}", service.name());
            }
        }
    }
    if !logs.is_empty() {
        body.add(Style::Plain, &format!(" See why:   journalctl{logs}"));
    }
}

fn foot(facts: &Facts, state: State) -> Block {
    let mut foot = Block::default();
    foot.gap();
    if facts.ssh.runs && facts.ssh.keys {
        let at = match facts.addresses.first() {
            Some(address) => address.to_string(),
            None => facts.hostname.clone(),
        };
        let text = format!(" Log in by SSH: ssh root@{at}, and look around with 'mailctl --help'");
        foot.add(Style::Plain, &text);
        if let Some(fingerprint) = &facts.ssh.fingerprint {
            foot.add(Style::Plain, &format!(" Its host key: {fingerprint}"));
        }
    }
    let enter = match (enter(facts), state) {
        (Enter::Form, State::Waiting) => " Press Enter to set this server up here.",
        (Enter::Form, _) => " Press Enter to fill in the form again.",
        (Enter::Login, _) => " Press Enter to log in here.",
        (Enter::Draw, _) => " There is no password for this console. Enter draws this page again.",
    };
    foot.add(Style::Plain, enter);
    foot
}

#[cfg(test)]
mod tests;
