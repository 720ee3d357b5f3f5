//! A switch on a running server: what stops before it, what is applied and starts after it, and the
//! way back if that fails.
//!
//! What is to be done is a file, and so is how it ended: whoever carries it out may be killed at any
//! time and is called again. With a file of [`OUTCOME`] beside no [`JOB`], it is over.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    incoming,
    switch::{self, Layout, Order, Record},
};
use crate::util::files;

/// The file of what is to be done, in the folder of restores.
const JOB: &str = "job.json";
/// The file of how the last one ended.
const OUTCOME: &str = "outcome.json";

/// A switch that is to be carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// What is switched.
    pub order: Order,
    /// Why it is a way back, if it is one.
    pub back: Option<String>,
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// What was to be done.
    pub order: Order,
    /// What went wrong: the server is as it was before.
    pub error: Option<String>,
    /// What went wrong on the way back as well.
    pub worse: Option<String>,
}

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

fn file(layout: &Layout, name: &str) -> PathBuf {
    layout.folder().join(name)
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    if !path.exists() {
        return Ok(None);
    }
    let text = files::read_to_string(path)?;
    let value = serde_json::from_str(&text);
    value
        .map(Some)
        .with_context(|| format!("{} is damaged", path.display()))
}

fn write(path: &Path, value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value).context("writing JSON")?;
    files::write(path, text + "\n", 0o600)
}

fn remove(path: &Path) -> Result<()> {
    if path.exists() {
        fs::remove_file(path).with_context(|| format!("removing {}", path.display()))?;
        files::sync_folder(path.parent().unwrap_or(Path::new("/")))?;
    }
    Ok(())
}

/// Whether there is something to do.
pub fn is_pending(layout: &Layout) -> bool {
    file(layout, JOB).exists()
}

/// Writes down that `order` is to be carried out.
///
/// # Errors
/// When it cannot be written.
pub fn ask_for(layout: &Layout, order: Order) -> Result<()> {
    switch::create_folder(layout)?;
    remove(&file(layout, OUTCOME))?;
    write(&file(layout, JOB), &Job { order, back: None })
}

/// How the last job ended; `None` while it has not.
///
/// # Errors
/// When that cannot be read.
pub fn outcome(layout: &Layout) -> Result<Option<Outcome>> {
    match is_pending(layout) {
        true => Ok(None),
        false => read(&file(layout, OUTCOME)),
    }
}

