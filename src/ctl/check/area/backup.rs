//! Whether backups are made.

use anyhow::{Result, bail};

use crate::{
    answers::Answers,
    ctl::check::{
        Context,
        finding::{Area, Finding},
    },
};

const AREA: Area = Area::Backup;

pub(super) fn check(cx: &Context) -> Result<Vec<Finding>> {
    match &cx.answers {
        Ok(answers) => Ok(vec![judge(answers)]),
        Err(error) => bail!("{error}"),
    }
}

fn judge(answers: &Answers) -> Finding {
    match answers.backup.is_some() {
        true => Finding::warning(
            AREA,
            "",
            "The answers have a [backup], but this version makes none yet.",
            "Copy the state volume by other means until a later version does.",
        ),
        false => Finding::warning(
            AREA,
            "",
            "No backup is configured: if the disk is lost, so is all mail.",
            "Copy the state volume by other means, or take snapshots at the provider.",
        ),
    }
}
