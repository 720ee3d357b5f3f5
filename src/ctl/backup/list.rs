//! `mailctl backup list`: the backups in a place.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::Args as Arguments;
use serde::Serialize;

use super::{
    local,
    place::{Place, key},
};
use crate::{
    backup::{
        manifest::Header,
        module::Module,
        name::{BackupId, Kind},
        open::{backups, header},
        report::Report,
        schedule,
        store::Entry,
    },
    ctl::{output, server::Server},
    util::size::size,
};

/// The words of `mailctl backup list`.
#[derive(Debug, Arguments)]
#[command(after_help = "\
Examples:
  mailctl backup list                    those at 'backup.target' of the answers
  mailctl backup list --from /mnt/usb    those in a folder
  mailctl backup list --json             the same for a script

SIZE is all that the backup gives back; NEW is what it added to the place.")]
pub struct Args {
    /// A folder, or an address as in 'backup.target'
    #[arg(long, value_name = "PLACE")]
    from: Option<String>,
    /// Read the passphrase from FILE, instead of the server's own
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// A backup in the list.
#[derive(Debug, Serialize)]
struct Line {
    backup: BackupId,
    /// How much its files add to the place, in bytes.
    new: u64,
    /// Whether the last drill restored this one.
    drilled: bool,
    #[serde(flatten)]
    inside: Inside,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Inside {
    Header {
        complete_until: i64,
        version: String,
        modules: Vec<Module>,
        files: u64,
        bytes: u64,
    },
    Unreadable {
        error: String,
    },
}

#[derive(Debug, Serialize)]
struct List {
    place: String,
    backups: Vec<Line>,
    /// What a run that was broken off has written, in bytes; the next one uses it.
    unfinished: u64,
}

pub(super) fn run(args: &Args, server: &Server) -> Result<ExitCode> {
    let place = Place::find(args.from.as_deref(), server)?;
    let key = key(args.passphrase_file.as_deref(), server)?;
    let store = place.store.as_ref();
    let listed = store.list()?;
    let report = Report::read(&server.target.path(&server.paths.state))?;
    let drilled = report.good_drill.and_then(|drill| drill.id);
    let mut ids = backups(&listed);
    ids.reverse();
    let lines: Vec<Line> = ids
        .into_iter()
        .map(|id| Line {
            inside: match header(store, &listed, &id.archive(), &key) {
                Ok(header) => inside(header),
                Err(error) => Inside::Unreadable {
                    error: format!("{error:#}"),
                },
            },
            new: added(&listed, &id),
            drilled: drilled.as_ref() == Some(&id),
            backup: id,
        })
        .collect();
    let list = List {
        place: store.name(),
        unfinished: unfinished(&listed),
        backups: lines,
    };
    let unreadable = |line: &Line| matches!(line.inside, Inside::Unreadable { .. });
    // a check found something
    let status = match list.backups.iter().any(unreadable) {
        true => ExitCode::from(3),
        false => ExitCode::SUCCESS,
    };
    if args.json {
        output::json(&list)?;
        return Ok(status);
    }
    let zone = match server.answers() {
        Ok(answers) => schedule::zone(&answers.timezone)?,
        Err(_) => jiff::tz::TimeZone::UTC,
    };
    output::text(&text(&list, &zone))?;
    Ok(status)
}

fn inside(header: Header) -> Inside {
    Inside::Header {
        complete_until: header.complete_until,
        version: header.version,
        modules: header.modules,
        files: header.files,
        bytes: header.bytes,
    }
}

/// How much the files of a run take in the place.
fn added(listed: &[Entry], id: &BackupId) -> u64 {
    let of_run = |e: &&Entry| Kind::of(&e.name).is_some_and(|kind| kind.id() == id);
    listed.iter().filter(of_run).map(|e| e.bytes).sum()
}

/// What there is of runs that gave no backup.
fn unfinished(listed: &[Entry]) -> u64 {
    let whole = backups(listed);
    let mut bytes = 0;
    for entry in listed {
        let newest = |host: &str| {
            whole
                .iter()
                .filter(|w| w.host == host)
                .map(|w| w.time)
                .max()
        };
        if let Some(Kind::Part(id, _)) = Kind::of(&entry.name)
            && newest(&id.host).is_none_or(|newest| id.time > newest)
        {
            bytes += entry.bytes;
        }
    }
    bytes
}

fn text(list: &List, zone: &jiff::tz::TimeZone) -> String {
    if list.backups.is_empty() && list.unfinished == 0 {
        return format!("no backup in {}\n", list.place);
    }
    let rows: Vec<[String; 6]> = list.backups.iter().map(|line| row(line, zone)).collect();
    let head = ["BACKUP", "COMPLETE UNTIL", "FILES", "SIZE", "NEW", ""];
    let mut text = output::table(head, &rows);
    for line in &list.backups {
        if let Inside::Unreadable { error } = &line.inside {
            text += &format!("\n{}: {error}\n", line.backup);
        }
    }
    if list.unfinished > 0 {
        let bytes = size(list.unfinished);
        text +=
            &format!("\nA run that was broken off has written {bytes}; the next one uses them.\n");
    }
    text
}

fn row(line: &Line, zone: &jiff::tz::TimeZone) -> [String; 6] {
    let id = line.backup.to_string();
    let new = size(line.new);
    match &line.inside {
        Inside::Header {
            complete_until,
            modules,
            files,
            bytes,
            ..
        } => {
            let mut remarks = Vec::new();
            if modules[..] != Module::ALL {
                let names: Vec<&str> = modules.iter().map(|m| m.name()).collect();
                remarks.push(format!("only {}", names.join(", ")));
            }
            if line.drilled {
                remarks.push("drilled".to_owned());
            }
            let until = local(zone, *complete_until);
            [
                id,
                until,
                files.to_string(),
                size(*bytes),
                new,
                remarks.join("; "),
            ]
        }
        Inside::Unreadable { .. } => {
            let none = String::new;
            [id, none(), none(), none(), new, "cannot be read".to_owned()]
        }
    }
}
