//! `mail.sqlite`, tried on a copy first.

use anyhow::Result;

use super::Input;
use crate::{
    agent::{
        change::{Change, Database, Entry},
        effective::effective,
    },
    answers::Answers,
    mail::database::{self, Desired, keys},
};

/// What the database will be.
pub(super) struct Planned {
    /// The answers with what it says in place of their domains, users and aliases.
    pub effective: Answers,
    /// Its DKIM keys.
    pub keys: Vec<keys::Key>,
}

pub(super) fn plan(input: &Input<'_>) -> Result<(Planned, Vec<Change>)> {
    let path = &input.paths.database;
    let mut copy = database::open_copy(&input.target.path(path))?;
    let desired = Desired::new(input.answers)?;
    let said = database::sync(&mut copy, &desired, input.now)?;
    let planned = Planned {
        effective: effective(input.answers, &copy)?,
        keys: keys::all(&copy)?,
    };
    let change = Change::Database(Database {
        entry: Entry {
            group: database::GROUP,
            ..Entry::of_root(path.clone(), database::MODE)
        },
        desired,
        said,
        now: input.now,
    });
    Ok((planned, vec![change]))
}
