//! The form: what is shown and what a key does to it. Nothing here touches a terminal, a file or
//! the clock.

mod made;
mod page;
mod press;
mod review;

use std::collections::BTreeMap;

pub use page::{Button, Page, Stop};
pub use review::{Review, Tab};

use super::{
    check::{self, Note},
    ready::Ready,
    text::{Credentials, DkimKey},
    values::{Field, Values},
};
use crate::{
    answers::{Answers, Level},
    util::secret::Secret,
};

/// Where the form is filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// On the machine that becomes the server.
    Server,
    /// Elsewhere: the answers are written to this file.
    Host(String),
}

/// A question in front of the form, or something that went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dialog {
    /// Whether to leave.
    Leave,
    /// Whether to write what was answered: the last question.
    LastYes,
    /// What went wrong.
    Trouble(String),
    /// The end, and why.
    Over(String),
}

/// What a key asks the world for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Make DKIM keys, and give them to [`Form::keys_made`].
    MakeKeys,
    /// Look what disks there are, and give what can be chosen to [`Form::listed`].
    ListDisks,
    /// Hash the password, and give the hashes to [`Form::hashed`] with this number.
    Hash(u64),
    /// Write the answers: [`Form::ready`] has them.
    Apply,
    /// The form is left; nothing is written.
    Leave,
    /// Draw the whole screen again.
    Redraw,
}

/// The state of the form.
#[derive(Debug)]
pub struct Form {
    /// Where it is filled in.
    pub place: Place,
    /// Version and base of the image, or the version of the program.
    pub about: String,
    /// What was typed.
    pub values: Values,
    /// The page that is shown.
    pub page: Page,
    /// Which of [`Form::stops`] has the keys.
    pub focus: usize,
    /// The first line of the page that is shown; whoever draws it sets it.
    pub top: usize,
    /// Whether the screen is too small to show anything; whoever draws sets it.
    pub too_small: bool,
    /// What is to be said about fields.
    pub notes: BTreeMap<Field, Note>,
    /// What is asked, in front of all else.
    pub dialog: Option<Dialog>,
    /// Whether "yes" of a dialog has the keys.
    pub yes: bool,
    /// The last page.
    pub review: Review,
    /// The answers and what is shown of them, once all that they need is there.
    pub ready: Option<Ready>,
    /// The domain that came from the host name.
    filled: String,
    /// Whether the check box was touched: else it follows the SSH key.
    console_chosen: bool,
    /// Whether the disks are being looked at.
    listing: bool,
    /// Whether the keys are being made, or are there.
    keys_asked: bool,
    keys: Option<Vec<DkimKey>>,
    credentials: Option<Credentials>,
    /// What was hashed last, or is being hashed.
    hashed_for: Option<(Secret, bool)>,
    hash_number: u64,
    addresses: Vec<std::net::IpAddr>,
}

impl Form {
    /// An empty form. `addresses` are those of the server, as far as they are known; `blocks`: the
    /// screen has half blocks for QR codes.
    pub fn new(
        place: Place,
        about: String,
        values: Values,
        addresses: Vec<std::net::IpAddr>,
        blocks: bool,
    ) -> Self {
        // only the server makes keys
        let keys = (place != Place::Server).then(Vec::new);
        Self {
            place,
            about,
            values,
            page: Page::Welcome,
            focus: 0,
            top: 0,
            too_small: false,
            notes: BTreeMap::new(),
            dialog: None,
            yes: false,
            review: Review::new(blocks),
            ready: None,
            filled: String::new(),
            console_chosen: false,
            listing: false,
            keys_asked: false,
            keys,
            credentials: None,
            hashed_for: None,
            hash_number: 0,
            addresses,
        }
    }

    /// Puts answers that were given before into the fields, but for the password and the disk.
    pub fn fill_in(&mut self, answers: &Answers) {
        let mut put = |field, text: &str| {
            if let Some(line) = self.values.line_mut(field) {
                line.clear();
                text.chars().for_each(|c| line.insert(c));
            }
        };
        put(Field::Hostname, answers.hostname.as_str());
        if let Some(domain) = answers.domains.first() {
            put(Field::Domain, domain.name.as_str());
        }
        if let Some(user) = answers.users.first() {
            put(Field::Local, &user.address.local);
        }
        if let Some(key) = answers.ssh.authorized_keys.first() {
            put(Field::SshKey, key);
        }
        self.values.console = answers.console.is_some();
        self.console_chosen = true;
    }

    /// Whether the server's keys are made here.
    pub fn is_server(&self) -> bool {
        self.place == Place::Server
    }

    /// Looks at a field that is left.
    fn leave(&mut self, field: Field) {
        if field == Field::Hostname {
            self.fill_domain();
        }
        if field == Field::SshKey && !self.console_chosen {
            self.values.console = self.values.ssh_key.trimmed().is_empty();
        }
        self.look(field);
        // a first password that was typed after the second
        if field == Field::Password && !self.values.again.text().is_empty() {
            self.look(Field::Again);
        }
    }

    /// Asks the check about a field. Whether it is right.
    fn look(&mut self, field: Field) -> bool {
        match check::note(&self.values, field) {
            Some(note) => {
                let right = note.level != Level::Error;
                self.notes.insert(field, note);
                right
            }
            None => {
                self.notes.remove(&field);
                true
            }
        }
    }

    /// The domain of a host name, unless somebody has typed one.
    fn fill_domain(&mut self) {
        let domain = self.values.domain.trimmed();
        if !domain.is_empty() && domain != self.filled {
            return;
        }
        let rest = self.values.hostname.trimmed().split_once('.');
        let rest = rest.map(|(_, rest)| rest).filter(|rest| rest.contains('.'));
        self.filled = rest.unwrap_or_default().to_owned();
        self.values.domain.clear();
        self.filled
            .chars()
            .for_each(|c| self.values.domain.insert(c));
        self.notes.remove(&Field::Domain);
    }
}

#[cfg(test)]
mod tests;
