//! What an import of mail says at its end, and what dovecot is told.

use std::{
    path::Path,
    process::{Command, ExitCode},
};

use anyhow::Result;
use serde::Serialize;

use super::{
    exit,
    maildir::{Folded, Outcome},
};
use crate::{
    ctl::{accounts, output, server::Server},
    mail::{accounts::users, address::Address, mailbox},
    util::{run::Task, size::size},
};

/// Lets a running dovecot look at the mailbox. Returns what there is to know.
///
/// # Errors
/// When the database cannot be read.
pub(super) fn settled(server: &Server, user: &Address) -> Result<Vec<String>> {
    let mut notes = Vec::new();
    if server.is_live() {
        let mut index = Command::new("doveadm");
        index.args(["index", "-u", &user.to_string(), "*"]);
        let mut quota = Command::new("doveadm");
        quota.args(["quota", "recalc", "-u", &user.to_string()]);
        for (what, command) in [
            ("listing the new mail", index),
            ("counting the mail", quota),
        ] {
            if let Err(error) = Task::new(what, command).run() {
                notes.push(format!(
                    "{error:#}; the mail is there, and dovecot finds it at the next login"
                ));
            }
        }
    }
    let db = server.database()?;
    let quota = users::get(&db, user)?.quota_bytes;
    let home = server
        .target
        .path(&mailbox::folder(&server.paths.mail, user));
    let used = used(&home.join("Maildir"));
    if i64::try_from(used).is_ok_and(|used| used > quota) {
        notes.push(format!(
            "the mailbox has {} now and may hold {}: new mail waits until there is room; 'mailctl \
             user quota {user} SIZE' gives it more",
            size(used),
            accounts::quota_text(quota)
        ));
    }
    Ok(notes)
}

/// What the messages of a Maildir take, by the sizes in their names.
fn used(maildir: &Path) -> u64 {
    let walk = walkdir::WalkDir::new(maildir).into_iter();
    // what cannot be looked at is not counted: this is for a note only
    let files = walk
        .filter_map(Result::ok)
        .filter(|e| e.file_type().is_file());
    let size = |entry: walkdir::DirEntry| -> Option<u64> {
        let name = entry.file_name().to_str()?;
        let (_, rest) = name.split_once(",S=")?;
        rest.split([',', ':']).next()?.parse().ok()
    };
    files.filter_map(size).sum()
}

/// As a script reads it.
#[derive(Debug, Serialize)]
struct Said<'a> {
    user: String,
    dry_run: bool,
    brought: u64,
    there: u64,
    left_out: u64,
    #[serde(flatten)]
    outcome: &'a Outcome,
}

/// Prints what came of it; the exit status, `whole` being whether all was looked at.
///
/// # Errors
/// When standard output cannot be written.
pub(super) fn print(
    user: &Address,
    outcome: &Outcome,
    dry_run: bool,
    json: bool,
    whole: bool,
) -> Result<ExitCode> {
    let sum = |count: fn(&Folded) -> u64| outcome.folders.iter().map(count).sum();
    let said = Said {
        user: user.to_string(),
        dry_run,
        brought: sum(|f| f.brought),
        there: sum(|f| f.there),
        left_out: sum(|f| f.left_out),
        outcome,
    };
    if json {
        output::json(&said)?;
    } else {
        output::text(&text(&said))?;
        outcome.notes.iter().for_each(|note| accounts::remark(note));
    }
    Ok(exit(whole && said.left_out == 0))
}

fn text(said: &Said<'_>) -> String {
    let row = |f: &Folded| {
        let to = match f.folder == f.to {
            true => f.folder.clone(),
            false => format!("{} -> {}", f.folder, f.to),
        };
        [
            f.brought.to_string(),
            f.there.to_string(),
            f.left_out.to_string(),
            to,
        ]
    };
    let rows: Vec<_> = said.outcome.folders.iter().map(row).collect();
    let table = output::table(["NEW", "HERE ALREADY", "LEFT OUT", "FOLDER"], &rows);
    let (verb, end) = match said.dry_run {
        true => ("would be brought", "; nothing was changed"),
        false => ("brought", ""),
    };
    let messages = match said.brought {
        1 => "message",
        _ => "messages",
    };
    format!(
        "{table}\n{} {messages}, {}, {verb} to {}{end}\n",
        said.brought,
        size(said.outcome.bytes),
        said.user
    )
}
