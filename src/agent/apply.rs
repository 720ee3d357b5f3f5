//! `ezmail-agent apply`: find the answers, plan, write, check, start.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, bail};
use rustix::fs::{FlockOperation, flock};

use super::{
    console::say,
    discover::{self, Found},
    passwords,
    paths::Paths,
    services, status,
    status::{Outcome, Status, StepStatus},
    steps::{self, Input, Step},
    target::Target,
};
use crate::{answers::Answers, util::files};

/// Where the templates are, in the image.
const TEMPLATES: &str = "/usr/share/ezmail/templates";

/// What to apply, and where.
#[derive(Debug)]
pub struct Options {
    /// The root of the file system to write to.
    pub root: PathBuf,
    /// Show what would change and change nothing.
    pub dry_run: bool,
    /// The answers file; without it, the sources are asked.
    pub answers: Option<PathBuf>,
    /// The folder of the templates; without it, the one below `root`.
    pub templates: Option<PathBuf>,
    /// Memory in MiB to size the services by; without it, this machine's.
    pub memory_mib: Option<u64>,
}

/// Applies the answers.
///
/// Returns success when there are none: that is a state to tell about, not a failure.
///
/// # Errors
/// When anything fails; before a mistake in the answers or in the plan, nothing is written.
pub fn run(options: &Options) -> Result<ExitCode> {
    let target = Target::new(&options.root)?;
    if target.is_live() && !options.dry_run {
        services::require_systemd()?;
    }
    let _lock = (!options.dry_run).then(|| lock(&target)).transpose()?;
    let mut status = Status::new(Outcome::Failed, None, None);
    let file = target.path(Path::new(status::FILE));
    if file.exists() {
        // what an apply that failed has left undone
        status.pending = Status::load(&file)?.pending;
    }
    let result = apply(options, &target, &mut status);
    match &result {
        Ok(Some(())) => status.outcome = Outcome::Ready,
        Ok(None) => {
            status.outcome = Outcome::Waiting;
            status.message = Some(discover::HOW.to_owned());
            say(format_args!("ezmail: {}", discover::HOW));
        }
        Err(error) => status.message = Some(format!("{error:#}")),
    }
    if !options.dry_run {
        status.save(&file)?;
    }
    result.map(|_| ExitCode::SUCCESS)
}

/// One apply at a time; the lock ends with the process.
fn lock(target: &Target) -> Result<fs::File> {
    let path = target.path(Path::new("/run/ezmail/lock"));
    files::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
    let file = fs::File::create(&path).with_context(|| format!("creating {}", path.display()))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Err(rustix::io::Errno::WOULDBLOCK) => bail!("another apply is running; try again later"),
        other => other.with_context(|| format!("locking {}", path.display()))?,
    }
    Ok(file)
}

/// `None` if there are no answers.
fn apply(options: &Options, target: &Target, status: &mut Status) -> Result<Option<()>> {
    let Some(found) = find(options)? else {
        return Ok(None);
    };
    status.source = Some(found.source.clone());
    let mut answers = check(&found)?;
    let paths = Paths::default();
    passwords::hash(&mut answers, target, &paths)?;
    let templates = match &options.templates {
        Some(folder) => folder.clone(),
        None => target.path(Path::new(TEMPLATES)),
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let input = Input {
        answers: &answers,
        target,
        paths: &paths,
        templates: &templates,
        memory_mib: match options.memory_mib {
            Some(mib) => mib,
            None => memory_mib(&files::read_to_string(Path::new("/proc/meminfo"))?)?,
        },
        now: i64::try_from(now)?,
    };
    let steps = steps::plan(&input)?;
    if options.dry_run {
        preview(&steps, target)?;
        return Ok(Some(()));
    }
    write(&steps, target, status)?;
    if target.is_live() {
        start(&answers, &status.pending)?;
    }
    status.pending.clear();
    if let Some(line) = volatile(&answers) {
        say(format_args!("ezmail: {line}"));
    }
    for note in steps.iter().flat_map(|s| &s.notes) {
        say(format_args!("\n{note}"));
    }
    let records = paths.records.clone();
    say(format_args!(
        "ezmail: these records are kept in {}",
        records.display()
    ));
    Ok(Some(()))
}

fn find(options: &Options) -> Result<Option<Found>> {
    if let Some(path) = &options.answers {
        return Found::read(path, path.display().to_string()).map(Some);
    }
    if options.root != Path::new("/") {
        bail!("with --root, name the answers file with --answers");
    }
    let cmdline = files::read_to_string(Path::new("/proc/cmdline"))?;
    let sources = discover::sources(&cmdline)?;
    discover::find(&sources, |line| say(format_args!("ezmail: {line}")))
}

fn check(found: &Found) -> Result<Answers> {
    let (answers, report) = found.answers();
    match answers {
        Some(answers) => {
            if !report.findings().is_empty() {
                say(format_args!("{report}\n"));
            }
            Ok(answers)
        }
        None => bail!(
            "the answers from {} are not right, so nothing was changed:\n\n{report}",
            found.source
        ),
    }
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
fn summary(done: &[String]) -> String {
    match done {
        [] => "unchanged".to_owned(),
        [one] => one.clone(),
        many if many.len() <= 3 => many.join("; "),
        many => format!("{} changes", many.len()),
    }
}

fn start(answers: &Answers, changed: &BTreeSet<String>) -> Result<()> {
    let firewall = services::firewall(changed.contains("nftables.service"));
    // the administrator gets in even then, to repair it: by key, and nothing else listens
    services::network_and_ssh(changed, !answers.ssh.authorized_keys.is_empty())?;
    firewall?;
    services::check().context("a mail service would not start; none was started or changed")?;
    services::start(changed)?;
    say(format_args!("ezmail: the mail services are starting"));
    Ok(())
}

/// What is to be said about a state volume: nothing keeps the state over a reboot so far.
fn volatile(answers: &Answers) -> Option<String> {
    let state = answers.state.as_ref()?;
    Some(format!(
        "the state volume {} is not used by this version: mail, keys and settings are in memory \
         and gone after a reboot",
        state.device
    ))
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
