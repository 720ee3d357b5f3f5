//! The logins of the journal, noted in the database.

use std::process::Command;

use anyhow::Result;
use rusqlite::Connection;

use super::server::Server;
use crate::{mail::accounts::logins, util::run::Task};

/// Reads from the journal who has logged in since the last time, and notes it in the database;
/// returns how many passwords were used since. On a server in a folder there is nothing to read.
///
/// # Errors
/// When journalctl fails, or the database cannot be read or written.
pub fn note_logins(server: &Server) -> Result<usize> {
    if !server.is_live() {
        return Ok(0);
    }
    note(&mut server.database()?)
}

/// As [`note_logins`], with this machine's database open already.
pub(super) fn note(db: &mut Connection) -> Result<usize> {
    let mut command = Command::new("journalctl");
    command.args(["--quiet", "--no-pager", "--output=json"]);
    command.args(["--output-fields=MESSAGE"]);
    command.args(["-u", "dovecot.service", "-u", "smtpd.service"]);
    if let Some(cursor) = logins::cursor(db)? {
        command.arg(format!("--after-cursor={cursor}"));
    }
    let text = Task::new("reading logins from the journal", command).output()?;
    let read = logins::entries(&text);
    if read.skipped > 0 {
        super::accounts::remark(&format!(
            "entries of the journal that could not be read and were left out: {}",
            read.skipped
        ));
    }
    match read.cursor {
        Some(cursor) => logins::note(db, &read.logins, &cursor),
        None => Ok(0),
    }
}

/// As [`note`], where old times are better than none: what went wrong is told.
pub(super) fn refresh(server: &Server, db: &mut Connection) {
    if server.is_live()
        && let Err(error) = note(db)
    {
        super::accounts::remark(&format!("times of logins may be old: {error:#}"));
    }
}
