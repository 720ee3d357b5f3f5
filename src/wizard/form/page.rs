//! The pages, and what has the keys on each of them.

use super::Form;
use crate::wizard::{disks::Target, values::Field};

/// A page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Page {
    /// What this is.
    Welcome,
    /// Host name and domain.
    Names,
    /// The first user.
    User,
    /// How the administrator gets in.
    Access,
    /// Disk or memory.
    Place,
    /// All of it once more.
    Review,
}

impl Page {
    /// All pages in their order.
    pub const ALL: [Self; 6] = [
        Self::Welcome,
        Self::Names,
        Self::User,
        Self::Access,
        Self::Place,
        Self::Review,
    ];

    /// Its number, from 1.
    pub fn number(self) -> usize {
        self as usize + 1
    }

    /// What it is called.
    pub fn title(self) -> &'static str {
        match self {
            Self::Welcome => "Welcome",
            Self::Names => "Names",
            Self::User => "First user",
            Self::Access => "Access",
            Self::Place => "Disk or memory",
            Self::Review => "Review",
        }
    }

    /// The fields that have to be right before the next page.
    pub(super) fn fields(self, named: bool) -> &'static [Field] {
        match self {
            Self::Welcome | Self::Review => &[],
            Self::Names => &[Field::Hostname, Field::Domain],
            Self::User => &[Field::Local, Field::Password, Field::Again],
            Self::Access => &[Field::SshKey],
            Self::Place if named => &[Field::Target, Field::Device],
            Self::Place => &[Field::Target],
        }
    }
}

/// A button at the bottom of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Button {
    /// To the next page; on the last one, to the last question.
    Next,
    /// To the page before.
    Back,
    /// Away.
    Cancel,
}

/// What can have the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// A field.
    Field(Field),
    /// The check box about the console.
    Console,
    /// The check box about erasing a disk.
    Erase,
    /// The names of the parts of the last page.
    Tabs,
    /// A button.
    Button(Button),
}

impl Form {
    /// What can have the keys on this page, in order.
    pub fn stops(&self) -> Vec<Stop> {
        let mut stops: Vec<Stop> = Vec::new();
        let fields = self.page.fields(self.is_named()).iter();
        stops.extend(fields.copied().map(Stop::Field));
        match self.page {
            Page::Access => stops.push(Stop::Console),
            Page::Place if self.to_erase() => stops.push(Stop::Erase),
            Page::Review => stops.push(Stop::Tabs),
            _ => {}
        }
        stops.push(Stop::Button(Button::Next));
        if self.page != Page::Welcome {
            stops.push(Stop::Button(Button::Back));
        }
        stops.push(Stop::Button(Button::Cancel));
        stops
    }

    /// What has the keys.
    pub fn stop(&self) -> Stop {
        let stops = self.stops();
        stops[self.focus.min(stops.len() - 1)]
    }

    /// What a button says here.
    pub fn label(&self, button: Button) -> &'static str {
        match (button, self.page, self.is_server()) {
            (Button::Back, ..) => "Back",
            (Button::Cancel, ..) => "Cancel",
            (Button::Next, Page::Welcome, _) => "Start",
            (Button::Next, Page::Review, true) => "Set up this server",
            (Button::Next, Page::Review, false) => "Write the file",
            (Button::Next, ..) => "Next",
        }
    }

    /// Whether the disk of another machine is to be named.
    pub(super) fn is_named(&self) -> bool {
        self.values.chosen() == Some(&Target::Named)
    }

    /// Whether the chosen disk is not blank.
    pub(super) fn to_erase(&self) -> bool {
        let what = self.values.chosen().and_then(Target::to_erase);
        what.is_some() && !self.waits_for_disks()
    }
}
