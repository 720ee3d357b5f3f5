//! Carries a switch out; the way back, and what was there before.

use std::{
    process::{Command, ExitCode},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use super::{around::Services, text::minute};
use crate::{
    agent::{health, held},
    backup::{
        incoming,
        job::{self, Outcome},
        scratch::Scratch,
        switch::{self, Layout, Order, Record},
    },
    ctl::{answering, ask, output, server::Server},
    util::{run::Task, size::size, time::now},
};

/// Carries switches out, whatever becomes of who asked for it.
const UNIT: &str = "ezmail-switch.service";
/// How long somebody else's work on the state is waited for.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long a switch may take before nobody waits for it any more.
const LONGEST: Duration = Duration::from_secs(30 * 60);
/// How often it is looked at.
const POLL: Duration = Duration::from_millis(300);
/// How long the unit may wait between attempts, all in all, before the reason is to be looked for.
const IN_VAIN: Duration = Duration::from_secs(15);

/// Has the unit of a running server bring a switch to its end whose caller was killed; waits for it.
///
/// # Errors
/// When it comes to none.
pub(super) fn finish_unit(server: &Server, layout: &Layout) -> Result<()> {
    if !server.is_live() || !job::is_pending(layout) {
        return Ok(());
    }
    start()?;
    tell(&wait(layout)?);
    Ok(())
}

/// The same for a server that does not run.
///
/// # Errors
/// As [`finish_unit`].
pub(super) fn finish_here(server: &Server, layout: &Layout) -> Result<()> {
    if server.is_live() {
        return Ok(());
    }
    if let Some(outcome) = job::carry_out(layout, &Services(server))? {
        tell(&outcome);
    }
    Ok(())
}

fn tell(outcome: &Outcome) {
    let what = &outcome.order.what;
    match judge(outcome) {
        Ok(()) => eprintln!("restore: {what} had not come to its end, and is in place now"),
        Err(error) => eprintln!("restore: {what} had not come to its end: {error:#}"),
    }
}

/// Asks for the switch, waits for its end, and says what was wrong if it did not work.
///
/// # Errors
/// When the server could not work with the new state: it is as it was before then.
pub(super) fn carry_out(
    server: &Server,
    layout: &Layout,
    scratch: Scratch,
    order: Order,
) -> Result<()> {
    job::ask_for(layout, order)?;
    let outcome = match server.is_live() {
        false => job::carry_out(layout, &Services(server))?,
        true => {
            // the unit takes it
            drop(scratch);
            start()?;
            Some(wait(layout)?)
        }
    };
    let outcome = outcome.context("the switch ended without saying how")?;
    judge(&outcome)?;
    match server.is_live() {
        true => answering(server),
        false => Ok(()),
    }
}

fn judge(outcome: &Outcome) -> Result<()> {
    let what = &outcome.order.what;
    match (&outcome.error, &outcome.worse) {
        (None, None) => Ok(()),
        (Some(error), None) => bail!(
            "the server cannot work with {what}, and was switched back to what was there before: \
             {error}"
        ),
        (Some(error), Some(worse)) => bail!(
            "the server cannot work with {what}: {error}. What was there before was put back, but \
             not all is well: {worse}. See 'mailctl status'"
        ),
        (None, Some(worse)) => bail!(
            "{what} is in place, but not all is well: {worse}. See 'mailctl status'; 'mailctl \
             restore --undo' goes back"
        ),
    }
}

fn start() -> Result<()> {
    let mut command = Command::new("systemctl");
    command.args(["start", "--no-block", UNIT]);
    Task::new("beginning the switch", command).run()
}

fn wait(layout: &Layout) -> Result<Outcome> {
    eprintln!("restore: switching; the mail services stop for a moment");
    let (begun, mut attempts) = (Instant::now(), 0);
    loop {
        let pending = job::is_pending(layout);
        if let Some(outcome) = job::outcome(layout)? {
            return Ok(outcome);
        }
        if !pending {
            bail!(
                "somebody else gave the switch up before it began ('ezmail-agent apply' does): \
                 nothing was changed, try again"
            );
        }
        let state = health::ask(&[UNIT])?.remove(0);
        attempts += u32::from(state.sub.starts_with("auto-restart"));
        let in_vain = POLL * attempts > IN_VAIN;
        if state.active == "failed" || in_vain || begun.elapsed() > LONGEST {
            bail!(
                "the switch has not come to its end ({}, {}): 'journalctl -u {UNIT}' says why, and \
                 'systemctl start {UNIT}' goes on with it. A restart finishes it if anything was \
                 moved, and gives it up if not",
                state.active,
                state.sub
            );
        }
        thread::sleep(POLL);
    }
}

/// Waits until the services answer again.
fn answering(server: &Server) -> Result<()> {
    let held = held::read(&server.target, &server.paths)?;
    let parts = health::PARTS
        .iter()
        .filter(|part| !held.contains(part.unit));
    for part in parts {
        answering::wait(part, &server.paths)?;
    }
    Ok(())
}

/// Carries out what was asked for: what the unit does.
///
/// # Errors
/// When it comes to no end: the unit is started again then.
pub(super) fn finish(server: &Server, layout: &Layout) -> Result<ExitCode> {
    let deadline = Instant::now() + PATIENCE;
    let _scratch = loop {
        match Scratch::take(layout.state()) {
            Ok(scratch) => break scratch,
            Err(error) if Instant::now() >= deadline => return Err(error),
            // mailctl, which has asked for it
            Err(_) => thread::sleep(Duration::from_millis(100)),
        }
    };
    if let Some(outcome) = job::carry_out(layout, &Services(server))? {
        let said = match judge(&outcome) {
            Ok(()) => format!("{} is in place\n", outcome.order.what),
            // told by who asked for it, and in the journal; the unit has done its work
            Err(error) => format!("{error:#}\n"),
        };
        output::text(&said)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Goes back to what was there before the last restore.
///
/// # Errors
/// When there is nothing to go back to, or the server cannot work with it.
pub(super) fn undo(
    server: &Server,
    layout: &Layout,
    scratch: Scratch,
    yes: bool,
) -> Result<ExitCode> {
    job::give_up(layout)?;
    let mut olds = switch::olds(layout)?;
    let Some(old) = olds.pop() else {
        bail!("there is nothing to go back to: nothing was restored, or --drop-old removed it");
    };
    output::text(&describe(&old))?;
    ask::sure(
        "Go back to it? What is there now is kept in its place.",
        yes,
    )?;
    let order = switch::undo(layout, &old, now()?)?;
    incoming::prepare(&layout.path(&order.from), &order.modules)?;
    carry_out(server, layout, scratch, order)?;
    output::text("what was there before is in place again; a second --undo takes that back\n")?;
    Ok(ExitCode::SUCCESS)
}

fn describe(old: &Record) -> String {
    let names: Vec<&str> = old.order.modules.iter().map(|m| m.name()).collect();
    format!(
        "what was there until {} UTC, when {} took its place: {}\n",
        minute(old.order.time),
        old.order.what,
        names.join(", ")
    )
}

/// Removes what was there before restores.
///
/// # Errors
/// When there is nothing, or it cannot be removed.
pub(super) fn drop_old(layout: &Layout, yes: bool) -> Result<ExitCode> {
    job::give_up(layout)?;
    let olds = switch::olds(layout)?;
    if olds.is_empty() {
        output::text("nothing is kept of what was there before\n")?;
        return Ok(ExitCode::SUCCESS);
    }
    let text: String = olds.iter().map(describe).collect();
    output::text(&text)?;
    ask::sure("Remove it for good?", yes)?;
    let mut freed = 0;
    for old in &olds {
        freed += switch::size(layout, old)?;
        switch::drop_old(layout, old)?;
    }
    output::text(&format!("removed; {} are free again\n", size(freed)))?;
    Ok(ExitCode::SUCCESS)
}
