//! A switch on a running server: what stops before it, what is applied and starts after it, and the
//! way back if that fails.
//!
//! What is to be done is a file, and so is how it ended ([`kept`]): whoever carries it out may be
//! killed at any time and is called again. With a file of an outcome beside none of a job, it is over.

mod kept;

use anyhow::Result;

use super::{
    incoming,
    switch::{self, Layout, Record},
};

use self::kept::{JOB, OUTCOME, file, read, remove, write};
pub use self::kept::{Job, Outcome, ask_for, is_pending, outcome};

/// What is done around a switch.
pub trait Around {
    /// What has to be held while files are moved: no apply runs meanwhile.
    type Guard;

    /// Stops whatever writes or reads the state.
    ///
    /// # Errors
    /// When something goes on running.
    fn stop(&self) -> Result<()>;

    /// Waits until nobody else changes the server.
    ///
    /// # Errors
    /// When somebody does for too long.
    fn alone(&self) -> Result<Self::Guard>;

    /// Brings keys, files and services to what the state says now.
    ///
    /// # Errors
    /// What does not go.
    fn apply(&self) -> Result<()>;

    /// Starts what was stopped.
    ///
    /// # Errors
    /// When something does not start.
    fn start(&self) -> Result<()>;
}

/// Forgets a job that nobody has begun, with all that was put together for it; whether there was
/// something. A switch that was begun is to be finished before. A way back is gone to its end: what
/// it leads away from cannot be worked with.
///
/// # Errors
/// When something cannot be moved or removed.
pub fn give_up(layout: &Layout) -> Result<bool> {
    let pending = is_pending(layout);
    // one that cannot be read has no more to say: a switch that was begun has a record of its own
    let job: Option<Job> = read(&file(layout, JOB)).unwrap_or_default();
    if let Some(back) = job.as_ref().filter(|job| job.back.is_some())
        && let Some(record) = switched(layout, back)??
    {
        switch::drop_old(layout, &record)?;
    }
    remove(&file(layout, JOB))?;
    Ok(switch::tidy(layout)? || pending)
}

/// Carries out what was asked for, and says how it ended.
///
/// # Errors
/// When it could not be brought to an end, neither forwards nor back: the next call goes on.
pub fn carry_out(layout: &Layout, around: &impl Around) -> Result<Option<Outcome>> {
    let Some(mut job) = read::<Job>(&file(layout, JOB))? else {
        let _guard = around.alone()?;
        switch::finish(layout)?;
        return Ok(None);
    };
    let first = job.order.clone();
    around.stop()?;
    let mut worse = None;
    loop {
        let guard = around.alone()?;
        let done = switched(layout, &job);
        drop(guard);
        let old = match done? {
            Ok(old) => old,
            // nothing has moved; what was stopped is seen to all the same
            Err(error) => {
                match job.back.is_some() {
                    true => add(&mut worse, &error),
                    false => job.back = Some(format!("{error:#}")),
                }
                None
            }
        };
        match around.apply() {
            Ok(()) => {
                if let (Some(_), Some(old)) = (&job.back, &old) {
                    // what could not be applied: the backup still has it
                    switch::drop_old(layout, old)?;
                }
                break;
            }
            Err(error) if let (None, Some(old)) = (&job.back, &old) => {
                let order = switch::undo(layout, old, job.order.time)?;
                job = Job {
                    order,
                    back: Some(format!("{error:#}")),
                };
                write(&file(layout, JOB), &job)?;
            }
            Err(error) => {
                add(&mut worse, &error);
                break;
            }
        }
    }
    if let Err(error) = around.start() {
        add(&mut worse, &error);
    }
    let outcome = Outcome {
        order: first,
        error: job.back,
        worse,
    };
    write(&file(layout, OUTCOME), &outcome)?;
    remove(&file(layout, JOB))?;
    Ok(Some(outcome))
}

/// Adds an error to what was wrong before.
fn add(worse: &mut Option<String>, error: &anyhow::Error) {
    let before = worse.take().map(|before| format!("{before}; "));
    *worse = Some(format!("{}{error:#}", before.unwrap_or_default()));
}

/// What a switch has left of the state before it; inside, why it was not begun.
type Switched = Result<Option<Record>>;

/// Does the switch if it is not done. Of a way back that is past, nothing is left.
fn switched(layout: &Layout, job: &Job) -> Result<Switched> {
    let order = &job.order;
    switch::finish(layout)?;
    if let Some(record) = switch::done(layout, order)? {
        return Ok(Ok(Some(record)));
    }
    let from = layout.path(&order.from);
    if job.back.is_some() && !from.exists() {
        return Ok(Ok(None));
    }
    let begun = incoming::carry_over(layout, &from, &order.modules)
        .and_then(|()| switch::begin(layout, order.clone()));
    match begun {
        Err(error) => Ok(Err(error)),
        Ok(record) => {
            switch::finish(layout)?;
            Ok(Ok(Some(record)))
        }
    }
}

#[cfg(test)]
mod tests;
