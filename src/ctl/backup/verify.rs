//! `mailctl backup verify`: reads backups whole.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, Result, bail};
use clap::Args as Arguments;
use serde::Serialize;

use super::{
    place::{Place, key},
    scratch,
};
use crate::{
    backup::{
        extract::{Extracted, extract},
        meter::{Meter, tell},
        module::Module,
        name::{BackupId, Kind},
        open::{self, backups},
        scratch::Scratch,
    },
    ctl::{output, server::Server},
    encpipe::Key,
    util::size::size,
};

/// Exit status when a backup is not what it should be.
const DAMAGED: u8 = 3;

/// The words of `mailctl backup verify`.
#[derive(Debug, Arguments)]
#[command(after_help = "\
Examples:
  mailctl backup verify                         the newest one
  mailctl backup verify --all                   every one that is there
  mailctl backup verify --from server.backup    a file

All archives of a backup are read to their end and every file is compared with
its SHA-256; nothing is written. 'mailctl backup drill' restores it as well.

Exit status: 3 when one is damaged, cut short, or cannot be opened.")]
pub struct Args {
    /// The backup, as 'backup list' names it (none: the newest)
    backup: Option<BackupId>,
    /// All of them
    #[arg(long, conflicts_with = "backup")]
    all: bool,
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

#[derive(Debug, Serialize)]
struct Verified {
    /// The name of its archive.
    archive: String,
    files: u64,
    bytes: u64,
    error: Option<String>,
}

pub(super) fn run(args: &Args, server: &Server) -> Result<ExitCode> {
    let place = Place::find(args.from.as_deref(), server)?;
    let key = key(args.passphrase_file.as_deref(), server)?;
    let archives = match args.all {
        true => {
            let ids = backups(&place.store.list()?);
            if ids.is_empty() {
                bail!("there is no backup in {}", place.store.name());
            }
            ids.iter().map(BackupId::archive).collect()
        }
        false => {
            let host = server.answers().map(|a| a.hostname.to_string());
            vec![place.choose(args.backup.as_ref(), &host.unwrap_or_default())?]
        }
    };
    let scratch = scratch(server)?;
    let mut results = Vec::new();
    for archive in archives {
        let result = verify(&place, &archive, &key, &scratch);
        let done = result.as_ref().copied().unwrap_or_default();
        results.push(Verified {
            archive,
            files: done.files,
            bytes: done.bytes,
            error: result.err().map(|e| format!("{e:#}")),
        });
    }
    match args.json {
        true => output::json(&results)?,
        false => output::text(&text(&results))?,
    }
    Ok(match results.iter().any(|r| r.error.is_some()) {
        true => ExitCode::from(DAMAGED),
        false => ExitCode::SUCCESS,
    })
}

fn verify(place: &Place, archive: &str, key: &Key, scratch: &Scratch) -> Result<Extracted> {
    let store = place.store.as_ref();
    let folder = tempfile::tempdir_in(scratch.work()).context("creating a scratch folder")?;
    let opened = open::open(store, archive, key, folder.path())?;
    let line = |text: &str| tell(&format!("{archive}: {text}"));
    let meter = Meter::new(&line, true);
    let done = extract(&opened, store, key, &Module::ALL, None, &meter);
    meter.end();
    done
}

fn text(results: &[Verified]) -> String {
    let line = |r: &Verified| match &r.error {
        None => format!(
            "{}: {} files, {}: all as they should be\n",
            r.archive,
            r.files,
            size(r.bytes)
        ),
        Some(error) => format!("{}: NOT GOOD: {error}\n", r.archive),
    };
    let mut text: String = results.iter().map(line).collect();
    let of_several = |r: &Verified| r.error.is_some() && Kind::of(&r.archive).is_some();
    if results.iter().any(of_several) {
        text += "'mailctl backup create --full' makes one that needs nothing of the others.\n";
    }
    text
}
