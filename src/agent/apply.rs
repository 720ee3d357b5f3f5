//! `ezmail-agent apply`: find the answers, plan, write, check, start.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, Result, bail};

use super::{
    console::{complain, say},
    discover::{self, Found},
    execute::{execute, summary},
    install::{self, Done},
    page,
    paths::Paths,
    restore, services,
    state::{self, State, format, kept::Kept},
    status,
    status::{Outcome, Status},
    target::Target,
    wanted::{self, Origin, Wanted},
};
use crate::util::{files, lock};

/// What to apply, and where.
#[derive(Debug)]
pub struct Options {
    /// The root of the file system to write to.
    pub root: PathBuf,
    /// Show what would change and change nothing.
    pub dry_run: bool,
    /// The answers file; without it, the sources are asked.
    pub answers: Option<PathBuf>,
    /// Ask no source: the answers that are kept are applied again.
    pub kept: bool,
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
    let _lock = (!options.dry_run)
        .then(|| {
            // mailctl has changed something, and another apply may have begun before
            let wait = if options.kept { WAIT } else { Duration::ZERO };
            lock(&target, wait)
        })
        .transpose()?;
    let mut status = Status::new(Outcome::Failed, None, None);
    let file = target.path(Path::new(status::FILE));
    if file.exists() {
        // what an apply that failed has left undone
        status.pending = Status::load(&file)?.pending;
    }
    let result = apply(options, &target, &mut status);
    let changed = status.steps.iter().any(|step| !step.done.is_empty());
    if changed && !options.dry_run {
        // it was about the server as it was before
        let guide = target.path(Path::new(page::guide::FILE));
        files::remove_file(&guide).unwrap_or_else(|error| complain(format_args!("{error:#}")));
    }
    match &result {
        Ok(Some(Applied::All)) => status.outcome = Outcome::Ready,
        Ok(Some(Applied::Installed)) => status.outcome = Outcome::Installed,
        Ok(None) => {
            status.outcome = Outcome::Waiting;
            status.message = Some(discover::HOW.to_owned());
            say(format_args!("ezmail: {}", discover::HOW));
        }
        Err(error) => status.message = Some(format!("{error:#}")),
    }
    if !options.dry_run
        && let Err(error) = status.save(&file)
    {
        complain(format_args!("{error:#}"));
        // what went wrong before is what counts
        result?;
        return Err(error);
    }
    result.map(|_| ExitCode::SUCCESS)
}

/// How long an apply of the kept answers waits for another apply to end.
pub const WAIT: Duration = Duration::from_secs(60);

/// One apply at a time, for whose end `wait` is waited; the lock ends with the process.
///
/// # Errors
/// When it runs on, or the lock cannot be made.
pub fn lock(target: &Target, wait: Duration) -> Result<fs::File> {
    let path = target.path(Path::new("/run/ezmail/lock"));
    lock::take(&path, wait)?.context("another apply is running; try again later")
}

/// What was done with answers.
enum Applied {
    /// All is as they say.
    All,
    /// The server is installed to disk, and the machine restarts; nothing else was done.
    Installed,
}

/// `None` if there are no answers.
fn apply(options: &Options, target: &Target, status: &mut Status) -> Result<Option<Applied>> {
    let paths = Paths::default();
    // the folders of an appliance that runs from memory are looked at in a dry run, nothing more
    let place = target.is_live() && !options.dry_run;
    let mut state = None;
    if place {
        install::look()?;
        state = state::open_existing(&paths)?;
        note(state.as_ref(), status);
    }
    let (mut wanted, kept) = loop {
        let Some((mut wanted, kept)) = decide(options, target, &paths, status)? else {
            return Ok(None);
        };
        if !place {
            break (wanted, kept);
        }
        if let Some(state) = &state {
            if let Err(error) = install::check(&wanted.answers, state) {
                wanted = wanted.instead(error, &kept)?;
                complain(format_args!("{REFUSED}: {CARRIED_ON}"));
            }
            break (wanted, kept);
        }
        let made = match install::first(&wanted.answers, &paths)? {
            Done::State(made) => made,
            Done::Restarts => return Ok(Some(Applied::Installed)),
        };
        note(made.as_ref(), status);
        match made {
            // its disk has come late, and the answers that it keeps were not asked
            Some(late) if !late.new => state = Some(late),
            _ => break (wanted, kept),
        }
    };
    let restored = restore::at_first_boot(options, target, &paths, &wanted, &kept)?;
    status.steps.extend(restored);
    if let Err(error) = execute(options, target, &paths, &wanted, status) {
        if options.dry_run {
            return Err(error);
        }
        wanted = wanted.instead(error, &kept)?;
        complain(format_args!("{REFUSED}: {CARRIED_ON}"));
        status.steps.retain(|step| step.name == state::STEP);
        execute(options, target, &paths, &wanted, status)?;
    }
    match wanted.refused {
        Some(error) => Err(error.context(CARRIED_ON)),
        None => Ok(Some(Applied::All)),
    }
}

/// The answers to apply, and those that the state volume keeps, where it is in place. `None` if there
/// are none.
fn decide(
    options: &Options,
    target: &Target,
    paths: &Paths,
    status: &mut Status,
) -> Result<Option<(Wanted, Kept)>> {
    if !options.dry_run {
        // before anything of the state is read
        restore::go_on(target, paths, !options.kept)?;
    }
    format::check_in(target, paths)?;
    let kept = Kept::read(target, paths)?;
    let origin = match options.answers {
        Some(_) => Origin::Hand,
        None => Origin::Outside,
    };
    let found = match options.kept {
        true => Ok(None),
        // kept ones that cannot be read are no reason to begin anew
        false => find(options, !matches!(kept.current(), Ok(None))),
    };
    let Some(wanted) = wanted::decide(found, origin, &kept)? else {
        return Ok(None);
    };
    // also where a disk is refused: the page has to know what to offer
    status.source = Some(wanted.source.clone());
    if wanted.refused.is_some() {
        complain(format_args!("{REFUSED}: {CARRIED_ON}"));
    }
    Ok(Some((wanted, kept)))
}

/// Said at once; what is wrong with them comes at the end, where it is not scrolled away.
const REFUSED: &str = "the new answers are refused, for what is said below";
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

fn find(options: &Options, has_answers: bool) -> Result<Option<Found>> {
    if let Some(path) = &options.answers {
        return Found::read(path, path.display().to_string()).map(Some);
    }
    if options.root != Path::new("/") {
        bail!("with --root, name the answers file with --answers");
    }
    let cmdline = files::read_to_string(Path::new("/proc/cmdline"))?;
    let sources = discover::sources(&cmdline, has_answers)?;
    discover::find(&sources, |line| say(format_args!("ezmail: {line}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_apply_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let target = Target::new(folder.path()).unwrap();
        let other = lock(&target, Duration::ZERO).unwrap();
        let error = lock(&target, Duration::ZERO).unwrap_err().to_string();
        assert_eq!(error, "another apply is running; try again later");
        let ends = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(300));
            drop(other);
        });
        lock(&target, WAIT).unwrap();
        ends.join().unwrap();
    }
}
