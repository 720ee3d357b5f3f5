//! The form on a terminal, until it is left.

use std::{
    io,
    sync::mpsc::{self, Receiver, Sender},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use ratatui::{Terminal, TerminalOptions, Viewport, backend::CrosstermBackend, layout::Rect};
use zeroize::Zeroizing;

use super::{
    disks::Target,
    draw,
    form::{Dialog, Effect, Form},
    keys::{Key, Keys},
    look,
    terminal::Screen,
    text::{Credentials, DkimKey},
};
use crate::{
    mail::{
        crypt,
        dkim::{self, Algorithm},
        password,
    },
    util::{keyboard::Woken, secret::Secret},
};

/// How often is looked what else has happened.
const TICK: Duration = Duration::from_millis(250);
/// How long the rest of a key's bytes is waited for: a serial line has 100 of them a tenth of a
/// second at its slowest.
const REST: Duration = Duration::from_millis(150);
/// How long more of a paste is waited for: whoever gives the bytes on may be busy.
const PASTE: Duration = Duration::from_secs(1);
/// How often the world is asked whether the form is still of use.
const LOOK: Duration = Duration::from_secs(1);
/// How long the reason stays on the screen of a form that ends by itself.
const FAREWELL: Duration = Duration::from_secs(5);

/// What the form is connected to.
pub trait World {
    /// Why the form is of no use any more, if it is not.
    ///
    /// # Errors
    /// When that cannot be found out.
    fn over(&mut self) -> Result<Option<String>>;

    /// Takes the answers.
    ///
    /// # Errors
    /// When that fails; the form is then shown again, with the reason.
    fn apply(&mut self, answers: &Secret) -> Result<()>;
}

/// How the form ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Somebody left it.
    Left,
    /// The answers were taken.
    Applied,
    /// It was of no use any more.
    Over,
    /// The terminal was closed, or a signal came.
    Closed,
}

/// What threads have made.
enum Made {
    Disks(Result<Vec<Target>>),
    Keys(Result<Vec<DkimKey>>),
    Hashes(u64, Result<Credentials>),
}

/// Shows the form on the terminal of this process until it ends.
///
/// # Errors
/// When there is no terminal, or it fails.
pub fn run(form: &mut Form, world: &mut dyn World) -> Result<End> {
    let screen = Screen::open()?;
    let mut size = screen.size()?;
    let mut terminal = blank(&screen, size)?;
    let (sender, made) = mpsc::channel();
    let mut keys = Keys::default();
    let mut looked = Instant::now();
    let mut since: Option<Instant> = None;
    // a serial line is often recorded: nothing is written to it while nothing happens
    let mut news = true;
    loop {
        news |= take(form, &made);
        let now = screen.size()?;
        if now != size {
            size = now;
            terminal = blank(&screen, size)?;
            news = true;
        }
        if news {
            terminal
                .draw(|frame| draw::draw(frame, form))
                .context("drawing the form")?;
        }
        let patience = match (keys.is_pasting(), keys.waits()) {
            (true, _) => PASTE,
            (false, true) => REST,
            (false, false) => TICK,
        };
        let pressed: Vec<Key> = match screen.keys.wait(patience)? {
            Woken::End => return Ok(End::Closed),
            Woken::Time => keys.end().into_iter().collect(),
            Woken::Keys(bytes) => keys.feed(&bytes),
        };
        news = !pressed.is_empty();
        for key in pressed {
            for effect in form.press(key) {
                match effect {
                    Effect::Redraw => terminal = blank(&screen, size)?,
                    Effect::Leave if since.is_some() => return Ok(End::Over),
                    Effect::Leave => return Ok(End::Left),
                    Effect::ListDisks => start(&sender, || Made::Disks(look::here())),
                    Effect::MakeKeys => start(&sender, || Made::Keys(make_keys())),
                    Effect::Hash(number) => {
                        let password = Secret::new(form.values.password.text());
                        let console = form.values.console;
                        start(&sender, move || {
                            Made::Hashes(number, hash(&password, console))
                        });
                    }
                    Effect::Apply if apply(form, world) => return Ok(End::Applied),
                    // refused: the form says why
                    Effect::Apply => {}
                }
            }
        }
        if since.is_none() && looked.elapsed() >= LOOK {
            looked = Instant::now();
            if let Some(why) = world.over()? {
                form.ask(Dialog::Over(why));
                since = Some(looked);
                news = true;
            }
        }
        if since.is_some_and(|since| since.elapsed() >= FAREWELL) {
            return Ok(End::Over);
        }
    }
}

/// The screen with nothing on it, and nothing known to be. Ratatui's own ways to clear it ask the
/// terminal where its cursor is, and would take keys for the answer.
fn blank(
    screen: &Screen,
    (width, height): (u16, u16),
) -> Result<Terminal<CrosstermBackend<io::Stdout>>> {
    screen.clear()?;
    let options = TerminalOptions {
        viewport: Viewport::Fixed(Rect::new(0, 0, width, height)),
    };
    Terminal::with_options(CrosstermBackend::new(io::stdout()), options)
        .context("setting up the screen")
}

/// Whether the answers were taken; if not, the form says why.
fn apply(form: &mut Form, world: &mut dyn World) -> bool {
    let Some(ready) = &form.ready else {
        return false;
    };
    match world.apply(&ready.answers) {
        Ok(()) => true,
        Err(error) => {
            form.ask(Dialog::Trouble(format!("{error:#}")));
            false
        }
    }
}

fn start(sender: &Sender<Made>, work: impl FnOnce() -> Made + Send + 'static) {
    let sender = sender.clone();
    thread::spawn(move || {
        // a form that has ended waits for nothing
        let _ = sender.send(work());
    });
}

/// Gives the form what was made, if something was.
fn take(form: &mut Form, made: &Receiver<Made>) -> bool {
    let mut news = false;
    while let Ok(made) = made.try_recv() {
        let taken = match made {
            Made::Disks(targets) => form.listed(targets),
            Made::Keys(keys) => form.keys_made(keys),
            Made::Hashes(number, hashes) => form.hashed(number, hashes),
        };
        if let Err(error) = taken {
            form.ask(Dialog::Trouble(format!("{error:#}")));
        }
        news = true;
    }
    news
}

/// A key of each algorithm, as the server would make them.
fn make_keys() -> Result<Vec<DkimKey>> {
    let make = |algorithm: Algorithm| {
        Ok(DkimKey {
            selector: algorithm.selector().to_owned(),
            pem: dkim::generate(algorithm)?,
        })
    };
    Algorithm::ALL.into_iter().map(make).collect()
}

fn hash(password: &Secret, console: bool) -> Result<Credentials> {
    let console = console
        .then(|| crypt::hash(password.expose()))
        .transpose()?;
    let mailbox = Zeroizing::new(password::hash(password.expose())?);
    Ok(Credentials::Hashed {
        mailbox: Secret::new(mailbox.as_str()),
        console: console.map(Secret::new),
    })
}
