//! `mailctl backup drill`: restores the newest backup into a scratch folder.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, Result};
use clap::Args as Arguments;

use super::{
    place::{Place, key},
    scratch,
};
use crate::{
    backup::{
        drill::{self, Found},
        meter::{Meter, tell},
        name::{BackupId, Kind},
        report::{Drill, Report},
    },
    ctl::{
        output,
        server::{Server, now},
    },
    util::size::size,
};

/// Exit status when the drill found something.
const NOT_GOOD: u8 = 3;

/// The words of `mailctl backup drill`.
#[derive(Debug, Arguments)]
#[command(after_help = "\
Examples:
  mailctl backup drill                     the newest backup
  mailctl backup drill --from /mnt/usb     the newest one in a folder

Restores it whole beside the running server, compares every file, opens the
database, and has dovecot open some of the mailboxes; then all of it is removed
again. 'status', 'check' and the daily mail tell of the last drill. A timer does
this every week.

Exit status: 3 when something was not as it should be.")]
pub struct Args {
    /// The backup, as 'backup list' names it (none: the newest)
    backup: Option<BackupId>,
    /// A folder, a file, or an address as in 'backup.target'
    #[arg(long, value_name = "PLACE")]
    from: Option<String>,
    /// Read the passphrase from FILE, instead of the server's own
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, server: &Server) -> Result<ExitCode> {
    let begun = now()?;
    let mut archive = None;
    let result = drill(args, server, &mut archive);
    let id = archive.and_then(|name| match Kind::of(&name) {
        Some(Kind::Archive(id)) => Some(id),
        _ => None,
    });
    let found = result.as_ref().copied().unwrap_or_default();
    let done = Drill {
        begun,
        ended: now()?,
        id,
        files: found.files,
        bytes: found.bytes,
        mailboxes: found.mailboxes,
        messages: found.messages,
        error: result.as_ref().err().map(|e| format!("{e:#}")),
    };
    let state = server.target.path(&server.paths.state);
    let noted = Report::update(&state, |report| {
        if done.error.is_none() {
            report.good_drill = Some(done.clone());
        }
        report.drill = Some(done.clone());
    });
    match args.json {
        true => output::json(&done)?,
        false => output::text(&text(&done))?,
    }
    noted.context("noting that for 'mailctl check'")?;
    Ok(match done.error {
        None => ExitCode::SUCCESS,
        Some(_) => ExitCode::from(NOT_GOOD),
    })
}

fn drill(args: &Args, server: &Server, archive: &mut Option<String>) -> Result<Found> {
    let place = Place::find(args.from.as_deref(), server)?;
    let key = key(args.passphrase_file.as_deref(), server)?;
    let host = server.answers().map(|a| a.hostname.to_string());
    let chosen = place.choose(args.backup.as_ref(), &host.unwrap_or_default())?;
    *archive = Some(chosen.clone());
    let scratch = scratch(server)?;
    let line = |text: &str| tell(&format!("drill: {text}"));
    let meter = Meter::new(&line, true);
    let found = drill::run(
        place.store.as_ref(),
        &chosen,
        &key,
        &scratch,
        server.is_live(),
        &meter,
    );
    meter.end();
    found
}

fn text(done: &Drill) -> String {
    let what = match &done.id {
        Some(id) => format!("the backup {id}"),
        None => "the backup".to_owned(),
    };
    match &done.error {
        None => format!(
            "{what} can be restored: {} files, {}, all as they should be; {}\n",
            done.files,
            size(done.bytes),
            match done.mailboxes {
                0 => "no mailbox was opened by dovecot".to_owned(),
                n => format!(
                    "dovecot opened {n} mailboxes with {} messages",
                    done.messages
                ),
            }
        ),
        Some(error) => format!("{what} was NOT restored: {error}\n"),
    }
}
