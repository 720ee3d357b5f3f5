//! Whether the answers were applied.

use std::path::Path;

use anyhow::Result;

use crate::{
    agent::status::{self, Outcome, Status},
    ctl::check::{
        Context,
        finding::{Area, Finding},
    },
};

const AREA: Area = Area::Answers;

pub(super) fn check(cx: &Context) -> Result<Vec<Finding>> {
    let file = cx.server.target.path(Path::new(status::FILE));
    let status = file.exists().then(|| Status::load(&file)).transpose()?;
    Ok(vec![judge(status.as_ref())])
}

fn judge(status: Option<&Status>) -> Finding {
    let Some(status) = status else {
        return Finding::error(
            AREA,
            "",
            "The agent has not run since this boot.",
            "See 'journalctl -u ezmail-agent'.",
        );
    };
    let said = || status.message.clone().unwrap_or_default();
    match status.outcome {
        Outcome::Ready => Finding::ok(AREA, "", "The answers were applied."),
        Outcome::Waiting => Finding::error(AREA, "", "There are no answers yet.", said()),
        Outcome::Installed => Finding::error(
            AREA,
            "",
            "The server was installed to disk, and has not been restarted.",
            "Restart it: systemctl reboot.",
        ),
        Outcome::Failed => Finding::error(
            AREA,
            "",
            format!("The answers were not applied. The agent said:\n{}", said()),
            "Correct the answers; 'ezmail answers check' on the host names every mistake.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctl::check::finding::State;

    #[test]
    fn every_outcome_has_its_finding() {
        let state = |outcome| judge(Some(&Status::new(outcome, None, None))).state;
        assert_eq!(state(Outcome::Ready), State::Ok);
        assert_eq!(state(Outcome::Waiting), State::Error);
        assert_eq!(judge(None).state, State::Error);
        let failed = Status::new(Outcome::Failed, None, Some("line 3:\nno such key".into()));
        assert!(
            judge(Some(&failed))
                .reason
                .ends_with("line 3:\nno such key")
        );
    }
}
