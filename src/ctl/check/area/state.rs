//! The state volume.

use std::path::Path;

use anyhow::Result;

use crate::{
    agent::status::{self, MEMORY, Outcome, Status},
    ctl::check::{
        Context,
        finding::{Area, Finding},
    },
};

const AREA: Area = Area::State;

pub(super) fn check(cx: &Context) -> Result<Vec<Finding>> {
    let file = cx.server.target.path(Path::new(status::FILE));
    let status = file.exists().then(|| Status::load(&file)).transpose()?;
    Ok(vec![judge(status.as_ref())])
}

fn judge(status: Option<&Status>) -> Finding {
    match status {
        None => Finding::unknown(AREA, "", "The agent has not run since this boot."),
        Some(Status {
            state: Some(device),
            ..
        }) => Finding::ok(AREA, "", format!("The state volume is {device}.")),
        Some(status) if status.outcome == Outcome::Ready => Finding::warning(
            AREA,
            "",
            format!("There is {MEMORY}."),
            "Name a disk for them in the answers: [state] device.",
        ),
        Some(_) => Finding::unknown(AREA, "", "The answers were not applied."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctl::check::finding::State;

    #[test]
    fn without_a_volume_there_is_a_warning() {
        let mut status = Status::new(Outcome::Ready, None, None);
        assert_eq!(judge(Some(&status)).state, State::Warning);
        status.state = Some("/dev/vda".to_owned());
        assert_eq!(judge(Some(&status)).state, State::Ok);
        assert_eq!(judge(None).state, State::Unknown);
    }
}
