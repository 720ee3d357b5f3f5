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
    console::{complain, say},
    discover::{self, Found},
    paths::Paths,
    services,
    state::{self, State, format, kept::Kept},
    status,
    status::{MEMORY, Outcome, Status, StepStatus},
    steps::{self, Input, Step},
    target::Target,
    wanted::{self, Origin, Wanted},
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
    let paths = Paths::default();
    // the folders of an appliance that runs from memory are looked at in a dry run, nothing more
    let place = target.is_live() && !options.dry_run;
    let mut state = None;
    if place {
        state = state::open_existing(&paths)?;
        note(state.as_ref(), status);
    }
    format::check_in(target, &paths)?;
    let kept = Kept::read(target, &paths)?;
    let origin = match options.answers {
        Some(_) => Origin::Hand,
        None => Origin::Outside,
    };
    let Some(wanted) = wanted::decide(find(options), origin, &kept)? else {
        return Ok(None);
    };
    status.source = Some(wanted.source.clone());
    if let Some(error) = &wanted.refused {
        complain(format_args!("{error:#}\n\n{CARRIED_ON}"));
    }
    steps::refuse(&wanted.answers)?;
    if let (true, None, Some(device)) = (place, &state, &wanted.answers.state) {
        note(Some(&state::create(device, &paths)?), status);
    }
    bring_about(options, target, &paths, &wanted, status)?;
    match wanted.refused {
        Some(error) => Err(error.context(CARRIED_ON)),
        None => Ok(Some(())),
    }
}

/// Said of answers that were refused on a server that has others.
const CARRIED_ON: &str = "the server goes on with the answers that it has";

/// Tells of the state volume, where there is one.
fn note(state: Option<&State>, status: &mut Status) {
    let Some(state) = state else { return };
    status.state = Some(state.device.display().to_string());
    let step = state.step();
    say(format_args!(
        "ezmail: {:<13} {}",
        step.name,
        summary(&step.done)
    ));
    status.steps.push(step);
}

fn bring_about(
    options: &Options,
    target: &Target,
    paths: &Paths,
    wanted: &Wanted,
    status: &mut Status,
) -> Result<()> {
    let answers = &wanted.answers;
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
    let steps = steps::plan(&input)?;
    if options.dry_run {
        return preview(&steps, target);
    }
    write(&steps, target, status)?;
    if target.is_live() {
        start(answers, &status.pending)?;
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
