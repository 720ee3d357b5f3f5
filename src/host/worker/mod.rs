//! The worker: this program again, as root of namespaces of its own.
//!
//! Root file systems have files of many owners. An ordinary user may make them in a user namespace
//! onto which the ids of `/etc/subuid` are mapped (user_namespaces(7)); root needs none. Either
//! way the worker is the first process of a PID namespace, so whatever ends it, a kill included,
//! ends every tool that it started: nothing writes on behind the next build's back.
//!
//! The program that was started, the front, waits, passes interruptions on, and gets the worker's
//! result as JSON in a file. What needs the user's own session, such as an agent for keys, is for
//! the front.

pub mod subids;

use std::{
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context, Result, bail};
use rustix::fs::Mode;
use serde::{Serialize, de::DeserializeOwned};

use super::qemu::process::bound_to_us;
use crate::util::{
    files,
    run::{self, Ended, Task},
};

/// Names the file for the worker's result.
const VARIABLE: &str = "EZMAIL_WORKER";

/// How the worker ended.
#[derive(Debug)]
pub enum Outcome<T> {
    /// Well, with its result.
    Done(T),
    /// Otherwise, and it has said why: the front's exit status.
    Failed(ExitCode),
    /// By an interruption of the front, whose exit status this is: the worker was killed.
    Interrupted(ExitCode),
}

/// Whether this process is the worker.
pub fn is_here() -> bool {
    result_file().is_some()
}

fn result_file() -> Option<PathBuf> {
    let path = std::env::var_os(VARIABLE)?;
    // the first process of its namespace: the variable alone is no worker
    (std::process::id() == 1).then(|| path.into())
}

/// Runs this program with the same words as a worker.
///
/// # Errors
/// When the host lets this user make no namespaces: with what to run, and when its result cannot
/// be read.
pub fn run<T: DeserializeOwned>() -> Result<Outcome<T>> {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        subids::check()?;
    }
    let result = tempfile::Builder::new()
        .prefix("ezmail-")
        .tempfile()
        .context("creating a temporary file")?;
    let program = std::env::current_exe().context("finding this program")?;
    let mut command = command(is_root, &program);
    command
        .args(std::env::args_os().skip(1))
        .env("PATH", run::search_path()?)
        .env("LC_ALL", "C.UTF-8")
        // glibc before 2.39 heeds it under C.UTF-8 too, and what tools say is read
        .env_remove("LANGUAGE")
        .env(VARIABLE, result.path());
    let status = match Task::new("building", command).foreground()? {
        Ended::Interrupted(signal) => {
            return Ok(Outcome::Interrupted(ExitCode::from(status_of_signal(
                signal,
            ))));
        }
        Ended::Exited(status) => status,
    };
    let text = files::read_to_string(result.path())?;
    match status.code() {
        Some(_) if text.is_empty() => bail!(
            "this host or container did not let the build have namespaces of its own ({status}): run \
             a container with --privileged; 'unshare --map-auto' takes util-linux 2.38 or later"
        ),
        Some(0) => serde_json::from_str(&text)
            .map(Outcome::Done)
            .context("reading what the build's own process made"),
        Some(code) => Ok(Outcome::Failed(ExitCode::from(
            u8::try_from(code).unwrap_or(1),
        ))),
        None => {
            let why = match status.signal() {
                Some(9) => "memory may have run out, which 'journalctl -k' or 'dmesg' tells; ",
                _ => "",
            };
            bail!(
                "the build's own process ended by {status}: {why}the last log in logs/latest/ of the cache \
                 has what it did"
            )
        }
    }
}

/// Tells the front that the worker is there: what fails from now on, it says itself. What it makes has
/// the usual modes from here on, whatever the umask of who started it: folders of a root file system are
/// among it.
///
/// # Errors
/// As [`answer`].
pub fn begun() -> Result<()> {
    rustix::process::umask(Mode::WGRP | Mode::WOTH);
    answer(&"begun")
}

/// Leaves the result for the front.
///
/// # Errors
/// When this is no worker, or the file cannot be written.
pub fn answer(result: &impl Serialize) -> Result<()> {
    let path = result_file().context("there is no front that waits for a result")?;
    let text = serde_json::to_string(result).context("writing the result")?;
    std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
}

fn command(is_root: bool, program: &Path) -> Command {
    let mut command = bound_to_us(Path::new("unshare"), None);
    if !is_root {
        command.args(["--map-auto", "--map-root-user"]);
    }
    command.args(["--mount", "--mount-proc", "--pid", "--fork", "--kill-child"]);
    command.arg("--").arg(program);
    command
}

/// 128 and the signal's number, as shells have it.
fn status_of_signal(signal: i32) -> u8 {
    u8::try_from(128 + signal).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::run::shown;

    #[test]
    fn an_ordinary_user_gets_a_user_namespace_and_root_none() {
        let line = |root| shown(&command(root, Path::new("/b/ezmail")));
        insta::assert_snapshot!(line(false), @"setpriv --pdeathsig KILL -- unshare --map-auto --map-root-user --mount --mount-proc --pid --fork --kill-child -- /b/ezmail");
        insta::assert_snapshot!(line(true), @"setpriv --pdeathsig KILL -- unshare --mount --mount-proc --pid --fork --kill-child -- /b/ezmail");
    }

    #[test]
    fn this_is_no_worker() {
        assert!(!is_here());
        assert!(answer(&1).is_err());
    }
}
