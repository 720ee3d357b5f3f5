//! Restores, as far as the agent is concerned: the one at the first boot, which `[restore]` in the
//! answers asks for, and switches that a crash has broken off.
//!
//! | module | its one job |
//! |---|---|
//! | [`first`] | the restore at the first boot |
//! | [`mark`] | what says that it was done |
//! | [`source`] | the backup that the answers name, with the network if it takes that |

mod first;
pub mod mark;
mod source;

use anyhow::Result;

use self::mark::Done;
use super::{
    apply::Options,
    console::{complain, say},
    paths::Paths,
    state::kept::Kept,
    status::StepStatus,
    target::Target,
    wanted::Wanted,
};
use crate::{
    answers::model::Restore,
    backup::{
        job,
        scratch::Scratch,
        switch::{self, Layout},
    },
};

/// What a restore is called in what an apply tells.
const STEP: &str = "restore";

/// Finishes a switch that was begun; at boot, removes what was never begun.
///
/// # Errors
/// When it cannot be finished: nothing of the state may be used then.
pub fn go_on(target: &Target, paths: &Paths, boot: bool) -> Result<()> {
    let layout = Layout::of(target, paths);
    match switch::finish(&layout)? {
        Some(record) => {
            say(format_args!(
                "ezmail: {STEP:<13} {} is in place now, as was begun",
                record.order.what
            ));
            first::forget_nothing(&layout, &record)?;
        }
        // it may have been broken off behind its end; what is left is in nobody's way
        None => {
            first::forget_all(&layout).unwrap_or_else(|error| complain(format_args!("{error:#}")))
        }
    }
    if boot
        && layout.folder().exists()
        // held by whoever restores
        && let Ok(_scratch) = Scratch::take(layout.state())
        && job::give_up(&layout)?
    {
        say(format_args!(
            "ezmail: {STEP:<13} one that was broken off is given up; nothing of it was in use"
        ));
    }
    Ok(())
}

/// Restores what `[restore]` in the answers names, on a server that has not been set up yet; what
/// was done, `None` if there was nothing to do.
///
/// # Errors
/// When it cannot be restored. Nothing was changed then, and the next boot tries again.
pub fn at_first_boot(
    options: &Options,
    target: &Target,
    paths: &Paths,
    wanted: &Wanted,
    kept: &Kept,
) -> Result<Option<StepStatus>> {
    let Some(restore) = &wanted.answers.restore else {
        return Ok(None);
    };
    let layout = Layout::of(target, paths);
    let done = Done::read(&layout)?;
    if let Some(why) = ignored(restore, done.as_ref(), kept.current.is_some()) {
        say(format_args!("ezmail: {STEP:<13} {why}"));
        return Ok(None);
    }
    if options.dry_run {
        say(format_args!(
            "# {STEP}: the backup in {} would be restored first\n",
            restore.source
        ));
        return Ok(None);
    }
    let done = first::run(target, &layout, restore, wanted)?;
    Ok(Some(StepStatus {
        name: STEP.to_owned(),
        title: "what the backup holds".to_owned(),
        done,
    }))
}

/// Why `[restore]` is nothing to do any more.
fn ignored(restore: &Restore, done: Option<&Done>, has_answers: bool) -> Option<String> {
    match (done, has_answers) {
        (Some(done), _) => Some(format!("done before: {done}")),
        (None, true) => Some(format!(
            "[restore] from {} is ignored: this server was set up before. 'mailctl restore' \
             restores on it",
            restore.source
        )),
        (None, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answers::model::Source;

    #[test]
    fn a_server_is_restored_once() {
        let restore = Restore {
            source: Source::File("b.tar.zst.encpipe".into()),
        };
        assert_eq!(ignored(&restore, None, false), None);
        let done = Done {
            source: restore.source.to_string(),
            backup: "mail.example.org_20261124T033000Z".parse().unwrap(),
            time: 1_795_491_000,
            files: 1234,
            bytes: 9_800_000_000,
        };
        let done = ignored(&restore, Some(&done), true).unwrap();
        insta::assert_snapshot!(done, @"done before: mail.example.org_20261124T033000Z was restored on 2026-11-24 from b.tar.zst.encpipe: 1234 files, 9.80 GB");
        let before = ignored(&restore, None, true).unwrap();
        insta::assert_snapshot!(before, @"[restore] from b.tar.zst.encpipe is ignored: this server was set up before. 'mailctl restore' restores on it");
    }
}
