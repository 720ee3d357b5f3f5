//! The page that the consoles show without a login: what this server is, how it is, what is left
//! to do.
//!
//! [`facts`] are gathered from the system, [`text`] makes the page from them and touches nothing,
//! [`layout`] fits it to a terminal, [`follow`] keeps a terminal up to date. [`guide`] is the way to
//! the first mail.

pub mod address;
pub mod facts;
pub mod follow;
pub mod guide;
pub mod layout;
pub mod terminal;
pub mod text;
mod todo;

use anyhow::Result;
use rustix::{stdio::stdout, termios::isatty};

use facts::Facts;

/// Where `mailctl daily` leaves what the page is to tell, a line each: gone with the boot.
pub const NOTICES: &str = "/run/ezmail/notices.txt";

/// Prints the page once, or with `follow` keeps the terminal up to date until it is closed.
///
/// # Errors
/// When the facts cannot be gathered, or there is no terminal to follow on.
pub fn run(follow: bool) -> Result<()> {
    if follow {
        return follow::run();
    }
    let colour = isatty(stdout()) && std::env::var_os("NO_COLOR").is_none();
    let page = text::page(&Facts::gather()?, false);
    super::console::show(page.text(None, colour).trim_end());
    Ok(())
}

/// What Enter does on a console that nobody has logged in to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enter {
    /// It draws the page again.
    Draw,
    /// It starts a login.
    Login,
    /// It opens the form that sets the server up.
    Form,
}

/// What a page is about in one word, for its title and for whoever watches the serial line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The agent works, or the mail services start.
    Starting,
    /// There are no answers.
    Waiting,
    /// The agent could not apply the answers.
    Refused,
    /// A mail service does not run.
    Broken,
    /// All is well.
    Ready,
    /// The page itself cannot be made.
    Unknown,
}

impl State {
    /// The line that a serial console shows when this state is reached. Scripts wait for it: it
    /// stays as it is.
    pub fn mark(self) -> &'static str {
        match self {
            Self::Starting => "ezmail: starting",
            Self::Waiting => "ezmail: waiting for answers",
            Self::Refused => "ezmail: the answers were not applied",
            Self::Broken => "ezmail: a mail service does not run",
            Self::Ready => "ezmail: mail is ready",
            Self::Unknown => "ezmail: the state is not known",
        }
    }
}
