//! One try at bringing about what answers want: plan, write, check, start.

use std::{
    collections::BTreeSet,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result};

use super::{
    apply::Options,
    console::say,
    held,
    paths::Paths,
    services,
    status::{MEMORY, Status, StepStatus},
    steps::{self, Input, Step},
    target::Target,
    wanted::Wanted,
};
use crate::{
    answers::Answers,
    mail::accounts::rename::{self, Renamed},
    util::files,
};

/// Where the templates are, in the image.
pub(super) const TEMPLATES: &str = "/usr/share/ezmail/templates";

/// Plans, and then writes and starts what was planned; in a dry run, shows it. What is kept for the
/// next boot is written last, when the daemons' own checkers have passed the rest.
///
/// # Errors
/// When planning fails, nothing is written. When writing or a checker fails, no service was started
/// or restarted; the units that wait for it are in `status`.
pub fn execute(
    options: &Options,
    target: &Target,
    paths: &Paths,
    wanted: &Wanted,
    status: &mut Status,
) -> Result<()> {
    let answers = &wanted.answers;
    status.source = Some(wanted.source.clone());
    let templates = match &options.templates {
        Some(folder) => folder.clone(),
        None => target.path(Path::new(TEMPLATES)),
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let input = Input {
        answers,
        wanted,
        target,
        paths,
        templates: &templates,
        memory_mib: match options.memory_mib {
            Some(mib) => mib,
            None => memory_mib(&files::read_to_string(Path::new("/proc/meminfo"))?)?,
        },
        now: i64::try_from(now)?,
    };
    if !options.dry_run {
        finish_rename(target, paths)?;
    }
    let steps = steps::plan(&input)?;
    if options.dry_run {
        return preview(&steps, target);
    }
    let (first, kept) = steps.split_at(steps.len().saturating_sub(1));
    write(first, target, status)?;
    if target.is_live() {
        prepare(answers, &status.pending)?;
    }
    write(kept, target, status)?;
    if target.is_live() {
        let held = held::read(target, paths)?;
        held::mask(&held)?;
        // systemd takes no order for what is masked but to stop
        let others = status.pending.iter().filter(|u| !held.contains(u.as_str()));
        services::start(&others.cloned().collect())?;
        let backups = answers.backup.as_ref().and_then(|b| b.schedule.period());
        services::timers(&status.pending, backups.is_some())?;
        say(format_args!("ezmail: the mail services are starting"));
    }
    status.pending.clear();
    if target.is_live() && status.state.is_none() {
        say(format_args!("ezmail: {MEMORY}"));
    }
    for note in steps.iter().flat_map(|s| &s.notes) {
        say(format_args!("\n{note}"));
    }
    say(format_args!(
        "ezmail: these records are kept in {}",
        paths.records.display()
    ));
    Ok(())
}

/// What mailctl has begun and a cut of power has kept it from: before a daemon sees half of it.
fn finish_rename(target: &Target, paths: &Paths) -> Result<()> {
    let (database, mail) = (target.path(&paths.database), target.path(&paths.mail));
    if let Some(Renamed { old, new }) = rename::finish_at(&database, &mail)? {
        say(format_args!(
            "ezmail: the user {old} is {new} now, as was begun"
        ));
    }
    Ok(())
}

fn preview(steps: &[Step], target: &Target) -> Result<()> {
    let mut nothing = true;
    for step in steps {
        let mut text = String::new();
        for change in &step.changes {
            text += &change.preview(target)?;
        }
        if !text.is_empty() {
            nothing = false;
            say(format_args!("# {}: {}\n{text}", step.name, step.title));
        }
    }
    if nothing {
        say(format_args!("nothing would change"));
    }
    Ok(())
}

/// Notes the units whose files changed as pending in `status`.
fn write(steps: &[Step], target: &Target, status: &mut Status) -> Result<()> {
    for step in steps {
        let mut done = Vec::new();
        let mut result = Ok(());
        for change in &step.changes {
            match change.apply(target) {
                Ok(lines) => {
                    if !lines.is_empty() {
                        let units = change.units().iter().map(ToString::to_string);
                        status.pending.extend(units);
                    }
                    done.extend(lines);
                }
                Err(error) => {
                    let what = format!("step '{}' ({})", step.name, step.title);
                    result = Err(error.context(what));
                    break;
                }
            }
        }
        say(format_args!("ezmail: {:<13} {}", step.name, summary(&done)));
        status.steps.push(StepStatus {
            name: step.name.to_owned(),
            title: step.title.to_owned(),
            done,
        });
        result?;
    }
    Ok(())
}

/// A line for the console; `status --json` has all of them.
pub fn summary(done: &[String]) -> String {
    match done {
        [] => "unchanged".to_owned(),
        [one] => one.clone(),
        many if many.len() <= 3 => many.join("; "),
        many => format!("{} changes", many.len()),
    }
}

/// Everything before the mail services: firewall, network, the administrator's way in, the
/// checkers.
fn prepare(answers: &Answers, changed: &BTreeSet<String>) -> Result<()> {
    let firewall = services::firewall(changed.contains("nftables.service"));
    // the administrator gets in even then, to repair it: by key, and nothing else listens
    services::network_and_ssh(changed, !answers.ssh.authorized_keys.is_empty())?;
    firewall?;
    services::check().context("a mail service would not start; none was started or changed")
}

/// MemTotal of proc_meminfo(5), in MiB.
fn memory_mib(meminfo: &str) -> Result<u64> {
    let line = meminfo.lines().find_map(|l| l.strip_prefix("MemTotal:"));
    let kib = line.and_then(|l| l.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    Ok(kib.context("/proc/meminfo does not say how much memory there is")? / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read() {
        let text = "MemTotal:        1000448 kB\nMemFree:  5 kB\n";
        assert_eq!(memory_mib(text).unwrap(), 977);
        assert!(memory_mib("MemFree: 5 kB").is_err());
    }
}
