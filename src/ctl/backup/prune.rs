//! `mailctl backup prune`: removes backups that need not stay.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Result, bail};
use clap::Args as Arguments;

use super::{
    place::{Place, key},
    scratch,
};
use crate::{
    answers::model::Keep,
    backup::prune::{self, Plan},
    ctl::{ask, output, server::Server},
    util::size::size,
};

/// The words of `mailctl backup prune`.
#[derive(Debug, Arguments)]
#[command(after_help = "\
Examples:
  mailctl backup prune --dry-run           what would go
  mailctl backup prune                     by 'backup.keep' of the answers
  mailctl backup prune --from /mnt/usb --daily 3 --weekly 0 --monthly 0

The newest of each of so many days, weeks and months (in UTC) stays, and the
newest of all. The mail of those that stay is never touched. After a scheduled
backup this is done by itself.")]
pub struct Args {
    /// Only show what would go
    #[arg(long)]
    dry_run: bool,
    /// How many days keep one
    #[arg(long, value_name = "N")]
    daily: Option<u16>,
    /// How many weeks keep one
    #[arg(long, value_name = "N")]
    weekly: Option<u16>,
    /// How many months keep one
    #[arg(long, value_name = "N")]
    monthly: Option<u16>,
    /// A folder, or an address as in 'backup.target'
    #[arg(long, value_name = "PLACE")]
    from: Option<String>,
    /// Read the passphrase from FILE, instead of the server's own
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, server: &Server) -> Result<ExitCode> {
    let answers = server.answers()?;
    let usual = answers.backup.map_or_else(Keep::default, |b| b.keep);
    let keep = Keep {
        daily: args.daily.unwrap_or(usual.daily),
        weekly: args.weekly.unwrap_or(usual.weekly),
        monthly: args.monthly.unwrap_or(usual.monthly),
    };
    let place = Place::find(args.from.as_deref(), server)?;
    if let Some(name) = &place.archive {
        bail!("{name} is one backup: name its folder");
    }
    let key = key(args.passphrase_file.as_deref(), server)?;
    // none is made meanwhile, whose parts nobody knows yet
    let _scratch = scratch(server)?;
    let store = place.store.as_ref();
    let plan = prune::plan(store, &key, answers.hostname.as_str(), keep)?;
    if !args.dry_run {
        if !plan.go.is_empty() {
            let question = format!(
                "Remove {} of {} backups from {}?",
                plan.go.len(),
                plan.go.len() + plan.stay.len(),
                store.name()
            );
            ask::sure(&question, args.yes)?;
        }
        prune::remove(store, &plan, answers.hostname.as_str())?;
    }
    match args.json {
        true => output::json(&plan)?,
        false => output::text(&text(&plan, args.dry_run))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn text(plan: &Plan, dry_run: bool) -> String {
    let mut text = String::new();
    for id in &plan.stay {
        text += &format!("stays  {id}\n");
    }
    for id in &plan.go {
        text += &format!("goes   {id}\n");
    }
    let freed = size(plan.bytes);
    text + &match (plan.files.len(), dry_run) {
        (0, _) => "nothing to remove\n".to_owned(),
        (n, true) => format!("{n} files would be removed, {freed}\n"),
        (n, false) => format!("{n} files removed, {freed}\n"),
    }
}
