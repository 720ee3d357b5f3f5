//! `mailctl restore`: what a backup holds, what it would change, and the change itself.
//!
//! | module | its one job |
//! |---|---|
//! | [`source`] | which backup, and what opens it |
//! | [`look`] | what is inside, and what would change |
//! | [`accounts`] | domains, users and aliases of two databases compared |
//! | [`text`] | that, for people |
//! | [`around`] | what stops and starts around the switch |
//! | [`back`] | the way back, and what was there before |

mod accounts;
mod around;
mod back;
mod look;
mod source;
mod text;

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Result, bail};
use clap::Args;

use super::{ask, output, server::Server};
use crate::{
    backup::{
        extract::extract,
        incoming, job,
        meter::Meter,
        module::Module,
        name::BackupId,
        scratch::Scratch,
        space,
        switch::{self, Layout, Order, layout::staged},
    },
    util::{files, time::now},
};
use source::Source;

/// Bring back what a backup holds
///
/// Shows what is inside and what would change, asks, and puts the new state
/// together beside the running one. Services stop only for the moment of the
/// switch; if the server cannot work with the new state, it is switched back.
/// What was there before is kept until --drop-old.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  mailctl restore --list                 what the newest backup would change
  mailctl restore                        restore all of it
  mailctl restore /mnt/usb --module mail the mailboxes, from a disk
  mailctl restore sftp://me@backup.example.net/srv/mail --backup ID
  mailctl restore --undo                 back to what was there before
  mailctl restore --drop-old             remove what was there before")]
pub struct Restore {
    /// A folder of backups or one file; sftp:// or s3:// elsewhere [default:
    /// the target of [backup] in the answers]
    source: Option<String>,
    /// The backup, HOST_TIME as 'mailctl backup list' names it [default: the
    /// newest of this server]
    #[arg(long, value_name = "ID")]
    backup: Option<BackupId>,
    /// Restore this part only; may be given several times [default: all that
    /// the backup holds]
    #[arg(long = "module", value_name = "MODULE")]
    modules: Vec<Module>,
    /// Show what is inside and what would change, and change nothing
    #[arg(long)]
    list: bool,
    /// As JSON, with --list
    #[arg(long, requires = "list")]
    json: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Restore a backup of a server with another name
    #[arg(long)]
    another_host: bool,
    /// The file that holds the passphrase [default: the server's own]
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Go back to what was there before the last restore
    #[arg(long, conflicts_with_all = ["source", "backup", "modules", "list", "drop_old"])]
    undo: bool,
    /// Remove what was there before restores, for good
    #[arg(long, conflicts_with_all = ["source", "backup", "modules", "list"])]
    drop_old: bool,
    /// Carry out the switch that was asked for: for ezmail-switch.service
    #[arg(long, hide = true, conflicts_with_all = ["source", "undo", "drop_old", "list"])]
    finish: bool,
}

/// Runs the command.
///
/// # Errors
/// When the backup cannot be read or does not fit, or the server cannot work with it. The server is
/// then as it was.
pub fn run(args: &Restore, server: &Server) -> Result<ExitCode> {
    let layout = Layout::of(&server.target, &server.paths);
    if args.finish {
        return back::finish(server, &layout);
    }
    back::finish_unit(server, &layout)?;
    let scratch = Scratch::take(layout.state())?;
    back::finish_here(server, &layout)?;
    if args.undo {
        return back::undo(server, &layout, scratch, args.yes);
    }
    if args.drop_old {
        return back::drop_old(&layout, args.yes);
    }
    restore(args, server, &layout, scratch)
}

fn restore(args: &Restore, server: &Server, layout: &Layout, scratch: Scratch) -> Result<ExitCode> {
    job::give_up(layout)?;
    let source = Source::find(args.source.as_deref(), args.backup.as_ref(), server)?;
    let (key, opened) = source.open(args.passphrase_file.as_deref(), layout, &scratch)?;
    incoming::check_version(&opened.header)?;
    let modules = chosen(&args.modules, &opened.header.modules)?;
    let seen = look::look(server, layout, &source, &key, &opened, &modules, &scratch)?;
    if args.json {
        output::json(&seen)?;
    } else {
        output::text(&text::seen(&seen))?;
    }
    if args.list {
        return Ok(ExitCode::SUCCESS);
    }
    switch::create_folder(layout)?;
    let amount = look::amount(&opened, &modules)?;
    space::check(&layout.folder(), amount.files, amount.bytes)?;
    switch::check(layout, &modules)?;
    if !seen.same_host {
        let question = format!(
            "This backup is of {}, and this server is {}: restore it all the same?",
            seen.id.host, seen.this_host
        );
        ask::sure(&question, args.another_host)
            .map_err(|e| e.context("say --another-host to restore a backup of another server"))?;
    }
    ask::sure(&text::question(&modules), args.yes)?;
    let into = layout.staged();
    files::create_dir_all(&into)?;
    let line = |text: &str| eprintln!("restore: {text}");
    let meter = Meter::new(&line, true);
    let extracted = extract(&opened, source.store(), &key, &modules, Some(&into), &meter);
    meter.end();
    let prepared = extracted.and_then(|_| incoming::prepare(&into, &modules));
    let done = match prepared {
        Ok(done) => done,
        Err(error) => {
            job::give_up(layout)?;
            return Err(error.context("nothing was changed"));
        }
    };
    let what = format!("the backup {}", opened.header.id);
    drop(opened);
    let order = Order::new(layout, staged(), &modules, what, now()?)?;
    let key_before = around::host_key(server)?;
    let mut said: Vec<String> = done;
    back::carry_out(server, layout, scratch, order)?;
    if let Some(line) = around::host_key_changed(server, key_before.as_deref())? {
        said.push(line);
    }
    output::text(&text::restored(&said, args.modules.is_empty()))?;
    Ok(ExitCode::SUCCESS)
}

/// The modules that are restored.
fn chosen(wanted: &[Module], there: &[Module]) -> Result<Vec<Module>> {
    if let Some(missing) = wanted.iter().find(|m| !there.contains(m)) {
        let names: Vec<&str> = there.iter().map(|m| m.name()).collect();
        bail!(
            "the backup has no module {missing}; it has {}",
            names.join(", ")
        );
    }
    let is_chosen = |m: &&Module| wanted.is_empty() || wanted.contains(m);
    Ok(there.iter().filter(is_chosen).copied().collect())
}
