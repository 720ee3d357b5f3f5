//! `mail.sqlite`, tried on a copy first.

use anyhow::Result;

use super::Input;
use crate::{
    agent::change::{Change, Database, Entry},
    mail::database::{self, Desired},
};

pub(super) fn plan(input: &Input<'_>) -> Result<Vec<Change>> {
    let path = &input.paths.database;
    let mut copy = database::open_copy(&input.target.path(path))?;
    let desired = Desired::new(input.answers)?;
    let said = database::sync(&mut copy, &desired, input.now)?;
    Ok(vec![Change::Database(Database {
        entry: Entry {
            group: database::GROUP,
            ..Entry::of_root(path.clone(), database::MODE)
        },
        desired,
        said,
        now: input.now,
    })])
}