/// Forgets a job that nobody has begun, with all that was put together for it; whether there was
/// something. A switch that was begun is to be finished before. A way back is gone to its end: what
/// it leads away from cannot be worked with.
///
/// # Errors
/// When something cannot be moved or removed.
pub fn give_up(layout: &Layout) -> Result<bool> {
    let job: Option<Job> = read(&file(layout, JOB))?;
    if let Some(back) = job.as_ref().filter(|job| job.back.is_some())
        && let Some(record) = switched(layout, back)??
    {
        switch::drop_old(layout, &record)?;
    }
    let pending = job.is_some();
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
            // nothing has moved
            Err(error) => {
                let error = Some(format!("{error:#}"));
                match job.back.is_some() {
                    true => worse = error,
                    false => job.back = error,
                }
                break;
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
                worse = Some(format!("{error:#}"));
                break;
            }
        }
    }
    if let Err(error) = around.start() {
        worse = Some(match worse {
            Some(before) => format!("{before}; {error:#}"),
            None => format!("{error:#}"),
        });
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

/// What a switch has left of the state before it; inside, why it was not begun.
type Switched = Result<Option<Record>>;

/// Does the switch if it is not done. Of a way back that is past, nothing is left.
fn switched(layout: &Layout, job: &Job) -> Result<Switched> {
    let order = &job.order;
    switch::finish(layout)?;
    let mut olds = switch::olds(layout)?.into_iter();
    if let Some(record) = olds.find(|old| old.order == *order) {
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
mod tests {
    use std::{
        cell::{Cell, RefCell},
        panic::{AssertUnwindSafe, catch_unwind},
    };

    use super::*;
    use crate::{
        agent::{paths::Paths, target::Target},
        backup::{module::Module, switch::layout::staged},
    };

    /// Writes down what it is told; refuses, or dies, when it is to.
    #[derive(Default)]
    struct Fake {
        said: RefCell<Vec<&'static str>>,
        refuses: Cell<u32>,
        dies_at: Cell<Option<usize>>,
    }

    impl Fake {
        fn say(&self, what: &'static str) {
            self.said.borrow_mut().push(what);
            if self.dies_at.get() == Some(self.said.borrow().len()) {
                self.dies_at.take();
                std::panic::panic_any("killed");
            }
        }
    }

    impl Around for Fake {
        type Guard = ();
        fn stop(&self) -> Result<()> {
            self.say("stop");
            Ok(())
        }
        fn alone(&self) -> Result<()> {
            self.say("alone");
            Ok(())
        }
        fn apply(&self) -> Result<()> {
            self.say("apply");
            if self.refuses.get() > 0 {
                self.refuses.set(self.refuses.get() - 1);
                anyhow::bail!("smtpd -n says no");
            }
            Ok(())
        }
        fn start(&self) -> Result<()> {
            self.say("start");
            Ok(())
        }
    }

    fn server() -> (tempfile::TempDir, Layout) {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::of(&Target::new(root.path()).unwrap(), &Paths::default());
        for (path, text) in [("tls/key", "old"), ("restore/new/tls/key", "new")] {
            let path = layout.path(Path::new(path));
            files::write_with_parents(&path, text, 0o600).unwrap();
        }
        let modules = [Module::Certificates];
        let order = Order::new(&layout, staged(), &modules, "the backup x".into(), 9).unwrap();
        ask_for(&layout, order).unwrap();
        (root, layout)
    }

    fn key(layout: &Layout) -> String {
        fs::read_to_string(layout.path(Path::new("tls/key"))).unwrap()
    }

    #[test]
    fn services_stop_only_for_the_switch() {
        let (_root, layout) = server();
        let fake = Fake::default();
        assert_eq!(outcome(&layout).unwrap(), None);
        let done = carry_out(&layout, &fake).unwrap().unwrap();
        assert_eq!((done.error.as_deref(), done.worse.as_deref()), (None, None));
        assert_eq!(*fake.said.borrow(), ["stop", "alone", "apply", "start"]);
        assert_eq!(
            (key(&layout).as_str(), switch::olds(&layout).unwrap().len()),
            ("new", 1)
        );
        assert_eq!(outcome(&layout).unwrap(), Some(done));
        assert_eq!(carry_out(&layout, &fake).unwrap(), None);
    }

    #[test]
    fn what_cannot_be_applied_is_taken_back() {
        let (_root, layout) = server();
        let fake = Fake::default();
        fake.refuses.set(1);
        let done = carry_out(&layout, &fake).unwrap().unwrap();
        assert_eq!(done.error.as_deref(), Some("smtpd -n says no"));
        assert_eq!((done.worse, key(&layout).as_str()), (None, "old"));
        assert_eq!(switch::olds(&layout).unwrap(), []);
        let (_root, layout) = server();
        fake.refuses.set(2);
        let done = carry_out(&layout, &fake).unwrap().unwrap();
        assert_eq!((done.worse.is_some(), key(&layout).as_str()), (true, "old"));
    }

    #[test]
    fn what_cannot_be_begun_changes_nothing() {
        let (_root, layout) = server();
        fs::remove_dir_all(layout.staged()).unwrap();
        let done = carry_out(&layout, &Fake::default()).unwrap().unwrap();
        assert!(
            done.error
                .unwrap()
                .ends_with("there is nothing to switch to")
        );
        assert_eq!(key(&layout), "old");
        assert!(!give_up(&layout).unwrap());
    }

    #[test]
    fn killed_at_any_moment_it_ends_the_same_way() {
        for refuses in [0, 1] {
            for at in 1..9 {
                let (_root, layout) = server();
                let fake = Fake::default();
                fake.refuses.set(refuses);
                fake.dies_at.set(Some(at));
                let killed = catch_unwind(AssertUnwindSafe(|| carry_out(&layout, &fake).is_ok()));
                if killed.is_err() {
                    carry_out(&layout, &fake).unwrap();
                }
                let done = outcome(&layout).unwrap().unwrap();
                assert_eq!(
                    (done.error.is_some(), done.worse),
                    (refuses == 1, None),
                    "{at}"
                );
                let (want, olds) = if refuses == 1 { ("old", 0) } else { ("new", 1) };
                assert_eq!(key(&layout), want, "{at}");
                assert_eq!(switch::olds(&layout).unwrap().len(), olds, "{at}");
                assert!(!give_up(&layout).unwrap());
            }
        }
    }

    #[test]
    fn power_that_is_cut_on_the_way_back_does_not_end_it() {
        // before the way back is begun, and after it
        for at in [4, 6] {
            let (_root, layout) = server();
            let fake = Fake::default();
            fake.refuses.set(1);
            fake.dies_at.set(Some(at));
            let killed = catch_unwind(AssertUnwindSafe(|| carry_out(&layout, &fake).is_ok()));
            assert!(killed.is_err());
            // as the agent does at boot
            switch::finish(&layout).unwrap();
            assert!(give_up(&layout).unwrap());
            assert_eq!((key(&layout).as_str(), is_pending(&layout)), ("old", false));
            assert_eq!(switch::olds(&layout).unwrap(), []);
        }
    }

    #[test]
    fn what_nobody_has_begun_is_given_up() {
        let (_root, layout) = server();
        assert!(give_up(&layout).unwrap());
        assert!(!give_up(&layout).unwrap());
        assert_eq!(key(&layout), "old");
        assert_eq!(carry_out(&layout, &Fake::default()).unwrap(), None);
    }
}
