//! Keeps a terminal up to date.

use std::{path::Path, process::Command, time::Duration};

use anyhow::Result;

use super::{
    Enter, State,
    facts::Facts,
    layout::Page,
    terminal::{Kind, Terminal},
    text,
};
use crate::{
    agent::status,
    util::{keyboard::Woken, run::Task},
    wizard::server::was_opened,
};

/// How long a page may be old: what starts is looked at more often, and a server that runs seldom, since
/// each look starts some programs, and nobody is at most consoles. Enter looks at once.
const READY: Duration = Duration::from_secs(30);
const CALM: Duration = Duration::from_secs(10);
const STARTING: Duration = Duration::from_secs(5);

/// What was shown last.
#[derive(Debug, Default)]
struct Shown {
    text: String,
    state: Option<State>,
}

/// Shows the page and draws it again when it changes or Enter is pressed, until the terminal is
/// closed. A serial line has a line of its own for each new state (see [`State::mark`]).
///
/// # Errors
/// When there is no terminal, or it fails. That the facts are not to be had is shown on the page.
pub fn run() -> Result<()> {
    let terminal = Terminal::open()?;
    let mut shown = Shown::default();
    let mut again = false;
    loop {
        let (page, enter) = match Facts::gather() {
            Ok(facts) => (text::page(&facts, true), text::enter(&facts)),
            Err(error) => (text::trouble(&error), Enter::Draw),
        };
        show(&terminal, &page, &mut shown, again)?;
        // the form comes by itself, once; a window has no unit that would give it back
        let is_window = terminal.name.contains('/');
        let form = page.state == State::Waiting && !is_window && !was_opened(&terminal.name);
        let pressed = match form {
            true => true,
            false => match wait(&terminal, page.state)? {
                Woken::End => return Ok(()),
                woken => woken != Woken::Time,
            },
        };
        let unit = match enter {
            Enter::Login if pressed => "login",
            Enter::Form if pressed && !is_window => "wizard",
            _ => {
                again = pressed;
                continue;
            }
        };
        hand_over(&terminal, unit)?;
        // until the other takes the terminal over
        if terminal.keys.wait(CALM)? == Woken::End {
            return Ok(());
        }
        again = true;
    }
}

/// Waits until the page may be another. The agent writes its status last: until that is there, it
/// is looked for every second, which costs next to nothing while the machine has much to do.
fn wait(terminal: &Terminal, state: State) -> Result<Woken> {
    let status = Path::new(status::FILE);
    match state {
        State::Starting if !status.exists() => {
            for _ in 0..CALM.as_secs() {
                let woken = terminal.keys.wait(Duration::from_secs(1))?;
                if woken != Woken::Time || status.exists() {
                    return Ok(woken);
                }
            }
            Ok(Woken::Time)
        }
        State::Starting | State::Unknown => terminal.keys.wait(STARTING),
        State::Ready => terminal.keys.wait(READY),
        _ => terminal.keys.wait(CALM),
    }
}

fn show(terminal: &Terminal, page: &Page, shown: &mut Shown, again: bool) -> Result<()> {
    let text = page.text(terminal.rows()?, terminal.kind == Kind::Screen);
    if again || shown.lacks(terminal.kind, page.state, &text) {
        terminal.draw(&text)?;
        shown.text = text;
    }
    if shown.state != Some(page.state) && terminal.kind == Kind::Line {
        terminal.write(&format!("{}\n", page.state.mark()))?;
    }
    shown.state = Some(page.state);
    Ok(())
}

impl Shown {
    /// Whether a terminal of this kind has to show `text`: it is new, and not just one more step
    /// of the start for a line that keeps all of them.
    fn lacks(&self, kind: Kind, state: State, text: &str) -> bool {
        let starts = kind == Kind::Line && state == State::Starting;
        text != self.text && !(starts && self.state == Some(state))
    }
}

/// Hands the terminal over to the login or to the form: their unit ends ours, which is too confined
/// for what they do, and starts it again in the end.
fn hand_over(terminal: &Terminal, to: &str) -> Result<()> {
    let mut command = Command::new("systemctl");
    let unit = format!("ezmail-{to}@{}.service", terminal.name);
    command.args(["start", "--no-block", &unit]);
    Task::new(format!("starting the {to}"), command).run()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_news_are_shown_and_a_start_once_on_a_line() {
        let shown = |state| Shown {
            text: "old".to_owned(),
            state: Some(state),
        };
        let starting = shown(State::Starting);
        assert!(Shown::default().lacks(Kind::Line, State::Starting, "new"));
        assert!(!starting.lacks(Kind::Line, State::Starting, "new"));
        assert!(starting.lacks(Kind::Screen, State::Starting, "new"));
        assert!(starting.lacks(Kind::Line, State::Ready, "new"));
        let ready = shown(State::Ready);
        assert!(ready.lacks(Kind::Line, State::Ready, "new"));
        assert!(!ready.lacks(Kind::Line, State::Ready, "old"));
        assert!(!ready.lacks(Kind::Screen, State::Ready, "old"));
    }
}
