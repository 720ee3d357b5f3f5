//! The command lines of `ezmail cache` and `ezmail clean`.

use std::{process::ExitCode, time::Duration};

use anyhow::{Context, Result};
use clap::{Args, Subcommand};

use crate::{
    host::{
        cache::{Cache, usage},
        print, worker,
    },
    util::size::size,
};

/// What is kept of earlier builds
///
/// Without a command: each kind of results, how many there are, their size, and
/// when one of them was used last. Deleting any of it only costs time.
#[derive(Debug, Args)]
#[command(after_help = CACHE_EXAMPLES, args_conflicts_with_subcommands = true)]
pub struct CacheArgs {
    #[command(subcommand)]
    command: Option<CacheCommand>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const CACHE_EXAMPLES: &str = "\
Examples:
  ezmail cache
  ezmail cache prune                  what was not used for a month
  ezmail cache prune --days 7 --dry-run
  ezmail clean --yes                  all of it

EZMAIL_CACHE=DIR puts the cache elsewhere.";

#[derive(Debug, Subcommand)]
enum CacheCommand {
    /// Delete results that no build has used for long
    Prune {
        /// For how many days
        #[arg(long, value_name = "N", default_value_t = 30)]
        days: u64,
        /// Tell what would be deleted
        #[arg(long)]
        dry_run: bool,
    },
}

/// Runs `ezmail cache`, in the worker: the files are of many owners.
///
/// # Errors
/// When a build is running, or something cannot be read or deleted.
pub fn cache(args: &CacheArgs) -> Result<ExitCode> {
    let root = Cache::default_root()?;
    if !root.is_dir() && args.json {
        print::result("[]")?;
        return Ok(ExitCode::SUCCESS);
    }
    if !root.is_dir() {
        print::result(format_args!(
            "ezmail: there is no cache at {}",
            root.display()
        ))?;
        return Ok(ExitCode::SUCCESS);
    }
    in_worker(|| match &args.command {
        Some(CacheCommand::Prune { days, dry_run }) => {
            let (entries, bytes) =
                usage::prune(&root, Duration::from_secs(days * 86_400), *dry_run)?;
            let verb = if *dry_run { "would be" } else { "are" };
            print::result(format_args!(
                "ezmail: {entries} results ({}) not used for {days} days {verb} deleted",
                size(bytes)
            ))?;
            Ok(())
        }
        None => {
            let kinds = usage::kinds(&root)?;
            if args.json {
                let text = serde_json::to_string_pretty(&kinds).context("writing the list")?;
                print::result(&text)?;
            } else {
                print::result(format_args!("{}in {}", table(&kinds), root.display()))?;
            }
            Ok(())
        }
    })
}

/// Runs `ezmail clean`, in the worker too.
///
/// # Errors
/// When a build is running, or something cannot be deleted.
pub fn clean(yes: bool) -> Result<ExitCode> {
    let root = Cache::default_root()?;
    if !root.join("lock").is_file() {
        print::result(format_args!(
            "ezmail: there is no cache at {}",
            root.display()
        ))?;
        return Ok(ExitCode::SUCCESS);
    }
    if !yes {
        print::result(format_args!(
            "ezmail: the cache is {}; delete it with 'ezmail clean --yes'",
            root.display()
        ))?;
        return Ok(ExitCode::SUCCESS);
    }
    in_worker(|| {
        let bytes = usage::clear(&root)?;
        print::result(format_args!(
            "ezmail: {} is empty now ({})",
            root.display(),
            size(bytes)
        ))?;
        Ok(())
    })
}

fn in_worker(work: impl FnOnce() -> Result<()>) -> Result<ExitCode> {
    if worker::is_here() {
        worker::begun()?;
        work()?;
        worker::answer(&())?;
        return Ok(ExitCode::SUCCESS);
    }
    match worker::run()? {
        worker::Outcome::Done(()) => Ok(ExitCode::SUCCESS),
        worker::Outcome::Failed(status) => Ok(status),
        worker::Outcome::Interrupted(status) => {
            print::aside("ezmail: interrupted");
            Ok(status)
        }
    }
}

fn table(kinds: &[usage::Kind]) -> String {
    let line = |step: &str, entries: &str, bytes: &str, used: &str| {
        format!("{step:<34} {entries:>7} {bytes:>10}  {used}\n")
    };
    let mut text = line("results", "number", "size", "last used");
    for kind in kinds {
        let entries = match kind.entries {
            0 => String::new(),
            n => n.to_string(),
        };
        let used = kind.unused.map_or_else(String::new, ago);
        text += line(&kind.step, &entries, &size(kind.bytes), &used).trim_end();
        text.push('\n');
    }
    let all = kinds.iter().map(|k| k.bytes).sum();
    text + line("all", "", &size(all), "").trim_end() + "\n"
}

fn ago(seconds: u64) -> String {
    match seconds / 86_400 {
        0 => "today".to_owned(),
        1 => "yesterday".to_owned(),
        days => format!("{days} days ago"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_is_told_in_a_table() {
        let kind = |step: &str, entries, bytes, unused| usage::Kind {
            step: step.into(),
            entries,
            bytes,
            unused,
        };
        insta::assert_snapshot!(table(&[
            kind("base/standin", 1, 321_000_000, Some(5)),
            kind("packages/rspamd", 12, 9_000_000, Some(86_400)),
            kind("packages/opensmtpd-table-sqlite", 3, 90_000, Some(700_000)),
            kind("sources", 0, 20_000_000, None),
        ]));
    }
}
